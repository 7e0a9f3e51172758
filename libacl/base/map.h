/*
 * map - gives every distinct string a small number, and finds it again.
 *
 * Ids are 0, 1, 2 ... in the order of adding; nothing is ever removed. The hash is seeded
 * (SipHash-1-3), so that whoever chooses the strings cannot choose collisions. A map is filled
 * by one owner thread; after that any number of threads may search it.
 * Keys are borrowed: their bytes must outlive the map. Errors: false when there is no memory.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iam/str.h"

struct map_seed {
	uint64_t k0;
	uint64_t k1;
};

/* A seed from the system's random numbers; false if it has none to give. */
bool map_seed_random(struct map_seed *ret_seed);

/* The hash of s under the seed; all 64 bits are good. An absent str hashes like an empty one. */
uint64_t map_hash(const struct map_seed *seed, struct str s);

/* LIMIT: ids stay below 2^28, so that subject, resource and actions fit one 64-bit word. */
#define MAP_MAX_COUNT ((size_t)1 << 28)
#define MAP_NONE      UINT32_MAX

struct map {
	struct map_seed seed;
	uint64_t *slots; /* upper half of the hash, then id + 1; 0 is free */
	size_t cap;      /* of slots: 0 or a power of two, at most 3/4 used */
	struct str *keys;
	size_t key_cap;
	size_t count;
};

/* An empty map; takes no memory. */
void map_init(struct map *m, struct map_seed seed);
void map_done(struct map *m);

/* The id of key, whose hash is given, or MAP_NONE. */
uint32_t map_find(const struct map *m, struct str key, uint64_t hash);

/*
 * The id that map_find() will most likely give, without a look at the key: to have the memory of
 * what it leads to fetched early. MAP_NONE if there is surely none.
 */
uint32_t map_guess(const struct map *m, uint64_t hash);

/* Has the memory that map_guess() or map_find() will read first fetched. */
static inline void map_prefetch(const struct map *m, uint64_t hash)
{
	if (m->cap != 0)
		__builtin_prefetch(&m->slots[hash & (m->cap - 1)]);
}

/* Adds a key that is not there yet; its id is the count before. False: full or no memory. */
bool map_add(struct map *m, struct str key, uint64_t hash);

#endif
