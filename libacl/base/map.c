/*
 * map - open addressing with linear probing over 8-byte slots.
 *
 * Does: number strings. Does not: own or remove keys.
 * Invariants: cap is a power of two and at least one slot is free, so every probe ends; a slot
 * keeps half the hash, so that a key is looked at only when it almost surely is the one.
 */
#include "libacl/base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_SLOTS 16U

bool map_seed_random(struct map_seed *ret_seed)
{
	struct map_seed seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return false;
	*ret_seed = seed;
	return true;
}

static uint64_t rotl(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* SipHash with one round a word and three at the end (Aumasson, Bernstein 2012). */
uint64_t map_hash(const struct map_seed *seed, struct str s)
{
	uint64_t v[4] = {
		seed->k0 ^ 0x736f6d6570736575U,
		seed->k1 ^ 0x646f72616e646f6dU,
		seed->k0 ^ 0x6c7967656e657261U,
		seed->k1 ^ 0x7465646279746573U,
	};
	uint64_t last = (uint64_t)s.len << 56;
	uint64_t word;
	size_t at = 0;

	for (; s.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, s.ptr + at, sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (unsigned shift = 0; at < s.len; at++, shift += 8)
		last |= (uint64_t)(unsigned char)s.ptr[at] << shift;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xFF;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, struct map_seed seed)
{
	*m = (struct map){.seed = seed};
}

void map_done(struct map *m)
{
	free(m->slots);
	free(m->keys);
	*m = (struct map){.seed = m->seed};
}

static uint32_t slot_id(uint64_t slot)
{
	return (uint32_t)slot - 1;
}

static bool key_is(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

uint32_t map_find(const struct map *m, struct str key, uint64_t hash)
{
	if (m->cap == 0)
		return MAP_NONE;
	for (size_t at = hash & (m->cap - 1);; at = (at + 1) & (m->cap - 1)) {
		uint64_t slot = m->slots[at];

		if (slot == 0)
			return MAP_NONE;
		if (slot >> 32 == hash >> 32 && key_is(m->keys[slot_id(slot)], key))
			return slot_id(slot);
	}
}

uint32_t map_guess(const struct map *m, uint64_t hash)
{
	if (m->cap == 0)
		return MAP_NONE;
	for (size_t at = hash & (m->cap - 1);; at = (at + 1) & (m->cap - 1)) {
		uint64_t slot = m->slots[at];

		if (slot == 0)
			return MAP_NONE;
		if (slot >> 32 == hash >> 32)
			return slot_id(slot);
	}
}

static void place(uint64_t *slots, size_t cap, uint64_t hash, size_t id)
{
	size_t at = hash & (cap - 1);

	while (slots[at] != 0)
		at = (at + 1) & (cap - 1);
	slots[at] = hash >> 32 << 32 | (uint64_t)(id + 1);
}

/* A table of cap slots for the keys there are, or NULL. Slots keep half a hash: hash anew. */
static uint64_t *table_new(const struct map *m, size_t cap)
{
	uint64_t *slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return NULL;
	for (size_t id = 0; id < m->count; id++)
		place(slots, cap, map_hash(&m->seed, m->keys[id]), id);
	return slots;
}

static size_t cap_for(size_t count)
{
	size_t cap = MIN_SLOTS;

	while (count * 4 > cap * 3)
		cap *= 2;
	return cap;
}

static bool grow_slots(struct map *m)
{
	size_t cap = cap_for(m->count + 1);
	uint64_t *slots;

	if (cap <= m->cap)
		return true;
	slots = table_new(m, cap);
	if (slots == NULL)
		return false;
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return true;
}

static bool grow_keys(struct map *m)
{
	size_t cap = m->key_cap == 0 ? MIN_SLOTS : m->key_cap * 2;
	struct str *keys;

	if (m->count < m->key_cap)
		return true;
	keys = reallocarray(m->keys, cap, sizeof(*keys));
	if (keys == NULL)
		return false;
	m->keys = keys;
	m->key_cap = cap;
	return true;
}

bool map_add(struct map *m, struct str key, uint64_t hash)
{
	if (m->count >= MAP_MAX_COUNT || !grow_keys(m) || !grow_slots(m))
		return false;
	m->keys[m->count] = key;
	place(m->slots, m->cap, hash, m->count);
	m->count++;
	return true;
}
