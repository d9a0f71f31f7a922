#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "errors.h"

enum { TREE_CACHE_MIB = 256 };

const char options_help[] =
	"Usage: ruvsnapfs [OPTION]... STORE MOUNTPOINT\n"
	"       mount -t fuse.ruvsnapfs [-o OPTION,...] STORE MOUNTPOINT\n"
	"\n"
	"Show the snapshots in STORE as directories of MOUNTPOINT.\n"
	"\n"
	"  echo NAME > MOUNTPOINT/.create   make a snapshot\n"
	"  ls MOUNTPOINT                    list them\n"
	"  mv, rmdir                        rename, delete one\n"
	"  cat MOUNTPOINT/.status           what runs, and damage seen\n"
	"  fusermount3 -u MOUNTPOINT        end\n"
	"\n"
	"Options:\n"
	"      --source DIR       snapshot DIR; make STORE when there is none\n"
	"  -f                     stay in the foreground, log to standard "
	"error\n"
	"  -d                     the same, and show each request\n"
	"  -o source=DIR          as --source\n"
	"      --idle-timeout=S   unmount when unused for S seconds, and end "
	"its schedule\n"
	"  -o idle_timeout=S      the same\n"
	"  -o ro                  control nothing: snapshots are for reading\n"
	"  -o allow_other         let other users read, by the ordinary rules\n"
	"  -o uid=N,gid=N         show all files of snapshots as theirs\n"
	"  -o umask=OCTAL         and with all permissions but these\n"
	"  -o noauto_unmount      stay mounted when this program is killed\n"
	"  -o threads=N           N threads to decompress with "
	"(one per core)\n"
	"  -o cache=MIB           keep so much decompressed data (128)\n"
	"  -o tree_cache=MIB      keep so much of directory trees (256)\n"
	"  -o noverify            prove reads by CRC alone, for measuring\n"
	"  -h, --help             show this help\n"
	"  -V, --version          show the version\n"
	"\n"
	"Other -o options are those of mount(8) and of libfuse.\n"
	"\n"
	"Exit status: 0 mounted, 1 failed, 2 usage, 3 not found.\n";

enum key {
	KEY_ALLOW_OTHER,
	KEY_RO,
	KEY_RW,
	KEY_AUTO_UNMOUNT,
	KEY_NOAUTO_UNMOUNT,
	KEY_UID,
	KEY_GID,
	KEY_UMASK,
	KEY_IDLE_TIMEOUT,
};

#define FIELD(template, field) { template, offsetof(struct options, field), 1 }

/* Words that mount(8) and fstab(5) use and that mean nothing to a helper. */
#define WORD_OF_MOUNT(template) FUSE_OPT_KEY(template, FUSE_OPT_KEY_DISCARD)

#define COMMON_OPTIONS                                                         \
	FIELD("source=%s", source),                                            \
	FIELD("noverify", crc_only),                                           \
	FIELD("threads=%u", threads),                                          \
	FIELD("cache=%u", cache_mib),                                          \
	FIELD("tree_cache=%u", tree_cache_mib),                                \
	FUSE_OPT_KEY("allow_other", KEY_ALLOW_OTHER),                          \
	FUSE_OPT_KEY("ro", KEY_RO), FUSE_OPT_KEY("rw", KEY_RW),                \
	FUSE_OPT_KEY("auto_unmount", KEY_AUTO_UNMOUNT),                        \
	FUSE_OPT_KEY("noauto_unmount", KEY_NOAUTO_UNMOUNT),                    \
	FUSE_OPT_KEY("uid=", KEY_UID), FUSE_OPT_KEY("gid=", KEY_GID),          \
	FUSE_OPT_KEY("umask=", KEY_UMASK),                                     \
	FUSE_OPT_KEY("idle_timeout=", KEY_IDLE_TIMEOUT),                       \
	WORD_OF_MOUNT("auto"), WORD_OF_MOUNT("noauto"),                        \
	WORD_OF_MOUNT("user"), WORD_OF_MOUNT("user="),                         \
	WORD_OF_MOUNT("nouser"), WORD_OF_MOUNT("users"),                       \
	WORD_OF_MOUNT("owner"), WORD_OF_MOUNT("group"),                        \
	WORD_OF_MOUNT("_netdev"), WORD_OF_MOUNT("nofail"),                     \
	WORD_OF_MOUNT("defaults"), WORD_OF_MOUNT("comment="),                  \
	WORD_OF_MOUNT("relatime"), WORD_OF_MOUNT("strictatime"),               \
	WORD_OF_MOUNT("lazytime"), WORD_OF_MOUNT("nolazytime"),                \
	WORD_OF_MOUNT("silent"), WORD_OF_MOUNT("loud")

