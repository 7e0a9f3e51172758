/*
 * authn - from the bytes a request presents to a principal.
 *
 * A token is good when its signature is one of the keyring's, its times hold, it is not revoked, and
 * its user is known, enabled and of the token's generation. No SQL and no lock: everything is asked
 * of the published root; a signature is verified once a thread (token_cache.h).
 */
#ifndef AUTHN_AUTHN_H
#define AUTHN_AUTHN_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/err.h"
#include "iamd/authn/token_cache.h"
#include "iamd/authz/publish.h"
#include "iamd/http/req.h"

/*
 * What the request presents: behind "token=" or "Bearer " of the Authorization header, whose presence
 * switches the cookie off; else the login cookie. Absent if nothing.
 */
struct str authn_presented(const struct req *r, bool *ret_by_cookie);

/*
 * Signature, form and times only (the user may be gone). The digest is for revocation.
 * Errors: IAM_BAD_TOKEN, IAM_TOKEN_EXPIRED.
 */
MUST_CHECK enum iam_err authn_verify(const struct root *root, struct str token,
	struct arena *a, int64_t now_s, struct token_facts *ret_facts,
	unsigned char ret_digest[JOSE_DIGEST_BYTES]);

/* authn_verify() and is the user still good; *ret_gen (may be NULL): the user's generation. Errors: IAM_BAD_TOKEN, IAM_TOKEN_EXPIRED. */
MUST_CHECK enum iam_err authn_token(const struct root *root, struct str token,
	struct arena *a, int64_t now_s, struct token_facts *ret_facts, int64_t *ret_gen);

/* Fills r->principal from what the request presents. Errors: IAM_UNAUTHENTICATED. */
MUST_CHECK enum iam_err authn_request(struct req *r, const struct root *root);

#endif
