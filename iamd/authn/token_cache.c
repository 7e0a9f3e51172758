/*
 * token_cache - a chained hash table over a fixed ring of entries, evicted by the clock algorithm.
 *
 * The memory is mapped once (12 MiB) and touched as it fills; dropping everything gives the pages
 * back. One thread, no locks. It judges nothing: neither time nor whether the user is still good.
 * Invariants: an entry below `used` is on exactly one chain, the one its name says; the names of all
 * entries were made with `key`, which leaves the cache nowhere and is drawn anew with each key set.
 */
#include "iamd/authn/token_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#include "iamd/sys/thread.h"

#define NAME_BYTES crypto_shorthash_siphashx24_BYTES

struct entry {
	unsigned char name[NAME_BYTES];
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct token_facts facts;
	uint32_t next;     /* index plus one; 0: the last of its chain */
	bool used_lately;  /* the clock hand's second chance */
};

struct token_cache {
	uint64_t keyset;
	uint32_t used; /* entries below it are filled */
	uint32_t hand;
	unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
	/* Index of a chain's first entry plus one; 0: empty, so that fresh pages are empty chains. */
	uint32_t heads[TOKEN_CACHE_ENTRIES];
	struct entry entries[TOKEN_CACHE_ENTRIES];
};

static void token_cache_free(void *value)
{
	munmap(value, sizeof(struct token_cache));
}

struct token_cache *token_cache_mine(void)
{
	struct token_cache *c = thread_get(THREAD_TOKEN_CACHE);

	if (c != NULL)
		return c;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c == MAP_FAILED)
		return NULL;
	randombytes_buf(c->key, sizeof(c->key));
	thread_set(THREAD_TOKEN_CACHE, c, token_cache_free);
	return c;
}

/* Zero pages again: no entry, no chain, key set 0; and another key. */
static void drop_all(struct token_cache *c, uint64_t keyset)
{
	if (c->used > 0 && madvise(c, sizeof(*c), MADV_DONTNEED) != 0)
		sodium_memzero(c, sizeof(*c));
	randombytes_buf(c->key, sizeof(c->key));
	c->keyset = keyset;
}

static void name_of(const struct token_cache *c, struct str token,
	unsigned char ret_name[NAME_BYTES])
{
	(void)crypto_shorthash_siphashx24(ret_name, (const unsigned char *)token.ptr, token.len,
		c->key);
}

static uint32_t *chain_of(struct token_cache *c, const unsigned char *name)
{
	uint32_t h;

	_Static_assert((TOKEN_CACHE_ENTRIES & (TOKEN_CACHE_ENTRIES - 1)) == 0, "a power of two");
	memcpy(&h, name, sizeof(h));
	return &c->heads[h & (TOKEN_CACHE_ENTRIES - 1)];
}

/* Comparing may take its time from the names: without the key they tell nothing about a token. */
static struct entry *find(struct token_cache *c, const unsigned char *name)
{
	for (uint32_t i = *chain_of(c, name); i != 0; i = c->entries[i - 1].next) {
		if (memcmp(c->entries[i - 1].name, name, NAME_BYTES) == 0)
			return &c->entries[i - 1];
	}
	return NULL;
}

static void unchain(struct token_cache *c, uint32_t index)
{
	uint32_t *link = chain_of(c, c->entries[index].name);

	while (*link != index + 1)
		link = &c->entries[*link - 1].next;
	*link = c->entries[index].next;
}

/* An entry that is on no chain: a fresh one, or the first that was not asked for since the last round. */
static uint32_t take_entry(struct token_cache *c)
{
	uint32_t taken;

	if (c->used < TOKEN_CACHE_ENTRIES)
		return c->used++;
	while (c->entries[c->hand].used_lately) {
		c->entries[c->hand].used_lately = false;
		c->hand = (c->hand + 1) % TOKEN_CACHE_ENTRIES;
	}
	taken = c->hand;
	c->hand = (c->hand + 1) % TOKEN_CACHE_ENTRIES;
	unchain(c, taken);
	return taken;
}

bool token_cache_get(struct token_cache *c, uint64_t keyset, struct str token,
	struct token_facts *ret_facts, unsigned char ret_digest[JOSE_DIGEST_BYTES])
{
	unsigned char name[NAME_BYTES];
	struct entry *e;

	if (c->keyset != keyset) {
		drop_all(c, keyset);
		return false;
	}
	name_of(c, token, name);
	e = find(c, name);
	if (e == NULL)
		return false;
	e->used_lately = true;
	*ret_facts = e->facts;
	memcpy(ret_digest, e->digest, JOSE_DIGEST_BYTES);
	return true;
}

void token_cache_put(struct token_cache *c, uint64_t keyset, struct str token,
	const unsigned char digest[JOSE_DIGEST_BYTES], const struct token_facts *facts)
{
	unsigned char name[NAME_BYTES];
	struct entry *e;
	uint32_t index;
	uint32_t *head;

	if (c->keyset != keyset)
		drop_all(c, keyset);
	name_of(c, token, name);
	e = find(c, name);
	if (e != NULL) {
		e->facts = *facts;
		return;
	}
	index = take_entry(c);
	e = &c->entries[index];
	head = chain_of(c, name);
	memcpy(e->name, name, NAME_BYTES);
	memcpy(e->digest, digest, JOSE_DIGEST_BYTES);
	e->facts = *facts;
	e->used_lately = false;
	e->next = *head;
	*head = index + 1;
}
