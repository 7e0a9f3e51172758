/*
 * pmap_edit - the writing half of pmap: copies what it touches, splits what is full.
 *
 * Does not: shrink chunks or join pages again (an emptied page costs 160 bytes), lock, or free
 * anything that an older version can reach.
 * Invariants: after a failure the map holds what it held (pages may have been copied or split,
 * which readers of the result cannot tell); what is retired was never written; places in the
 * lists are reserved before anything is changed.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/authz/pmap_impl.h"
#include "libacl/base/steal.h"

/* Room for `more` further items, so that list_push() cannot fail. */
static bool list_reserve(struct pmap_list *l, size_t more)
{
	size_t cap = l->cap == 0 ? 16 : l->cap;
	void **items;

	if (l->cap - l->count >= more)
		return true;
	while (cap - l->count < more)
		cap *= 2;
	items = reallocarray(l->items, cap, sizeof(*items));
	if (items == NULL)
		return false;
	l->items = items;
	l->cap = cap;
	return true;
}

static void list_push(struct pmap_list *l, void *item)
{
	assert(l->count < l->cap);
	l->items[l->count++] = item;
}

static void list_free_all(struct pmap_list *l, pmap_record_fn *item_free, void *ctx)
{
	for (size_t i = 0; item_free != NULL && i < l->count; i++)
		item_free(l->items[i], ctx);
	free(l->items);
	*l = (struct pmap_list){0};
}

void pmap_edit_begin(struct pmap_edit *e, struct pmap *base)
{
	*e = (struct pmap_edit){.base = base};
}

/* Smallest page for that many entries. */
static size_t cap_for(size_t count)
{
	size_t cap = PAGE_MIN_CAP;

	while (count * 5 > cap * 4)
		cap *= 2;
	return cap;
}

/* Puts p into every place whose index begins with the first `depth` bits of hash's. */
static void chunk_set(struct chunk *c, uint64_t hash, struct page *p)
{
	uint32_t spare = c->depth - p->depth;
	size_t first = chunk_index(c, hash) >> spare << spare;

	for (size_t i = first; i < first + ((size_t)1 << spare); i++)
		c->pages[i] = p;
}

/* A block of an older version is replaced: remember it. The caller has reserved the place. */
static void retire(struct pmap_edit *e, void *block, size_t bytes)
{
	list_push(&e->blocks, block);
	e->retired_bytes += bytes;
}

static bool touch_root(struct pmap_edit *e)
{
	struct pmap *root;

	if (e->root != NULL)
		return true;
	root = malloc(sizeof(*root));
	if (root == NULL)
		return false;
	*root = *e->base;
	root->owner = e->base->owner + 1;
	e->root = root;
	retire(e, e->base, sizeof(*e->base));
	return true;
}

/* The first chunk of a root slot, with one empty page. */
static struct chunk *chunk_new(uint64_t owner)
{
	struct chunk *c = calloc(1, chunk_bytes(0));
	struct page *p = pmap_page_new(owner, 0, PAGE_MIN_CAP);

	if (c == NULL || p == NULL) {
		free(c);
		free(p);
		return NULL;
	}
	c->owner = owner;
	c->pages[0] = p;
	return c;
}

/* A writable chunk for hash, or NULL. The root is writable already. */
static struct chunk *touch_chunk(struct pmap_edit *e, uint64_t hash)
{
	struct chunk **slot = &e->root->chunks[root_index(hash)];
	struct chunk *c = *slot;
	struct chunk *copy;

	if (c == NULL) {
		*slot = chunk_new(e->root->owner);
		return *slot;
	}
	if (c->owner == e->root->owner)
		return c;
	copy = malloc(chunk_bytes(c->depth));
	if (copy == NULL)
		return NULL;
	memcpy(copy, c, chunk_bytes(c->depth));
	copy->owner = e->root->owner;
	*slot = copy;
	retire(e, c, chunk_bytes(c->depth));
	return copy;
}

/* A writable page for hash, or NULL. The chunk is writable already. */
static struct page *touch_page(struct pmap_edit *e, struct chunk *c, uint64_t hash)
{
	struct page *p = c->pages[chunk_index(c, hash)];
	struct page *copy;

	if (p->owner == e->root->owner)
		return p;
	/* Shrink what is three quarters empty; the gap to 4/5 keeps it from growing right back. */
	if (p->cap > PAGE_MIN_CAP && (size_t)p->count * 4 < p->cap)
		copy = pmap_page_copy(p, e->root->owner, cap_for((size_t)p->count + 1));
	else
		copy = pmap_page_copy(p, e->root->owner, p->cap);
	if (copy == NULL)
		return NULL;
	chunk_set(c, hash, copy);
	retire(e, p, page_bytes(p->cap));
	return copy;
}

/* The writable page for hash with the path to it, or NULL without memory. */
static struct page *touch_path(struct pmap_edit *e, uint64_t hash)
{
	struct chunk *c;

	if (!list_reserve(&e->blocks, 3) || !touch_root(e))
		return NULL;
	c = touch_chunk(e, hash);
	return c == NULL ? NULL : touch_page(e, c, hash);
}

static bool grow_page(struct pmap_edit *e, uint64_t hash, struct page *p)
{
	struct page *bigger = pmap_page_copy(p, e->root->owner, p->cap * 2);

	if (bigger == NULL)
		return false;
	chunk_set(e->root->chunks[root_index(hash)], hash, bigger);
	free(p);
	return true;
}

