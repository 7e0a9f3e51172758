/*
 * pmap_impl - the blocks of a pmap, shared by its reading and its writing half; nobody else's.
 *
 * A block whose owner is the version under construction is private to the edit and may be
 * written; all others are never written again.
 */
#ifndef IAMD_AUTHZ_PMAP_IMPL_H
#define IAMD_AUTHZ_PMAP_IMPL_H

#include "iamd/authz/pmap.h"

#define ROOT_BITS  9U
#define CHUNK_BITS 9U
#define ROOT_SLOTS (1U << ROOT_BITS)

/* LIMIT: a page has 8..256 places (4 KiB) unless the directory's bits are used up. */
#define PAGE_MIN_CAP 8U
#define PAGE_MAX_CAP 256U

struct entry {
	uint64_t hash;
	void *record; /* NULL: free place */
};

struct page {
	uint64_t owner;
	uint32_t depth;
	uint32_t count;
	size_t cap; /* power of two */
	struct entry entries[];
};

struct chunk {
	uint64_t owner;
	uint32_t depth;
	struct page *pages[];
};

struct pmap {
	uint64_t owner; /* the number of this version */
	size_t count;
	struct chunk *chunks[ROOT_SLOTS];
};

static inline size_t root_index(uint64_t hash)
{
	return hash >> (64 - ROOT_BITS);
}

static inline size_t chunk_index(const struct chunk *c, uint64_t hash)
{
	return (hash << ROOT_BITS >> 1) >> (63 - c->depth);
}

static inline size_t chunk_bytes(uint32_t depth)
{
	return sizeof(struct chunk) + (sizeof(struct page *) << depth);
}

static inline size_t page_bytes(size_t cap)
{
	return sizeof(struct page) + cap * sizeof(struct entry);
}

static inline bool pmap_page_is_full(const struct page *p)
{
	return ((size_t)p->count + 1) * 5 > p->cap * 4;
}

/* The number of consecutive places that page i of the chunk takes. */
static inline size_t chunk_run(const struct chunk *c, size_t i)
{
	return (size_t)1 << (c->depth - c->pages[i]->depth);
}

/* An empty page, or NULL. */
struct page *pmap_page_new(uint64_t owner, uint32_t depth, size_t cap);

/* A copy with other places (cap must hold all entries), or NULL. */
struct page *pmap_page_copy(const struct page *from, uint64_t owner, size_t cap);

/* There must be room and no record for that key yet. */
void pmap_page_insert(struct page *p, uint64_t hash, void *record);

struct entry *pmap_page_find(struct page *p, uint64_t hash, pmap_match_fn *match,
	const void *key);

/* Takes an entry of the page out. */
void pmap_page_delete(struct page *p, struct entry *gone);

#endif
