/*
 * tree - a B+ tree without links between neighbours, so that pages can be copied one by one.
 *
 * Does: split full pages on the way down, join pages that are mostly empty with a neighbour.
 * Does not: store anything with a key.
 * Invariants: separator i of an inner page is not above any key below child i and above every key
 * below child i - 1 (the first is never looked at); an inner page has at least one child.
 */
#include "libacl/tree.h"

#include <stdlib.h>
#include <string.h>

#define LEAF_MAX ((PAGE_BYTES - sizeof(uint64_t)) / sizeof(uint64_t))
#define INNER_MAX \
	(((PAGE_BYTES - sizeof(uint64_t)) / (sizeof(uint64_t) + sizeof(void *))))

/* A leaf with fewer is joined with a neighbour, if both fill no more than that. */
#define LEAF_MIN  (LEAF_MAX / 4)
#define LEAF_JOIN (LEAF_MAX * 3 / 4)

/* A load leaves an eighth free: most leaves then take a few more keys before they split. */
#define LEAF_LOAD  (LEAF_MAX - LEAF_MAX / 8)
#define INNER_LOAD (INNER_MAX - INNER_MAX / 8)

struct leaf {
	uint64_t count;
	uint64_t keys[LEAF_MAX];
};

struct inner {
	uint64_t count;
	uint64_t keys[INNER_MAX];
	void *children[INNER_MAX];
};

_Static_assert(sizeof(struct leaf) <= PAGE_BYTES, "a leaf is a page");
_Static_assert(sizeof(struct inner) <= PAGE_BYTES, "an inner node is a page");

/* The number of keys below `key`, of an ascending list. */
static size_t lower_bound(const uint64_t *keys, size_t count, uint64_t key)
{
	const uint64_t *from = keys;

	while (count > 1) {
		size_t half = count / 2;

		from += from[half - 1] < key ? half : 0;
		count -= half;
	}
	return (size_t)(from - keys) + (count == 1 && *from < key);
}

/* The child below which the key belongs. */
static size_t child_for(const struct inner *n, uint64_t key)
{
	return lower_bound(n->keys + 1, n->count - 1, key + 1);
}

bool tree_seek(const struct tree *t, uint64_t from, uint64_t to, struct tree_run *ret)
{
	for (;;) {
		uint64_t next =
			UINT64_MAX; /* the first key that may stand behind the leaf */
		const void *page = t->root;
		const struct leaf *leaf;
		size_t at;
		size_t end;

		for (unsigned level = t->levels; level > 0; level--) {
			const struct inner *n = page;
			size_t i = child_for(n, from);

			if (i + 1 < n->count)
				next = n->keys[i + 1];
			page = n->children[i];
		}
		leaf = page;
		at = lower_bound(leaf->keys, leaf->count, from);
		if (at == leaf->count) {
			if (next >= to)
				return false;
			from = next;
			continue;
		}
		end = at + lower_bound(leaf->keys + at, leaf->count - at, to);
		if (end == at)
			return false;
		*ret = (struct tree_run){
			.keys = leaf->keys + at,
			.count = end - at,
			.more = end == leaf->count && next < to,
		};
		return true;
	}
}

bool tree_has(const struct tree *t, uint64_t key)
{
	struct tree_run run;

	return tree_seek(t, key, key + 1, &run);
}

bool tree_init(struct cow *c, struct tree *t)
{
	*t = (struct tree){.root = cow_new(c)};
	return t->root != NULL;
}

static bool is_full(const void *page, unsigned level)
{
	const struct inner *n = page;
	const struct leaf *l = page;

	return level == 0 ? l->count == LEAF_MAX : n->count == INNER_MAX;
}

/* Moves the upper half of a page to a new one, whose lowest key is *ret_first. */
static void *split(struct cow *c, void *page, unsigned level, uint64_t *ret_first)
{
	void *made = cow_new(c);
	struct leaf *l = page;
	struct inner *n = page;

	if (made == NULL)
		return NULL;
	if (level == 0) {
		struct leaf *right = made;

		right->count = l->count / 2;
		l->count -= right->count;
		memcpy(right->keys, l->keys + l->count, right->count * sizeof(*l->keys));
		*ret_first = right->keys[0];
	} else {
		struct inner *right = made;

		right->count = n->count / 2;
		n->count -= right->count;
		memcpy(right->keys, n->keys + n->count, right->count * sizeof(*n->keys));
		memcpy(right->children, n->children + n->count,
			right->count * sizeof(*n->children));
		*ret_first = right->keys[0];
	}
	return made;
}

static void inner_insert(struct inner *n, size_t at, uint64_t key, void *child)
{
	memmove(n->keys + at + 1, n->keys + at, (n->count - at) * sizeof(*n->keys));
	memmove(n->children + at + 1, n->children + at,
		(n->count - at) * sizeof(*n->children));
	n->keys[at] = key;
	n->children[at] = child;
	n->count++;
}

/* A writable root that is not full. */
static bool touch_root(struct cow *c, struct tree *t)
{
	void *root = cow_touch(c, t->root);
	struct inner *above;

	if (root == NULL)
		return false;
	t->root = root;
	if (!is_full(root, t->levels))
		return true;
	above = cow_new(c);
	if (above == NULL)
		return false;
	above->count = 1;
	above->children[0] = root;
	t->root = above;
	t->levels++;
	return true;
}

/* The writable child for the key, split before if it is full. The parent has room. */
static void *touch_child(struct cow *c, struct inner *n, unsigned level, uint64_t key)
{
	size_t i = child_for(n, key);
	void *child = cow_touch(c, n->children[i]);
	uint64_t first;
	void *right;

	if (child == NULL)
		return NULL;
	n->children[i] = child;
	if (!is_full(child, level))
		return child;
	right = split(c, child, level, &first);
	if (right == NULL)
		return NULL;
	inner_insert(n, i + 1, first, right);
	return key >= first ? right : child;
}

