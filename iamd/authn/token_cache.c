/*
 * token_cache - a chained hash table over a fixed ring of entries, evicted by the clock algorithm.
 *
 * The memory is mapped once (11 MiB) and touched as it fills; dropping everything gives the pages
 * back. One thread, no locks. It judges nothing: neither time nor whether the user is still good.
 * Invariant: an entry below `used` is on exactly one chain, the one its digest says.
 */
#include "iamd/authn/token_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "iamd/sys/thread.h"

struct entry {
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct token_facts facts;
	uint32_t next;     /* index plus one; 0: the last of its chain */
	bool used_lately;  /* the clock hand's second chance */
};

struct token_cache {
	uint64_t keyset;
	uint32_t used; /* entries below it are filled */
	uint32_t hand;
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
	thread_set(THREAD_TOKEN_CACHE, c, token_cache_free);
	return c;
}

/* Zero pages again: no entry, no chain, key set 0. */
static void drop_all(struct token_cache *c, uint64_t keyset)
{
	if (c->used > 0 && madvise(c, sizeof(*c), MADV_DONTNEED) != 0)
		memset(c, 0, sizeof(*c));
	c->keyset = keyset;
}

/* SHA-256 is uniform; whoever picks tokens to collide here would need our signature on each. */
static uint32_t *chain_of(struct token_cache *c, const unsigned char *digest)
{
	uint32_t h;

	_Static_assert((TOKEN_CACHE_ENTRIES & (TOKEN_CACHE_ENTRIES - 1)) == 0, "a power of two");
	memcpy(&h, digest, sizeof(h));
	return &c->heads[h & (TOKEN_CACHE_ENTRIES - 1)];
}

static struct entry *find(struct token_cache *c, const unsigned char *digest)
{
	for (uint32_t i = *chain_of(c, digest); i != 0; i = c->entries[i - 1].next) {
		if (memcmp(c->entries[i - 1].digest, digest, JOSE_DIGEST_BYTES) == 0)
			return &c->entries[i - 1];
	}
	return NULL;
}

static void unchain(struct token_cache *c, uint32_t index)
{
	uint32_t *link = chain_of(c, c->entries[index].digest);

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

bool token_cache_get(struct token_cache *c, uint64_t keyset, const unsigned char digest[JOSE_DIGEST_BYTES],
	struct token_facts *ret_facts)
{
	struct entry *e;

	if (c->keyset != keyset) {
		drop_all(c, keyset);
		return false;
	}
	e = find(c, digest);
	if (e == NULL)
		return false;
	e->used_lately = true;
	*ret_facts = e->facts;
	return true;
}

void token_cache_put(struct token_cache *c, uint64_t keyset, const unsigned char digest[JOSE_DIGEST_BYTES],
	const struct token_facts *facts)
{
	struct entry *e;
	uint32_t index;
	uint32_t *head;

	if (c->keyset != keyset)
		drop_all(c, keyset);
	e = find(c, digest);
	if (e != NULL) {
		e->facts = *facts;
		return;
	}
	index = take_entry(c);
	e = &c->entries[index];
	head = chain_of(c, digest);
	memcpy(e->digest, digest, JOSE_DIGEST_BYTES);
	e->facts = *facts;
	e->used_lately = false;
	e->next = *head;
	*head = index + 1;
}
