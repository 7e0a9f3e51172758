/*
 * jose_sign - the signature of our own tokens; see jose_sign.h.
 *
 * A key is parsed once, when it is loaded: parsing costs as much as signing. What OpenSSL keeps of
 * its private numbers is in the secure heap (keyring_init()), but for the Montgomery form of the
 * primes, which it keeps beside the key as long as that lives.
 * Does not: know claims, choose an algorithm, or see a key's text.
 */
#include "iamd/authn/jose_sign.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "iamd/authn/jose_impl.h"
#include "libacl/base/str.h"

#define B64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* LIMIT: signatures of 8192-bit keys; the keyring takes no longer ones. */
#define SIGNATURE_MAX_BYTES 1024

struct jose_signer {
	EVP_MD_CTX *ready; /* initialised for RS256 with the key; only ever copied from */
	size_t signature_bytes;
	char *header; /* base64url */
	size_t header_len;
};

/* base64url of the header; the caller frees it. */
static char *header_of(const char *kid)
{
	struct sb json;
	char *text = NULL;
	size_t size;

	sb_init_heap(&json, 256);
	sb_add_c(&json, "{\"alg\":\"RS256\",\"kid\":\"");
	sb_add_c(&json, kid);
	sb_add_c(&json, "\",\"typ\":\"JWT\"}");
	size = sodium_base64_ENCODED_LEN(json.len, B64);
	if (!json.failed)
		text = malloc(size);
	if (text != NULL)
		sodium_bin2base64(text, size, (const unsigned char *)json.ptr, json.len,
			B64);
	sb_done(&json);
	return text;
}

struct jose_signer *jose_signer_new(struct evp_pkey_st *pkey, const char *kid)
{
	struct jose_signer *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->signature_bytes = (size_t)EVP_PKEY_get_size(pkey);
	s->header = header_of(kid);
	s->ready = EVP_MD_CTX_new();
	/* PKCS#1 v1.5 is the default padding of an RSA key: with SHA-256 that is RS256. */
	if (s->header == NULL || s->ready == NULL ||
		s->signature_bytes > SIGNATURE_MAX_BYTES ||
		EVP_DigestSignInit_ex(s->ready, NULL, "SHA2-256", NULL, NULL, pkey,
			NULL) != 1) {
		ERR_clear_error();
		jose_signer_free(s);
		return NULL;
	}
	s->header_len = strlen(s->header);
	return s;
}

void jose_signer_free(struct jose_signer *s)
{
	if (s == NULL)
		return;
	EVP_MD_CTX_free(s->ready); /* and with it the share in the key */
	free(s->header);
	free(s);
}

static bool signature_of(const struct jose_signer *s, struct jose_thread *t,
	struct str text, unsigned char signature[SIGNATURE_MAX_BYTES])
{
	size_t len = SIGNATURE_MAX_BYTES;
	bool ok = EVP_MD_CTX_copy_ex(t->scratch, s->ready) == 1 &&
		EVP_DigestSign(t->scratch, signature, &len,
			(const unsigned char *)text.ptr, text.len) == 1 &&
		len == s->signature_bytes;

	EVP_MD_CTX_reset(t->scratch); /* the key must not outlive its owner's free */
	if (!ok)
		ERR_clear_error();
	return ok;
}

/* Writes base64url of the bytes to `at`, where there is room for it and a NUL. What follows it. */
static char *put_b64(char *at, const void *bytes, size_t len)
{
	size_t size = sodium_base64_ENCODED_LEN(len, B64);

	sodium_bin2base64(at, size, bytes, len, B64);
	return at + size - 1;
}

enum iam_err jose_sign(const struct jose_signer *s, struct str payload, struct arena *a,
	struct str *ret_token)
{
	unsigned char signature[SIGNATURE_MAX_BYTES];
	struct jose_thread *t = jose_thread_mine();
	char *token = arena_alloc(a,
		s->header_len + 2 + sodium_base64_ENCODED_LEN(payload.len, B64) +
			sodium_base64_ENCODED_LEN(s->signature_bytes, B64));
	char *at = token;
	struct str text;

	if (t == NULL || token == NULL)
		return IAM_NO_MEMORY;
	memcpy(at, s->header, s->header_len);
	at += s->header_len;
	*at++ = '.';
	at = put_b64(at, payload.ptr, payload.len);
	text = (struct str){.ptr = token, .len = (size_t)(at - token)};
	if (!signature_of(s, t, text, signature))
		return IAM_INTERNAL;
	*at++ = '.';
	at = put_b64(at, signature, s->signature_bytes);
	*ret_token = (struct str){.ptr = token, .len = (size_t)(at - token)};
	return IAM_OK;
}
