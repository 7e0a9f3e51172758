/*
 * jose_impl - what the jose_*.c files share; no other file includes it.
 *
 * OpenSSL's types appear by their struct names, so that its headers stay in the .c files.
 */
#ifndef AUTHN_JOSE_IMPL_H
#define AUTHN_JOSE_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "iam/str.h"

/* "<e decimal><n decimal>RSA" hashed, in hex, with its NUL. */
#define JOSE_KID_SIZE 65

struct jose_key {
	struct evp_pkey_st *pkey;
	struct evp_md_ctx_st *verifier; /* initialised for RS256 with pkey; only ever copied from */
	size_t signature_bytes;
	char kid[JOSE_KID_SIZE];
	char *n;
	char *e;
};

/* What one thread of ours keeps of OpenSSL (slot THREAD_DIGEST). */
struct jose_thread {
	struct evp_md_st *sha256;       /* fetched once */
	struct evp_md_ctx_st *digest;   /* for jose_digest() */
	struct evp_md_ctx_st *scratch;  /* copy target for signatures, checked and made */
};

/* The calling thread's, made at first use; NULL without memory. */
struct jose_thread *jose_thread_mine(void);

/* Bytes that `len` characters of base64url decode to; meaningless when len % 4 == 1. */
size_t jose_b64_decoded_len(size_t len);

/*
 * Strict base64url without padding (RFC 7515 section 2, RFC 4648 section 3.5): no '=', no other
 * character, no non-zero trailing bits, len % 4 != 1. Writes jose_b64_decoded_len(text.len) bytes
 * to out. False: what out holds is meaningless.
 */
bool jose_b64_decode(struct str text, unsigned char *out);

#endif
