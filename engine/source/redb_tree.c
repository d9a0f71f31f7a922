#include "redb_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

enum {
	/* Trees of redb have at least two children a branch, so 40 levels hold
	 * any file; three trees may hang below each other. */
	DEPTH_MAX = 120,
	NODES_MAX = 1 << 20,
	/* Pages between two calls of pause: some ten milliseconds at most. */
	PAUSE_PAGES = 256,
	/* A commit names each page once, persistent savepoints name those they
	 * share with it again unless they are remembered as proved. */
	VISITS_PER_PAGE = 4,

	SAVEPOINT_ID_LEN = 8,
	FREED_KEY_LEN = 16,
};

static const char savepoints_name[] = "persistent_savepoints";

/* What the values of a tree's leaves lead to. */
enum tree_kind {
	KIND_PLAIN,      /* nothing */
	KIND_TABLES,     /* the tables they define */
	KIND_SYSTEM,     /* the same, among them the savepoints */
	KIND_MULTIMAP,   /* trees of values */
	KIND_SAVEPOINTS, /* the trees a savepoint keeps */
};

/* A subtree to visit; or, when @leave, one whose visit is complete. */
struct node {
	struct rvs_redb_ref ref;
	struct rvs_redb_widths widths;
	/* Of the trees below: a multimap's values, as keys. */
	struct rvs_redb_widths inner;
	uint8_t kind;
	uint8_t depth;
	bool leave;
};

struct walker {
	const struct rvs_redb_walk *walk;
	struct node *nodes; /* a stack */
	size_t count;
	size_t capacity;
	uint8_t *page;
	size_t page_capacity;
	uint64_t visits_left;
	unsigned until_pause;
};

static const struct rvs_redb_widths varying = { RVS_REDB_VARIES,
						RVS_REDB_VARIES };

static void walker_done(struct walker *walker)
{
	free(walker->nodes);
	free(walker->page);
}

static int corrupt_page(uint64_t page, const char *why, struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT, "redb page %#llx: %s",
			     (unsigned long long)page, why);
}

static int reserve_page(struct walker *walker, size_t len,
			struct rvs_error *err)
{
	uint8_t *page;

	if (len <= walker->page_capacity)
		return 0;
	page = realloc(walker->page, len);
	if (!page)
		return rvs_error_no_memory(err);
	walker->page = page;
	walker->page_capacity = len;
	return 0;
}

/* Read the page of @node from @input: 0 when it matches, 1 when not. */
static int read_matching(struct walker *walker, const struct rvs_input *input,
			 const struct node *node,
			 const struct rvs_redb_extent *extent,
			 struct rvs_redb_page *ret, struct rvs_error *err)
{
	size_t len = (size_t)extent->len;
	int r = rvs_input_read(input, walker->page, len, extent->offset, err);

	if (r != 0)
		return r;
	return rvs_redb_page_open(walker->page, len, node->widths,
				  &node->ref.checksum, ret)
		       ? 0
		       : 1;
}

/* The same from the live file, which puts the copy right. */
static int mend_page(struct walker *walker, const struct node *node,
		     const struct rvs_redb_extent *extent,
		     struct rvs_redb_page *ret, struct rvs_error *err)
{
	struct rvs_redb_mend *mend = walker->walk->mend;
	int r = read_matching(walker, &mend->live, node, extent, ret, err);

	if (r != 0)
		return r;
	if (rvs_io_pwrite(mend->copy_fd, walker->page, (size_t)extent->len,
			  extent->offset) < 0)
		return rvs_error_errno(err, "cannot write the copy");
	mend->pages++;
	return 0;
}

static int load_page(struct walker *walker, const struct node *node,
		     struct rvs_redb_page *ret, struct rvs_error *err)
{
	const struct rvs_redb_walk *walk = walker->walk;
	uint64_t page = node->ref.page;
	struct rvs_redb_extent extent;
	int r;

