/*
 * password_form - reads the written forms of password hashes.
 *
 * Each kind has one function that walks the text from left to right and refuses what is left over.
 * Stricter than the libraries that compute them: what none of the usual tools writes is refused.
 */
#include "iamd/authn/password_form.h"

#include <stdbool.h>
#include <stddef.h>

#include <sodium.h>

#include "libacl/base/str.h"

/* LIMIT: the cost a stored hash may have. */
#define ARGON2_MAX_PASSES 10
#define ARGON2_MAX_KIB (INT64_C(1024) * 1024)
#define ARGON2_MAX_LANES 64
#define SHA_CRYPT_MIN_ROUNDS 1000
#define SHA_CRYPT_MAX_ROUNDS 5000000
#define BCRYPT_MIN_COST 4
#define BCRYPT_MAX_COST 14
#define YESCRYPT_MAX_BYTES (UINT64_C(1) << 30)

/* The alphabet of crypt(3), in the order of its values. */
static const char crypt_alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static int crypt_value(char c)
{
	struct str alphabet = {.ptr = crypt_alphabet, .len = sizeof(crypt_alphabet) - 1};

	return (int)str_find(alphabet, c);
}

static bool all_crypt_chars(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (crypt_value(s.ptr[i]) < 0)
			return false;
	}
	return true;
}

/*
 * No white space, nothing that separates fields elsewhere, ASCII. Not left to the decoders below:
 * libsodium 1.0.18's base64 takes bytes above 0x7f for letters.
 */
static bool all_printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f || s.ptr[i] == ':')
			return false;
	}
	return true;
}

/* Decimal without sign, leading zeros or surroundings. */
static bool number(struct str s, int64_t min, int64_t max, uint64_t *ret)
{
	int64_t n;

	if (s.len == 0 || s.ptr[0] < '0' || s.ptr[0] > '9' || (s.len > 1 && s.ptr[0] == '0') ||
		!str_to_i64(s, min, max, &n))
		return false;
	*ret = (uint64_t)n;
	return true;
}

/* "<name>=<number>" */
static bool setting(struct str s, struct str name, int64_t max, uint64_t *ret)
{
	return str_starts(s, name) && number(str_sub(s, name.len, s.len), 1, max, ret);
}

