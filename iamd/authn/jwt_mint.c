/*
 * jwt_mint - makes iamd's own tokens with libjwt.
 *
 * libjwt only ever signs here, with our own key and our own claims; it never sees a token from
 * outside (its decoder takes a public key for an HMAC secret). It parses the PEM at every call,
 * which is most of the millisecond a token costs. One jwt_t per call, so any thread may call.
 */
#include "iamd/authn/jwt_mint.h"

#include <stdlib.h>
#include <string.h>

#include <jwt.h>
#include <sodium.h>

/* LIMIT: 128 bits from the system's generator; two tokens are never the same text. */
#define JTI_BYTES 16

struct signing {
	jwt_t *jwt;
	char *token; /* libjwt's, from malloc() */
};

static enum iam_err sign(struct str private_pem, void *ctx)
{
	struct signing *s = ctx;

	if (jwt_set_alg(s->jwt, JWT_ALG_RS256, (const unsigned char *)private_pem.ptr,
		    (int)private_pem.len) != 0)
		return IAM_NO_MEMORY;
	s->token = jwt_encode_str(s->jwt);
	/* libjwt keeps a copy of the key until here */
	jwt_set_alg(s->jwt, JWT_ALG_NONE, NULL, 0);
	return s->token == NULL ? IAM_INTERNAL : IAM_OK;
}

static bool add_claims(jwt_t *jwt, const struct mint *m, const char *uid)
{
	unsigned char id[JTI_BYTES];
	char jti[sodium_base64_ENCODED_LEN(JTI_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

	randombytes_buf(id, sizeof(id));
	sodium_bin2base64(jti, sizeof(jti), id, sizeof(id), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	/* libjwt counts in long: 64 bits wherever iamd runs */
	_Static_assert(sizeof(long) == sizeof(int64_t), "times need 64 bits");
	return jwt_add_grant(jwt, "uid", uid) == 0 && jwt_add_grant(jwt, "jti", jti) == 0 &&
		jwt_add_grant_int(jwt, "iat", (long)m->issued_at_s) == 0 &&
		jwt_add_grant_int(jwt, "gen", (long)m->gen) == 0 &&
		(m->expires_at_s == 0 || jwt_add_grant_int(jwt, "exp", (long)m->expires_at_s) == 0);
}

enum iam_err jwt_mint(const struct keyring *k, const struct mint *m, struct arena *a, struct str *ret_token)
{
	struct signing s = {0};
	const char *uid = arena_cstr(a, m->uid);
	struct str token = STR_NONE;
	enum iam_err e = IAM_NO_MEMORY;

	if (uid != NULL && jwt_new(&s.jwt) == 0 &&
		jwt_add_header(s.jwt, "kid", jose_key_kid(keyring_key(k, 0))) == 0 &&
		add_claims(s.jwt, m, uid))
		e = keyring_with_private_pem(k, sign, &s);
	if (e == IAM_OK) {
		token = arena_str(a, str_c(s.token));
		sodium_memzero(s.token, strlen(s.token));
		e = token.ptr == NULL ? IAM_NO_MEMORY : IAM_OK;
	}
	free(s.token);
	jwt_free(s.jwt);
	if (e == IAM_OK)
		*ret_token = token;
	return e;
}