	if (!rvs_redb_header_locate(walk->header, page, &extent))
		return corrupt_page(page, "there is no such page", err);
	if (extent.len > RVS_REDB_PAGE_LEN_MAX)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "redb page of %llu bytes: at most %u are "
				     "supported",
				     (unsigned long long)extent.len,
				     RVS_REDB_PAGE_LEN_MAX);
	r = reserve_page(walker, (size_t)extent.len, err);
	if (r < 0)
		return r;

	r = read_matching(walker, walk->input, node, &extent, ret, err);
	if (r > 0 && walk->mend)
		r = mend_page(walker, node, &extent, ret, err);
	return r > 0 ? corrupt_page(page, "does not match its checksum", err)
		     : r;
}

static int push(struct walker *walker, const struct node *node,
		struct rvs_error *err)
{
	size_t capacity = walker->capacity ? 2 * walker->capacity : 256;
	struct node *nodes;

	if (walker->count == walker->capacity) {
		if (capacity > NODES_MAX)
			return corrupt_page(node->ref.page, "tree too wide",
					    err);
		nodes = reallocarray(walker->nodes, capacity, sizeof(*nodes));
		if (!nodes)
			return rvs_error_no_memory(err);
		walker->nodes = nodes;
		walker->capacity = capacity;
	}
	walker->nodes[walker->count++] = *node;
	return 0;
}

/* The top of another tree, below @parent. */
static int push_tree(struct walker *walker, const struct node *parent,
		     const struct rvs_redb_ref *root, enum tree_kind kind,
		     struct rvs_redb_widths widths, struct rvs_error *err)
{
	struct node node = { .ref = *root,
			     .widths = widths,
			     .kind = kind,
			     .depth = (uint8_t)(parent->depth + 1) };

	return push(walker, &node, err);
}

static int push_multimap(struct walker *walker, const struct node *parent,
			 const struct rvs_redb_table *table,
			 struct rvs_error *err)
{
	struct node node = { .ref = table->root,
			     .widths = { table->widths.key, RVS_REDB_VARIES },
			     .inner = { table->widths.value, 0 },
			     .kind = KIND_MULTIMAP,
			     .depth = (uint8_t)(parent->depth + 1) };

	return push(walker, &node, err);
}

static bool is_savepoints(const struct node *node,
			  const struct rvs_redb_table *table,
			  struct rvs_redb_span name)
{
	return node->kind == KIND_SYSTEM &&
	       name.len == strlen(savepoints_name) &&
	       memcmp(name.bytes, savepoints_name, name.len) == 0 &&
	       table->widths.key == SAVEPOINT_ID_LEN &&
	       table->widths.value == RVS_REDB_VARIES;
}

static int enter_table(struct walker *walker, const struct node *node,
		       struct rvs_redb_span name, struct rvs_redb_span value,
		       struct rvs_error *err)
{
	struct rvs_redb_table table;
	enum tree_kind kind = KIND_PLAIN;

	if (!rvs_redb_table_decode(value, &table))
		return corrupt_page(node->ref.page, "no table definition", err);
	if (!table.present)
		return 0;
	if (table.multimap)
		return push_multimap(walker, node, &table, err);
	if (is_savepoints(node, &table, name))
		kind = KIND_SAVEPOINTS;
	return push_tree(walker, node, &table.root, kind, table.widths, err);
}

static int enter_collection(struct walker *walker, const struct node *node,
			    struct rvs_redb_span value, struct rvs_error *err)
{
	struct rvs_redb_collection collection;

	if (!rvs_redb_collection_decode(value, &collection))
		return corrupt_page(node->ref.page, "no collection", err);
	if (!collection.present)
		return 0;
	return push_tree(walker, node, &collection.root, KIND_PLAIN,
			 node->inner, err);
}

static const struct rvs_redb_widths freed_widths = { FREED_KEY_LEN,
						     RVS_REDB_VARIES };

static int enter_savepoint(struct walker *walker, const struct node *node,
			   struct rvs_redb_span value, struct rvs_error *err)
{
	struct rvs_redb_savepoint savepoint;
	int r;

