/*
 * Fuzz: what is written to the control files, each of which gets every text.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refused(int status, const struct rvs_error *err)
{
	assert(status == RVS_ERR_USAGE || status == RVS_ERR_NO_MEMORY);
	assert(err->status == status && err->text[0]);
	assert(strlen(err->text) < sizeof(err->text));
}

static void check_list(const struct control_field *field,
		       const struct control_list *list)
{
	size_t i;

	assert(list->count || !field->needed);
	if (field->kind != CONTROL_WORDS && field->kind != CONTROL_VALUES)
		assert(list->count <= 1);
	for (i = 0; i < list->count; i++)
		assert(list->items[i][0]);
}

static void check_taken(const struct control_request *request)
{
	const struct control_field *field;
	size_t i;

	for (field = request->fields; field->name; field++)
		check_list(field, control_list(request, field->name));
	assert(request->pair_count <= CONTROL_PAIRS_MAX);
	for (i = 0; i < request->pair_count; i++)
		assert(*request->pairs[i].key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file, r;

	for (file = 0; file < TEXT_CONTROLS; file++) {
		struct control_request request = CONTROL_REQUEST_INIT;
		struct rvs_error err = RVS_ERROR_INIT;

		r = control_parse((enum text_file)file, (const char *)data,
				  size, &request, &err);
		assert(r == 0 || r == err.status);
		if (r < 0) {
			check_refused(r, &err);
		} else {
			assert(size <= CONTROL_TEXT_MAX);
			check_taken(&request);
		}
		control_request_done(&request);
	}
	return 0;
}
