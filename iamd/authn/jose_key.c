/*
 * jose_key - RSA public keys: parsing, limits, names; and SHA-256.
 *
 * A key is parsed once (400 us) and then shared by all threads: after jose_key_from_public_pem()
 * nothing in it changes but OpenSSL's own reference counts. No private key passes through here.
 */
#include "iamd/authn/jose.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "iamd/authn/jose_impl.h"
#include "iamd/sys/thread.h"
#include "libacl/base/steal.h"

/* LIMIT: longer texts are no public key of a size we take. */
#define PEM_MAX_BYTES 8192
#define RSA_MIN_BITS 2048
/* LIMIT: a verification costs 0.1 ms at 8192 bits; the price grows with the square. */
#define RSA_MAX_BITS 8192
/* LIMIT: a long public exponent makes each verification as slow as a signature. */
#define RSA_EXPONENT_MAX_BITS 64

static void jose_thread_free(void *value)
{
	struct jose_thread *t = value;

	EVP_MD_CTX_free(t->digest);
	EVP_MD_CTX_free(t->scratch);
	EVP_MD_free(t->sha256);
	free(t);
}

struct jose_thread *jose_thread_mine(void)
{
	struct jose_thread *t = thread_get(THREAD_DIGEST);

	if (t != NULL)
		return t;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	t->digest = EVP_MD_CTX_new();
	t->scratch = EVP_MD_CTX_new();
	if (t->sha256 == NULL || t->digest == NULL || t->scratch == NULL) {
		jose_thread_free(t);
		return NULL;
	}
	thread_set(THREAD_DIGEST, t, jose_thread_free);
	return t;
}

void jose_digest(struct str bytes, unsigned char ret_digest[JOSE_DIGEST_BYTES])
{
	struct jose_thread *t = jose_thread_mine();

	if (t != NULL && EVP_DigestInit_ex2(t->digest, t->sha256, NULL) == 1 &&
		EVP_DigestUpdate(t->digest, bytes.ptr, bytes.len) == 1 &&
		EVP_DigestFinal_ex(t->digest, ret_digest, NULL) == 1)
		return;
	/* No memory: libsodium's needs none and cannot fail; it is only slower. */
	ERR_clear_error();
	crypto_hash_sha256(ret_digest, (const unsigned char *)bytes.ptr, bytes.len);
}

/* Base64urlUInt (RFC 7518 section 2): big-endian, no leading zero bytes. */
static char *bn_to_b64(const BIGNUM *bn)
{
	unsigned char bytes[RSA_MAX_BITS / 8];
	size_t len = (size_t)BN_bn2bin(bn, bytes);
	size_t size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = malloc(size);

	if (text != NULL)
		sodium_bin2base64(text, size, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return text;
}

static bool bn_names(const BIGNUM *n, const BIGNUM *e, struct jose_key *key)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	char *n_dec = BN_bn2dec(n);
	char *e_dec = BN_bn2dec(e);
	bool ok = n_dec != NULL && e_dec != NULL;

	if (ok) {
		crypto_hash_sha256_init(&state);
		crypto_hash_sha256_update(&state, (unsigned char *)e_dec, strlen(e_dec));
		crypto_hash_sha256_update(&state, (unsigned char *)n_dec, strlen(n_dec));
		crypto_hash_sha256_update(&state, (const unsigned char *)"RSA", 3);
		crypto_hash_sha256_final(&state, digest);
		sodium_bin2hex(key->kid, sizeof(key->kid), digest, sizeof(digest));
		key->n = bn_to_b64(n);
		key->e = bn_to_b64(e);
		ok = key->n != NULL && key->e != NULL;
	}
	OPENSSL_free(n_dec);
	OPENSSL_free(e_dec);
	return ok;
}

static enum iam_err check_numbers(const BIGNUM *n, const BIGNUM *e, struct iam_error *err)
{
	if (BN_num_bits(n) < RSA_MIN_BITS)
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Key must have at least %d bits, not %d",
			RSA_MIN_BITS, BN_num_bits(n));
	if (BN_num_bits(n) > RSA_MAX_BITS)
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Key must have at most %d bits, not %d",
			RSA_MAX_BITS, BN_num_bits(n));
	if (!BN_is_odd(n) || BN_is_negative(n))
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "the modulus is not a product of primes");
	if (!BN_is_odd(e) || BN_is_one(e) || BN_is_negative(e) || BN_num_bits(e) > RSA_EXPONENT_MAX_BITS)
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY,
			"the public exponent must be odd, at least 3 and below 2^%d", RSA_EXPONENT_MAX_BITS);
	return IAM_OK;
}

