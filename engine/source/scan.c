#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "format/manifest.h"
#include "match.h"
#include "source.h"

enum {
	TEXT_CHUNK = 256 << 10,
	CANCEL_EVERY = 1024,   /* items */
	CACHEDIR_TAG_LEN = 64, /* of its first bytes */
};

struct rvs_chunk {
	struct rvs_chunk *next;
	size_t used;
	size_t size;
	char bytes[];
};

/* ---- the walk ---- */

struct inode_key {
	uint64_t dev, ino;
	uint32_t item;
};

struct walk {
	struct rvs_scan *scan;
	const struct rvs_scan_options *options;
	uint32_t capacity;
	dev_t dev;                /* of the source's root */
	dev_t store_dev;
	ino_t store_ino;
	struct inode_key *links;  /* open addressing; item 0 is a free place */
	size_t link_count;
	size_t link_capacity;
	struct rvs_match *match;  /* the patterns in force */
	struct rvs_buf path;      /* of the directory being walked: "a/b/" */
	unsigned depth;           /* of it */
	char target[RVS_TARGET_MAX + 1]; /* of a link: not on a stack that
					    grows with the depth */
	struct rvs_error *err;
};

struct names {
	char **items;
	size_t count;
};

static void names_done(struct names *names)
{
	while (names->count > 0)
		free(names->items[--names->count]);
	free(names->items);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int fd, struct names *ret)
{
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = NULL;
	struct dirent *entry;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return -1;
	rewinddir(dir); /* the copy shares its place with @fd */
	while ((errno = 0, entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		/* Powers of two are when it is full. */
		if ((ret->count & (ret->count - 1)) == 0) {
			char **items = reallocarray(
				ret->items, ret->count ? 2 * ret->count : 1,
				sizeof(*items));

			if (!items)
				return -1;
			ret->items = items;
		}
		ret->items[ret->count] = strdup(entry->d_name);
		if (!ret->items[ret->count])
			return -1;
		ret->count++;
	}
	if (errno)
		return -1;
	if (ret->count > 1)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_names);
	return 0;
}

static const char *keep_text(struct rvs_scan *scan, const char *text)
{
	size_t len = strlen(text) + 1;
	struct rvs_chunk *chunk = scan->text;

	if (!chunk || chunk->used + len > chunk->size) {
		size_t size = len > TEXT_CHUNK ? len : TEXT_CHUNK;

		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		chunk->next = scan->text;
		chunk->size = size;
		chunk->used = 0;
		scan->text = chunk;
	}
	chunk->used += len;
	return memcpy(chunk->bytes + chunk->used - len, text, len);
}

static size_t place_of(const struct walk *walk, uint64_t dev, uint64_t ino)
{
	size_t at = (ino * 0x9e3779b97f4a7c15u ^ dev) >> 7;

	for (;; at++) {
		const struct inode_key *k =
			&walk->links[at & (walk->link_capacity - 1)];

		if (k->item == 0 || (k->dev == dev && k->ino == ino))
			return at & (walk->link_capacity - 1);
	}
}

static int grow_links(struct walk *walk)
{
	struct inode_key *old = walk->links;
	size_t old_capacity = walk->link_capacity, i;
	size_t capacity = old_capacity ? 2 * old_capacity : 64;

	walk->links = calloc(capacity, sizeof(*walk->links));
	if (!walk->links) {
		walk->links = old;
		return -1;
	}
	walk->link_capacity = capacity;
	for (i = 0; i < old_capacity; i++)
		if (old[i].item != 0)
			walk->links[place_of(walk, old[i].dev, old[i].ino)] =
				old[i];
	free(old);
	return 0;
}

