/*
 * jose - verification of compact JWS tokens (RFC 7515, RFC 7519, RFC 8725).
 *
 * Nothing in a token chooses how it is judged: the caller brings the key, the key brings the
 * algorithm, and a header that says anything else is refused. Header members that point to other
 * keys (jku, jwk, x5u, x5c) are not read at all. The signature is checked before the claims are
 * parsed. Times are compared in jose_times_ok() against the caller's clock. No state of its own.
 */
#include "iamd/authn/jose.h"

#include <string.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "iamd/authn/jose_impl.h"

struct segments {
	struct str header;
	struct str payload;
	struct str signature;
	struct str signed_part; /* header '.' payload */
};

static bool split(struct str token, struct segments *ret)
{
	struct str rest = token;

	if (token.ptr == NULL || token.len > JOSE_TOKEN_MAX_BYTES)
		return false;
	ret->header = str_split(&rest, '.');
	ret->payload = str_split(&rest, '.');
	ret->signature = rest;
	if (ret->header.len == 0 || ret->payload.ptr == NULL || ret->payload.len == 0 || rest.ptr == NULL)
		return false;
	ret->signed_part = str_sub(token, 0, ret->header.len + 1 + ret->payload.len);
	return str_find(rest, '.') < 0; /* five segments would be an encrypted token */
}

/* A JSON object out of one segment, or NULL. Released with json_decref(). */
static json_t *segment_object(struct str segment, struct arena *a)
{
	size_t len = jose_b64_decoded_len(segment.len);
	unsigned char *bytes = arena_alloc(a, len);
	json_t *doc;

	if (bytes == NULL || !jose_b64_decode(segment, bytes))
		return NULL;
	doc = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	return NULL;
}

/* RFC 7519 section 5.1; other types (at+jwt, logout+jwt ...) are other kinds of token. */
static bool type_fine(const json_t *typ)
{
	struct str s;

	if (typ == NULL)
		return true;
	if (!json_is_string(typ))
		return false;
	s = (struct str){.ptr = json_string_value(typ), .len = json_string_length(typ)};
	return str_ieq_c(s, "JWT") || str_ieq_c(s, "application/jwt");
}

static bool header_fine(const json_t *header)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));

	if (alg == NULL || strcmp(alg, "RS256") != 0)
		return false;
	/* We understand no extension (RFC 7515 section 4.1.11), compress nothing, and hide no payload. */
	if (json_object_get(header, "crit") != NULL || json_object_get(header, "zip") != NULL ||
		json_object_get(header, "b64") != NULL || json_object_get(header, "enc") != NULL)
		return false;
	return type_fine(json_object_get(header, "typ"));
}

enum iam_err jose_peek_kid(struct str token, struct arena *a, struct str *ret_kid)
{
	struct segments seg;
	json_auto_t *header = NULL;
	const json_t *kid;
	struct str found;

	if (!split(token, &seg))
		return IAM_BAD_TOKEN;
	header = segment_object(seg.header, a);
	if (header == NULL)
		return IAM_BAD_TOKEN;
	kid = json_object_get(header, "kid");
	if (kid == NULL) {
		*ret_kid = STR_NONE;
		return IAM_OK;
	}
	if (!json_is_string(kid))
		return IAM_BAD_TOKEN;
	found = arena_str(a,
		(struct str){.ptr = json_string_value(kid), .len = json_string_length(kid)});
	if (found.ptr == NULL)
		return IAM_BAD_TOKEN;
	*ret_kid = found;
	return IAM_OK;
}

static bool signature_fine(const struct jose_key *key, const struct segments *seg)
{
	/* LIMIT: signatures of 8192-bit keys; jose_key.c takes no longer ones. */
	unsigned char signature[1024];
	struct jose_thread *t = jose_thread_mine();
	bool ok;

	if (t == NULL || key->signature_bytes > sizeof(signature) ||
		jose_b64_decoded_len(seg->signature.len) != key->signature_bytes ||
		!jose_b64_decode(seg->signature, signature))
		return false;
	ok = EVP_MD_CTX_copy_ex(t->verifier, key->verifier) == 1 &&
		EVP_DigestVerify(t->verifier, signature, key->signature_bytes,
			(const unsigned char *)seg->signed_part.ptr, seg->signed_part.len) == 1;
	EVP_MD_CTX_reset(t->verifier); /* the key must not outlive its owner's free */
	if (!ok)
		ERR_clear_error();
	return ok;
}

static struct str string_claim(const json_t *claims, const char *name)
{
	const json_t *v = json_object_get(claims, name);

	if (!json_is_string(v))
		return STR_NONE;
	return (struct str){.ptr = json_string_value(v), .len = json_string_length(v)};
}

/* Sets *bad when the claim is there and is no number. */
static bool number_claim(const json_t *claims, const char *name, double *ret, bool *bad)
{
	const json_t *v = json_object_get(claims, name);

	if (v == NULL)
		return false;
	if (!json_is_number(v)) {
		*bad = true;
		return false;
	}
	*ret = json_number_value(v);
	return true;
}

static enum iam_err read_claims(const json_t *doc, struct arena *a, struct jose_claims *ret_claims)
{
	const json_t *gen = json_object_get(doc, "gen");
	struct str uid = string_claim(doc, "uid");
	struct str jti = string_claim(doc, "jti");
	struct jose_claims c = {0};

	if (gen != NULL && !json_is_integer(gen))
		return IAM_BAD_TOKEN;
	c.uid = arena_str(a, uid);
	c.jti = arena_str(a, jti);
	if ((uid.ptr != NULL && c.uid.ptr == NULL) || (jti.ptr != NULL && c.jti.ptr == NULL))
		return IAM_BAD_TOKEN;
	c.has_exp = number_claim(doc, "exp", &c.exp, &c.bad_time);
	c.has_nbf = number_claim(doc, "nbf", &c.nbf, &c.bad_time);
	c.has_iat = number_claim(doc, "iat", &c.iat, &c.bad_time);
	c.has_gen = gen != NULL;
	c.gen = json_integer_value(gen);
	c.has_aud = json_object_get(doc, "aud") != NULL;
	*ret_claims = c;
	return IAM_OK;
}

enum iam_err jose_verify(const struct jose_key *key, struct str token, struct arena *a,
	struct jose_claims *ret_claims)
{
	struct segments seg;
	json_auto_t *header = NULL;
	json_auto_t *claims = NULL;

	if (!split(token, &seg))
		return IAM_BAD_TOKEN;
	header = segment_object(seg.header, a);
	if (header == NULL || !header_fine(header) || !signature_fine(key, &seg))
		return IAM_BAD_TOKEN;
	claims = segment_object(seg.payload, a);
	if (claims == NULL)
		return IAM_BAD_TOKEN;
	return read_claims(claims, a, ret_claims);
}

enum iam_err jose_times_ok(const struct jose_claims *c, int64_t now_s)
{
	if (c->bad_time)
		return IAM_BAD_TOKEN;
	if (c->has_exp && c->exp <= (double)now_s)
		return IAM_TOKEN_EXPIRED;
	if (c->has_nbf && c->nbf > (double)now_s)
		return IAM_BAD_TOKEN;
	return IAM_OK;
}
