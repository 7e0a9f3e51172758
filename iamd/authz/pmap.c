/*
 * pmap - extendible hashing over pages that are copied when they are written: the reading half.
 *
 * A root of 512 chunks (by the top 9 bits of the hash), chunks of up to 512 pages (by the next
 * bits), pages of up to 256 open-addressed entries (by the low bits). A page that is full is
 * split in two; a chunk that cannot tell the halves apart is doubled. Where the 18 bits are used
 * up, past some 50 million records or under one single hash, the page itself grows.
 *
 * Does not: lock, write to a published version, or know what a record is.
 * Invariants: a page of depth d stands in 2^(D-d) consecutive places of its chunk of depth D; a
 * chunk has no empty place; at most 4/5 of a page is in use, so every probe ends.
 */
#include <stdlib.h>

#include "iamd/authz/pmap_impl.h"

struct page *pmap_page_new(uint64_t owner, uint32_t depth, size_t cap)
{
	struct page *p = calloc(1, page_bytes(cap));

	if (p == NULL)
		return NULL;
	p->owner = owner;
	p->depth = depth;
	p->cap = cap;
	return p;
}

void pmap_page_insert(struct page *p, uint64_t hash, void *record)
{
	size_t at = hash & (p->cap - 1);

	while (p->entries[at].record != NULL)
		at = (at + 1) & (p->cap - 1);
	p->entries[at] = (struct entry){.hash = hash, .record = record};
	p->count++;
}

struct entry *pmap_page_find(struct page *p, uint64_t hash, pmap_match_fn *match,
	const void *key)
{
	size_t at = hash & (p->cap - 1);

	for (; p->entries[at].record != NULL; at = (at + 1) & (p->cap - 1))
		if (p->entries[at].hash == hash && match(p->entries[at].record, key))
			return &p->entries[at];
	return NULL;
}

/* Takes one entry out and moves those behind it up, so that no search stops too early. */
void pmap_page_delete(struct page *p, struct entry *gone)
{
	size_t mask = p->cap - 1;
	size_t hole = (size_t)(gone - p->entries);
	size_t at = (hole + 1) & mask;

	for (; p->entries[at].record != NULL; at = (at + 1) & mask) {
		size_t home = p->entries[at].hash & mask;

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			p->entries[hole] = p->entries[at];
			hole = at;
		}
	}
	p->entries[hole] = (struct entry){0};
	p->count--;
}

struct page *pmap_page_copy(const struct page *from, uint64_t owner, size_t cap)
{
	struct page *p = pmap_page_new(owner, from->depth, cap);

	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < from->cap; i++)
		if (from->entries[i].record != NULL)
			pmap_page_insert(p, from->entries[i].hash,
				from->entries[i].record);
	return p;
}

struct pmap *pmap_new(void)
{
	return calloc(1, sizeof(struct pmap));
}

void pmap_free(struct pmap *m, pmap_record_fn *record_free, void *ctx)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < ROOT_SLOTS; i++) {
		struct chunk *c = m->chunks[i];
		size_t next;

		for (size_t j = 0; c != NULL && j < (size_t)1 << c->depth; j = next) {
			struct page *p = c->pages[j];

			next = j + chunk_run(c, j);
			for (size_t k = 0; record_free != NULL && k < p->cap; k++)
				if (p->entries[k].record != NULL)
					record_free(p->entries[k].record, ctx);
			free(p);
		}
		free(c);
	}
	free(m);
}

static struct entry *find_entry(const struct pmap *m, uint64_t hash, pmap_match_fn *match,
	const void *key)
{
	struct chunk *c = m->chunks[root_index(hash)];

	return c == NULL
		? NULL
		: pmap_page_find(c->pages[chunk_index(c, hash)], hash, match, key);
}

void *pmap_find(const struct pmap *m, uint64_t hash, pmap_match_fn *match,
	const void *key)
{
	struct entry *found = find_entry(m, hash, match, key);

	return found == NULL ? NULL : found->record;
}

size_t pmap_count(const struct pmap *m)
{
	return m->count;
}

/* False when the walk is to end. */
static bool page_each(const struct page *p, pmap_each_fn *each, void *ctx)
{
	for (size_t i = 0; i < p->cap; i++)
		if (p->entries[i].record != NULL &&
			!each(p->entries[i].hash, p->entries[i].record, ctx))
			return false;
	return true;
}

void pmap_each(const struct pmap *m, pmap_each_fn *each, void *ctx)
{
	for (size_t i = 0; i < ROOT_SLOTS; i++) {
		const struct chunk *c = m->chunks[i];

		if (c == NULL)
			continue;
		for (size_t j = 0; j < (size_t)1 << c->depth; j += chunk_run(c, j))
			if (!page_each(c->pages[j], each, ctx))
				return;
	}
}

size_t pmap_size_bytes(const struct pmap *m)
{
	size_t bytes = sizeof(*m);

	for (size_t i = 0; i < ROOT_SLOTS; i++) {
		const struct chunk *c = m->chunks[i];

		if (c == NULL)
			continue;
		bytes += chunk_bytes(c->depth);
		for (size_t j = 0; j < (size_t)1 << c->depth; j += chunk_run(c, j))
			bytes += page_bytes(c->pages[j]->cap);
	}
	return bytes;
}