	if (!rvs_redb_savepoint_decode(value, &savepoint))
		return corrupt_page(node->ref.page, "no savepoint", err);
	if (savepoint.user_present) {
		r = push_tree(walker, node, &savepoint.user, KIND_TABLES,
			      varying, err);
		if (r < 0)
			return r;
	}
	if (!savepoint.freed_present)
		return 0;
	return push_tree(walker, node, &savepoint.freed, KIND_PLAIN,
			 freed_widths, err);
}

static int enter_pair(struct walker *walker, const struct node *node,
		      const struct rvs_redb_page *page, uint32_t i,
		      struct rvs_error *err)
{
	struct rvs_redb_span key, value;

	if (!rvs_redb_page_key(page, i, &key) ||
	    !rvs_redb_page_value(page, i, &value))
		return corrupt_page(node->ref.page, "entries out of order",
				    err);
	switch (node->kind) {
	case KIND_TABLES:
	case KIND_SYSTEM:
		return enter_table(walker, node, key, value, err);
	case KIND_MULTIMAP:
		return enter_collection(walker, node, value, err);
	default:
		return enter_savepoint(walker, node, value, err);
	}
}

static int enter_leaf(struct walker *walker, const struct node *node,
		      const struct rvs_redb_page *page, struct rvs_error *err)
{
	int r = 0;

	if (node->kind == KIND_PLAIN)
		return 0;
	for (uint32_t i = 0; i < page->count && r == 0; i++)
		r = enter_pair(walker, node, page, i, err);
	return r;
}

static int enter_branch(struct walker *walker, const struct node *node,
			const struct rvs_redb_page *page, struct rvs_error *err)
{
	struct node child = *node;
	int r = 0;

	child.depth++;
	for (uint32_t i = 0; i <= page->count && r == 0; i++) {
		child.ref = rvs_redb_page_child(page, i);
		r = push(walker, &child, err);
	}
	return r;
}

static int count_visit(struct walker *walker, const struct node *node,
		       struct rvs_error *err)
{
	const struct rvs_redb_walk *walk = walker->walk;

	if (node->depth > DEPTH_MAX)
		return corrupt_page(node->ref.page, "tree too deep", err);
	if (walker->visits_left-- == 0)
		return corrupt_page(node->ref.page,
				    "more pages than the file holds", err);
	if (walker->until_pause-- > 0)
		return 0;
	walker->until_pause = PAUSE_PAGES;
	return walk->pause ? walk->pause(walk->arg, err) : 0;
}

/*
 * What lies below a page goes on the stack above a node that marks the page as
 * proved once all of it was.
 */
static int visit(struct walker *walker, const struct node *node,
		 struct rvs_error *err)
{
	struct node leave = *node;
	struct rvs_redb_page page;
	int r = count_visit(walker, node, err);

	if (r < 0)
		return r;
	if (rvs_redb_proved_has(walker->walk->proved, &node->ref))
		return 0;
	r = load_page(walker, node, &page, err);
	if (r < 0)
		return r;

	leave.leave = true;
	r = push(walker, &leave, err);
	if (r < 0)
		return r;
	return page.leaf ? enter_leaf(walker, node, &page, err)
			 : enter_branch(walker, node, &page, err);
}

static int push_roots(struct walker *walker, const struct rvs_redb_slot *slot,
		      struct rvs_error *err)
{
	static const struct {
		enum tree_kind kind;
		struct rvs_redb_widths widths;
	} trees[RVS_REDB_ROOTS] = {
		[RVS_REDB_USER] = { KIND_TABLES,
				    { RVS_REDB_VARIES, RVS_REDB_VARIES } },
		[RVS_REDB_SYSTEM] = { KIND_SYSTEM,
				      { RVS_REDB_VARIES, RVS_REDB_VARIES } },
		[RVS_REDB_FREED] = { KIND_PLAIN,
				     { FREED_KEY_LEN, RVS_REDB_VARIES } },
	};
	const struct node slot_node = { .depth = 0 };
	int r = 0;