/* The first item of the inode, which is @index when it is new. */
static int first_link(struct walk *walk, const struct stat *st, uint32_t index,
		      uint32_t *ret)
{
	struct inode_key *key;

	if (2 * walk->link_count >= walk->link_capacity && grow_links(walk) < 0)
		return -1;
	key = &walk->links[place_of(walk, st->st_dev, st->st_ino)];
	if (key->item == 0) {
		*key = (struct inode_key){ st->st_dev, st->st_ino, index };
		walk->link_count++;
	}
	*ret = key->item;
	return 0;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec :
				      a.tv_nsec > b.tv_nsec;
}

void rvs_item_set(struct rvs_item *item, const struct stat *st)
{
	item->ino = st->st_ino;
	item->size = (uint64_t)st->st_size;
	item->blocks = (uint64_t)st->st_blocks;
	item->mtime = st->st_mtim;
	item->ctime = st->st_ctim;
	item->mode = st->st_mode;
	item->uid = st->st_uid;
	item->gid = st->st_gid;
}

static int add_item(struct walk *walk, uint32_t parent, const char *name,
		    const char *target, const struct stat *st)
{
	struct rvs_scan *scan = walk->scan;
	struct rvs_item *item;

	if (scan->count == walk->capacity) {
		uint32_t capacity = walk->capacity ? 2 * walk->capacity : 64;
		struct rvs_item *items = reallocarray(scan->items, capacity,
						      sizeof(*items));

		if (!items || capacity > UINT32_MAX / 2)
			return rvs_error_no_memory(walk->err);
		scan->items = items;
		walk->capacity = capacity;
	}
	item = &scan->items[scan->count];
	*item = (struct rvs_item){ .name = keep_text(scan, name),
				   .parent = parent,
				   .link = scan->count };
	rvs_item_set(item, st);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		item->rdev_major = major(st->st_rdev);
		item->rdev_minor = minor(st->st_rdev);
	}
	if (target)
		item->target = keep_text(scan, target);
	if (!item->name || (target && !item->target))
		return rvs_error_no_memory(walk->err);
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 &&
	    first_link(walk, st, scan->count, &item->link) < 0)
		return rvs_error_no_memory(walk->err);
	if (later(st->st_ctim, scan->newest))
		scan->newest = st->st_ctim;
	scan->count++;
	return 0;
}

static void warn_about(struct walk *walk, const char *path, const char *what)
{
	char text[RVS_ERROR_TEXT_MAX];

	if (!walk->options->warning)
		return;
	(void)snprintf(text, sizeof(text), "%.1500s: %s", path, what);
	walk->options->warning(walk->options->arg, text);
}

/* After a failed system call about @name of the directory being walked: 0 when
 * the snapshot can go on without it. */
static int leave_out(struct walk *walk, const char *name)
{
	struct rvs_scan *scan = walk->scan;
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;
	int code = errno;

	if (!rvs_source_is_unreadable(code))
		return rvs_error_errno(walk->err, "%s", name);
	if (scan->unreadable_count++ >= RVS_UNREADABLE_MAX)
		return 0;
	if (asprintf(&text, "%.*s%s: %s", (int)walk->path.len,
		     (const char *)walk->path.bytes, name, strerror(code)) < 0)
		return rvs_error_no_memory(walk->err);
	scan->unreadable[scan->unreadable_count - 1] = keep_text(scan, text);
	return scan->unreadable[scan->unreadable_count - 1] ?
		       0 :
		       rvs_error_no_memory(walk->err);
}

/* Whether the directory is of a filesystem that the kernel makes up. */
static bool is_made_up(int fd)
{
	static const long types[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC,	     CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,
		TRACEFS_MAGIC,	  SECURITYFS_MAGIC,  SELINUX_MAGIC,
		PSTOREFS_MAGIC,	  EFIVARFS_MAGIC,    BPF_FS_MAGIC,
		BINFMTFS_MAGIC,	  NSFS_MAGIC,	     HUGETLBFS_MAGIC,
		0x65735543 /* fusectl */, 0x62656570 /* configfs */,
		0x19800202 /* mqueue */,
	};
	struct statfs fs;
	size_t i;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i] == (long)fs.f_type)
			return true;
	return false;
}

