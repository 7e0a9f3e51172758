/*
 * jose - verification of compact JWS tokens, and RSA public keys in and out.
 *
 * Only verifies; tokens are made by jwt_mint.c and jose_sign.c. The algorithm is a property of the key: a token
 * whose header names another is refused, `none` and HMAC always (RFC 8725 section 3.1). `kid` is a
 * table look-up; `crit` is refused; `jku`, `x5u`, `jwk`, `x5c` are never followed; strict base64url;
 * duplicate JSON members refused; size capped. Keys are parsed once and shared by all threads.
 */
#ifndef AUTHN_JOSE_H
#define AUTHN_JOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/err.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

/* LIMIT: a longer token is refused unseen. */
#define JOSE_TOKEN_MAX_BYTES 8192
#define JOSE_DIGEST_BYTES 32

struct jose_key; /* an RSA public key, bound to RS256; immutable, any thread */

/*
 * A public key from PEM (SubjectPublicKeyInfo "BEGIN PUBLIC KEY"; leading and trailing white space
 * is fine; a PKCS#1 "BEGIN RSA PUBLIC KEY" block too, but not an SPKI body labelled so).
 * Errors: IAM_BAD_PUBLIC_KEY with the reason ("Key must be of type RSA", "at least 2048 bits" ...).
 */
MUST_CHECK enum iam_err jose_key_from_public_pem(struct str pem, struct jose_key **ret_key, struct iam_error *err);
void jose_key_free(struct jose_key *key);

/* The key as SubjectPublicKeyInfo PEM, to be freed with free(); NULL without memory. */
char *jose_key_public_pem(const struct jose_key *key);

/* kid (lower-case hex SHA-256 of "<e decimal><n decimal>RSA"), and n, e as Base64urlUInt; C strings of the key's. */
const char *jose_key_kid(const struct jose_key *key);
const char *jose_key_n(const struct jose_key *key);
const char *jose_key_e(const struct jose_key *key);

/* SHA-256. Any thread, no allocation after the thread's first call. */
void jose_digest(struct str bytes, unsigned char ret_digest[JOSE_DIGEST_BYTES]);

struct jose_claims {
	struct str uid;     /* absent: no string claim `uid` */
	struct str jti;
	bool has_exp, has_nbf, has_iat, has_gen, has_aud;
	bool bad_time;      /* exp, nbf or iat is there and not a number */
	double exp, nbf, iat; /* seconds */
	int64_t gen;
};

/* The header's kid, to look the key up. Nothing is verified. Absent kid: .ptr NULL. IAM_BAD_TOKEN if malformed, IAM_NO_MEMORY. */
MUST_CHECK enum iam_err jose_peek_kid(struct str token, struct arena *a, struct str *ret_kid);

/*
 * Verifies signature and form, and reads the claims. Times are NOT judged (jose_times_ok).
 * Strings are in the arena. Errors: IAM_BAD_TOKEN; IAM_NO_MEMORY, which says nothing of the token.
 */
MUST_CHECK enum iam_err jose_verify(const struct jose_key *key, struct str token, struct arena *a,
	struct jose_claims *ret_claims);

/* exp (if any) > now, nbf (if any) <= now, and neither malformed. IAM_TOKEN_EXPIRED, IAM_BAD_TOKEN. */
MUST_CHECK enum iam_err jose_times_ok(const struct jose_claims *c, int64_t now_s);

#endif
