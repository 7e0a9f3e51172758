/*
 * jose_fixture - makes tokens, good and forged, with OpenSSL alone: neither jose.c nor jose_sign.c is
 * in the way. Everything is freed by the test process's end or by the caller, as said.
 */
#ifndef TESTS_JOSE_FIXTURE_H
#define TESTS_JOSE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <string.h>

#include "libacl/base/str.h"

enum signer { SIGN_RS256, SIGN_RS384, SIGN_RS512, SIGN_PS256, SIGN_HS256_WITH_PEM, SIGN_NOTHING };

static inline struct str fix_b64(struct arena *a, const void *bytes, size_t len)
{
	size_t size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = arena_alloc(a, size);

	sodium_bin2base64(text, size, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return str_c(text);
}

static inline struct str fix_public_pem(struct arena *a, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str pem;
	char *text;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	pem.len = (size_t)BIO_get_mem_data(bio, &text);
	pem = arena_str(a, (struct str){.ptr = text, .len = pem.len});
	BIO_free(bio);
	return pem;
}

static inline struct str fix_private_pem(struct arena *a, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str pem;
	char *text;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	pem.len = (size_t)BIO_get_mem_data(bio, &text);
	pem = arena_str(a, (struct str){.ptr = text, .len = pem.len});
	BIO_free(bio);
	return pem;
}

static inline struct str fix_rsa_signature(struct arena *a, EVP_PKEY *key, enum signer how, struct str text)
{
	const char *md = how == SIGN_RS384 ? "SHA384" : how == SIGN_RS512 ? "SHA512" : "SHA256";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	unsigned char sig[1024];
	size_t len = sizeof(sig);

	assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, md, NULL, NULL, key, NULL), 1);
	if (how == SIGN_PS256)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text.ptr, text.len), 1);
	EVP_MD_CTX_free(ctx);
	return fix_b64(a, sig, len);
}

static inline struct str fix_signature(struct arena *a, EVP_PKEY *key, enum signer how, struct str text)
{
	unsigned char mac[32];
	struct str pem;

	switch (how) {
	case SIGN_RS256:
	case SIGN_RS384:
	case SIGN_RS512:
	case SIGN_PS256:
		return fix_rsa_signature(a, key, how, text);
	case SIGN_HS256_WITH_PEM:
		pem = fix_public_pem(a, key);
		HMAC(EVP_sha256(), pem.ptr, (int)pem.len, (const unsigned char *)text.ptr, text.len, mac, NULL);
		return fix_b64(a, mac, sizeof(mac));
	case SIGN_NOTHING:
		return STR("");
	}
	return STR_NONE;
}

/* header and payload as they are, then signed. */
static inline struct str fix_token(struct arena *a, EVP_PKEY *key, enum signer how, struct str header,
	struct str payload)
{
	struct str h = fix_b64(a, header.ptr, header.len);
	struct str p = fix_b64(a, payload.ptr, payload.len);
	struct str text = arena_fmt(a, "%.*s.%.*s", STR_FMT(h), STR_FMT(p));
	struct str sig = fix_signature(a, key, how, text);

	return arena_fmt(a, "%.*s.%.*s", STR_FMT(text), STR_FMT(sig));
}

#endif
