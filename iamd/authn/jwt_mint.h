/* jwt_mint - makes iamd's own tokens. Slow (0.5 ms): HASH or SLOW lane. Thread-safe. */
#ifndef AUTHN_JWT_MINT_H
#define AUTHN_JWT_MINT_H

#include <stdint.h>

#include "iam/err.h"
#include "iamd/authn/keyring.h"
#include "libacl/base/arena.h"

struct mint {
	struct str uid;
	int64_t issued_at_s;
	int64_t expires_at_s; /* 0: no exp claim */
	int64_t gen;
};

/*
 * RS256 JWT: header typ JWT, alg RS256, kid; payload uid, exp, iat, jti (128 random bits, base64url), gen.
 * The token is in the arena. Errors: IAM_NO_MEMORY, IAM_INTERNAL.
 */
MUST_CHECK enum iam_err jwt_mint(const struct keyring *k, const struct mint *m, struct arena *a, struct str *ret_token);

#endif