/* Twice the places, every page standing in two where it stood in one. */
static bool double_chunk(struct pmap_edit *e, struct chunk **slot)
{
	struct chunk *c = *slot;
	struct chunk *bigger = malloc(chunk_bytes(c->depth + 1));

	if (bigger == NULL)
		return false;
	bigger->owner = e->root->owner;
	bigger->depth = c->depth + 1;
	for (size_t i = 0; i < (size_t)1 << bigger->depth; i++)
		bigger->pages[i] = c->pages[i / 2];
	*slot = bigger;
	free(c);
	return true;
}

/* Two pages in place of one, told apart by one more bit. */
static bool split_page(struct pmap_edit *e, uint64_t hash, struct page *p)
{
	struct chunk **slot = &e->root->chunks[root_index(hash)];
	uint64_t bit = (uint64_t)1 << (63 - ROOT_BITS - p->depth);
	struct page *low;
	struct page *high;

	if (p->depth == (*slot)->depth && !double_chunk(e, slot))
		return false;
	low = pmap_page_new(e->root->owner, p->depth + 1, p->cap);
	high = pmap_page_new(e->root->owner, p->depth + 1, p->cap);
	if (low == NULL || high == NULL) {
		free(low);
		free(high);
		return false;
	}
	for (size_t i = 0; i < p->cap; i++) {
		const struct entry *moved = &p->entries[i];

		if (moved->record != NULL)
			pmap_page_insert((moved->hash & bit) == 0 ? low : high,
				moved->hash, moved->record);
	}
	chunk_set(*slot, hash & ~bit, low);
	chunk_set(*slot, hash | bit, high);
	free(p);
	return true;
}

static bool make_room(struct pmap_edit *e, uint64_t hash, struct page *p)
{
	if (p->cap < PAGE_MAX_CAP || p->depth == CHUNK_BITS)
		return grow_page(e, hash, p);
	return split_page(e, hash, p);
}

enum iam_err pmap_edit_put(struct pmap_edit *e, uint64_t hash, void *record,
	pmap_match_fn *match, const void *key)
{
	struct entry *found;
	struct page *p;

	assert(record != NULL);
	if (!list_reserve(&e->added, 1) || !list_reserve(&e->removed, 1))
		return IAM_NO_MEMORY;
	p = touch_path(e, hash);
	if (p == NULL)
		return IAM_NO_MEMORY;
	found = pmap_page_find(p, hash, match, key);
	if (found != NULL) {
		list_push(&e->removed, found->record);
		list_push(&e->added, record);
		found->record = record;
		return IAM_OK;
	}
	while (pmap_page_is_full(p)) {
		struct chunk *c;

		if (!make_room(e, hash, p))
			return IAM_NO_MEMORY;
		c = e->root->chunks[root_index(hash)];
		p = c->pages[chunk_index(c, hash)];
	}
	pmap_page_insert(p, hash, record);
	list_push(&e->added, record);
	e->root->count++;
	return IAM_OK;
}

enum iam_err pmap_edit_remove(struct pmap_edit *e, uint64_t hash, pmap_match_fn *match,
	const void *key)
{
	struct entry *found;
	struct page *p;

	if (pmap_edit_find(e, hash, match, key) == NULL)
		return IAM_NOT_FOUND;
	if (!list_reserve(&e->removed, 1))
		return IAM_NO_MEMORY;
	p = touch_path(e, hash);
	if (p == NULL)
		return IAM_NO_MEMORY;
	found = pmap_page_find(p, hash, match, key);
	assert(found != NULL);
	list_push(&e->removed, found->record);
	pmap_page_delete(p, found);
	e->root->count--;
	return IAM_OK;
}

static const struct pmap *newest(const struct pmap_edit *e)
{
	return e->root != NULL ? e->root : e->base;
}

void *pmap_edit_find(const struct pmap_edit *e, uint64_t hash, pmap_match_fn *match,
	const void *key)
{
	return pmap_find(newest(e), hash, match, key);
}

size_t pmap_edit_count(const struct pmap_edit *e)
{
	return newest(e)->count;
}

struct pmap *pmap_edit_finish(struct pmap_edit *e, struct pmap_retired *ret_retired)
{
	struct pmap *version = e->root != NULL ? e->root : e->base;

	*ret_retired = (struct pmap_retired){
		.blocks = e->blocks,
		.records = e->removed,
		.bytes = e->retired_bytes,
	};
	free(e->added.items);
	*e = (struct pmap_edit){0};
	return version;
}

/* Frees the pages that only the edit has, then the chunk itself. */
static void free_own_chunk(struct chunk *c)
{
	size_t next;

	for (size_t i = 0; i < (size_t)1 << c->depth; i = next) {
		struct page *p = c->pages[i];

		next = i + chunk_run(c, i);
		if (p->owner == c->owner)
			free(p);
	}
	free(c);
}

void pmap_edit_abort(struct pmap_edit *e, pmap_record_fn *record_free, void *ctx)
{
	for (size_t i = 0; e->root != NULL && i < ROOT_SLOTS; i++) {
		struct chunk *c = e->root->chunks[i];

		if (c != NULL && c->owner == e->root->owner)
			free_own_chunk(c);
	}
	free(STEAL(e->root));
	list_free_all(&e->blocks, NULL, NULL);
	list_free_all(&e->removed, NULL, NULL);
	list_free_all(&e->added, record_free, ctx);
	*e = (struct pmap_edit){0};
}

static void block_free(void *block, void *ctx)
{
	(void)ctx;
	free(block);
}

void pmap_retired_free(struct pmap_retired *r, pmap_record_fn *record_free, void *ctx)
{
	list_free_all(&r->blocks, block_free, NULL);
	list_free_all(&r->records, record_free, ctx);
	r->bytes = 0;
}