bool tree_add(struct cow *c, struct tree *t, uint64_t key)
{
	struct leaf *leaf;
	void *page;
	size_t at;

	if (tree_has(t, key))
		return true;
	if (!touch_root(c, t))
		return false;
	page = t->root;
	for (unsigned level = t->levels; level > 0; level--) {
		page = touch_child(c, page, level - 1, key);
		if (page == NULL)
			return false;
	}
	leaf = page;
	at = lower_bound(leaf->keys, leaf->count, key);
	memmove(leaf->keys + at + 1, leaf->keys + at,
		(leaf->count - at) * sizeof(*leaf->keys));
	leaf->keys[at] = key;
	leaf->count++;
	t->count++;
	return true;
}

/* Joins child i, a leaf, with a neighbour if both are small enough. */
static bool join_leaf(struct cow *c, struct inner *n, size_t i)
{
	size_t left = i + 1 < n->count ? i : i - 1;
	const struct leaf *a;
	const struct leaf *b;
	struct leaf *into;
	struct leaf *from;

	if (n->count < 2)
		return true;
	a = n->children[left];
	b = n->children[left + 1];
	if (a->count + b->count > LEAF_JOIN)
		return true;
	into = cow_touch(c, n->children[left]);
	if (into == NULL)
		return false;
	n->children[left] = into;
	from = cow_touch(c, n->children[left + 1]);
	if (from == NULL)
		return false;
	memcpy(into->keys + into->count, from->keys, from->count * sizeof(*from->keys));
	into->count += from->count;
	cow_drop(c, from);
	n->count--;
	memmove(n->keys + left + 1, n->keys + left + 2,
		(n->count - left - 1) * sizeof(*n->keys));
	memmove(n->children + left + 1, n->children + left + 2,
		(n->count - left - 1) * sizeof(*n->children));
	return true;
}

/* Takes away inner pages at the top that lead to one page only. */
static void lower_root(struct cow *c, struct tree *t)
{
	while (t->levels > 0) {
		struct inner *root = t->root;

		if (root->count > 1)
			return;
		t->root = root->children[0];
		t->levels--;
		cow_drop(c, root);
	}
}

bool tree_remove(struct cow *c, struct tree *t, uint64_t key)
{
	struct inner *parent = NULL;
	void **slot = &t->root;
	struct leaf *leaf;
	size_t i = 0;
	size_t at;

	if (!tree_has(t, key))
		return true;
	for (unsigned level = t->levels;; level--) {
		void *page = cow_touch(c, *slot);

		if (page == NULL)
			return false;
		*slot = page;
		if (level == 0)
			break;
		parent = page;
		i = child_for(parent, key);
		slot = &parent->children[i];
	}
	leaf = *slot;
	at = lower_bound(leaf->keys, leaf->count, key);
	leaf->count--;
	memmove(leaf->keys + at, leaf->keys + at + 1,
		(leaf->count - at) * sizeof(*leaf->keys));
	t->count--;
	if (parent != NULL && leaf->count < LEAF_MIN && !join_leaf(c, parent, i))
		return false;
	lower_root(c, t);
	return true;
}

/* Notes a further page of a level and its first key. */
static bool load_push(struct tree_load *l, void *page, uint64_t first)
{
	struct page_list *p = &l->pages;

	if (p->count == p->cap) {
		size_t cap = p->cap == 0 ? 32 : p->cap * 2;
		void **items = reallocarray(p->items, cap, sizeof(*items));
		uint64_t *firsts;

		if (items == NULL)
			return false;
		p->items = items;
		firsts = reallocarray(l->firsts, cap, sizeof(*firsts));
		if (firsts == NULL)
			return false;
		l->firsts = firsts;
		p->cap = cap;
	}
	l->firsts[p->count] = first;
	p->items[p->count++] = page;
	return true;
}

bool tree_load_add(struct tree_load *l, uint64_t key)
{
	struct page_list *p = &l->pages;
	struct leaf *leaf = p->count == 0 ? NULL : p->items[p->count - 1];

	if (leaf == NULL || leaf->count == LEAF_LOAD) {
		leaf = cow_new(l->c);
		if (leaf == NULL || !load_push(l, leaf, key))
			return false;
	}
	leaf->keys[leaf->count++] = key;
	l->count++;
	return true;
}

/* Inner pages above the pages of the level; they take their places in the list. */
static bool load_level(struct tree_load *l)
{
	size_t out = 0;

	for (size_t i = 0; i < l->pages.count; out++) {
		struct inner *n = cow_new(l->c);
		uint64_t first = l->firsts[i];

		if (n == NULL)
			return false;
		for (; i < l->pages.count && n->count < INNER_LOAD; i++) {
			n->keys[n->count] = l->firsts[i];
			n->children[n->count++] = l->pages.items[i];
		}
		l->firsts[out] = first;
		l->pages.items[out] = n;
	}
	l->pages.count = out;
	return true;
}

bool tree_load_end(struct tree_load *l, struct tree *t)
{
	unsigned levels = 0;

	if (l->pages.count == 0)
		return tree_init(l->c, t);
	for (; l->pages.count > 1; levels++)
		if (!load_level(l))
			return false;
	*t = (struct tree){
		.root = l->pages.items[0],
		.levels = levels,
		.count = l->count,
	};
	return true;
}

void tree_load_done(struct tree_load *l)
{
	free(l->pages.items);
	free(l->firsts);
	*l = (struct tree_load){0};
}
