#include "manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gzip.h"
#include "name.h"

enum {
	SEGMENT_VERSION = 1,
	/* Cut where a name's hash says so, about every 256 records, from
	 * SOFT bytes on; at HARD in any case. */
	CUT_MASK = 0xff,
	SEGMENT_SOFT = 8 << 10,
	SEGMENT_HARD = 512 << 10,
	/* A long file's extents are cut by where they lie in it. */
	PIECE_SHIFT = 26,
	PIECE_EXTENTS_MAX = 8192,
	NANOSECONDS = 1000000000,
	PERMISSIONS = 07777,
};

/* The first byte of a record. */
enum record { RECORD_END = 0, RECORD_NODE = 1, RECORD_LINK = 2,
	      RECORD_EXTENTS = 3 };

/* ---- what both directions share: the logical part of a node ---- */

static void put_time(struct rvs_buf *ret, struct timespec time)
{
	rvs_buf_put_signed(ret, time.tv_sec);
	rvs_buf_put_varint(ret, (uint64_t)time.tv_nsec);
}

static void put_text(struct rvs_buf *ret, const char *text)
{
	rvs_buf_put_blob(ret, text, strlen(text));
}

static void put_xattrs(struct rvs_buf *ret, const struct rvs_node *node)
{
	uint32_t i;

	rvs_buf_put_varint(ret, node->xattr_count);
	for (i = 0; i < node->xattr_count; i++) {
		put_text(ret, node->xattrs[i].name);
		rvs_buf_put_blob(ret, node->xattrs[i].value,
				 node->xattrs[i].value_len);
	}
}

void rvs_node_put_logical(struct rvs_buf *ret, const struct rvs_node *node)
{
	rvs_buf_put_u8(ret, node->hard_link ? RECORD_LINK : RECORD_NODE);
	put_text(ret, node->name);
	if (node->hard_link) {
		put_text(ret, node->target);
		return;
	}
	rvs_buf_put_varint(ret, node->mode);
	rvs_buf_put_varint(ret, node->uid);
	rvs_buf_put_varint(ret, node->gid);
	put_time(ret, node->mtime);
	put_xattrs(ret, node);
	switch (node->mode & S_IFMT) {
	case S_IFREG:
		rvs_buf_put_varint(ret, node->size);
		rvs_buf_put(ret, node->digest.bytes, RVS_DIGEST_LEN);
		break;
	case S_IFLNK:
		put_text(ret, node->target);
		break;
	case S_IFCHR:
	case S_IFBLK:
		rvs_buf_put_varint(ret, node->rdev_major);
		rvs_buf_put_varint(ret, node->rdev_minor);
		break;
	default:
		break;
	}
}

void rvs_node_put_end(struct rvs_buf *ret)
{
	rvs_buf_put_u8(ret, RECORD_END);
}

/* ---- writing ---- */

struct rvs_manifest_writer {
	struct rvs_manifest_output output;
	struct rvs_buf records; /* of the segment being filled */
	struct rvs_buf record;  /* being encoded */
	uint32_t *volumes;      /* the segment's table: places in the caller's */
	size_t volume_count;
};

int rvs_manifest_writer_new(const struct rvs_manifest_output *output,
			    struct rvs_manifest_writer **ret,
			    struct rvs_error *err)
{
	struct rvs_manifest_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return rvs_error_no_memory(err);
	writer->output = *output;
	*ret = writer;
	return 0;
}

void rvs_manifest_writer_free(struct rvs_manifest_writer *writer)
{
	if (!writer)
		return;
	rvs_buf_done(&writer->records);
	rvs_buf_done(&writer->record);
	free(writer->volumes);
	free(writer);
}

void rvs_manifest_writer_cleanup(struct rvs_manifest_writer **writer)
{
	rvs_manifest_writer_free(*writer);
}

