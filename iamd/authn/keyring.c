/*
 * keyring - loads, makes, rotates and describes the keys of our own tokens.
 *
 * What stays of a private key is OpenSSL's object in its secure heap, and only of the one that signs
 * (jose_sign); of all others the public half (jose). The text of a key file is wiped when it has been
 * read. Invariants: key 0 is the signing key; no key is in the ring twice; a keyring never changes
 * after keyring_load().
 */
#include "iamd/authn/keyring.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "iamd/authn/jose_sign.h"
#include "iamd/authn/key_file.h"
#include "iamd/sys/log.h"
#include "iamd/sys/secret.h"
#include "libacl/base/steal.h"

/* LIMIT: OpenSSL's secure heap; a 4096-bit key at work takes about 8 KiB of it. */
#define SECURE_HEAP_BYTES ((size_t)1024 * 1024)
#define SECURE_HEAP_MIN_CHUNK 32
#define MIN_BITS 2048
#define MAX_BITS 8192
#define JWKS_MAX_BYTES ((size_t)64 * 1024)

struct keyring {
	unsigned count;
	struct jose_key *keys[KEYRING_MAX];
	bool imported;
	struct jose_signer *signer;
	struct sb jwks;
};

enum iam_err keyring_init(struct iam_error *err)
{
	int r;

	if (CRYPTO_secure_malloc_initialized())
		return IAM_OK;
	r = CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_MIN_CHUNK);
	if (r == 0)
		return iam_error_set(err, IAM_NO_MEMORY, "no memory for the secure heap of keys");
	if (r == 2)
		log_event(LOG_LEVEL_WARNING, "keyring.secure_heap_unlocked",
			LOG_CSTR("hint", "raise the limit of locked memory, or keys may be swapped out"));
	return IAM_OK;
}

/* An encrypted PEM is refused; without this OpenSSL would ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf, (void)size, (void)writing, (void)ctx;
	return -1;
}

/* Does the private half belong to the public one? A file pieced together would sign for nobody. */
static bool signs_for_itself(EVP_PKEY *pkey)
{
	static const unsigned char text[] = "iamd";
	unsigned char signature[MAX_BITS / 8];
	size_t len = sizeof(signature);
	EVP_MD_CTX *signer = EVP_MD_CTX_new();
	EVP_MD_CTX *verifier = EVP_MD_CTX_new();
	bool ok = signer != NULL && verifier != NULL &&
		EVP_DigestSignInit_ex(signer, NULL, "SHA2-256", NULL, NULL, pkey, NULL) == 1 &&
		EVP_DigestSign(signer, signature, &len, text, sizeof(text)) == 1 &&
		EVP_DigestVerifyInit_ex(verifier, NULL, "SHA2-256", NULL, NULL, pkey, NULL) == 1 &&
		EVP_DigestVerify(verifier, signature, len, text, sizeof(text)) == 1;

	EVP_MD_CTX_free(signer);
	EVP_MD_CTX_free(verifier);
	return ok;
}

static enum iam_err public_half(EVP_PKEY *pkey, const char *path, struct jose_key **ret_key, struct iam_error *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct iam_error why = {0};
	char *text = NULL;
	long len = 0;
	enum iam_err e = IAM_NO_MEMORY;

	if (bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1) {
		len = BIO_get_mem_data(bio, &text);
		e = jose_key_from_public_pem((struct str){.ptr = text, .len = (size_t)len}, ret_key, &why);
	}
	BIO_free(bio);
	if (e == IAM_BAD_PUBLIC_KEY)
		return iam_error_set(err, IAM_CONFIG, "%s: %s", path, why.text);
	return e == IAM_OK ? IAM_OK : iam_error_set(err, e, "%s: out of memory", path);
}

/* ret_signer NULL: only the public half is wanted. */
static enum iam_err private_from_pem(struct str pem, const char *path, struct jose_signer **ret_signer,
	struct jose_key **ret_key, struct iam_error *err)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	struct jose_signer *signer = NULL;
	struct jose_key *key = NULL;
	enum iam_err e = IAM_OK;

	if (pkey == NULL)
		e = iam_error_set(err, IAM_CONFIG, "%s: not an unencrypted private key in PEM form", path);
	else if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
		e = iam_error_set(err, IAM_CONFIG, "%s: Key must be of type RSA", path);
	else
		e = public_half(pkey, path, &key, err);
	if (e == IAM_OK && !signs_for_itself(pkey))
		e = iam_error_set(err, IAM_CONFIG, "%s: the private key does not fit its public half", path);
	if (e == IAM_OK && ret_signer != NULL) {
		signer = jose_signer_new(pkey, jose_key_kid(key));
		if (signer == NULL)
			e = iam_error_set(err, IAM_NO_MEMORY, "%s: out of memory", path);
	}
	if (e == IAM_OK) {
		*ret_key = STEAL(key);
		if (ret_signer != NULL)
			*ret_signer = STEAL(signer);
	}
	jose_signer_free(signer);
	jose_key_free(key);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