static bool is_mount_of_store(const struct walk *walk, int fd)
{
	char uuid[64];
	ssize_t n = fgetxattr(fd, "user.ruvsnap.store", uuid, sizeof(uuid));

	return walk->options->store_uuid && n > 0 &&
	       strlen(walk->options->store_uuid) == (size_t)n &&
	       !memcmp(uuid, walk->options->store_uuid, (size_t)n);
}

/* 0: walk in; 1: leave it empty. */
static int may_enter(struct walk *walk, int fd, const struct stat *st,
		     const char *name)
{
	if (st->st_dev == walk->store_dev && st->st_ino == walk->store_ino)
		return rvs_error_set(walk->err, RVS_ERR_USAGE,
				     "%s: the store lies inside the source; "
				     "move it outside", name);
	if (st->st_dev == walk->dev)
		return 0;
	if (is_mount_of_store(walk, fd))
		return rvs_error_set(walk->err, RVS_ERR_USAGE,
				     "%s: the store is mounted inside the "
				     "source; mount it elsewhere", name);
	if (walk->options->cross_filesystems && !is_made_up(fd))
		return 0;
	warn_about(walk, name,
		   walk->options->cross_filesystems ?
			   "no files of a disk, not entered" :
			   "another filesystem, not entered");
	return 1;
}

static int walk_names(struct walk *walk, int fd, uint32_t index);

static int walk_directory(struct walk *walk, int dirfd, const char *name,
			  uint32_t parent, const struct stat *seen)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	uint32_t index;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0; /* gone since it was listed */
	if (fd < 0) {
		r = leave_out(walk, name);
		return r < 0 ? r : add_item(walk, parent, name, NULL, seen);
	}
	if (fstat(fd, &st) < 0)
		return rvs_error_errno(walk->err, "%s", name);
	index = walk->scan->count;
	r = add_item(walk, parent, name, NULL, &st);
	if (r < 0)
		return r;
	r = may_enter(walk, fd, &st, name);
	if (r != 0)
		return r < 0 ? r : 0;
	return walk_names(walk, fd, index);
}

static int walk_symlink(struct walk *walk, int dirfd, const char *name,
			uint32_t parent, const struct stat *st)
{
	ssize_t n = readlinkat(dirfd, name, walk->target, RVS_TARGET_MAX);

	if (n < 0 && (errno == ENOENT || errno == EINVAL))
		return 0; /* gone, or no link any more */
	if (n < 0)
		return leave_out(walk, name);
	walk->target[n] = '\0';
	return add_item(walk, parent, name, walk->target, st);
}

/* 1: a pattern in force leaves @name, of the directory being walked, out. */
static int is_excluded(struct walk *walk, const char *name, bool directory)
{
	size_t len = walk->path.len;
	int r;

	rvs_buf_put(&walk->path, name, strlen(name) + 1);
	r = rvs_buf_check(&walk->path, walk->err);
	if (r == 0)
		r = rvs_match_excludes(walk->match,
				       (const char *)walk->path.bytes,
				       directory);
	walk->path.len = len;
	return r;
}

static int walk_name(struct walk *walk, int dirfd, const char *name,
		     uint32_t parent)
{
	struct stat st;
	int r;

	if (walk->options->cancelled && walk->scan->count % CANCEL_EVERY == 0 &&
	    walk->options->cancelled(walk->options->arg))
		return rvs_error_set(walk->err, RVS_ERR_INTERRUPTED,
				     "interrupted");
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : leave_out(walk, name);
	r = is_excluded(walk, name, S_ISDIR(st.st_mode));
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISDIR(st.st_mode))
		return walk_directory(walk, dirfd, name, parent, &st);
	if (S_ISLNK(st.st_mode))
		return walk_symlink(walk, dirfd, name, parent, &st);
	if (S_ISSOCK(st.st_mode)) {
		warn_about(walk, name, "a socket, left out");
		return 0;
	}
	return add_item(walk, parent, name, NULL, &st);
}

