/*
 * table - a set of 64-bit words by hash, in pages that split one by one: internal to libacl.
 *
 * Extendible hashing: the top bits of the hash lead through at most three pages of pointers to a
 * page of words, the bits in the middle to a place there; words are probed in a line that never
 * leaves the page. A page that is four fifths full is split in two, so that growing never costs
 * more than a page.
 *
 * Words are either (35 bits of hash, number + 1), to find numbers of names, or grant words (see
 * model.h), which are hashed under a seed, so that nobody can choose which ones share a page.
 * LIMIT: 25 bits tell pages apart: some 15 000 000 000 words.
 */
#ifndef ACL_TABLE_H
#define ACL_TABLE_H

#include <stdint.h>

#include "libacl/cow.h"
#include "libacl/model.h"

#define TABLE_SLOTS       (PAGE_BYTES / sizeof(uint64_t))
#define TABLE_PLACE_SHIFT 29
#define TABLE_NUMBER_MASK (((uint64_t)1 << TABLE_PLACE_SHIFT) - 1)

struct table {
	char *root; /* a page; in the low bits of its address what it is */
	size_t count;
	uint64_t seed; /* of grant words; unused for numbers */
	bool of_grants;
};

/* Low bits of the address of a page of pointers: this, and how many bits of hash choose one. */
#define TABLE_FAN      ((size_t)16)
#define TABLE_FAN_BITS ((size_t)15)

static inline size_t table_tag(const char *tagged)
{
	return (uintptr_t)tagged & (PAGE_BYTES - 1);
}

static inline void *table_page(char *tagged)
{
	return tagged - table_tag(tagged);
}

/* The page of words that has the word of that hash, if any has. */
static inline const uint64_t *table_words(const struct table *t, uint64_t hash)
{
	char *at = t->root;

	while ((table_tag(at) & TABLE_FAN) != 0) {
		unsigned bits = (unsigned)(table_tag(at) & TABLE_FAN_BITS);
		char *const *fan = table_page(at);

		at = fan[hash >> 1 >> (63 - bits)];
		hash <<= bits;
	}
	return table_page(at);
}

/* Where the search in the page begins; from there to the first 0, around the end. */
static inline size_t table_place(uint64_t hash)
{
	return hash >> TABLE_PLACE_SHIFT & (TABLE_SLOTS - 1);
}

static inline void table_prefetch(const struct table *t, uint64_t hash)
{
	__builtin_prefetch(table_words(t, hash) + table_place(hash));
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

static inline uint32_t table_number(uint64_t word)
{
	return (uint32_t)(word & TABLE_NUMBER_MASK) - 1;
}

/* An empty table with pages for that many words. False: no memory. */
bool table_init(struct cow *c, struct table *t, size_t expected);

/*
 * The word that agrees with `word` in the bits of mask, to be written (the hash must stay what it
 * is); `word` itself is added if there is none. NULL: no memory.
 */
uint64_t *table_put(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask);

/* The same, read only: 0 if there is none. */
uint64_t table_get(const struct table *t, uint64_t hash, uint64_t word, uint64_t mask);

/* Takes it out, if it is there. Pages are not joined again. False: no memory. */
bool table_remove(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask);

/* Each page of words once. */
typedef void table_words_fn(const uint64_t words[TABLE_SLOTS], void *ctx);
void table_each(const struct table *t, table_words_fn *each, void *ctx);

#endif