static int flush_segment(struct rvs_manifest_writer *writer,
			 struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf segment = RVS_BUF_INIT;
	size_t i;
	int r;

	if (writer->records.len == 0)
		return 0;
	rvs_buf_put_u8(&segment, SEGMENT_VERSION);
	rvs_buf_put_varint(&segment, writer->volume_count);
	for (i = 0; i < writer->volume_count; i++)
		put_text(&segment,
			 writer->output.volume_id(writer->output.arg,
						  writer->volumes[i]));
	rvs_buf_put(&segment, writer->records.bytes, writer->records.len);
	r = rvs_buf_check(&writer->records, err);
	if (r == 0)
		r = rvs_buf_check(&segment, err);
	if (r == 0)
		r = writer->output.segment(writer->output.arg, segment.bytes,
					   segment.len, err);
	writer->records.len = 0;
	writer->volume_count = 0;
	return r;
}

/* The place of @volume in the segment's table, added when it is new. */
static int local_volume(struct rvs_manifest_writer *writer, uint32_t volume,
			uint64_t *ret, struct rvs_error *err)
{
	uint32_t *volumes;
	size_t i = writer->volume_count;

	while (i > 0)
		if (writer->volumes[--i] == volume) {
			*ret = i;
			return 0;
		}
	volumes = reallocarray(writer->volumes, writer->volume_count + 1,
			       sizeof(*volumes));
	if (!volumes)
		return rvs_error_no_memory(err);
	writer->volumes = volumes;
	*ret = writer->volume_count;
	writer->volumes[writer->volume_count++] = volume;
	return 0;
}

/* How many of the extents from @from on go into one record. */
static size_t piece_len(const struct rvs_node *node, size_t from)
{
	uint64_t piece = node->extents[from].at >> PIECE_SHIFT;
	size_t i = from + 1;

	while (i < node->extent_count && i - from < PIECE_EXTENTS_MAX &&
	       node->extents[i].at >> PIECE_SHIFT == piece)
		i++;
	return i - from;
}

static int put_extents(struct rvs_manifest_writer *writer,
		       const struct rvs_node *node, size_t from, size_t count,
		       struct rvs_error *err)
{
	struct rvs_buf *ret = &writer->record;
	uint32_t expected = 0;
	size_t i;

	rvs_buf_put_varint(ret, count);
	for (i = from; i < from + count; i++) {
		const struct rvs_extent *e = &node->extents[i];
		uint64_t len = rvs_extent_end(node->extents,
					      node->extent_count, i,
					      node->size) - e->at;
		uint64_t volume = 0;
		int r;

		if (e->volume == RVS_HOLE) {
			rvs_buf_put_varint(ret, len << 1);
			continue;
		}
		r = local_volume(writer, e->volume, &volume, err);
		if (r < 0)
			return r;
		rvs_buf_put_varint(ret, len << 1 | 1);
		rvs_buf_put_varint(ret, volume);
		rvs_buf_put_signed(ret, (int64_t)e->member - expected);
		rvs_buf_put_varint(ret, e->offset);
		expected = e->member + 1;
	}
	return 0;
}

/* FNV-1a, 32 bits: only where a segment is cut hangs on it. */
static uint32_t hash_name(const char *name, uint64_t piece)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	for (; piece; piece >>= 8)
		h = (h ^ (uint8_t)piece) * 16777619u;
	return h ^ h >> 15;
}

static int append_record(struct rvs_manifest_writer *writer, uint32_t hash,
			 struct rvs_error *err)
{
	int r = rvs_buf_check(&writer->record, err);

	if (r < 0)
		return r;
	rvs_buf_put(&writer->records, writer->record.bytes, writer->record.len);
	writer->record.len = 0;
	if ((writer->records.len >= SEGMENT_SOFT && !(hash & CUT_MASK)) ||
	    writer->records.len >= SEGMENT_HARD)
		return flush_segment(writer, err);
	return 0;
}

static void put_vectors(struct rvs_buf *ret, const struct rvs_vector_note *note)
{
	rvs_buf_put_u8(ret, (uint8_t)(note->kind << 1 | note->known));
	if (note->known)
		rvs_buf_put_varint(ret, note->count);
}

