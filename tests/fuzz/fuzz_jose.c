/*
 * fuzz_jose - tokens from strangers.
 *
 * The first byte chooses. 'T': the rest is a token as it came. Else: the rest is "header LF payload",
 * which is signed properly here, so that the fuzzer gets past the signature. Properties: what is
 * accepted has the one algorithm and nothing critical in its header; the claims are those that a
 * plain JSON parser reads; a token has one spelling; our base64url agrees with libsodium's.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "iamd/authn/jose.h"
#include "iamd/authn/jose_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made for this file alone; it guards nothing. */
static const char test_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC02IO5rEMdDhZw\n"
	"qN88vPgGoWQpTofM3HJ6m4sTbrnJ3ZHEmJ5+d2XkDWMWkuj0RgKhSy4EmKke5nGo\n"
	"r5c4IMrTzYmaaKN3Z8aQaW2vUmsGFd3l+SfwqgF7CDzcoXx+mOe00ZMAM1NGcd+g\n"
	"TbGZfCYmH/A3Ge6YvFv3ndCweYlkRxp09ubf+uhCXBtUWS96wzDzxvkKEq1QP0rg\n"
	"fsdoB8Po6VMZFrG9bj5/H9Lw28d8kZDLIUeOQeN+AtOFY8jaCZWqSLsDMshkliWQ\n"
	"qCLu8PQVv7VKmq71914WgAo+mJXX1jEBEhbW+DwbigKnmkhdtIYOVMsEBwVNlEFR\n"
	"Q9w952KJAgMBAAECggEABvMdGMkIaTjt3tV2griGVYblOPsmF9bO5WxNy2jhZeMI\n"
	"Y4Qz7ws6lKl5CdiKcDyyhC1F7vJI6YGUk5Vv273S3ZHT/GWSBpgr1sfeabLinwC/\n"
	"HsPU55g451f5MsdX5+uLV/UHz6WpSRc+L0RdE1dkhemLSyrJcwAmDp13dBivkXVj\n"
	"S/N6lnvu/R4Eru4AH0f3xl4anGMIWNhkNpAiHBoRRAdzRsu1LVRrdRo/LN57qPAq\n"
	"hwRBywvYCww/dHOSVIaM0NERj0vZuU1qNeFWQANhDAIKd9d5w4Otl1LTp77gioMv\n"
	"JB4E//Euc0TurprP2dVmlJT71yizGG8rkbCEcOJigwKBgQD8ti9BR0l7Ky7bqb74\n"
	"kFVio6W6wVB75kaafj0ajWPJyIxzn74cyoeBFZGY6kXoNf0zWN/9nB/oNiSttD/P\n"
	"/rLsVuyjWMn6d1TwMqgwucHDjlX7wxiw2Iw0fCFk1YSnWRwCDDJfMHaSM+t/an9U\n"
	"b5nXC8hXX7NnDAg4CLyP/aW6bwKBgQC3Mu9wIitoAMNAFAsW0TYL4KJwmc7gDqrf\n"
	"JXydBiC2XkuPztVbdpODEHDFeYhzo4DaJkuTGfb5t1iICg+DI4VIeAP58omidPDA\n"
	"v0Wcybq+8vKLi65Z52YRxDTE9vmTYQXyPf5AKtVhsGKyp1PuUx3X7Mob58QQzK0F\n"
	"SFEBMbAOhwKBgQC7N506lz1w6kUEp3S7YPJg6SvWd3DQ2YBk5DEQgr7ytoiXADkv\n"
	"yzsn/nqm9qhjp9u1Npp6oDdjKPlzVp4P0XlsbdlSCm1YCR/78wt3Taam4cQBiD+6\n"
	"hDMajvuOYECuWe3N9os6ygSNu7kz5AoA28z06924HUYjiV5tZMuNQTSOMQKBgH/c\n"
	"uAsOfjcnmR7nHlo9iLg/f4CRiTcOZao7Mr8xoLFIHPrxBC7DEu++EMdzLI5xRqR7\n"
	"Z/HyhFMD6XGBfBQuPX837KaN5gwSDFqq5P4qOgG99RT6V6T+AVpTE/WI3uZDKHBL\n"
	"XmIQwz9caXaBnO3Q6xpidSmG2GxVPklakNcBg/yPAoGAawlZnT3624YkvgV9+itZ\n"
	"xJdNcqtr5PBRQskV4OA2x6izdBgE5IJacC9nv5t2jK++Rl+i+waaUAfjfbypFGT5\n"
	"HAmiDaJynrS5wsuAT9Kx43aNbY+Uch5HDAprYdIRrByZf4aqMZ9Jm7b/JlXEBjRr\n"
	"TDdNbm6VOOg1ouKQmz1iva8=\n"
	"-----END PRIVATE KEY-----\n";

static EVP_PKEY *private_key;
static struct jose_key *public_key;

static void make_keys(void)
{
	BIO *bio = BIO_new_mem_buf(test_key, -1);
	BIO *out = BIO_new(BIO_s_mem());
	struct str pem;
	char *text;

	assert(sodium_init() >= 0);
	private_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	assert(private_key != NULL && PEM_write_bio_PUBKEY(out, private_key) == 1);
	pem.len = (size_t)BIO_get_mem_data(out, &text);
	pem.ptr = text;
	if (jose_key_from_public_pem(pem, &public_key, NULL) != IAM_OK)
		abort();
	BIO_free(bio);
	BIO_free(out);
}

