/*
 * Ops: the answers to the kernel's requests, a thin front of the view.
 */
#ifndef OPS_H
#define OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct fill;
struct fuse_lowlevel_ops;
struct fuse_session;
struct idle;
struct notify;
struct turn;
struct view;

/* What fuse_session_new() gets as its userdata. */
struct mount {
	struct view *view;
	struct fuse_session *session; /* its end cancels commands */
	struct notify *notify;        /* from the first to the last */
	struct fill *fill;            /* before the second request */
	struct turn *turn;            /* the same */
	struct idle *idle;            /* the same; NULL: nobody wants to know */
	struct attr_override override;
	/* What the kernel understands; written by init, before all else. */
	bool no_open;
	bool no_opendir;
};

extern const struct fuse_lowlevel_ops ops;

/* As struct view_listener's, @arg being a struct mount. */
void ops_forget(void *arg, uint64_t parent, const char *name, uint64_t child);

#endif
