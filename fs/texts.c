#include "texts.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

struct history {
	uint64_t version; /* the newest */
	struct text kept[TEXT_VERSIONS_KEPT]; /* at version % KEPT */
};

struct texts {
	pthread_mutex_t lock;
	struct history files[TEXT_FILES]; /* protected by lock */
};

static struct text *text_at(struct history *history, uint64_t version)
{
	return &history->kept[version % TEXT_VERSIONS_KEPT];
}

/* A new version that takes @bytes over. */
static uint64_t append(struct history *history, char *bytes)
{
	struct text *text = text_at(history, ++history->version);

	free(text->bytes);
	text->bytes = bytes;
	text->len = strlen(bytes);
	clock_gettime(CLOCK_REALTIME, &text->changed_at);
	return history->version;
}

static uint64_t append_copy(struct history *history, const char *bytes)
{
	char *copy = strdup(bytes);

	return copy ? append(history, copy) : 0;
}

static bool begin_files(struct texts *texts)
{
	int i;

	for (i = 0; i < TEXT_FILES; i++)
		if (!append_copy(&texts->files[i], ""))
			return false;
	return true;
}

struct texts *texts_new(void)
{
	struct texts *texts = calloc(1, sizeof(*texts));

	if (!texts)
		return NULL;
	pthread_mutex_init(&texts->lock, NULL);
	if (begin_files(texts))
		return texts;
	texts_free(texts);
	return NULL;
}

void texts_free(struct texts *texts)
{
	int i, j;

	if (!texts)
		return;
	for (i = 0; i < TEXT_FILES; i++)
		for (j = 0; j < TEXT_VERSIONS_KEPT; j++)
			free(texts->files[i].kept[j].bytes);
	pthread_mutex_destroy(&texts->lock);
	free(texts);
}

uint64_t texts_set(struct texts *texts, enum text_file file, const char *bytes)
{
	struct history *history = &texts->files[file];
	LOCKED(&texts->lock);

	if (strcmp(text_at(history, history->version)->bytes, bytes) == 0)
		return history->version;
	return append_copy(history, bytes);
}

uint64_t texts_renew(struct texts *texts, enum text_file file)
{
	struct history *history = &texts->files[file];
	LOCKED(&texts->lock);

	return append_copy(history, text_at(history, history->version)->bytes);
}

uint64_t texts_version(struct texts *texts, enum text_file file)
{
	LOCKED(&texts->lock);

	return texts->files[file].version;
}

static bool is_kept(const struct history *history, uint64_t version)
{
	return version && version <= history->version &&
	       history->version - version < TEXT_VERSIONS_KEPT;
}

int texts_get(struct texts *texts, enum text_file file, uint64_t version,
	      struct text *ret)
{
	struct history *history = &texts->files[file];
	LOCKED(&texts->lock);

	if (!is_kept(history, version))
		return -ESTALE;
	*ret = *text_at(history, version);
	ret->bytes = strdup(ret->bytes);
	return ret->bytes ? 0 : -ENOMEM;
}

void text_done(struct text *text)
{
	free(text->bytes);
	*text = (struct text)TEXT_INIT;
}