	for (int i = 0; i < RVS_REDB_ROOTS && r == 0; i++)
		if (slot->present[i])
			r = push_tree(walker, &slot_node, &slot->roots[i],
				      trees[i].kind, trees[i].widths, err);
	return r;
}

/* A file may claim more pages than it has room for. */
static uint64_t visits_allowed(const struct rvs_redb_walk *walk)
{
	uint64_t claimed = rvs_redb_header_pages(walk->header);
	uint64_t room = walk->input->size / walk->header->page_size;

	return VISITS_PER_PAGE * (claimed < room ? claimed : room);
}

int rvs_redb_tree_prove(const struct rvs_redb_walk *walk,
			const struct rvs_redb_slot *slot, struct rvs_error *err)
{
	RVS_CLEANUP(walker_done)
	struct walker walker = { .walk = walk,
				 .visits_left = visits_allowed(walk) };
	int r = push_roots(&walker, slot, err);

	while (r == 0 && walker.count > 0) {
		struct node node = walker.nodes[--walker.count];

		if (node.leave)
			rvs_redb_proved_add(walk->proved, &node.ref);
		else
			r = visit(&walker, &node, err);
	}
	return r;
}

static int compare_key(const char *name, struct rvs_redb_span key)
{
	size_t len = strlen(name);
	int order = memcmp(name, key.bytes, len < key.len ? len : key.len);

	if (order != 0)
		return order;
	return (len > key.len) - (len < key.len);
}

/* The first entry whose key is not below @name; count when there is none.
 * @ret_equal says whether its key is @name. */
static int search_page(const struct rvs_redb_page *page, uint64_t number,
		       const char *name, uint32_t *ret, bool *ret_equal,
		       struct rvs_error *err)
{
	uint32_t low = 0, high = page->count;

	*ret_equal = false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct rvs_redb_span key;
		int order;

		if (!rvs_redb_page_key(page, middle, &key))
			return corrupt_page(number, "keys out of order", err);
		order = compare_key(name, key);
		if (order > 0) {
			low = middle + 1;
			continue;
		}
		high = middle;
		*ret_equal = order == 0;
	}
	*ret = low;
	return 0;
}

/* Descend from @node to the leaf that would hold @name. */
static int find_leaf(struct walker *walker, struct node *node, const char *name,
		     struct rvs_redb_page *ret, uint32_t *ret_i,
		     bool *ret_equal, struct rvs_error *err)
{
	for (; node->depth <= DEPTH_MAX; node->depth++) {
		int r = load_page(walker, node, ret, err);

		if (r == 0)
			r = search_page(ret, node->ref.page, name, ret_i,
					ret_equal, err);
		if (r < 0 || ret->leaf)
			return r;
		node->ref = rvs_redb_page_child(ret, *ret_i);
	}
	return corrupt_page(node->ref.page, "tree too deep", err);
}

int rvs_redb_tree_find(const struct rvs_redb_header *header,
		       const struct rvs_input *input,
		       const struct rvs_redb_slot *slot, const char *name,
		       struct rvs_redb_table *ret, struct rvs_error *err)
{
	const struct rvs_redb_walk walk = { .header = header, .input = input };
	RVS_CLEANUP(walker_done) struct walker walker = { .walk = &walk };
	struct node node = { .ref = slot->roots[RVS_REDB_USER],
			     .widths = varying };
	struct rvs_redb_page leaf;
	struct rvs_redb_span value;
	uint32_t i = 0;
	bool equal = false;
	int r;

	if (!slot->present[RVS_REDB_USER])
		return RVS_REDB_NO_TABLE;
	r = find_leaf(&walker, &node, name, &leaf, &i, &equal, err);
	if (r < 0)
		return r;
	if (!equal)
		return RVS_REDB_NO_TABLE;
	if (!rvs_redb_page_value(&leaf, i, &value) ||
	    !rvs_redb_table_decode(value, ret))
		return corrupt_page(node.ref.page, "no table definition", err);
	return 0;
}