/* The content of a small file of the directory @fd; 1: there is none, or it is
 * no regular file, or cannot be read. */
static int read_small_file(int fd, const char *name, size_t max,
			   struct rvs_buf *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int file = openat(fd, name,
			  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	uint8_t *end;
	ssize_t n;

	if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return 1;
	end = rvs_buf_reserve(ret, max);
	if (!end)
		return rvs_error_no_memory(err);
	n = rvs_io_pread(file, end, max, 0);
	if (n < 0)
		return 1;
	ret->len += (size_t)n;
	return 0;
}

/* Bring the patterns of the directory @fd into force. */
static int add_patterns(struct walk *walk, int fd)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free) char *base = NULL;
	size_t len = walk->path.len;
	int r = read_small_file(fd, RVS_MATCH_FILE, RVS_MATCH_FILE_MAX, &text,
				walk->err);

	if (r != 0)
		return r < 0 ? r : 0;
	/* Without the slash behind it. */
	base = len > 0 ? strndup((const char *)walk->path.bytes, len - 1) :
			 strdup("");
	if (!base)
		return rvs_error_no_memory(walk->err);
	return rvs_match_add_text(walk->match, base, (const char *)text.bytes,
				  text.len, walk->err);
}

/* 1: a cache, which says so: only its tag is kept. */
static int is_cache(struct walk *walk, int fd)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	int r = read_small_file(fd, RVS_CACHEDIR_TAG, CACHEDIR_TAG_LEN, &text,
				walk->err);

	return r == 0 ? rvs_match_is_cachedir_tag(text.bytes, text.len) :
	       r > 0  ? 0 :
			r;
}

static int walk_listed(struct walk *walk, int fd, uint32_t index)
{
	RVS_CLEANUP(names_done) struct names names = { NULL, 0 };
	int r = is_cache(walk, fd);
	size_t i;

	if (r != 0)
		return r < 0 ? r :
			       walk_name(walk, fd, RVS_CACHEDIR_TAG, index);
	r = add_patterns(walk, fd);
	/* The root without its names would be an empty snapshot. */
	if (r == 0 && list_names(fd, &names) < 0)
		r = index == 0 ? rvs_error_errno(walk->err, "cannot list") :
				 leave_out(walk, "");
	for (i = 0; i < names.count && r == 0; i++)
		r = walk_name(walk, fd, names.items[i], index);
	return r;
}

static int walk_names(struct walk *walk, int fd, uint32_t index)
{
	size_t mark = rvs_match_mark(walk->match), len = walk->path.len;
	const char *name = walk->scan->items[index].name;
	int r;

	if (walk->depth == RVS_PATH_DEPTH_MAX)
		return rvs_error_set(walk->err, RVS_ERR_REFUSED,
				     "%s: directories are nested too deep",
				     name);
	walk->depth++;
	if (index != 0) {
		rvs_buf_put(&walk->path, name, strlen(name));
		rvs_buf_put(&walk->path, "/", 1);
	}
	r = rvs_buf_check(&walk->path, walk->err);
	if (r == 0)
		r = walk_listed(walk, fd, index);
	rvs_match_release(walk->match, mark);
	walk->path.len = len;
	walk->depth--;
	/* Each level adds its name on the way out. */
	if (r < 0 && index != 0)
		return rvs_error_context(walk->err, "in %s",
					 walk->scan->items[index].name);
	return r;
}

