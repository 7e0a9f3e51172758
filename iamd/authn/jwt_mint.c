/*
 * jwt_mint - the claims of iamd's own tokens; jose_sign signs them.
 *
 * Everything a token says is ours or, the uid, escaped by jansson. No state: any thread may call.
 */
#include "iamd/authn/jwt_mint.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "iamd/authn/jose_sign.h"

/* LIMIT: 128 bits from the system's generator; two tokens are never the same text. */
#define JTI_BYTES 16

static bool add_claims(json_t *claims, const struct mint *m)
{
	unsigned char id[JTI_BYTES];
	char jti[sodium_base64_ENCODED_LEN(JTI_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

	randombytes_buf(id, sizeof(id));
	sodium_bin2base64(jti, sizeof(jti), id, sizeof(id), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return json_object_set_new(claims, "uid", json_stringn(m->uid.ptr, m->uid.len)) == 0 &&
		json_object_set_new(claims, "jti", json_string(jti)) == 0 &&
		json_object_set_new(claims, "iat", json_integer(m->issued_at_s)) == 0 &&
		json_object_set_new(claims, "gen", json_integer(m->gen)) == 0 &&
		(m->expires_at_s == 0 ||
			json_object_set_new(claims, "exp", json_integer(m->expires_at_s)) == 0);
}

enum iam_err jwt_mint(const struct keyring *k, const struct mint *m, struct arena *a, struct str *ret_token)
{
	json_auto_t *claims = json_object();
	char *text = NULL;
	enum iam_err e = IAM_NO_MEMORY;

	if (claims != NULL && add_claims(claims, m))
		text = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
	if (text != NULL)
		e = jose_sign(keyring_signer(k), str_c(text), a, ret_token);
	free(text);
	return e;
}
