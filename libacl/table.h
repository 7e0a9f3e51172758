/*
 * table - slots found by hash, in pages that split one by one: internal to libacl.
 *
 * Extendible hashing: the top bits of the hash lead through at most four pages of pointers (mostly
 * two) to a page of slots, the bits below them to a place there; slots are probed in a line that
 * never leaves the page. A page that is four fifths full is split in two, so that growing never
 * costs more than some pages.
 *
 * A slot begins with a 64-bit word, 0 if it is free. Either it is nothing but a grant word (see
 * model.h), hashed under a seed, so that nobody can choose which ones share a page. Or it is a
 * record of an id, and the word is (35 bits of the id's hash, number + 1): whoever has found it has
 * what the record says without another wait for memory.
 * LIMIT: 25 bits tell pages apart: some 15 000 000 000 grants, more ids than there are numbers.
 */
#ifndef ACL_TABLE_H
#define ACL_TABLE_H

#include <stdint.h>

#include "libacl/cow.h"
#include "libacl/model.h"

#define TABLE_PAGE_BITS   25U /* of the hash, at its top; the place's bits stand below */
#define TABLE_NUMBER_MASK (((uint64_t)1 << 29) - 1)

struct table {
	char *root; /* a page; in the low bits of its address what it is */
	size_t count;
	size_t slot_bytes; /* 8 for grants; for records 64 or 128 */
	uint64_t seed;     /* of grant words; unused for records */
};

/*
 * Low bits of the address of a page of pointers: this, how many bits of hash choose one, and how
 * many stand before those.
 */
#define TABLE_FAN        ((size_t)16)
#define TABLE_FAN_BITS   ((size_t)15)
#define TABLE_SKIP_SHIFT 5

static inline size_t table_tag(const char *tagged)
{
	return (uintptr_t)tagged & (PAGE_BYTES - 1);
}

static inline void *table_page(char *tagged)
{
	return tagged - table_tag(tagged);
}

/* The page of slots that has the one of that hash, if any has. */
static inline const char *table_leaf(const struct table *t, uint64_t hash)
{
	char *at = t->root;
	size_t tag;

	while (((tag = table_tag(at)) & TABLE_FAN) != 0) {
		char *const *fan = table_page(at);

		at = fan[hash << (tag >> TABLE_SKIP_SHIFT) >> 1 >>
			(63 - (tag & TABLE_FAN_BITS))];
	}
	return at;
}

/* Where the search in the page begins; from there to the first free slot, around the end. */
static inline size_t table_place(uint64_t hash, size_t slot_bytes)
{
	size_t slots = PAGE_BYTES / slot_bytes;
	unsigned bits = (unsigned)__builtin_ctzll(slots);

	return (size_t)(hash >> (64 - TABLE_PAGE_BITS - bits)) & (slots - 1);
}

static inline const uint64_t *table_slot(const char *leaf, size_t at, size_t slot_bytes)
{
	return (const void *)(leaf + at * slot_bytes);
}

static inline size_t table_next(size_t at, size_t slot_bytes)
{
	return (at + 1) & (PAGE_BYTES / slot_bytes - 1);
}

/*
 * The slot whose word agrees with `word` in the bits of mask, or NULL. slot_bytes is the table's,
 * as a constant: all that is worked out from it is worked out by the compiler.
 */
static inline const uint64_t *table_find(const struct table *t, size_t slot_bytes,
	uint64_t hash, uint64_t word, uint64_t mask)
{
	const char *leaf = table_leaf(t, hash);
	size_t at = table_place(hash, slot_bytes);
	const uint64_t *slot;

	for (; *(slot = table_slot(leaf, at, slot_bytes)) != 0;
		at = table_next(at, slot_bytes))
		if (((*slot ^ word) & mask) == 0)
			return slot;
	return NULL;
}

/* Has the memory fetched that a search for that hash reads first. */
static inline void table_prefetch(const struct table *t, size_t slot_bytes, uint64_t hash)
{
	const char *leaf = table_leaf(t, hash);
	size_t at = table_place(hash, slot_bytes);

	for (size_t line = 0; line < slot_bytes; line += 64)
		__builtin_prefetch(leaf + at * slot_bytes + line);
}

/* Spreads a grant's key over 64 bits. */
static inline uint64_t grant_hash(uint64_t seed, uint64_t key)
{
	key ^= seed;
	key ^= key >> 31;
	key *= 0x9E3779B97F4A7C15U;
	key ^= key >> 29;
	key *= 0xBF58476D1CE4E5B9U;
	return key ^ key >> 32;
}

/* The word for a number. */
static inline uint64_t table_number_word(uint64_t hash, uint32_t number)
{
	return (hash & ~TABLE_NUMBER_MASK) | ((uint64_t)number + 1);
}

/* The number in a record's word. */
static inline uint32_t table_number(uint64_t word)
{
	return (uint32_t)(word & TABLE_NUMBER_MASK) - 1;
}

/* The word of a grant, or 0. */
static inline uint64_t table_get(const struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask)
{
	const uint64_t *slot = table_find(t, sizeof(word), hash, word, mask);

	return slot == NULL ? 0 : *slot;
}

/* An empty table with pages for that many slots. False: no memory. */
bool table_init(struct cow *c, struct table *t, size_t slot_bytes, size_t expected);

/*
 * The slot whose word agrees with `word` in the bits of mask, to be written (the hash must stay
 * what it is); if there is none, a new one, cleared but for `word`. Valid until the next slot is
 * added or removed. NULL: no memory.
 */
uint64_t *table_put(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask);

/* Takes it out, if it is there. Pages are not joined again. False: no memory. */
bool table_remove(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask);

/* Each page of slots once; false ends it. */
typedef bool table_page_fn(const char *leaf, void *ctx);
bool table_each(const struct table *t, table_page_fn *each, void *ctx);

#endif
