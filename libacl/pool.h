/*
 * pool - pages of one size for all versions of a snapshot: internal to libacl.
 *
 * Pages are cut from regions of 2 MiB that the kernel may back with huge pages, so that a random
 * read of a large model seldom misses the TLB. Beside each page, in the head of its region, stands
 * what only the writer needs: the version that owns it and two small numbers. A region whose
 * pages are all free goes back to the system.
 * One thread at a time. Errors: NULL when there is no memory.
 */
#ifndef ACL_POOL_H
#define ACL_POOL_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES   ((size_t)8192)
#define REGION_BYTES ((size_t)2 << 20)
#define REGION_PAGES (REGION_BYTES / PAGE_BYTES)

struct page_info {
	uint64_t owner; /* the version that may write to it; 0: nobody, to be freed */
	uint16_t used;  /* entries, where the page does not say so itself */
	uint16_t depth; /* bits that all of its entries share */
	uint16_t next;  /* free page, while it is free itself */
};

struct pool;

/* One reference. */
struct pool *pool_new(void);
void pool_hold(struct pool *p);
/* Frees everything with the last reference. NULL is fine. */
void pool_drop(struct pool *p);

/* A page of undefined content, owned by nobody. */
void *pool_take(struct pool *p);
void pool_give(struct pool *p, void *page);

struct page_info *pool_info(void *page);

/* Pages taken and not given back. */
size_t pool_used(const struct pool *p);

#endif