static struct str b64(struct arena *a, const void *bytes, size_t len)
{
	size_t max = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = arena_alloc(a, max);

	assert(text != NULL);
	sodium_bin2base64(text, max, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return (struct str){.ptr = text, .len = max - 1};
}

static struct str signed_token(struct arena *a, struct str header, struct str payload)
{
	struct str h = b64(a, header.ptr, header.len);
	struct str p = b64(a, payload.ptr, payload.len);
	struct str text = arena_fmt(a, "%.*s.%.*s", STR_FMT(h), STR_FMT(p));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[256];
	size_t len = sizeof(sig);
	struct str s;

	assert(text.ptr != NULL);
	assert(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, private_key, NULL) == 1);
	assert(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text.ptr, text.len) == 1);
	EVP_MD_CTX_free(ctx);
	s = b64(a, sig, len);
	return arena_fmt(a, "%.*s.%.*s", STR_FMT(text), STR_FMT(s));
}

/* libsodium 1.0.18 takes some bytes above 0x7f for letters; we must not. */
static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] > 0x7f)
			return false;
	}
	return true;
}

static void check_b64(struct arena *a, struct str text)
{
	size_t max = text.len + 1;
	unsigned char *ours = arena_alloc(a, max);
	unsigned char *theirs = arena_alloc(a, max);
	const char *end = NULL;
	size_t len = 0;
	bool ok = jose_b64_decode(text, ours);
	bool their_ok = is_ascii(text) && sodium_base642bin(theirs, max, text.ptr, text.len, NULL, &len, &end,
				sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
		end == text.ptr + text.len;

	assert(ok == their_ok);
	assert(!ok || (len == jose_b64_decoded_len(text.len) && memcmp(ours, theirs, len) == 0));
}

static json_t *segment(struct arena *a, struct str token, int number)
{
	struct str part = STR_NONE;
	unsigned char *bytes = arena_alloc(a, token.len);
	size_t max = token.len;
	size_t len = 0;

	for (int i = 0; i <= number; i++)
		part = str_split(&token, '.');
	assert(sodium_base642bin(bytes, max, part.ptr, part.len, NULL, &len, NULL,
		       sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0);
	return json_loadb((const char *)bytes, len, 0, NULL);
}

static void check_accepted(struct arena *a, struct str token, const struct jose_claims *c)
{
	json_t *header = segment(a, token, 0);
	json_t *payload = segment(a, token, 1);
	const json_t *uid = json_object_get(payload, "uid");
	const json_t *exp = json_object_get(payload, "exp");
	const json_t *gen = json_object_get(payload, "gen");
	struct jose_claims again;
	struct str longer = arena_fmt(a, "%.*s=", STR_FMT(token));

	assert(token.len <= JOSE_TOKEN_MAX_BYTES);
	assert(strcmp(json_string_value(json_object_get(header, "alg")), "RS256") == 0);
	assert(json_object_get(header, "crit") == NULL && json_object_get(header, "zip") == NULL);
	assert(json_is_string(uid) == (c->uid.ptr != NULL));
	assert(!json_is_string(uid) || str_eq_c(c->uid, json_string_value(uid)));
	assert(c->uid.ptr == NULL || memchr(c->uid.ptr, 0, c->uid.len) == NULL);
	assert(json_is_number(exp) == c->has_exp);
	assert(exp == NULL || c->has_exp || c->bad_time);
	assert((gen != NULL) == c->has_gen && (gen == NULL || json_integer_value(gen) == c->gen));
	if (jose_times_ok(c, 1700000000) == IAM_OK)
		assert(!c->bad_time && !(c->has_exp && c->exp <= 1700000000) && !(c->has_nbf && c->nbf > 1700000000));
	assert(jose_verify(public_key, longer, a, &again) == IAM_BAD_TOKEN);
	json_decref(header);
	json_decref(payload);
}

static void check_token(struct arena *a, struct str token)
{
	struct jose_claims c;
	struct str kid = STR("untouched");
	enum iam_err peek = jose_peek_kid(token, a, &kid);
	enum iam_err e = jose_verify(public_key, token, a, &c);

	assert(peek == IAM_OK || str_eq_c(kid, "untouched"));
	assert(kid.ptr == NULL || memchr(kid.ptr, 0, kid.len) == NULL);
	assert(e == IAM_OK || e == IAM_BAD_TOKEN);
	if (e == IAM_OK)
		check_accepted(a, token, &c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;
	struct str rest, header;

	if (private_key == NULL)
		make_keys();
	if (size == 0 || size > 65536)
		return 0;
	a = arena_new(65536, (size_t)4 << 20);
	assert(a != NULL);
	rest = (struct str){.ptr = (const char *)data + 1, .len = size - 1};
	if (data[0] == 'T') {
		check_b64(a, rest);
		check_token(a, rest);
	} else {
		header = str_split(&rest, '\n');
		check_token(a, signed_token(a, header, rest));
	}
	arena_free(a);
	return 0;
}