static enum iam_err load_private(const char *path, struct jose_signer **ret_signer, struct jose_key **ret_key,
	struct iam_error *err)
{
	char *text = NULL;
	size_t len = 0;
	enum iam_err e = secret_file_read(path, KEY_FILE_MAX_BYTES, &text, &len, err);

	if (e != IAM_OK)
		return e;
	e = private_from_pem((struct str){.ptr = text, .len = len}, path, ret_signer, ret_key, err);
	sodium_free(text);
	return e;
}

/* A key that only verifies: public (any mode of the file), or private (the owner's only). */
static enum iam_err load_verification(const char *path, struct jose_key **ret_key, struct iam_error *err)
{
	struct iam_error why = {0};
	char *text = NULL;
	size_t len = 0;
	enum iam_err e = key_file_read(path, &text, &len, err);
	bool is_private;

	if (e != IAM_OK)
		return e;
	is_private = memmem(text, len, "PRIVATE KEY-----", strlen("PRIVATE KEY-----")) != NULL;
	if (!is_private)
		e = jose_key_from_public_pem((struct str){.ptr = text, .len = len}, ret_key, &why);
	sodium_free(text);
	if (is_private)
		return load_private(path, NULL, ret_key, err);
	if (e == IAM_BAD_PUBLIC_KEY)
		return iam_error_set(err, IAM_CONFIG, "%s: %s", path, why.text);
	return e == IAM_OK ? IAM_OK : iam_error_set(err, e, "%s: %s", path, why.text);
}

/* Makes a key and puts it into place. */
static enum iam_err create_key(const struct keyring_settings *s, bool replace, struct iam_error *err)
{
	EVP_PKEY *pkey = NULL;
	struct jose_key *key = NULL;
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long len;
	enum iam_err e = IAM_OK;

