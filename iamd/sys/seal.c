/*
 * seal - secrets at rest; see seal.h.
 *
 * A sealed text is a version byte, a random nonce of 24 bytes, and the cipher text with its tag of
 * 16. The nonce is long enough to be taken at random for ever. Does not rotate keys.
 */
#include "iamd/sys/seal.h"

#include <stdint.h>
#include <string.h>

#include <sodium.h>

#include "iamd/sys/secret.h"
#include "libacl/base/str.h"

#define VERSION  1
#define KEY_LEN  crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG      crypto_aead_xchacha20poly1305_ietf_ABYTES
#define OVERHEAD (1 + NONCE + TAG)

struct seal_key {
	unsigned char bytes[KEY_LEN]; /* in guarded memory */
};

/* One that is there already, made by another start meanwhile, is as good. */
static enum iam_err create(const char *path, struct iam_error *err)
{
	unsigned char bytes[KEY_LEN];
	enum iam_err e;

	randombytes_buf(bytes, sizeof(bytes));
	e = secret_file_create(path,
		(struct str){.ptr = (const char *)bytes, .len = sizeof(bytes)}, err);
	sodium_memzero(bytes, sizeof(bytes));
	return e == IAM_EXISTS ? IAM_OK : e;
}

/* secret_file_read() with a text for a key that is not there. */
static enum iam_err read_key(const char *path, bool may_create, char **ret_bytes,
	size_t *ret_len, struct iam_error *err)
{
	enum iam_err e = secret_file_read(path, 4096, ret_bytes, ret_len, err);

	if (e == IAM_NOT_FOUND && may_create) {
		e = create(path, err);
		if (e == IAM_OK)
			e = secret_file_read(path, 4096, ret_bytes, ret_len, err);
	}
	if (e == IAM_NOT_FOUND)
		return iam_error_set(err, IAM_CONFIG,
			"%s: the master key is missing: restore it from where it was kept",
			path);
	return e;
}

enum iam_err seal_key_load(const char *path, bool may_create, struct seal_key **ret,
	struct iam_error *err)
{
	struct seal_key *k;
	char *bytes = NULL;
	size_t len = 0;
	enum iam_err e = read_key(path, may_create, &bytes, &len, err);

	if (e != IAM_OK)
		return e;
	if (len != KEY_LEN) {
		sodium_free(bytes);
		return iam_error_set(err, IAM_CONFIG,
			"%s: a master key is %d bytes, this file has %zu: restore it, or make one"
			" with head -c %d /dev/urandom",
			path, (int)KEY_LEN, len, (int)KEY_LEN);
	}
	k = sodium_malloc(sizeof(*k));
	if (k != NULL) {
		memcpy(k->bytes, bytes, KEY_LEN);
		(void)sodium_mprotect_readonly(k);
	}
	sodium_free(bytes);
	if (k == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "%s: no guarded memory", path);
	*ret = k;
	return IAM_OK;
}

void seal_key_free(struct seal_key *k)
{
	sodium_free(k);
}

enum iam_err seal_close(const struct seal_key *k, struct str where, struct str plain,
	struct arena *a, struct str *ret_sealed)
{
	unsigned char *sealed = plain.len > SIZE_MAX - OVERHEAD
		? NULL
		: arena_alloc(a, plain.len + OVERHEAD);

	if (sealed == NULL)
		return IAM_NO_MEMORY;
	sealed[0] = VERSION;
	randombytes_buf(sealed + 1, NONCE);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + 1 + NONCE, NULL,
		(const unsigned char *)plain.ptr, plain.len,
		(const unsigned char *)where.ptr, where.len, NULL, sealed + 1, k->bytes);
	*ret_sealed =
		(struct str){.ptr = (const char *)sealed, .len = plain.len + OVERHEAD};
	return IAM_OK;
}

enum iam_err seal_open(const struct seal_key *k, struct str where, struct str sealed,
	struct arena *a, struct str *ret_plain)
{
	const unsigned char *bytes = (const unsigned char *)sealed.ptr;
	unsigned char *plain;

	if (sealed.len < OVERHEAD || bytes[0] != VERSION)
		return IAM_CONFIG;
	plain = arena_alloc(a, sealed.len - OVERHEAD + 1); /* zeroed: ends in NUL */
	if (plain == NULL)
		return IAM_NO_MEMORY;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL,
		    bytes + 1 + NONCE, sealed.len - 1 - NONCE,
		    (const unsigned char *)where.ptr, where.len, bytes + 1,
		    k->bytes) != 0)
		return IAM_CONFIG;
	*ret_plain =
		(struct str){.ptr = (const char *)plain, .len = sealed.len - OVERHEAD};
	return IAM_OK;
}
