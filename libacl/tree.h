/*
 * tree - an ordered set of 64-bit keys in pages, a B+ tree: internal to libacl.
 *
 * All lists of numbers are stretches of one such set, a key being (relation, row, value): a row of
 * any length is read in order and changed at the cost of the three or four pages on the way to
 * one key.
 */
#ifndef ACL_TREE_H
#define ACL_TREE_H

#include <stdint.h>

#include "libacl/cow.h"

struct tree {
	void *root;
	unsigned levels; /* of inner pages */
	size_t count;
};

/* A stretch of keys; of a frozen version, valid as long as it. */
struct tree_run {
	const uint64_t *keys;
	size_t count;
	bool more; /* there may be further ones behind it */
};

/*
 * The first keys in [from, to) that stand together; false if there are none. The next ones are
 * found from the last key + 1; tree_next() does that.
 */
bool tree_seek(const struct tree *t, uint64_t from, uint64_t to, struct tree_run *ret);

static inline bool tree_next(const struct tree *t, uint64_t to, struct tree_run *run)
{
	return run->more && tree_seek(t, run->keys[run->count - 1] + 1, to, run);
}

bool tree_has(const struct tree *t, uint64_t key);

/* An empty tree. False: no memory, in all that follows. */
bool tree_init(struct cow *c, struct tree *t);

/* Nothing changes if the key is there, or is not. */
bool tree_add(struct cow *c, struct tree *t, uint64_t key);
bool tree_remove(struct cow *c, struct tree *t, uint64_t key);

/* Fills a tree that has no pages yet with keys that ascend; end with tree_load_done(). */
struct tree_load {
	struct cow *c;
	struct page_list pages; /* of the level that is being filled, and ... */
	uint64_t *firsts;       /* ... the first key of each */
	size_t firsts_cap;
	size_t count;
};

bool tree_load_add(struct tree_load *l, uint64_t key);
bool tree_load_end(struct tree_load *l, struct tree *t);
void tree_load_done(struct tree_load *l);

#endif
