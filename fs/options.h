/*
 * Options: the command line of ruvsnapfs, and of mount.fuse.ruvsnapfs, which is
 * what mount(8) calls it by.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#define FUSE_USE_VERSION 314

#include <stdbool.h>

#include <fuse_opt.h>
#include <rvs/error.h>

#include "attr.h"

struct options {
	char *store;
	char *mountpoint;
	char *source;  /* NULL: the store's own */
	int foreground;
	int debug;     /* libfuse prints each request; implies foreground */
	int help;
	int version;
	int crc_only;
	int shared;    /* allow_other */
	bool read_only;
	bool kept;     /* noauto_unmount: stay mounted when this program dies */
	int fake;      /* mount(8) only wants to know whether it would work */
	unsigned threads;       /* 0: one per core */
	unsigned cache_mib;     /* decompressed data; 0: the engine's default */
	unsigned tree_cache_mib;
	unsigned idle_timeout_s; /* unmount when unused for so long; 0: never */
	struct attr_override override; /* uid=, gid=, umask= */
	struct fuse_args libfuse; /* what is libfuse's to understand */
};

/* RVS_ERR_USAGE for what makes no sense, RVS_ERR_NO_MEMORY.  @ret is for
 * options_done(), on failure too. */
int options_parse(int argc, char **argv, struct options *ret,
		  struct rvs_error *err);
void options_done(struct options *options);

extern const char options_help[];

#endif