	if (s->bits < MIN_BITS || s->bits > MAX_BITS)
		e = iam_error_set(err, IAM_CONFIG, "a signing key has %d to %d bits, not %u", MIN_BITS,
			MAX_BITS, s->bits);
	if (e == IAM_OK) {
		pkey = EVP_RSA_gen(s->bits);
		if (bio == NULL || pkey == NULL ||
			PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
			e = iam_error_set(err, IAM_INTERNAL, "cannot make an RSA key");
	}
	if (e == IAM_OK)
		e = public_half(pkey, s->signing_key_file, &key, err);
	if (e == IAM_OK) {
		len = BIO_get_mem_data(bio, &text);
		e = key_file_install(s->signing_key_file, (struct str){.ptr = text, .len = (size_t)len},
			jose_key_kid(key), replace, err);
	}
	jose_key_free(key);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

/* Takes the key; one that is there already is dropped. False: the ring is full. */
static bool ring_add(struct keyring *k, struct jose_key *key)
{
	for (unsigned i = 0; i < k->count; i++) {
		if (strcmp(jose_key_kid(k->keys[i]), jose_key_kid(key)) == 0) {
			jose_key_free(key);
			return true;
		}
	}
	if (k->count == KEYRING_MAX) {
		jose_key_free(key);
		return false;
	}
	k->keys[k->count++] = key;
	return true;
}

static enum iam_err add_configured(struct keyring *k, const char *list, struct iam_error *err)
{
	struct str rest = str_c(list);
	struct jose_key *key;
	char path[PATH_MAX];
	enum iam_err e;

	while (rest.ptr != NULL) {
		struct str name = str_trim(str_split(&rest, ','));

		if (name.len == 0)
			continue;
		if (name.len >= sizeof(path))
			return iam_error_set(err, IAM_CONFIG, "the path of a key file is too long");
		memcpy(path, name.ptr, name.len);
		path[name.len] = '\0';
		e = load_verification(path, &key, err);
		if (e == IAM_NOT_FOUND)
			e = IAM_CONFIG;
		if (e != IAM_OK)
			return e;
		if (!ring_add(k, key))
			return iam_error_set(err, IAM_CONFIG, "%s: more than %d keys", path, KEYRING_MAX);
	}
	return IAM_OK;
}

static enum iam_err add_former(struct keyring *k, const char *dir, struct iam_error *err)
{
	char **paths = NULL;
	unsigned n = 0;
	struct jose_key *key;
	enum iam_err e;

	if (dir == NULL)
		return IAM_OK;
	e = key_file_list_former(dir, &paths, &n, err);
	for (unsigned i = 0; e == IAM_OK && i < n; i++) {
		e = load_verification(paths[i], &key, err);
		if (e == IAM_OK && !ring_add(k, key)) {
			/* The newest are in; a token of an older key is long expired. */
			log_event(LOG_LEVEL_WARNING, "keyring.full", LOG_CSTR("ignored", paths[i]),
				LOG_INT("keys", KEYRING_MAX));
			break;
		}
	}
	key_file_list_free(paths, n);
	return e;
}

static bool build_jwks(struct keyring *k)
{
	sb_init_heap(&k->jwks, JWKS_MAX_BYTES);
	sb_add_c(&k->jwks, "{\n  \"keys\": [");
	for (unsigned i = 0; i < k->count; i++) {
		sb_addf(&k->jwks,
			"%s\n    {\n"
			"      \"kid\": \"%s\",\n"
			"      \"kty\": \"RSA\",\n"
			"      \"n\": \"%s\",\n"
			"      \"e\": \"%s\",\n"
			"      \"alg\": \"RS256\",\n"
			"      \"use\": \"sig\"\n"
			"    }",
			i == 0 ? "" : ",", jose_key_kid(k->keys[i]), jose_key_n(k->keys[i]),
			jose_key_e(k->keys[i]));
	}
	sb_add_c(&k->jwks, "\n  ]\n}\n");
	return sb_str(&k->jwks).ptr != NULL;
}

static enum iam_err load_signing(const struct keyring_settings *s, struct keyring *k, struct iam_error *err)
{
	struct jose_key *key = NULL;
	enum iam_err e = load_private(s->signing_key_file, &k->signer, &key, err);

	if (e == IAM_NOT_FOUND && s->may_create) {
		e = create_key(s, false, err);
		if (e == IAM_OK) {
			log_event(LOG_LEVEL_INFO, "keyring.key_made", LOG_CSTR("file", s->signing_key_file),
				LOG_INT("bits", s->bits));
			e = load_private(s->signing_key_file, &k->signer, &key, err);
		}
	}
	if (e == IAM_NOT_FOUND)
		return iam_error_set(err, IAM_CONFIG, "%s: there is no signing key", s->signing_key_file);
	if (e == IAM_OK)
		(void)ring_add(k, key); /* the first one always fits */
	return e;
}

enum iam_err keyring_load(const struct keyring_settings *settings, struct keyring **ret_keyring,
	struct iam_error *err)
{
	struct keyring *k = calloc(1, sizeof(*k));
	enum iam_err e;

	if (k == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	k->imported = settings->imported;
	e = load_signing(settings, k, err);
	if (e == IAM_OK)
		e = add_configured(k, settings->verification_key_files, err);
	if (e == IAM_OK)
		e = add_former(k, settings->former_keys_dir, err);
	if (e == IAM_OK && !build_jwks(k))
		e = iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	if (e != IAM_OK) {
		keyring_free(k);
		return e;
	}
	*ret_keyring = k;
	return IAM_OK;
}

void keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	for (unsigned i = 0; i < k->count; i++)
		jose_key_free(k->keys[i]);
	jose_signer_free(k->signer);
	sb_done(&k->jwks);
	free(k);
}

/* The public half is all that old tokens need: a retired private key on the disk is only a risk. */
static enum iam_err retire(const struct keyring_settings *s, struct iam_error *err)
{
	char path[PATH_MAX];
	struct jose_key *key = NULL;
	char *pem = NULL;
	int n;
	enum iam_err e = load_private(s->signing_key_file, NULL, &key, err);

	if (e != IAM_OK)
		return e;
	n = snprintf(path, sizeof(path), "%s/previous-%s.pem", s->former_keys_dir, jose_key_kid(key));
	pem = jose_key_public_pem(key);
	if (n < 0 || (size_t)n >= sizeof(path))
		e = iam_error_set(err, IAM_CONFIG, "the path of a key file is too long");
	else if (pem == NULL)
		e = iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	else
		e = key_file_install(path, str_c(pem), jose_key_kid(key), false, err);
	free(pem);
	jose_key_free(key);
	return e;
}

enum iam_err keyring_rotate(const struct keyring_settings *settings, struct iam_error *err)
{
	int lock = -1;
	enum iam_err e;

	if (settings->former_keys_dir == NULL)
		return iam_error_set(err, IAM_CONFIG, "no folder for former keys is configured");
	e = key_file_lock(settings->signing_key_file, &lock, err);
	if (e != IAM_OK)
		return e;
	e = retire(settings, err);
	if (e == IAM_OK)
		e = create_key(settings, true, err);
	close(lock);
	return e;
}

unsigned keyring_count(const struct keyring *k)
{
	return k->count;
}

const struct jose_key *keyring_key(const struct keyring *k, unsigned i)
{
	return i < k->count ? k->keys[i] : NULL;
}

const struct jose_key *keyring_find(const struct keyring *k, struct str kid)
{
	if (kid.ptr == NULL)
		return k->imported ? k->keys[0] : NULL;
	for (unsigned i = 0; i < k->count; i++) {
		if (str_eq_c(kid, jose_key_kid(k->keys[i])))
			return k->keys[i];
	}
	return NULL;
}

const struct jose_signer *keyring_signer(const struct keyring *k)
{
	return k->signer;
}

struct str keyring_jwks(const struct keyring *k)
{
	return sb_str(&k->jwks);
}