int rvs_manifest_add(struct rvs_manifest_writer *writer,
		     const struct rvs_node *node, struct rvs_error *err)
{
	bool regular = !node->hard_link && S_ISREG(node->mode);
	size_t from = 0, count;
	int r;

	writer->record.len = 0;
	rvs_node_put_logical(&writer->record, node);
	if (!node->hard_link) {
		rvs_buf_put_varint(&writer->record, node->ino);
		put_time(&writer->record, node->ctime);
		if (S_ISDIR(node->mode))
			rvs_buf_put_varint(&writer->record, node->size);
	}
	if (regular) {
		put_vectors(&writer->record, &node->vectors);
		count = node->extent_count ? piece_len(node, 0) : 0;
		r = put_extents(writer, node, 0, count, err);
		if (r < 0)
			return r;
		from = count;
	}
	r = append_record(writer, hash_name(node->name, 0), err);
	while (r == 0 && regular && from < node->extent_count) {
		uint64_t piece = node->extents[from].at >> PIECE_SHIFT;

		count = piece_len(node, from);
		rvs_buf_put_u8(&writer->record, RECORD_EXTENTS);
		r = put_extents(writer, node, from, count, err);
		if (r < 0)
			return r;
		r = append_record(writer, hash_name(node->name, piece), err);
		from += count;
	}
	return r;
}

void rvs_manifest_end(struct rvs_manifest_writer *writer)
{
	rvs_node_put_end(&writer->records);
}

int rvs_manifest_finish(struct rvs_manifest_writer *writer,
			struct rvs_error *err)
{
	return flush_segment(writer, err);
}

/* ---- reading ---- */

struct rvs_manifest_reader {
	struct rvs_manifest_input input;
	struct rvs_cursor at;
	const uint8_t *record; /* where the one being read begins */
	uint32_t *volumes; /* the segment's table, as the caller's indices */
	uint64_t volume_count;
	struct rvs_extents extents; /* of the record being read */
	uint64_t size;              /* of the open regular file */
	uint64_t covered;           /* its bytes that extents cover so far */
	struct rvs_buf last_names;  /* of each open directory, the last child's
				       name: NUL-terminated, one after another */
	struct rvs_buf name_starts; /* u32 each: where in last_names */
	size_t depth;               /* open directories */
	bool complete;              /* the root was closed */
	bool alone;                 /* reading one segment by itself */
	char name[RVS_FILE_NAME_MAX + 1];
	struct rvs_buf target;
	struct rvs_xattr xattrs[RVS_XATTR_COUNT_MAX];
	struct rvs_buf xattr_bytes;
};

int rvs_manifest_reader_new(const struct rvs_manifest_input *input,
			    struct rvs_manifest_reader **ret,
			    struct rvs_error *err)
{
	struct rvs_manifest_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return rvs_error_no_memory(err);
	reader->input = *input;
	*ret = reader;
	return 0;
}

void rvs_manifest_reader_free(struct rvs_manifest_reader *reader)
{
	if (!reader)
		return;
	free(reader->volumes);
	rvs_extents_done(&reader->extents);
	rvs_buf_done(&reader->last_names);
	rvs_buf_done(&reader->name_starts);
	rvs_buf_done(&reader->target);
	rvs_buf_done(&reader->xattr_bytes);
	free(reader);
}

void rvs_manifest_reader_cleanup(struct rvs_manifest_reader **reader)
{
	rvs_manifest_reader_free(*reader);
}

static int corrupt(struct rvs_error *err, const char *rule)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT, "manifest: %s", rule);
}

static int read_volumes(struct rvs_manifest_reader *reader,
			struct rvs_error *err)
{
	uint64_t count = rvs_cursor_varint(&reader->at), i;
	uint32_t *volumes;

