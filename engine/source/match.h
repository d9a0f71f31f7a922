/*
 * Match: which paths of a source are left out, by patterns in the syntax of
 * gitignore(5).
 *
 * Rules are in force in the order they were added, and the last one that
 * matches a path decides.  A rule comes from a directory of the source, its
 * base, and says nothing about what does not lie below that.  Nothing below an
 * excluded directory is to be asked about: as with git, no rule brings it back.
 *
 * A match takes time in proportion to the length of the path times that of the
 * patterns, whatever they are.  Any number of threads may ask the same rules
 * while nobody changes them.
 */
#ifndef RVS_MATCH_H
#define RVS_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define RVS_MATCH_FILE        ".ruvsnapignore"
#define RVS_MATCH_FILE_MAX    (1u << 20)  /* bytes; for who reads one */
#define RVS_MATCH_PATTERN_MAX 4096u       /* bytes */
#define RVS_MATCH_MEMORY_MAX  (16u << 20) /* bytes of all rules in force */

#define RVS_CACHEDIR_TAG "CACHEDIR.TAG"

struct rvs_match;

int rvs_match_new(struct rvs_match **ret, struct rvs_error *err);
void rvs_match_free(struct rvs_match *match); /* accepts NULL */
void rvs_match_cleanup(struct rvs_match **match);

/*
 * Add one line of an ignore file.  @base is the path of its directory in the
 * source, "" for the source itself.  RVS_ERR_USAGE when no path could match it:
 * it is blank, a comment or malformed; RVS_ERR_REFUSED beyond the limits above.
 */
int rvs_match_add_pattern(struct rvs_match *match, const char *base,
			  const char *pattern, struct rvs_error *err);

/*
 * Add the @len bytes of a whole ignore file.  Malformed lines are left out, as
 * git does.  RVS_ERR_REFUSED, naming the line, beyond the limits above; the
 * lines before it are then in force.
 */
int rvs_match_add_text(struct rvs_match *match, const char *base,
		       const char *text, size_t len, struct rvs_error *err);

/* The number of rules in force; rvs_match_release() drops those added since. */
size_t rvs_match_mark(const struct rvs_match *match);
void rvs_match_release(struct rvs_match *match, size_t mark);

/* Whether to leave out @path: relative to the source, without "." or "..", not
 * the source itself.  The answer stands for all that lies below it, too. */
bool rvs_match_excludes(const struct rvs_match *match, const char *path,
			bool is_directory);

/* Whether the first @len bytes of a file named CACHEDIR.TAG say that its
 * directory holds a cache: https://bford.info/cachedir/ */
bool rvs_match_is_cachedir_tag(const void *bytes, size_t len);

#endif