/* A file's directory is made up: readable, of the file's owner and time. */
static int walk_one_file(struct walk *walk, const struct rvs_source *source)
{
	const char *name = rvs_source_file(source);
	struct stat st, root;
	int r;

	if (fstatat(rvs_source_fd(source), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rvs_error_errno(walk->err, "%s", name);
	if (!S_ISREG(st.st_mode))
		return rvs_error_set(walk->err, RVS_ERR_USAGE,
				     "%s: no regular file any more", name);
	root = st;
	root.st_mode = S_IFDIR | 0755;
	root.st_size = 0;
	r = add_item(walk, 0, "", NULL, &root);
	st.st_nlink = 1; /* its other names are no part of the source */
	return r < 0 ? r : add_item(walk, 0, name, NULL, &st);
}

static int walk_root(struct walk *walk, const struct rvs_source *source)
{
	struct stat st;
	int r;

	if (walk->options->store_path &&
	    stat(walk->options->store_path, &st) == 0) {
		walk->store_dev = st.st_dev;
		walk->store_ino = st.st_ino;
	}
	if (rvs_source_file(source))
		return walk_one_file(walk, source);
	if (fstat(rvs_source_fd(source), &st) < 0)
		return rvs_error_errno(walk->err, "cannot stat");
	walk->dev = st.st_dev;
	r = add_item(walk, 0, "", NULL, &st);
	if (r == 0)
		r = may_enter(walk, rvs_source_fd(source), &st,
			      rvs_source_path(source));
	return r != 0 ? r : walk_names(walk, rvs_source_fd(source), 0);
}

/* Bring the patterns given into force: files' own come after and outweigh
 * them. */
static int match_given(struct walk *walk)
{
	const char *const *pattern = walk->options->excludes;
	int r = rvs_match_new(&walk->match, walk->err);

	for (; r == 0 && pattern && *pattern; pattern++) {
		r = rvs_match_add_pattern(walk->match, "", *pattern, walk->err);
		if (r < 0)
			return rvs_error_context(walk->err, "exclude \"%s\"",
						 *pattern);
	}
	return r;
}

int rvs_scan_run(const struct rvs_source *source,
		 const struct rvs_scan_options *options, struct rvs_scan *ret,
		 struct rvs_error *err)
{
	struct walk walk = { .scan = ret, .options = options, .err = err };
	int r;

	*ret = (struct rvs_scan)RVS_SCAN_INIT;
	if (clock_gettime(CLOCK_REALTIME, &ret->start) < 0)
		return rvs_error_errno(err, "cannot read the clock");
	r = match_given(&walk);
	if (r == 0)
		r = walk_root(&walk, source);
	rvs_match_free(walk.match);
	rvs_buf_done(&walk.path);
	free(walk.links);
	if (r < 0) {
		rvs_scan_done(ret);
		return rvs_error_context(err, "source %s",
					 rvs_source_path(source));
	}
	(void)clock_gettime(CLOCK_REALTIME, &ret->end);
	return 0;
}

void rvs_scan_done(struct rvs_scan *scan)
{
	while (scan->text) {
		struct rvs_chunk *chunk = scan->text;

		scan->text = chunk->next;
		free(chunk);
	}
	free(scan->items);
	*scan = (struct rvs_scan)RVS_SCAN_INIT;
}

char *rvs_scan_path(const struct rvs_scan *scan, uint32_t index)
{
	size_t len = 0, name_len;
	uint32_t i;
	char *path;

	if (index == 0)
		return strdup(".");
	for (i = index; i != 0; i = scan->items[i].parent)
		len += strlen(scan->items[i].name) + 1;
	path = malloc(len);
	if (!path)
		return NULL;
	path[--len] = '\0';
	for (i = index; i != 0; i = scan->items[i].parent) {
		name_len = strlen(scan->items[i].name);
		len -= name_len;
		memcpy(path + len, scan->items[i].name, name_len);
		if (len > 0)
			path[--len] = '/';
	}
	return path;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool rvs_item_same(const struct rvs_item *a, const struct rvs_item *b)
{
	return a->ino == b->ino && a->size == b->size && a->mode == b->mode &&
	       same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}