static const struct fuse_opt command_options[] = {
	COMMON_OPTIONS,
	FIELD("--source %s", source),
	FIELD("--source=%s", source),
	FUSE_OPT_KEY("--idle-timeout=", KEY_IDLE_TIMEOUT),
	FIELD("-f", foreground),
	FIELD("-d", debug),
	FIELD("debug", debug),
	FIELD("-h", help),
	FIELD("--help", help),
	FIELD("-V", version),
	FIELD("--version", version),
	FUSE_OPT_END,
};

/* mount(8): mount.TYPE SPEC DIR [-sfnv] [-N NAMESPACE] [-o ...] [-t TYPE] */
static const struct fuse_opt helper_options[] = {
	COMMON_OPTIONS,
	FIELD("-f", fake),
	WORD_OF_MOUNT("-s"),
	WORD_OF_MOUNT("-n"),
	WORD_OF_MOUNT("-v"),
	WORD_OF_MOUNT("-N "),
	WORD_OF_MOUNT("-t "),
	FUSE_OPT_END,
};

struct parser {
	struct options options; /* first: fuse_opt_parse() fills its fields */
	struct rvs_error *err;
};

/* What fuse_opt_parse() makes of a callback's result. */
enum { PARSE_FAILED = -1, PARSE_DISCARD = 0, PARSE_KEEP = 1 };

static int take_argument(struct parser *parser, const char *arg)
{
	struct options *options = &parser->options;
	char **field = options->store ? &options->mountpoint : &options->store;

	if (*field) {
		(void)error_set(parser->err, RVS_ERR_USAGE,
				"'%s' is one argument too many", arg);
		return PARSE_FAILED;
	}
	*field = strdup(arg);
	if (*field)
		return PARSE_DISCARD;
	(void)error_set(parser->err, RVS_ERR_NO_MEMORY, "out of memory");
	return PARSE_FAILED;
}

/* The number after the "=" of @arg, in @base, up to @max. */
static int take_number(struct parser *parser, const char *arg, int base,
		       unsigned long max, unsigned *ret)
{
	const char *text = strchr(arg, '=') + 1;
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, base);
	if (text[0] < '0' || text[0] > '9' || *end || errno || number > max) {
		(void)error_set(parser->err, RVS_ERR_USAGE,
				base == 8 ? "%s is no octal number up to %lo" :
					    "%s is no number up to %lu",
				arg, max);
		return PARSE_FAILED;
	}
	*ret = (unsigned)number;
	return PARSE_DISCARD;
}

static int take_override(struct parser *parser, const char *arg, int key)
{
	struct attr_override *override = &parser->options.override;

	/* The largest number stands for nobody in system calls. */
	if (key == KEY_UID) {
		override->has_uid = true;
		return take_number(parser, arg, 10, UINT32_MAX - 1,
				   &override->uid);
	}
	if (key == KEY_GID) {
		override->has_gid = true;
		return take_number(parser, arg, 10, UINT32_MAX - 1,
				   &override->gid);
	}
	override->has_umask = true;
	return take_number(parser, arg, 8, 0777, &override->umask);
}

static int take_unknown(struct parser *parser, const char *arg)
{
	/* Comments of other programs, such as x-systemd.automount. */
	if (strncasecmp(arg, "x-", 2) == 0)
		return PARSE_DISCARD;
	if (arg[0] != '-')
		return PARSE_KEEP;
	(void)error_set(parser->err, RVS_ERR_USAGE, "unknown option '%s'",
			arg);
	return PARSE_FAILED;
}