	/* Each id takes its length and 21 bytes. */
	if (reader->at.failed ||
	    count > rvs_cursor_left(&reader->at) / RVS_ID_SIZE)
		return corrupt(err, "a segment's table of snapshots is cut");
	volumes = reallocarray(reader->volumes, count + 1, sizeof(*volumes));
	if (!volumes)
		return rvs_error_no_memory(err);
	reader->volumes = volumes;
	reader->volume_count = count;
	for (i = 0; i < count; i++) {
		size_t len;
		const uint8_t *bytes = rvs_cursor_blob(&reader->at,
						       RVS_ID_SIZE - 1, &len);
		char id[RVS_ID_SIZE] = "";
		int r;

		if (bytes)
			memcpy(id, bytes, len);
		if (!rvs_id_is_valid(id))
			return corrupt(err, "a snapshot's id is malformed");
		r = reader->input.volume(reader->input.arg, id,
					 &reader->volumes[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The last child's name of the innermost directory. */
static char *last_name(struct rvs_manifest_reader *reader)
{
	uint32_t start;

	memcpy(&start,
	       reader->name_starts.bytes +
		       (reader->depth - 1) * sizeof(start),
	       sizeof(start));
	reader->last_names.len = start;
	return (char *)reader->last_names.bytes + start;
}

static int open_directory(struct rvs_manifest_reader *reader,
			  struct rvs_error *err)
{
	uint32_t start = (uint32_t)reader->last_names.len;
	int r;

	if (reader->depth == RVS_PATH_DEPTH_MAX)
		return corrupt(err, "directories are nested too deep");
	reader->name_starts.len = reader->depth * sizeof(start);
	rvs_buf_put(&reader->name_starts, &start, sizeof(start));
	rvs_buf_put(&reader->last_names, "", 1);
	reader->depth++;
	r = rvs_buf_check(&reader->name_starts, err);
	return r < 0 ? r : rvs_buf_check(&reader->last_names, err);
}

/* Names ascend strictly, which also makes them unique. */
static int check_name(struct rvs_manifest_reader *reader, size_t len,
		      struct rvs_error *err)
{
	if (reader->alone)
		return 0;
	if (reader->complete)
		return corrupt(err, "it goes on behind its root");
	if (reader->depth == 0)
		return len == 0 ? 0 : corrupt(err, "its root has a name");
	if (!rvs_component_is_safe(reader->name, len))
		return corrupt(err, "a name is unsafe");
	if (strcmp(last_name(reader), reader->name) >= 0)
		return corrupt(err, "names do not ascend");
	rvs_buf_put(&reader->last_names, reader->name, len + 1);
	return rvs_buf_check(&reader->last_names, err);
}

static int read_name(struct rvs_manifest_reader *reader, struct rvs_node *node,
		     struct rvs_error *err)
{
	size_t len;
	const uint8_t *bytes =
		rvs_cursor_blob(&reader->at, RVS_FILE_NAME_MAX, &len);

	if (reader->at.failed || memchr(bytes, '\0', len))
		return corrupt(err, "a name is cut or too long");
	memcpy(reader->name, bytes, len);
	reader->name[len] = '\0';
	node->name = reader->name;
	node->name_len = len;
	return check_name(reader, len, err);
}

/* The logical part of @node ends here. */
static void end_logical(const struct rvs_manifest_reader *reader,
			struct rvs_node *node)
{
	node->logical = reader->record;
	node->logical_len = (size_t)(reader->at.at - reader->record);
}

static int read_target(struct rvs_manifest_reader *reader, size_t max,
		       struct rvs_error *err)
{
	size_t len;
	const uint8_t *bytes = rvs_cursor_blob(&reader->at, max, &len);

	if (reader->at.failed || len == 0 || memchr(bytes, '\0', len))
		return corrupt(err, "a link's target is malformed");
	reader->target.len = 0;
	rvs_buf_put(&reader->target, bytes, len);
	rvs_buf_put_u8(&reader->target, 0);
	return rvs_buf_check(&reader->target, err);
}

static struct timespec read_time(struct rvs_cursor *at)
{
	struct timespec time;
	uint64_t nanoseconds;

	time.tv_sec = rvs_cursor_signed(at);
	nanoseconds = rvs_cursor_varint(at);
	if (nanoseconds >= NANOSECONDS)
		at->failed = true;
	time.tv_nsec = (long)(nanoseconds % NANOSECONDS);
	return time;
}

static uint32_t read_u32(struct rvs_cursor *at)
{
	uint64_t value = rvs_cursor_varint(at);

	if (value > UINT32_MAX)
		at->failed = true;
	return (uint32_t)value;
}

/* Names are copied for their NUL; values stay where they are. */
static int read_xattrs(struct rvs_manifest_reader *reader,
		       struct rvs_node *node, struct rvs_error *err)
{
	struct rvs_cursor *at = &reader->at;
	uint32_t count = read_u32(at), i;
	size_t starts[RVS_XATTR_COUNT_MAX];

	if (at->failed || count > RVS_XATTR_COUNT_MAX)
		return corrupt(err, "a node has too many attributes");
	reader->xattr_bytes.len = 0;
	for (i = 0; i < count; i++) {
		size_t len;
		const uint8_t *name = rvs_cursor_blob(at, RVS_FILE_NAME_MAX,
						      &len);

		if (at->failed || len == 0 || memchr(name, '\0', len))
			return corrupt(err, "an attribute's name is malformed");
		starts[i] = reader->xattr_bytes.len;
		rvs_buf_put(&reader->xattr_bytes, name, len);
		rvs_buf_put_u8(&reader->xattr_bytes, 0);
		reader->xattrs[i].value = rvs_cursor_blob(
			at, RVS_XATTR_BYTES_MAX, &reader->xattrs[i].value_len);
		if (at->failed)
			return corrupt(err, "an attribute's value is cut");
	}
	for (i = 0; i < count; i++)
		reader->xattrs[i].name =
			(const char *)reader->xattr_bytes.bytes + starts[i];
	node->xattrs = reader->xattrs;
	node->xattr_count = count;
	return rvs_buf_check(&reader->xattr_bytes, err);
}

static int read_extent(struct rvs_manifest_reader *reader, uint32_t *expected,
		       struct rvs_error *err)
{
	struct rvs_cursor *at = &reader->at;
	struct rvs_extent extent = { .at = reader->covered,
				     .volume = RVS_HOLE };
	uint64_t tag = rvs_cursor_varint(at), len = tag >> 1;
	uint64_t volume, offset;
	int64_t member;

	if (at->failed || len == 0 || len > reader->size - reader->covered)
		return corrupt(err, "a file's extents do not fit its size");
	if (tag & 1) {
		volume = rvs_cursor_varint(at);
		member = rvs_cursor_signed(at);
		offset = rvs_cursor_varint(at);
		if (at->failed || volume >= reader->volume_count ||
		    member < -(int64_t)UINT32_MAX ||
		    member > (int64_t)UINT32_MAX ||
		    member + *expected < 0 ||
		    member + *expected > UINT32_MAX - 1 ||
		    len > RVS_MEMBER_PLAIN_MAX ||
		    offset > RVS_MEMBER_PLAIN_MAX - len)
			return corrupt(err, "an extent is out of bounds");
		extent.volume = reader->volumes[volume];
		extent.member = (uint32_t)(member + *expected);
		extent.offset = (uint32_t)offset;
		*expected = extent.member + 1;
	}
	reader->covered += len;
	return rvs_extents_push(&reader->extents, &extent, err);
}

static int read_extents(struct rvs_manifest_reader *reader,
			struct rvs_error *err)
{
	uint64_t count = rvs_cursor_varint(&reader->at);
	uint32_t expected = 0;
	int r;

	if (reader->at.failed || count > rvs_cursor_left(&reader->at))
		return corrupt(err, "a file's extents are cut");
	reader->extents.count = 0;
	for (; count > 0; count--) {
		r = read_extent(reader, &expected, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A regular file is complete when the next record is not extents of it. */
static int check_covered(struct rvs_manifest_reader *reader,
			 struct rvs_error *err)
{
	if (reader->covered != reader->size && !reader->alone)
		return corrupt(err, "a file lacks extents");
	reader->covered = reader->size = 0;
	return 0;
}

static int read_link(struct rvs_manifest_reader *reader, struct rvs_error *err)
{
	struct rvs_node node = { .hard_link = true };
	int r;

	r = check_covered(reader, err);
	if (r == 0)
		r = read_name(reader, &node, err);
	if (r == 0)
		r = read_target(reader, RVS_LINK_PATH_MAX, err);
	if (r < 0)
		return r;
	end_logical(reader, &node);
	node.target = (const char *)reader->target.bytes;
	if ((reader->depth == 0 && !reader->alone) ||
	    !rvs_path_is_safe(node.target))
		return corrupt(err, "a hard link's target is unsafe");
	return reader->input.node(reader->input.arg, &node, err);
}

/* What only some types have; the inverse of rvs_node_put_logical(). */
static int read_by_type(struct rvs_manifest_reader *reader,
			struct rvs_node *node, struct rvs_error *err)
{
	struct rvs_cursor *at = &reader->at;
	const uint8_t *digest;
	int r;

	switch (node->mode & S_IFMT) {
	case S_IFREG:
		node->size = rvs_cursor_varint(at);
		digest = rvs_cursor_bytes(at, RVS_DIGEST_LEN);
		if (at->failed || node->size > INT64_MAX)
			return corrupt(err, "a file's size is out of bounds");
		memcpy(node->digest.bytes, digest, RVS_DIGEST_LEN);
		reader->size = node->size;
		return 0;
	case S_IFLNK:
		r = read_target(reader, RVS_TARGET_MAX, err);
		node->target = (const char *)reader->target.bytes;
		node->size = reader->target.len - (r == 0);
		return r;
	case S_IFCHR:
	case S_IFBLK:
		node->rdev_major = read_u32(at);
		node->rdev_minor = read_u32(at);
		return 0;
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return corrupt(err, "a node's type is unknown");
	}
}

static void read_vectors(struct rvs_cursor *at, struct rvs_vector_note *ret)
{
	uint8_t tag = rvs_cursor_u8(at);

	if (tag >> 1 > RVS_VECTORS_INDEX)
		at->failed = true;
	ret->kind = tag >> 1;
	ret->known = tag & 1;
	ret->count = ret->known ? rvs_cursor_varint(at) : 0;
}

static int read_origin(struct rvs_manifest_reader *reader,
		       struct rvs_node *node, struct rvs_error *err)
{
	struct rvs_cursor *at = &reader->at;
	int r = 0;

	node->ino = rvs_cursor_varint(at);
	node->ctime = read_time(at);
	if (S_ISDIR(node->mode)) {
		node->size = rvs_cursor_varint(at);
		if (node->size > INT64_MAX)
			at->failed = true;
	}
	if (S_ISREG(node->mode)) {
		read_vectors(at, &node->vectors);
		r = read_extents(reader, err);
		node->extents = reader->extents.items;
		node->extent_count = reader->extents.count;
		node->extent_end = reader->covered;
	}
	if (r == 0 && at->failed)
		return corrupt(err, "a node is cut");
	return r;
}

static int read_node(struct rvs_manifest_reader *reader, struct rvs_error *err)
{
	struct rvs_node node = { .mode = 0 };
	struct rvs_cursor *at = &reader->at;
	int r;

	r = check_covered(reader, err);
	if (r == 0)
		r = read_name(reader, &node, err);
	if (r < 0)
		return r;
	node.mode = read_u32(at);
	node.uid = read_u32(at);
	node.gid = read_u32(at);
	node.mtime = read_time(at);
	if (at->failed || (node.mode & ~(uint32_t)(S_IFMT | PERMISSIONS)))
		return corrupt(err, "a node's attributes are out of bounds");
	if (reader->depth == 0 && !S_ISDIR(node.mode) && !reader->alone)
		return corrupt(err, "its root is no directory");
	r = read_xattrs(reader, &node, err);
	if (r == 0)
		r = read_by_type(reader, &node, err);
	end_logical(reader, &node);
	if (r == 0)
		r = read_origin(reader, &node, err);
	if (r == 0 && S_ISDIR(node.mode) && !reader->alone)
		r = open_directory(reader, err);
	if (r < 0)
		return r;
	return reader->input.node(reader->input.arg, &node, err);
}

static int read_more_extents(struct rvs_manifest_reader *reader,
			     struct rvs_error *err)
{
	int r;

	if (reader->alone && reader->size == 0)
		reader->size = INT64_MAX; /* of a file that began before */
	if (reader->covered == reader->size)
		return corrupt(err, "it has extents of no file");
	r = read_extents(reader, err);
	if (r < 0)
		return r;
	return reader->input.extents(reader->input.arg, reader->extents.items,
				     reader->extents.count, reader->covered,
				     err);
}

static int read_end(struct rvs_manifest_reader *reader, struct rvs_error *err)
{
	int r = check_covered(reader, err);

	if (r < 0)
		return r;
	if (reader->alone)
		return reader->input.end(reader->input.arg, err);
	if (reader->depth == 0)
		return corrupt(err, "it closes a directory that is not open");
	(void)last_name(reader); /* forgets the names of this directory */
	reader->depth--;
	reader->complete = reader->depth == 0;
	return reader->input.end(reader->input.arg, err);
}

int rvs_manifest_read(struct rvs_manifest_reader *reader, const void *bytes,
		      size_t len, struct rvs_error *err)
{
	int r;

	reader->at = rvs_cursor_of(bytes, len);
	if (rvs_cursor_u8(&reader->at) != SEGMENT_VERSION)
		return corrupt(err, "a segment is not of this version");
	r = read_volumes(reader, err);
	while (r == 0 && rvs_cursor_left(&reader->at) > 0) {
		reader->record = reader->at.at;
		switch (rvs_cursor_u8(&reader->at)) {
		case RECORD_END:
			r = read_end(reader, err);
			break;
		case RECORD_NODE:
			r = read_node(reader, err);
			break;
		case RECORD_LINK:
			r = read_link(reader, err);
			break;
		case RECORD_EXTENTS:
			r = read_more_extents(reader, err);
			break;
		default:
			r = corrupt(err, "a record is of no known kind");
		}
	}
	return r;
}

int rvs_manifest_read_end(struct rvs_manifest_reader *reader,
			  struct rvs_error *err)
{
	return reader->complete ? 0 : corrupt(err, "it ends too early");
}

int rvs_manifest_read_alone(const struct rvs_manifest_input *input,
			    const void *bytes, size_t len,
			    struct rvs_error *err)
{
	RVS_CLEANUP(rvs_manifest_reader_cleanup)
	struct rvs_manifest_reader *reader = NULL;
	int r = rvs_manifest_reader_new(input, &reader, err);

	if (r < 0)
		return r;
	reader->alone = true;
	return rvs_manifest_read(reader, bytes, len, err);
}

/* ---- the root ---- */

static const char root_magic[8] = { 'R', 'V', 'S', 'R', 'O', 'O', 'T', '1' };

int rvs_manifest_root_encode(const struct rvs_segment *segments, size_t count,
			     struct rvs_buf *ret, struct rvs_error *err)
{
	size_t i;

	rvs_buf_put(ret, root_magic, sizeof(root_magic));
	rvs_buf_put_varint(ret, count);
	for (i = 0; i < count; i++) {
		bool same = i > 0 && !strcmp(segments[i].id,
					     segments[i - 1].id);

		/* Runs of one snapshot name it once. */
		rvs_buf_put_u8(ret, !same);
		if (!same)
			rvs_buf_put(ret, segments[i].id, RVS_ID_SIZE - 1);
		rvs_buf_put_varint(ret, segments[i].member);
	}
	return rvs_buf_check(ret, err);
}

static bool read_segment(struct rvs_cursor *at, const struct rvs_segment *last,
			 struct rvs_segment *ret)
{
	const uint8_t *id;

	if (rvs_cursor_u8(at)) {
		id = rvs_cursor_bytes(at, RVS_ID_SIZE - 1);
		if (id)
			memcpy(ret->id, id, RVS_ID_SIZE - 1);
	} else if (last) {
		memcpy(ret->id, last->id, RVS_ID_SIZE);
	}
	ret->member = read_u32(at);
	return !at->failed && rvs_id_is_valid(ret->id);
}

int rvs_manifest_root_decode(const void *bytes, size_t len,
			     struct rvs_segment **ret, size_t *ret_count,
			     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments = NULL;
	struct rvs_cursor at = rvs_cursor_of(bytes, len);
	const uint8_t *magic = rvs_cursor_bytes(&at, sizeof(root_magic));
	uint64_t count = rvs_cursor_varint(&at), i;

	if (at.failed || memcmp(magic, root_magic, sizeof(root_magic)) ||
	    count == 0 || count > rvs_cursor_left(&at) / 2)
		return corrupt(err, "its root is malformed");
	segments = calloc(count, sizeof(*segments));
	if (!segments)
		return rvs_error_no_memory(err);
	for (i = 0; i < count; i++)
		if (!read_segment(&at, i ? &segments[i - 1] : NULL,
				  &segments[i]))
			return corrupt(err, "its root is malformed");
	if (rvs_cursor_left(&at))
		return corrupt(err, "its root is longer than its count");
	*ret = rvs_take(segments);
	*ret_count = count;
	return 0;
}
