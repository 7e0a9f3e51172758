/*
 * cow - the two lists behind copy-on-write.
 *
 * Does not: know which page leads to which; the structures above do.
 * Invariants: a page that is not the version's own is never written; each page stands in at most
 * one list of a version, once.
 */
#include "libacl/cow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more, so that a push cannot fail. */
static bool list_reserve(struct page_list *l)
{
	size_t cap = l->cap == 0 ? 32 : l->cap * 2;
	void **items;

	if (l->count < l->cap)
		return true;
	items = reallocarray(l->items, cap, sizeof(*items));
	if (items == NULL)
		return false;
	l->items = items;
	l->cap = cap;
	return true;
}

static void *take(struct cow *c)
{
	void *page;

	if (!c->is_first && !list_reserve(&c->taken))
		return NULL;
	page = pool_take(c->pool);
	if (page == NULL)
		return NULL;
	pool_info(page)->owner = c->version;
	if (!c->is_first)
		c->taken.items[c->taken.count++] = page;
	return page;
}

void *cow_new(struct cow *c)
{
	void *page = take(c);

	return page == NULL ? NULL : memset(page, 0, PAGE_BYTES);
}

void *cow_touch(struct cow *c, void *page)
{
	struct page_info *info;
	void *copy;

	if (c->is_first || pool_info(page)->owner == c->version)
		return page;
	if (!list_reserve(&c->gone))
		return NULL;
	copy = take(c);
	if (copy == NULL)
		return NULL;
	memcpy(copy, page, PAGE_BYTES);
	info = pool_info(copy);
	info->used = pool_info(page)->used;
	info->depth = pool_info(page)->depth;
	c->gone.items[c->gone.count++] = page;
	return copy;
}

void cow_drop(struct cow *c, void *page)
{
	assert(pool_info(page)->owner == c->version);
	if (c->is_first)
		pool_give(c->pool, page);
	else
		pool_info(page)->owner = 0; /* it stands in `taken` */
}

void cow_finish(struct cow *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->taken.count; i++) {
		if (pool_info(c->taken.items[i])->owner == 0)
			pool_give(c->pool, c->taken.items[i]);
		else
			c->taken.items[kept++] = c->taken.items[i];
	}
	c->taken.count = kept;
}

void cow_free_list(struct pool *pool, struct page_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		pool_give(pool, l->items[i]);
	free(l->items);
	*l = (struct page_list){0};
}
