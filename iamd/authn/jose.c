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

/* A JSON object out of one segment; released with json_decref(). */
static enum iam_err segment_object(struct str segment, struct arena *a, json_t **ret_object)
{
	size_t len = jose_b64_decoded_len(segment.len);
	unsigned char *bytes = arena_alloc(a, len);
	json_error_t why;
	json_t *doc;

	if (bytes == NULL)
		return IAM_NO_MEMORY;
	if (!jose_b64_decode(segment, bytes))
		return IAM_BAD_TOKEN;
	doc = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &why);
	if (doc == NULL)
		return json_error_code(&why) == json_error_out_of_memory ? IAM_NO_MEMORY : IAM_BAD_TOKEN;
	if (!json_is_object(doc)) {
		json_decref(doc);
		return IAM_BAD_TOKEN;
	}
	*ret_object = doc;
	return IAM_OK;
}

/* A copy in the arena; an absent value stays absent. */
static enum iam_err copy_text(const json_t *v, struct arena *a, struct str *ret_text)
{
	struct str s = {.ptr = json_string_value(v), .len = json_string_length(v)};
	struct str copy = arena_str(a, s);

	if (s.ptr != NULL && copy.ptr == NULL)
		return IAM_NO_MEMORY;
	*ret_text = copy;
	return IAM_OK;
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
	enum iam_err e;

	if (!split(token, &seg))
		return IAM_BAD_TOKEN;
	e = segment_object(seg.header, a, &header);
	if (e != IAM_OK)
		return e;
	kid = json_object_get(header, "kid");
	if (kid != NULL && !json_is_string(kid))
		return IAM_BAD_TOKEN;
	return copy_text(kid, a, ret_kid);
}

static enum iam_err check_signature(const struct jose_key *key, const struct segments *seg)
{
	/* LIMIT: signatures of 8192-bit keys; jose_key.c takes no longer ones. */
	unsigned char signature[1024];
	struct jose_thread *t = jose_thread_mine();
	bool ok;

	if (t == NULL)
		return IAM_NO_MEMORY;
	if (key->signature_bytes > sizeof(signature) ||
		jose_b64_decoded_len(seg->signature.len) != key->signature_bytes ||
		!jose_b64_decode(seg->signature, signature))
		return IAM_BAD_TOKEN;
	if (EVP_MD_CTX_copy_ex(t->scratch, key->verifier) != 1) {
		ERR_clear_error();
		return IAM_NO_MEMORY;
	}
	ok = EVP_DigestVerify(t->scratch, signature, key->signature_bytes,
		     (const unsigned char *)seg->signed_part.ptr, seg->signed_part.len) == 1;
	EVP_MD_CTX_reset(t->scratch); /* the key must not outlive its owner's free */
	if (!ok)
		ERR_clear_error();
	return ok ? IAM_OK : IAM_BAD_TOKEN;
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
	struct jose_claims c = {0};
	enum iam_err e;

	if (gen != NULL && !json_is_integer(gen))
		return IAM_BAD_TOKEN;
	/* what is no string counts as absent */
	e = copy_text(json_object_get(doc, "uid"), a, &c.uid);
	if (e == IAM_OK)
		e = copy_text(json_object_get(doc, "jti"), a, &c.jti);
	if (e != IAM_OK)
		return e;
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
	enum iam_err e;

	if (!split(token, &seg))
		return IAM_BAD_TOKEN;
	e = segment_object(seg.header, a, &header);
	if (e != IAM_OK)
		return e;
	if (!header_fine(header))
		return IAM_BAD_TOKEN;
	e = check_signature(key, &seg);
	if (e == IAM_OK)
		e = segment_object(seg.payload, a, &claims);
	return e == IAM_OK ? read_claims(claims, a, ret_claims) : e;
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
