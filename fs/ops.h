/*
 * Ops: the answers to the kernel's requests, a thin front of the view.
 */
#ifndef OPS_H
#define OPS_H

#include <stdbool.h>

#include "attr.h"

struct fuse_lowlevel_ops;
struct fuse_session;
struct idle;
struct notify;
struct view;

/* What fuse_session_new() gets as its userdata. */
struct mount {
	struct view *view;
	struct fuse_session *session; /* its end cancels commands */
	struct notify *notify;        /* there before the second request */
	struct idle *idle;            /* the same; NULL: nobody wants to know */
	struct attr_override override;
	/* What the kernel understands; written by init, before all else. */
	bool no_open;
	bool no_opendir;
};

extern const struct fuse_lowlevel_ops ops;

#endif
