/*
 * fuzz_password_hash - password hashes from imports.
 *
 * Properties: what may be stored is short printable text without what would break a line or a
 * field; a cheap one computes without error, does not match a password nobody chose, and says the
 * same twice.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <sodium.h>

#include "iamd/authn/password.h"
#include "iamd/authn/password_form.h"
#include "libacl/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only argon2 can be so cheap that thousands are computed in a second. */
static void compute(struct str hash)
{
	static const struct password_params params = {.opslimit = 1, .memory_bytes = 8192};
	struct password_verdict v = {.ok = true};

	enum iam_err e = password_verify(&params, STR("a password nobody chose"), hash, &v);

	assert(e == IAM_OK);
	(void)e;
	assert(!v.ok && !v.rehash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str hash = {.ptr = (const char *)data, .len = size};
	struct iam_error err = {0};
	struct password_form form;
	enum iam_err e;

	if (size > 65536 || sodium_init() < 0)
		return 0;
	e = password_form_parse(hash, &form, &err);
	assert(e == IAM_OK || (e == IAM_BAD_DATA && err.text[0] != '\0'));
	assert(password_hash_check(hash, NULL) == e);
	if (e != IAM_OK)
		return 0;
	assert(size < PASSWORD_HASH_MAX && data[0] == '$');
	for (size_t i = 0; i < size; i++)
		assert(data[i] > ' ' && data[i] < 0x7f && data[i] != ':');
	if (form.passes != 0) {
		assert(form.passes <= 10 && form.memory_kib <= 1048576 && form.lanes >= 1);
		if (form.memory_kib * form.passes <= 64)
			compute(hash);
	}
	return 0;
}
