/*
 * Texts: the versions of the small files that the mount itself writes.
 *
 * The kernel caches pages and sizes by inode, so a content that changed needs
 * an inode of its own.  Each content of a file is a version; versions count up
 * from 1 and are never used twice.  The last TEXT_VERSIONS_KEPT of each file
 * stay readable, for those who opened them before they were superseded.
 * Threads may share a struct texts.
 */
#ifndef TEXTS_H
#define TEXTS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum text_file {
	TEXT_CREATE,
	TEXT_DELETE,
	TEXT_RENAME,
	TEXT_PIN,
	TEXT_UNPIN,
	TEXT_VERIFY,
	TEXT_PRUNE,
	TEXT_COLLECT,
	TEXT_SCHEDULE,
	TEXT_POLICY,
	TEXT_CANCEL,
	TEXT_STATUS,
	TEXT_METRICS,
	TEXT_HELP,
	TEXT_LATEST,
	TEXT_FILES, /* how many there are */

	TEXT_CONTROLS = TEXT_STATUS, /* those that control come first */
};

#define TEXT_VERSIONS_KEPT 64

struct text {
	char *bytes; /* NUL-terminated */
	size_t len;
	struct timespec changed_at;
};

#define TEXT_INIT                                                              \
	{                                                                      \
		NULL, 0, { 0, 0 }                                              \
	}

struct texts;

/* NULL when out of memory. */
struct texts *texts_new(void);
void texts_free(struct texts *texts);

/*
 * Make @bytes the content of @file.  Returns its version: a new one unless it
 * is what the file held before; 0 when out of memory.
 */
uint64_t texts_set(struct texts *texts, enum text_file file,
		   const char *bytes);

/* Give the content of @file a new version, whatever it is; 0 as above. */
uint64_t texts_renew(struct texts *texts, enum text_file file);

uint64_t texts_version(struct texts *texts, enum text_file file);

/* A copy of one version, for text_done().  Returns 0, -ESTALE when it is not
 * kept any more, or -ENOMEM. */
int texts_get(struct texts *texts, enum text_file file, uint64_t version,
	      struct text *ret);
void text_done(struct text *text);

#endif
