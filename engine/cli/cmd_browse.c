/*
 * ls and cat: the files of a snapshot.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <rvs/tree.h>

#include "command.h"
#include "output.h"

enum {
	BLOCK = 1 << 20, /* read at once */
	PIPE = 1 << 20,
	PARTS = 128, /* written at once */
};

/* A snapshot's tree and the entry that was asked for. */
struct browsing {
	struct rvs_store *store;
	struct rvs_tree *tree;
	uint32_t entry;
};

static void browsing_done(struct browsing *b)
{
	rvs_tree_release(b->tree);
	rvs_store_close(b->store);
}

/* An exit code. */
static int browse(struct browsing *b, const char *store, const char *reference,
		  const char *path)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot snapshot = { 0 };
	int code;

	b->store = open_store(store, &code);
	if (!b->store)
		return code;
	if (rvs_snapshot_find(b->store, reference, &snapshot, &err) < 0 ||
	    rvs_tree_open(b->store, snapshot.id, &b->tree, &err) < 0)
		code = report_error(&err);
	rvs_snapshot_done(&snapshot);
	if (code != EXIT_DONE)
		return code;
	b->entry = rvs_tree_find(b->tree, path);
	if (b->entry != RVS_NO_ENTRY)
		return EXIT_DONE;
	(void)fputs("ruvsnap: ", stderr);
	print_escaped(stderr, path);
	(void)fprintf(stderr, " is not in the snapshot %s\n", reference);
	return EXIT_NOT_FOUND;
}

/* ---- ls ---- */

static char type_letter(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '-';
	}
}

/* "drwxr-xr-x", setuid, setgid and sticky bits as ls(1) shows them. */
static void format_mode(uint32_t mode, char ret[11])
{
	static const char letters[] = "rwxrwxrwx";
	int i;

	ret[0] = type_letter(mode);
	for (i = 0; i < 9; i++)
		ret[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
	if (mode & S_ISUID)
		ret[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		ret[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		ret[9] = mode & S_IXOTH ? 't' : 'T';
	ret[10] = '\0';
}

static void print_entry(const struct rvs_entry *e, const char *name)
{
	char mode[11], time[32] = "-";
	struct tm tm;

	format_mode(e->mode, mode);
	if (localtime_r(&e->mtime.tv_sec, &tm))
		(void)strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &tm);
	(void)printf("%s %3" PRIu32 " %5" PRIu32 " %5" PRIu32 " %12" PRIu64
		     " %s ", mode, e->nlink, e->uid, e->gid, e->size, time);
	print_escaped(stdout, name);
	if (e->target) {
		(void)fputs(" -> ", stdout);
		print_escaped(stdout, e->target);
	}
	(void)putchar('\n');
}

static json_t *entry_json(const struct rvs_entry *e, const char *name)
{
	char mode[11], mtime[RVS_TIME_SIZE], hex[RVS_DIGEST_HEX_SIZE];
	json_t *json;

	format_mode(e->mode, mode);
	json = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:s}", "name",
			 json_bytes(name), "mode", mode, "nlink",
			 (json_int_t)e->nlink, "uid", (json_int_t)e->uid,
			 "gid", (json_int_t)e->gid, "size",
			 (json_int_t)e->size, "mtime",
			 rvs_time_format(e->mtime, mtime));
	if (S_ISREG(e->mode))
		(void)json_object_set_new(
			json, "sha256",
			json_string(rvs_digest_hex(&e->digest, hex)));
	if (e->target)
		(void)json_object_set_new(json, "target",
					  json_bytes(e->target));
	return json;
}

/* For programs: the bytes of the name. */
static void print_zero(const struct rvs_entry *e, const char *name)
{
	(void)printf("%s%s%c", name, S_ISDIR(e->mode) ? "/" : "", '\0');
}

static int list_entries(const struct browsing *b, const char *path, bool zero,
			bool json)
{
	const struct rvs_entry *e = rvs_tree_entry(b->tree, b->entry);
	json_t *array = json ? json_array() : NULL;
	uint32_t count = S_ISDIR(e->mode) ? e->child_count : 1, i;

	for (i = 0; i < count; i++) {
		const struct rvs_entry *item =
			S_ISDIR(e->mode) ?
				rvs_tree_entry(b->tree,
					       rvs_tree_child(b->tree, e, i)) :
				e;
		const char *name = item == e ? path : item->name;

		if (json)
			(void)json_array_append_new(array,
						    entry_json(item, name));
		else if (zero)
			print_zero(item, name);
		else
			print_entry(item, name);
	}
	return json ? print_json(array, JSON_INDENT(2)) : finish_output();
}

