/*
 * token_cache - verified tokens of one thread, so that a signature is checked once.
 *
 * LIMIT: TOKEN_CACHE_ENTRIES a thread, clock eviction, memory touched only as it is used. Keyed by
 * 128 bits of SipHash over the whole token, under a random key of this cache: no token is stored, and
 * who does not know the key cannot make two that meet, which is all that SHA-256 is needed for
 * elsewhere, at a third of its price. Dropped whole when the key-set number changes. It holds what the
 * signature proves (uid, gen, exp) and the token's SHA-256, its name among the revoked; whether it was
 * revoked and the user is still good is asked of the published state at every hit.
 * Not shared: each thread has its own (thread slot THREAD_TOKEN_CACHE).
 */
#ifndef AUTHN_TOKEN_CACHE_H
#define AUTHN_TOKEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/rid.h"
#include "iamd/authn/jose.h"

#define TOKEN_CACHE_ENTRIES 65536

struct token_facts {
	char uid[IAM_UID_MAX_BYTES];
	uint8_t uid_len;
	bool has_gen;
	int64_t gen;
	int64_t expires_at_s; /* first second at which it is no longer good; 0: never */
};

/* The calling thread's cache; made at first use; NULL without memory (callers then verify each time). */
struct token_cache *token_cache_mine(void);

/* False: not there; the outputs are untouched. */
bool token_cache_get(struct token_cache *c, uint64_t keyset, struct str token,
	struct token_facts *ret_facts, unsigned char ret_digest[JOSE_DIGEST_BYTES]);
/* digest: jose_digest() of the token. */
void token_cache_put(struct token_cache *c, uint64_t keyset, struct str token,
	const unsigned char digest[JOSE_DIGEST_BYTES], const struct token_facts *facts);

#endif