static bool base64_bytes_fine(struct str s, size_t min_bytes)
{
	unsigned char bytes[128];
	size_t len;

	return s.ptr != NULL && s.len < sizeof(bytes) &&
		sodium_base642bin(bytes, sizeof(bytes), s.ptr, s.len, NULL, &len, NULL,
			sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
		len >= min_bytes;
}

/* v=19$m=19456,t=2,p=1$<salt>$<hash> */
static bool argon2(struct str rest, struct password_form *form)
{
	struct str version = str_split(&rest, '$');
	struct str costs = str_split(&rest, '$');
	struct str salt = str_split(&rest, '$');
	struct str memory = str_split(&costs, ',');
	struct str passes = str_split(&costs, ',');

	return str_eq_c(version, "v=19") && base64_bytes_fine(salt, 8) && base64_bytes_fine(rest, 16) &&
		setting(memory, STR("m="), ARGON2_MAX_KIB, &form->memory_kib) &&
		setting(passes, STR("t="), ARGON2_MAX_PASSES, &form->passes) &&
		setting(costs, STR("p="), ARGON2_MAX_LANES, &form->lanes) &&
		form->memory_kib >= 8 * form->lanes;
}

/* [rounds=656000$]<salt>$<hash> */
static bool sha_crypt(struct str rest, size_t hash_len)
{
	struct str salt = str_split(&rest, '$');
	uint64_t rounds;

	if (str_starts(salt, STR("rounds="))) {
		if (!number(str_sub(salt, 7, salt.len), SHA_CRYPT_MIN_ROUNDS, SHA_CRYPT_MAX_ROUNDS, &rounds))
			return false;
		salt = str_split(&rest, '$');
	}
	return salt.ptr != NULL && salt.len <= 16 && all_crypt_chars(salt) && rest.ptr != NULL &&
		rest.len == hash_len && all_crypt_chars(rest);
}

/* 12$<22 of salt><31 of hash> */
static bool bcrypt(struct str rest)
{
	struct str cost_text = str_split(&rest, '$');
	uint64_t cost;

	if (cost_text.len != 2 || rest.ptr == NULL || rest.len != 53 || !all_crypt_chars(rest))
		return false;
	if (cost_text.ptr[0] == '0')
		cost_text = str_sub(cost_text, 1, 2);
	return number(cost_text, BCRYPT_MIN_COST, BCRYPT_MAX_COST, &cost);
}

/*
 * yescrypt's variable-length integers: the first character's range says how many follow (values
 * 0..47 none, then half of the remaining range one more each).
 */
static bool yescrypt_number(struct str *s, uint64_t min, uint64_t *ret)
{
	uint64_t start = 0, end = 47, value = min;
	unsigned more = 0;
	int c = s->len > 0 ? crypt_value(s->ptr[0]) : -1;

	if (c < 0)
		return false;
	while ((uint64_t)c > end) {
		value += (end + 1 - start) << (6 * more);
		start = end + 1;
		end = start + (62 - end) / 2;
		more++;
	}
	value += ((uint64_t)c - start) << (6 * more);
	*s = str_sub(*s, 1, s->len);
	while (more-- > 0) {
		c = s->len > 0 ? crypt_value(s->ptr[0]) : -1;
		if (c < 0)
			return false;
		value += (uint64_t)c << (6 * more);
		*s = str_sub(*s, 1, s->len);
	}
	*ret = value;
	return true;
}

/* j9T$<salt>$<hash>: flavour 'j', log2 of N, r; no further parameters */
static bool yescrypt(struct str rest)
{
	struct str params = str_split(&rest, '$');
	struct str salt = str_split(&rest, '$');
	uint64_t log2_n, r;

	if (params.len < 3 || params.ptr[0] != 'j')
		return false;
	params = str_sub(params, 1, params.len);
	if (!yescrypt_number(&params, 1, &log2_n) || !yescrypt_number(&params, 1, &r) || params.len != 0)
		return false;
	if (log2_n > 24 || r > 4096 || (UINT64_C(128) << log2_n) * r > YESCRYPT_MAX_BYTES)
		return false;
	return salt.ptr != NULL && salt.len <= 86 && all_crypt_chars(salt) && rest.ptr != NULL &&
		rest.len == 43 && all_crypt_chars(rest);
}

static const struct {
	const char *prefix;
	enum password_kind kind;
} kinds[] = {
	{"$argon2id$", PASSWORD_ARGON2ID},
	{"$argon2i$", PASSWORD_ARGON2I},
	{"$6$", PASSWORD_SHA512_CRYPT},
	{"$5$", PASSWORD_SHA256_CRYPT},
	{"$2a$", PASSWORD_BCRYPT},
	{"$2b$", PASSWORD_BCRYPT},
	{"$2y$", PASSWORD_BCRYPT},
	{"$y$", PASSWORD_YESCRYPT},
};

static bool body_fine(struct str rest, struct password_form *form)
{
	switch (form->kind) {
	case PASSWORD_ARGON2ID:
	case PASSWORD_ARGON2I:
		return argon2(rest, form);
	case PASSWORD_SHA512_CRYPT:
		return sha_crypt(rest, 86);
	case PASSWORD_SHA256_CRYPT:
		return sha_crypt(rest, 43);
	case PASSWORD_BCRYPT:
		return bcrypt(rest);
	case PASSWORD_YESCRYPT:
		return yescrypt(rest);
	}
	return false;
}

enum iam_err password_form_parse(struct str hash, struct password_form *ret_form, struct iam_error *err)
{
	struct password_form form = {0};

	/* the computing library's limit, and enough for every kind we know */
	if (hash.len >= crypto_pwhash_STRBYTES + 64)
		return iam_error_set(err, IAM_BAD_DATA, "the password hash is too long");
	if (!all_printable(hash))
		return iam_error_set(err, IAM_BAD_DATA, "the password hash is not plain ASCII text");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct str prefix = str_c(kinds[i].prefix);

		if (!str_starts(hash, prefix))
			continue;
		form.kind = kinds[i].kind;
		if (!body_fine(str_sub(hash, prefix.len, hash.len), &form) ||
			(form.passes != 0 && hash.len >= crypto_pwhash_STRBYTES))
			return iam_error_set(err, IAM_BAD_DATA,
				"the %s password hash is malformed or too costly", kinds[i].prefix);
		*ret_form = form;
		return IAM_OK;
	}
	return iam_error_set(err, IAM_BAD_DATA, "the password hash is of an unknown kind");
}