static int run_ls(int argc, char **argv)
{
	enum { ZERO = 256 };
	static const struct option options[] = {
		{ "zero", no_argument, NULL, ZERO },
		{ 0 },
	};
	struct browsing b = { .entry = RVS_NO_ENTRY };
	bool json = false, zero = false;
	const char *path;
	int code, c;

	while ((c = next_option(argc, argv, options, &json)) != -1)
		zero |= c == ZERO;
	path = optind + 2 < argc ? argv[optind + 2] : ".";
	code = browse(&b, argv[optind], argv[optind + 1], path);
	if (code == EXIT_DONE)
		code = list_entries(&b, path, zero, json);
	browsing_done(&b);
	return code;
}

const struct command command_ls = {
	.name = "ls",
	.arguments = "STORE SNAPSHOT [PATH] [--zero] [--json]",
	.summary = "list a directory of a snapshot",
	.options = "  --zero  names alone, those of directories with a slash, "
		   "a NUL behind each\n",
	.min_arguments = 2,
	.max_arguments = 3,
	.run = run_ls,
};

/* ---- cat ---- */

/* Take the first @n bytes off what is left to be written. */
static void skip(struct iovec **left, int *count, size_t n)
{
	for (; *count > 0 && n >= (*left)->iov_len; (*left)++, (*count)--)
		n -= (*left)->iov_len;
	if (*count == 0)
		return;
	(*left)->iov_base = (char *)(*left)->iov_base + n;
	(*left)->iov_len -= n;
}

static int write_all(struct iovec *left, int count)
{
	while (count > 0) {
		ssize_t n = writev(STDOUT_FILENO, left, count);

		if (n < 0) {
			perror("ruvsnap: standard output");
			return EXIT_FAILED;
		}
		skip(&left, &count, (size_t)n);
	}
	return EXIT_DONE;
}

/* @arg: the exit code. */
static void write_parts(void *arg, const struct iovec *parts, int count)
{
	struct iovec some[PARTS];
	int *code = arg, n;

	for (; count > 0 && *code == EXIT_DONE; parts += n, count -= n) {
		n = count < PARTS ? count : PARTS;
		memcpy(some, parts, (size_t)n * sizeof(*some));
		*code = write_all(some, n);
	}
}

static int copy_out(struct browsing *b)
{
	const struct rvs_entry *file = rvs_tree_entry(b->tree, b->entry);
	struct rvs_error err = RVS_ERROR_INIT;
	int code = EXIT_DONE;
	const struct rvs_sink output = { &code, write_parts };
	uint64_t at = 0;

	/* A longer pipe, where it is one, spares waiting for its reader. */
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE);
	while (code == EXIT_DONE && at < file->size) {
		ssize_t n = rvs_tree_give(b->tree, file, BLOCK, at, &output,
					  NULL, &err);

		if (n < 0)
			return report_error(&err);
		at += (uint64_t)n;
	}
	return code;
}

static int run_cat(int argc, char **argv)
{
	struct browsing b = { .entry = RVS_NO_ENTRY };
	bool json = false;
	int code;

	while (next_option(argc, argv, NULL, &json) != -1)
		continue;
	code = browse(&b, argv[optind], argv[optind + 1], argv[optind + 2]);
	if (code == EXIT_DONE &&
	    !S_ISREG(rvs_tree_entry(b.tree, b.entry)->mode)) {
		(void)fputs("ruvsnap: ", stderr);
		print_escaped(stderr, argv[optind + 2]);
		(void)fputs(" is no regular file\n", stderr);
		code = EXIT_USAGE;
	}
	if (code == EXIT_DONE)
		code = copy_out(&b);
	browsing_done(&b);
	return code;
}

const struct command command_cat = {
	.name = "cat",
	.arguments = "STORE SNAPSHOT PATH",
	.summary = "write a file of a snapshot to standard output",
	.min_arguments = 3,
	.max_arguments = 3,
	.run = run_cat,
};
