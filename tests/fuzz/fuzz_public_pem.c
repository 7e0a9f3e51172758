/*
 * fuzz_public_pem - public keys from strangers.
 *
 * The first byte chooses: 'S' and 'P' wrap the rest, taken as DER, into a SubjectPublicKeyInfo or a
 * PKCS#1 block, so that the fuzzer need not learn base64; anything else: the whole input is the
 * text. Properties: what is accepted has the promised size and names, and written out again it is
 * the same key; what is refused says why and touches nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <sodium.h>

#include "iamd/authn/jose.h"
#include "iamd/authn/jose_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(struct jose_key *key)
{
	struct str n = str_c(jose_key_n(key));
	struct str e = str_c(jose_key_e(key));
	char *pem = jose_key_public_pem(key);
	struct jose_key *again = NULL;
	unsigned char bytes[1100];

	assert(strspn(jose_key_kid(key), "0123456789abcdef") == 64 && jose_key_kid(key)[64] == '\0');
	assert(jose_b64_decoded_len(n.len) >= 256 && jose_b64_decoded_len(n.len) <= 1024);
	assert(jose_b64_decode(n, bytes) && bytes[0] != 0);
	assert(jose_b64_decoded_len(e.len) >= 1 && jose_b64_decoded_len(e.len) <= 8);
	assert(jose_b64_decode(e, bytes) && bytes[0] != 0);
	assert(pem != NULL);
	if (jose_key_from_public_pem(str_c(pem), &again, NULL) != IAM_OK)
		abort();
	assert(strcmp(jose_key_kid(again), jose_key_kid(key)) == 0);
	jose_key_free(again);
	free(pem);
}

static void check(struct str pem)
{
	struct jose_key *key = NULL;
	struct iam_error err = {0};
	enum iam_err e = jose_key_from_public_pem(pem, &key, &err);

	assert(e == IAM_OK || e == IAM_BAD_PUBLIC_KEY);
	assert((e == IAM_OK) == (key != NULL));
	assert((e == IAM_OK) == (err.text[0] == '\0'));
	if (key != NULL)
		check_accepted(key);
	jose_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BIO *bio;
	struct str pem;
	char *text;

	if (size > 65536 || sodium_init() < 0)
		return 0;
	if (size == 0 || (data[0] != 'S' && data[0] != 'P')) {
		check((struct str){.ptr = (const char *)data, .len = size});
		return 0;
	}
	bio = BIO_new(BIO_s_mem());
	assert(bio != NULL);
	if (PEM_write_bio(bio, data[0] == 'S' ? "PUBLIC KEY" : "RSA PUBLIC KEY", "", data + 1,
		    (long)size - 1) > 0) {
		pem.len = (size_t)BIO_get_mem_data(bio, &text);
		pem.ptr = text;
		check(pem);
	}
	BIO_free(bio);
	return 0;
}
