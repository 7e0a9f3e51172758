/*
 * pool - regions in a ring, those with free pages first.
 *
 * Does: take and give back in O(1). Does not: lock, clear, or know what a page is for.
 * Invariants: a region is aligned to its size, so that the head of a page's region is found by
 * masking its address; a region with a free page never stands behind one without; the address
 * sanitizer is told of free pages.
 */
#include "libacl/pool.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#define NO_PAGE UINT16_MAX

struct region {
	struct region *prev;
	struct region *next;
	uint16_t used;
	uint16_t fresh; /* pages from here on were never taken */
	uint16_t free;  /* first of those that were given back */
	struct page_info infos[REGION_PAGES];
};

_Static_assert(sizeof(struct region) <= PAGE_BYTES, "the head fits the first page");

struct pool {
	struct region *first; /* NULL or a ring */
	size_t holders;
	size_t used;
	size_t regions;
};

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif
#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(from, size)   ((void)(from), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(from, size) ((void)(from), (void)(size))
#endif

struct pool *pool_new(void)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p != NULL)
		p->holders = 1;
	return p;
}

void pool_hold(struct pool *p)
{
	p->holders++;
}

static void region_free(struct pool *p, struct region *r)
{
	r->prev->next = r->next;
	r->next->prev = r->prev;
	if (p->first == r)
		p->first = r->next == r ? NULL : r->next;
	p->regions--;
	ASAN_UNPOISON_MEMORY_REGION(r, REGION_BYTES);
	(void)munmap(r, REGION_BYTES);
}

void pool_drop(struct pool *p)
{
	if (p == NULL || --p->holders > 0)
		return;
	while (p->first != NULL)
		region_free(p, p->first);
	free(p);
}

/* Links r in before `first`: behind all others, unless it becomes the first. */
static void ring_insert(struct pool *p, struct region *r)
{
	if (p->first == NULL) {
		r->next = r->prev = r;
		p->first = r;
		return;
	}
	r->next = p->first;
	r->prev = p->first->prev;
	r->prev->next = r;
	r->next->prev = r;
}

static void ring_move(struct pool *p, struct region *r, bool to_front)
{
	if (p->first == r)
		p->first = r->next;
	if (r->next != r) {
		r->prev->next = r->next;
		r->next->prev = r->prev;
		ring_insert(p, r);
	}
	if (to_front)
		p->first = r;
}

static bool is_full(const struct region *r)
{
	return r->used == REGION_PAGES - 1;
}

/* Mapped, not from malloc(): aligned without waste, and untouched until a page is taken. */
static struct region *map_region(void)
{
	char *wide = mmap(NULL, 2 * REGION_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (wide == MAP_FAILED)
		return NULL;
	before = (REGION_BYTES - ((uintptr_t)wide & (REGION_BYTES - 1))) &
		(REGION_BYTES - 1);
	if (before > 0)
		(void)munmap(wide, before);
	(void)munmap(wide + before + REGION_BYTES, REGION_BYTES - before);
	return (void *)(wide + before);
}

static bool add_region(struct pool *p)
{
	struct region *r = map_region();

	if (r == NULL)
		return false;
	/* A small model is not worth a huge page. Whether there are any is the kernel's to say. */
	if (p->regions > 0)
		(void)madvise(r, REGION_BYTES, MADV_HUGEPAGE);
	r->used = 0;
	r->fresh = 1;
	r->free = NO_PAGE;
	ring_insert(p, r);
	p->first = r;
	p->regions++;
	ASAN_POISON_MEMORY_REGION((char *)r + PAGE_BYTES, REGION_BYTES - PAGE_BYTES);
	return true;
}

void *pool_take(struct pool *p)
{
	struct region *r;
	uint16_t at;
	void *page;

	if ((p->first == NULL || is_full(p->first)) && !add_region(p))
		return NULL;
	r = p->first;
	at = r->free;
	if (at != NO_PAGE)
		r->free = r->infos[at].next;
	else
		at = r->fresh++;
	r->infos[at] = (struct page_info){.next = NO_PAGE};
	r->used++;
	p->used++;
	if (is_full(r))
		ring_move(p, r, false);
	page = (char *)r + at * PAGE_BYTES;
	ASAN_UNPOISON_MEMORY_REGION(page, PAGE_BYTES);
	return page;
}

static struct region *region_of(void *page)
{
	return (void *)((char *)page - ((uintptr_t)page & (REGION_BYTES - 1)));
}

static size_t page_index(void *page)
{
	return ((uintptr_t)page & (REGION_BYTES - 1)) / PAGE_BYTES;
}

struct page_info *pool_info(void *page)
{
	return &region_of(page)->infos[page_index(page)];
}

/* Is so much free that a region less will do? */
static bool is_roomy(const struct pool *p)
{
	return p->regions * (REGION_PAGES - 1) - p->used >= 4 * REGION_PAGES;
}

void pool_give(struct pool *p, void *page)
{
	struct region *r = region_of(page);
	size_t at = page_index(page);
	bool was_full = is_full(r);

	assert(at > 0 && r->used > 0);
	r->infos[at].next = r->free;
	r->free = (uint16_t)at;
	r->used--;
	p->used--;
	ASAN_POISON_MEMORY_REGION(page, PAGE_BYTES);
	if (r->used == 0 && is_roomy(p))
		region_free(p, r);
	else if (was_full)
		ring_move(p, r, true);
}

size_t pool_used(const struct pool *p)
{
	return p->used;
}
