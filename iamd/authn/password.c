/*
 * password - computes password hashes: libsodium for argon2, libcrypt for what others left behind.
 *
 * Every verification costs one computation, whatever the account looks like: where there is no
 * usable hash, the password is hashed with today's parameters and the result thrown away. bcrypt
 * looks at 72 bytes of a password only; that ends with the rehash after the first good login.
 * libcrypt's 32 KiB of scratch memory belong to the thread and are wiped after each use.
 */
#include "iamd/authn/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "iamd/authn/password_form.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"

static bool params_fine(const struct password_params *p)
{
	return p->opslimit >= 1 && p->opslimit <= crypto_pwhash_OPSLIMIT_MAX &&
		p->memory_bytes >= crypto_pwhash_MEMLIMIT_MIN &&
		p->memory_bytes <= crypto_pwhash_MEMLIMIT_MAX;
}

enum iam_err password_hash(const struct password_params *params, struct str password,
	char buf[PASSWORD_HASH_MAX])
{
	char encoded[crypto_pwhash_STRBYTES];

	if (password.ptr == NULL || password.len > PASSWORD_MAX_BYTES)
		return IAM_BAD_DATA;
	if (!params_fine(params))
		return IAM_CONFIG;
	metrics_count(METRIC_PASSWORD_HASHES, 1);
	if (crypto_pwhash_str(encoded, password.ptr, password.len, params->opslimit,
		    (size_t)params->memory_bytes) != 0)
		return IAM_NO_MEMORY;
	memcpy(buf, encoded, sizeof(encoded));
	return IAM_OK;
}

/* The work of one verification with today's parameters, for nothing. */
static enum iam_err dummy(const struct password_params *params, struct str password)
{
	static const unsigned char salt[crypto_pwhash_SALTBYTES] = "no such account";
	unsigned char out[32];
	int r;

	if (!params_fine(params))
		return IAM_CONFIG;
	metrics_count(METRIC_PASSWORD_HASHES, 1);
	r = crypto_pwhash(out, sizeof(out), password.ptr == NULL ? "" : password.ptr, password.len, salt,
		params->opslimit, (size_t)params->memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
	sodium_memzero(out, sizeof(out));
	return r == 0 ? IAM_OK : IAM_NO_MEMORY;
}

static enum iam_err verify_argon2(struct str password, struct str hash, bool *ret_ok)
{
	/* the library reads all of it */
	char encoded[crypto_pwhash_STRBYTES] = {0};

	memcpy(encoded, hash.ptr, hash.len);
	metrics_count(METRIC_PASSWORD_HASHES, 1);
	errno = 0;
	if (crypto_pwhash_str_verify(encoded, password.ptr, password.len) == 0) {
		*ret_ok = true;
		return IAM_OK;
	}
	/* A mismatch sets EINVAL; everything else did not get as far as comparing. */
	if (errno != EINVAL)
		return IAM_NO_MEMORY;
	*ret_ok = false;
	return IAM_OK;
}

static bool is_todays(const struct password_params *params, const struct password_form *form)
{
	return form->kind == PASSWORD_ARGON2ID && form->lanes == 1 && form->passes == params->opslimit &&
		form->memory_kib == params->memory_bytes / 1024;
}

static void crypt_scratch_free(void *value)
{
	sodium_memzero(value, sizeof(struct crypt_data));
	free(value);
}

static struct crypt_data *crypt_scratch(void)
{
	struct crypt_data *data = thread_get(THREAD_CRYPT);

	if (data == NULL) {
		data = calloc(1, sizeof(*data));
		if (data != NULL)
			thread_set(THREAD_CRYPT, data, crypt_scratch_free);
	}
	return data;
}

static enum iam_err verify_crypt(struct str password, struct str hash, bool *ret_ok)
{
	char phrase[CRYPT_MAX_PASSPHRASE_SIZE] = {0};
	char stored[CRYPT_OUTPUT_SIZE] = {0};
	struct crypt_data *data = crypt_scratch();
	const char *computed;
	bool no_memory;

	if (data == NULL)
		return IAM_NO_MEMORY;
	memcpy(phrase, password.ptr, password.len);
	memcpy(stored, hash.ptr, hash.len);
	metrics_count(METRIC_PASSWORD_HASHES, 1);
	errno = 0;
	computed = crypt_r(phrase, stored, data);
	no_memory = computed == NULL || (computed[0] == '*' && errno == ENOMEM);
	*ret_ok = !no_memory && computed[0] != '*' && strlen(computed) == hash.len &&
		sodium_memcmp(computed, stored, hash.len) == 0;
	sodium_memzero(data, sizeof(*data));
	sodium_memzero(phrase, sizeof(phrase));
	return no_memory ? IAM_NO_MEMORY : IAM_OK;
}

/* libcrypt's passphrases end at a NUL and at 511 bytes: nothing beyond was ever hashed by it. */
static bool crypt_can_take(struct str password, struct str hash)
{
	return password.len < CRYPT_MAX_PASSPHRASE_SIZE && hash.len < CRYPT_OUTPUT_SIZE &&
		memchr(password.ptr, '\0', password.len) == NULL;
}

enum iam_err password_verify(const struct password_params *params, struct str password, struct str hash,
	struct password_verdict *ret_verdict)
{
	struct password_verdict verdict = {0};
	struct password_form form = {0};
	bool usable;
	enum iam_err e;

	if (password.len > PASSWORD_MAX_BYTES) { /* nobody can have set it */
		*ret_verdict = verdict;
		return IAM_OK;
	}
	usable = password.ptr != NULL && hash.ptr != NULL &&
		password_form_parse(hash, &form, NULL) == IAM_OK;
	if (usable && form.passes != 0)
		e = verify_argon2(password, hash, &verdict.ok);
	else if (usable && crypt_can_take(password, hash))
		e = verify_crypt(password, hash, &verdict.ok);
	else
		e = dummy(params, password);
	if (e != IAM_OK)
		return e;
	verdict.rehash = verdict.ok && !is_todays(params, &form);
	*ret_verdict = verdict;
	return IAM_OK;
}

enum iam_err password_hash_check(struct str hash, struct iam_error *err)
{
	struct password_form form;

	return password_form_parse(hash, &form, err);
}
