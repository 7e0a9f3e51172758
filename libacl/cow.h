/*
 * cow - one version under construction: pages are copied before they are written. Internal.
 *
 * A page whose owner is this version is private to it and may be written; all others belong to
 * versions that somebody may be reading. What is replaced is remembered, and what is new: so a
 * version can be taken back, or the one before it freed, at the cost of the difference.
 * One thread. Errors: NULL or false when there is no memory; what was reached is unchanged.
 */
#ifndef ACL_COW_H
#define ACL_COW_H

#include <stdbool.h>

#include "libacl/pool.h"

struct page_list {
	void **items;
	size_t count;
	size_t cap;
};

struct cow {
	struct pool *pool;
	uint64_t version;
	bool is_first;          /* nothing to share, nothing to take back */
	struct page_list taken; /* new in this version */
	struct page_list gone;  /* of older versions, replaced in this one */
};

/* A cleared page. */
void *cow_new(struct cow *c);

/* The page itself if this version owns it, else a copy in its place. */
void *cow_touch(struct cow *c, void *page);

/* A page that cow_new() or cow_touch() gave and that nothing leads to any more. */
void cow_drop(struct cow *c, void *page);

/* Frees what was dropped; `taken` and `gone` are final. */
void cow_finish(struct cow *c);

/* Gives the pages of a list back to the pool and frees the list. */
void cow_free_list(struct pool *pool, struct page_list *l);

#endif
