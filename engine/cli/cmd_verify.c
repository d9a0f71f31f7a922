#include <inttypes.h>
#include <stdio.h>

#include <rvs/job.h>

#include "command.h"
#include "output.h"
#include "progress.h"

struct findings {
	json_t *array; /* NULL: they are printed as they come */
};

static json_t *finding_json(const struct rvs_finding *f)
{
	const struct rvs_damage *d = f->damage;
	char expected[RVS_DIGEST_HEX_SIZE], found[RVS_DIGEST_HEX_SIZE];

	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:s, s:s, s:o}", "snapshot",
			 f->snapshot, "path",
			 f->path ? json_bytes(f->path) : json_null(), "in",
			 d->snapshot, "stream", d->stream, "member",
			 d->member < 0 ? json_null() : json_integer(d->member),
			 "expected", rvs_digest_hex(&d->expected, expected),
			 "found", rvs_digest_hex(&d->found, found), "reason",
			 json_bytes(d->reason));
}

static void print_finding(const struct rvs_finding *f)
{
	const struct rvs_damage *d = f->damage;

	(void)printf("damaged: snapshot %s", f->snapshot);
	if (f->path) {
		(void)fputs(", file ", stdout);
		print_escaped(stdout, f->path);
	}
	(void)printf(": snapshot-%s/", d->snapshot);
	print_escaped(stdout, d->stream);
	if (d->member >= 0)
		(void)printf(", member %" PRId64, d->member);
	(void)fputs(": ", stdout);
	print_escaped(stdout, d->reason);
	(void)putchar('\n');
}

static void on_finding(void *arg, const struct rvs_finding *finding)
{
	struct findings *findings = arg;

	if (findings->array)
		(void)json_array_append_new(findings->array,
					    finding_json(finding));
	else
		print_finding(finding);
}

static int print_result(const struct rvs_verify_result *result,
			struct findings *findings)
{
	char bytes[SIZE_TEXT];

	if (findings->array)
		return print_json(
			json_pack("{s:I, s:I, s:I, s:I, s:o}", "snapshots",
				  (json_int_t)result->snapshots, "files",
				  (json_int_t)result->files, "bytes",
				  (json_int_t)result->bytes, "findings",
				  (json_int_t)result->findings, "damage",
				  findings->array),
			JSON_INDENT(2));
	(void)printf("%" PRIu64 " snapshots, %" PRIu64 " files, %s read: %s\n",
		     result->snapshots, result->files,
		     format_size(result->bytes, bytes),
		     result->findings ? "damaged" : "all good");
	return finish_output();
}

static int run(int argc, char **argv)
{
	struct rvs_verify_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct findings findings = { NULL };
	struct progress progress;
	struct rvs_monitor monitor;
	struct rvs_store *store;
	bool json = false;
	int code, r;

	while (next_option(argc, argv, NULL, &json) != -1)
		continue;
	store = open_store(argv[optind], &code);
	if (!store)
		return code;
	if (json)
		findings.array = json_array();
	monitor = begin_progress(&progress, "verify");
	r = rvs_verify(store, (const char *const *)argv + optind + 1,
		       (size_t)(argc - optind - 1), &monitor, on_finding,
		       &findings, &result, &err);
	end_progress(&progress);
	if (r == 0 || r == RVS_ERR_CORRUPT)
		code = print_result(&result, &findings);
	if (r < 0)
		code = report_error(&err);
	rvs_store_close(store);
	return code;
}

const struct command command_verify = {
	.name = "verify",
	.arguments = "STORE [SNAPSHOT]... [--json]",
	.summary = "read everything and name what is damaged",
	.min_arguments = 1,
	.max_arguments = -1,
	.run = run,
};
