/*
 * authzen_page - paging of searches: the limit, and tokens that lead on.
 *
 * A token is base64url(nonce | XChaCha20-Poly1305(id the page ended with)) under a key of this process;
 * the additional data is a digest of the query, so a token opens with its own query only, and tells a
 * caller nothing about ids it may not see. Knows nothing of what is searched.
 */
#include <string.h>

#include <sodium.h>

#include "iamd/api/authzen.h"

#define NONCE_BYTES  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KEY_BYTES    crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define SEALED_MAX   (NONCE_BYTES + AUTHZEN_ID_MAX_BYTES + TAG_BYTES)
#define DIGEST_BYTES crypto_generichash_BYTES

static void derive_key(const struct root *root, unsigned char key[KEY_BYTES])
{
	static const char purpose[] = "iamd authzen page token";

	(void)crypto_generichash(key, KEY_BYTES, (const unsigned char *)purpose,
		sizeof(purpose), root->hash_key, TABLE_KEY_BYTES);
}

/* Length first, so that no two queries look the same. */
static void add_part(crypto_generichash_state *h, struct str s)
{
	uint64_t len = s.ptr == NULL ? UINT64_MAX : s.len;

	(void)crypto_generichash_update(h, (const unsigned char *)&len, sizeof(len));
	if (s.len > 0)
		(void)crypto_generichash_update(h, (const unsigned char *)s.ptr, s.len);
}

/* What decides a search's results, and nothing else. */
static void digest_query(unsigned searched, const struct authzen_ask *ask,
	unsigned char digest[DIGEST_BYTES])
{
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, NULL, 0, DIGEST_BYTES);
	(void)crypto_generichash_update(&h, (const unsigned char *)&searched,
		sizeof(searched));
	add_part(&h, ask->subject.type);
	add_part(&h, ask->subject.id);
	add_part(&h, ask->resource.type);
	add_part(&h, ask->resource.id);
	add_part(&h, ask->action);
	(void)crypto_generichash_final(&h, digest, DIGEST_BYTES);
}

enum iam_err authzen_page_token(struct req *r, const struct root *root, unsigned searched,
	const struct authzen_ask *ask, struct str last, struct str *ret_token)
{
	unsigned char key[KEY_BYTES], digest[DIGEST_BYTES], sealed[SEALED_MAX];
	unsigned long long len = 0;
	size_t text_bytes;
	char *text;

	if (last.len > AUTHZEN_ID_MAX_BYTES)
		return IAM_INTERNAL;
	derive_key(root, key);
	digest_query(searched, ask, digest);
	randombytes_buf(sealed, NONCE_BYTES);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, &len,
		(const unsigned char *)last.ptr, last.len, digest, sizeof(digest), NULL,
		sealed, key);
	sodium_memzero(key, sizeof(key));
	len += NONCE_BYTES;
	text_bytes =
		sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	text = arena_alloc(r->arena, text_bytes);
	if (text == NULL)
		return IAM_NO_MEMORY;
	sodium_bin2base64(text, text_bytes, sealed, (size_t)len,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	*ret_token = str_c(text);
	return IAM_OK;
}

static bool open_token(const struct root *root, unsigned searched,
	const struct authzen_ask *ask, struct str token, struct authzen_page *page)
{
	unsigned char key[KEY_BYTES], digest[DIGEST_BYTES], sealed[SEALED_MAX];
	unsigned long long len = 0;
	size_t sealed_len = 0;
	int rc;

	if (sodium_base642bin(sealed, sizeof(sealed), token.ptr, token.len, NULL,
		    &sealed_len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		sealed_len < NONCE_BYTES + TAG_BYTES)
		return false;
	derive_key(root, key);
	digest_query(searched, ask, digest);
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)page->after_text,
		&len, NULL, sealed + NONCE_BYTES, sealed_len - NONCE_BYTES, digest,
		sizeof(digest), sealed, key);
	sodium_memzero(key, sizeof(key));
	if (rc != 0)
		return false;
	page->after = (struct str){page->after_text, (size_t)len};
	return true;
}

static enum iam_err read_limit(struct req *r, const json_t *value, int64_t *ret_limit)
{
	if (!json_is_integer(value))
		return authzen_wrong_type("page.limit", "integer", &r->error);
	if (json_integer_value(value) < 1)
		return iam_error_set(&r->error, IAM_BAD_SCHEMA,
			"Unexpected JSON input. Hint: `page.limit` must be at least 1");
	*ret_limit = json_integer_value(value);
	if (*ret_limit > AUTHZEN_PAGE_MAX)
		*ret_limit = AUTHZEN_PAGE_MAX;
	return IAM_OK;
}

enum iam_err authzen_page_read(struct req *r, const struct root *root, unsigned searched,
	const struct authzen_ask *ask, struct authzen_page *ret)
{
	const json_t *page = json_object_get(r->json, "page");
	const json_t *limit, *token;
	struct str text;
	enum iam_err e = IAM_OK;

	ret->limit = AUTHZEN_PAGE_DEFAULT;
	ret->after = STR_NONE;
	if (page == NULL)
		return IAM_OK;
	if (!json_is_object(page))
		return authzen_wrong_type("page", "object", &r->error);
	limit = json_object_get(page, "limit");
	token = json_object_get(page, "token");
	if (limit != NULL)
		e = read_limit(r, limit, &ret->limit);
	if (e != IAM_OK || token == NULL)
		return e;
	if (!json_is_string(token))
		return authzen_wrong_type("page.token", "string", &r->error);
	text = (struct str){json_string_value(token), json_string_length(token)};
	if (text.len == 0 || open_token(root, searched, ask, text, ret))
		return IAM_OK;
	return req_fail(r, IAM_BAD_REQUEST,
		"`page.token` is not one that this search was given: begin again without it.");
}