static int take_one(void *data, const char *arg, int key,
		    struct fuse_args *libfuse)
{
	struct parser *parser = data;
	struct options *options = &parser->options;

	switch (key) {
	case FUSE_OPT_KEY_NONOPT:
		return take_argument(parser, arg);
	case KEY_ALLOW_OTHER:
		options->shared = true;
		return PARSE_KEEP;
	case KEY_RO:
	case KEY_RW:
		options->read_only = key == KEY_RO;
		return PARSE_KEEP;
	case KEY_AUTO_UNMOUNT:
	case KEY_NOAUTO_UNMOUNT:
		options->kept = key == KEY_NOAUTO_UNMOUNT;
		return PARSE_DISCARD;
	case KEY_UID:
	case KEY_GID:
	case KEY_UMASK:
		return take_override(parser, arg, key);
	case KEY_IDLE_TIMEOUT:
		return take_number(parser, arg, 10, INT32_MAX,
				   &options->idle_timeout_s);
	}
	return take_unknown(parser, arg);
}

static bool is_mount_helper(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0;
}

static int insert_option(struct options *options, const char *word)
{
	CLEANUP(cleanup_free) char *escaped = NULL;

	/* A comma in the store's path is no separator. */
	if (fuse_opt_add_opt_escaped(&escaped, word) < 0 ||
	    fuse_opt_insert_arg(&options->libfuse, 1, escaped) < 0)
		return -1;
	return fuse_opt_insert_arg(&options->libfuse, 1, "-o");
}

/* What df and /proc/mounts show: the store, absolute when it exists. */
static int insert_name(struct options *options)
{
	CLEANUP(cleanup_free) char *path = realpath(options->store, NULL);
	CLEANUP(cleanup_free) char *word = NULL;

	if (asprintf(&word, "fsname=%s", path ? path : options->store) < 0) {
		word = NULL; /* which a failed asprintf leaves undefined */
		return -1;
	}
	return insert_option(options, word);
}

/* The kernel then applies the modes and owners that are shown. */
static bool needs_permissions(const struct options *options)
{
	const struct attr_override *override = &options->override;

	return options->shared || override->has_uid || override->has_gid ||
	       override->has_umask;
}

/* Before the user's own, which therefore win. */
static int insert_own_options(struct options *options)
{
	if (insert_name(options) < 0 ||
	    insert_option(options, "subtype=ruvsnapfs") < 0)
		return -1;
	if (!options->kept && insert_option(options, "auto_unmount") < 0)
		return -1;
	if (needs_permissions(options) &&
	    insert_option(options, "default_permissions") < 0)
		return -1;
	return options->debug ? insert_option(options, "debug") : 0;
}

static int parse(struct parser *parser, int argc, char **argv)
{
	struct options *options = &parser->options;
	bool helper = is_mount_helper(argv[0]);
	struct rvs_error *err = parser->err;

	options->libfuse = (struct fuse_args)FUSE_ARGS_INIT(argc, argv);
	options->tree_cache_mib = TREE_CACHE_MIB;
	*err = (struct rvs_error)RVS_ERROR_INIT;
	if (fuse_opt_parse(&options->libfuse, parser,
			   helper ? helper_options : command_options,
			   take_one) < 0) {
		/* Otherwise libfuse printed what it did not like. */
		if (!err->status)
			error_set(err, RVS_ERR_USAGE, "bad option");
		return err->status;
	}
	options->foreground |= options->debug;
	if (options->help || options->version)
		return 0;
	if (!options->mountpoint)
		return error_set(err, RVS_ERR_USAGE,
				 "STORE and MOUNTPOINT are needed");
	if (insert_own_options(options) < 0)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret,
		  struct rvs_error *err)
{
	struct parser parser = { .err = err };
	int r;

	r = parse(&parser, argc, argv);
	*ret = parser.options;
	return r;
}

void options_done(struct options *options)
{
	free(options->store);
	free(options->mountpoint);
	free(options->source);
	fuse_opt_free_args(&options->libfuse);
}