static enum iam_err describe(struct jose_key *key, struct iam_error *err)
{
	BIGNUM *n = NULL;
	BIGNUM *e = NULL;
	enum iam_err code = IAM_NO_MEMORY;

	if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
		code = check_numbers(n, e, err);
		if (code == IAM_OK && !bn_names(n, e, key))
			code = IAM_NO_MEMORY;
	}
	BN_free(n);
	BN_free(e);
	return code == IAM_NO_MEMORY ? iam_error_set(err, code, "out of memory") : code;
}

static bool make_verifier(struct jose_key *key)
{
	key->signature_bytes = (size_t)EVP_PKEY_get_size(key->pkey);
	key->verifier = EVP_MD_CTX_new();
	/* PKCS#1 v1.5 is the default padding of an RSA key: with SHA-256 that is RS256. */
	return key->verifier != NULL &&
		EVP_DigestVerifyInit_ex(key->verifier, NULL, "SHA2-256", NULL, NULL, key->pkey, NULL) == 1;
}

static EVP_PKEY *parse_der(bool pkcs1, const unsigned char *der, long len)
{
	const unsigned char *p = der;
	EVP_PKEY *pkey = pkcs1 ? d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len) : d2i_PUBKEY(NULL, &p, len);

	if (pkey != NULL && p != der + len) { /* bytes behind the key */
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return pkey;
}

/* pem is trimmed and ASCII. Exactly one block, nothing before, inside or behind it. */
static enum iam_err parse_pem(struct str pem, EVP_PKEY **ret_pkey, struct iam_error *err)
{
	bool pkcs1 = str_starts(pem, STR("-----BEGIN RSA PUBLIC KEY-----"));
	const char *name = pkcs1 ? "RSA PUBLIC KEY" : "PUBLIC KEY";
	BIO *bio = NULL;
	char *label = NULL;
	char *headers = NULL;
	unsigned char *der = NULL;
	long len = 0;
	EVP_PKEY *pkey = NULL;

	if (!pkcs1 && !str_starts(pem, STR("-----BEGIN PUBLIC KEY-----")))
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY,
			"Key must be PEM-encoded: -----BEGIN PUBLIC KEY----- is missing");
	bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	if (bio != NULL && PEM_read_bio(bio, &label, &headers, &der, &len) == 1 &&
		strcmp(label, name) == 0 && headers[0] == '\0' && BIO_ctrl_pending(bio) == 0)
		pkey = parse_der(pkcs1, der, len);
	OPENSSL_free(label);
	OPENSSL_free(headers);
	OPENSSL_free(der);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey == NULL)
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Could not deserialize key data");
	*ret_pkey = pkey;
	return IAM_OK;
}

static bool is_ascii_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c > 0x7e || (c < 0x20 && c != '\t' && c != '\r' && c != '\n'))
			return false;
	}
	return true;
}

enum iam_err jose_key_from_public_pem(struct str pem, struct jose_key **ret_key, struct iam_error *err)
{
	struct jose_key *key;
	enum iam_err e;

	pem = str_trim(pem);
	if (pem.len == 0)
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Key is empty");
	if (pem.len > PEM_MAX_BYTES)
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Key is longer than %d bytes", PEM_MAX_BYTES);
	if (!is_ascii_text(pem))
		return iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Key must be ASCII text");
	key = calloc(1, sizeof(*key));
	if (key == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	e = parse_pem(pem, &key->pkey, err);
	if (e == IAM_OK && EVP_PKEY_get_base_id(key->pkey) != EVP_PKEY_RSA)
		e = iam_error_set(err, IAM_BAD_PUBLIC_KEY, "Key must be of type RSA");
	if (e == IAM_OK)
		e = describe(key, err);
	if (e == IAM_OK && !make_verifier(key))
		e = iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	if (e == IAM_OK)
		*ret_key = STEAL(key);
	jose_key_free(key);
	ERR_clear_error();
	return e;
}

void jose_key_free(struct jose_key *key)
{
	if (key == NULL)
		return;
	EVP_MD_CTX_free(key->verifier);
	EVP_PKEY_free(key->pkey);
	free(key->n);
	free(key->e);
	free(key);
}

char *jose_key_public_pem(const struct jose_key *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	char *copy = NULL;
	long len;

	if (bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1) {
		len = BIO_get_mem_data(bio, &text);
		copy = strndup(text, (size_t)len);
	}
	BIO_free(bio);
	ERR_clear_error();
	return copy;
}

const char *jose_key_kid(const struct jose_key *key)
{
	return key->kid;
}

const char *jose_key_n(const struct jose_key *key)
{
	return key->n;
}

const char *jose_key_e(const struct jose_key *key)
{
	return key->e;
}
