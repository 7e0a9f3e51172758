/*
 * test_password - hashing, verifying what other systems wrote, and the work an attempt costs
 * (security checklist P1, P3, P5).
 *
 * The cheapest parameters there are, so that the test is about forms and not about time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/authn/password.h"
#include "iamd/sys/metrics.h"
#include "libacl/base/str.h"

static const struct password_params cheap = {.opslimit = 1, .memory_bytes = 8192};

static struct password_verdict verify(struct str password, struct str hash)
{
	struct password_verdict v = {.ok = true, .rehash = true};

	assert_int_equal(password_verify(&cheap, password, hash, &v), IAM_OK);
	return v;
}

static void a_hash_verifies_its_password_only(void **state)
{
	(void)state;
	char a[PASSWORD_HASH_MAX];
	char b[PASSWORD_HASH_MAX];

	assert_int_equal(password_hash(&cheap, STR("correct horse"), a), IAM_OK);
	assert_int_equal(password_hash(&cheap, STR("correct horse"), b), IAM_OK);
	assert_string_not_equal(a, b); /* salted */
	assert_true(str_starts(str_c(a), STR("$argon2id$v=19$m=8,t=1,p=1$")));
	assert_int_equal(password_hash_check(str_c(a), NULL), IAM_OK);
	assert_true(verify(STR("correct horse"), str_c(a)).ok);
	assert_false(verify(STR("correct horse"), str_c(a)).rehash);
	assert_false(verify(STR("correct horsE"), str_c(a)).ok);
	assert_false(verify(STR("correct horse "), str_c(a)).ok);
	assert_false(verify(STR("correct hors"), str_c(a)).ok);
	assert_false(verify(STR(""), str_c(a)).ok);
	assert_false(verify(STR_NONE, str_c(a)).ok);
}

static void nothing_of_a_long_password_is_cut_off(void **state)
{
	(void)state;
	char hash[PASSWORD_HASH_MAX];
	char password[PASSWORD_MAX_BYTES + 1];
	struct str whole = {.ptr = password, .len = PASSWORD_MAX_BYTES};

	memset(password, 'x', sizeof(password));
	assert_int_equal(password_hash(&cheap, whole, hash), IAM_OK);
	assert_true(verify(whole, str_c(hash)).ok);
	whole.len--;
	assert_false(verify(whole, str_c(hash)).ok);
	whole.len += 2; /* 1025 bytes */
	assert_false(verify(whole, str_c(hash)).ok);
	assert_int_equal(password_hash(&cheap, whole, hash), IAM_BAD_DATA);
}

static void bytes_after_a_nul_count(void **state)
{
	(void)state;
	char hash[PASSWORD_HASH_MAX];

	assert_int_equal(password_hash(&cheap, STR("a\0b"), hash), IAM_OK);
	assert_true(verify(STR("a\0b"), str_c(hash)).ok);
	assert_false(verify(STR("a\0c"), str_c(hash)).ok);
	assert_false(verify(STR("a"), str_c(hash)).ok);
}

static void hashes_of_others_verify_and_ask_for_a_rehash(void **state)
{
	(void)state;
	char path[4096];
	const char *dir = getenv("IAM_VECTORS");
	json_t *rows, *row;
	size_t i;

	assert_non_null(dir);
	snprintf(path, sizeof(path), "%s/passwords.json", dir);
	rows = json_load_file(path, 0, NULL);
	assert_true(json_array_size(rows) > 25);
	json_array_foreach(rows, i, row) {
		const json_t *p = json_object_get(row, "password");
		struct str password = {.ptr = json_string_value(p), .len = json_string_length(p)};
		struct str hash = str_c(json_string_value(json_object_get(row, "hash")));
		char wrong[128];
		struct password_verdict v;

		if (password_hash_check(hash, NULL) != IAM_OK)
			fail_msg("not storable: %s", hash.ptr);
		v = verify(password, hash);
		if (!v.ok || !v.rehash)
			fail_msg("%s", hash.ptr);
		snprintf(wrong, sizeof(wrong), "%s!", password.ptr);
		v = verify(str_c(wrong), hash);
		if (v.ok || v.rehash)
			fail_msg("wrong password: %s", hash.ptr);
		if (str_starts(hash, STR("$argon2")))
			continue;
		/* libcrypt's idea of a password ends at a NUL: "secret\0x" must not be "secret" */
		memcpy(wrong, password.ptr, password.len);
		wrong[password.len] = '\0';
		wrong[password.len + 1] = 'x';
		v = verify((struct str){.ptr = wrong, .len = password.len + 2}, hash);
		if (v.ok)
			fail_msg("NUL: %s", hash.ptr);
	}
	json_decref(rows);
}

static void other_parameters_ask_for_a_rehash(void **state)
{
	(void)state;
	static const struct password_params others[] = {
		{.opslimit = 2, .memory_bytes = 8192},
		{.opslimit = 1, .memory_bytes = 16384},
	};
	char hash[PASSWORD_HASH_MAX];

	for (size_t i = 0; i < 2; i++) {
		struct password_verdict v;

		assert_int_equal(password_hash(&others[i], STR("pass"), hash), IAM_OK);
		v = verify(STR("pass"), str_c(hash));
		assert_true(v.ok && v.rehash);
		v = verify(STR("fail"), str_c(hash));
		assert_false(v.ok || v.rehash);
		assert_int_equal(password_verify(&others[i], STR("pass"), str_c(hash), &v), IAM_OK);
		assert_true(v.ok && !v.rehash);
	}
}

static void every_attempt_costs_one_computation(void **state)
{
	(void)state;
	char hash[PASSWORD_HASH_MAX];
	const struct str hashes[] = {
		{.ptr = hash, .len = 0}, /* set below */
		STR_NONE,
		STR(""),
		STR("!"),
		STR("*"),
		STR("x"),
		STR("!$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8Y"),
		STR("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$"),
		STR("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
		STR("$1$abcdefgh$0123456789012345678901"),
		STR("plain text"),
		STR("$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6y"),
	};

	assert_int_equal(password_hash(&cheap, STR("right"), hash), IAM_OK);
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		struct str h = i == 0 ? str_c(hash) : hashes[i];
		uint64_t before = metrics_value(METRIC_PASSWORD_HASHES);

		assert_false(verify(STR("wrong"), h).ok);
		if (metrics_value(METRIC_PASSWORD_HASHES) != before + 1)
			fail_msg("%zu: %.*s", i, STR_FMT(h));
	}
}

static void longer_passwords_cost_nothing(void **state)
{
	(void)state;
	char password[PASSWORD_MAX_BYTES + 1];
	char hash[PASSWORD_HASH_MAX];
	uint64_t before;

	memset(password, 'x', sizeof(password));
	assert_int_equal(password_hash(&cheap, STR("right"), hash), IAM_OK);
	before = metrics_value(METRIC_PASSWORD_HASHES);
	assert_false(verify((struct str){.ptr = password, .len = sizeof(password)}, str_c(hash)).ok);
	assert_false(verify((struct str){.ptr = password, .len = sizeof(password)}, STR_NONE).ok);
	assert_int_equal(metrics_value(METRIC_PASSWORD_HASHES), before);
}

#define A22 "abcdefghijklmnopqrstuu"
#define H43 "0123456789012345678901234567890123456789012"
#define H86 H43 H43
#define B31 "0123456789012345678901234567890"
#define ARGON_TAIL "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

static void hashes_that_may_be_stored(void **state)
{
	(void)state;
	static const struct {
		const char *hash;
		bool ok;
	} rows[] = {
		{"$6$salt$" H86, true},
		{"$6$rounds=5000000$salt$" H86, true},
		{"$6$rounds=5000001$salt$" H86, false},
		{"$6$rounds=999999999$salt$" H86, false},
		{"$6$rounds=99999999999999999999$salt$" H86, false},
		{"$6$rounds=1000$salt$" H86, true},
		{"$6$rounds=999$salt$" H86, false},
		{"$6$rounds=01000$salt$" H86, false},
		{"$6$rounds=$salt$" H86, false},
		{"$6$rounds=-5$salt$" H86, false},
		{"$6$rounds=5000$" H86, false},
		{"$6$$" H86, true},
		{"$6$0123456789abcdef$" H86, true},
		{"$6$0123456789abcdefg$" H86, false},
		{"$6$sa:lt$" H86, false},
		{"$6$salt$" H86 "x", false},
		{"$6$salt$" H43, false},
		{"$6$salt", false},
		{"$6$salt$", false},
		{"$6$", false},
		{"$6$salt$" H86 "\n", false},
		{"$6$salt$$" H43, false},
		{"$5$salt$" H43, true},
		{"$5$rounds=535000$salt$" H43, true},
		{"$5$salt$" H86, false},
		{"$2a$10$" A22 B31, true},
		{"$2b$14$" A22 B31, true},
		{"$2y$04$" A22 B31, true},
		{"$2b$15$" A22 B31, false},
		{"$2b$31$" A22 B31, false},
		{"$2b$03$" A22 B31, false},
		{"$2b$4$" A22 B31, false},
		{"$2b$1x$" A22 B31, false},
		{"$2x$10$" A22 B31, false},
		{"$2$10$" A22 B31, false},
		{"$2b$10$" A22, false},
		{"$2b$10$" A22 B31 "x", false},
		{"$y$j9T$salt$" H43, true},
		{"$y$jFT$salt$" H43, true},  /* 1 GiB */
		{"$y$jGT$salt$" H43, false}, /* 2 GiB */
		{"$y$jzz$salt$" H43, false},
		{"$y$jzzzzzzzzzz$salt$" H43, false},
		{"$y$i9T$salt$" H43, false},
		{"$y$j9T/.$salt$" H43, false}, /* p, t, g: nobody writes them */
		{"$y$j9$salt$" H43, false},
		{"$y$$salt$" H43, false},
		{"$y$j9T$salt$", false},
		{"$argon2id$v=19$m=65536,t=2,p=1" ARGON_TAIL, true},
		{"$argon2i$v=19$m=65536,t=3,p=4" ARGON_TAIL, true},
		{"$argon2d$v=19$m=65536,t=2,p=1" ARGON_TAIL, false},
		{"$argon2id$v=16$m=65536,t=2,p=1" ARGON_TAIL, false},
		{"$argon2id$m=65536,t=2,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=1048576,t=10,p=1" ARGON_TAIL, true},
		{"$argon2id$v=19$m=1048577,t=2,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=65536,t=11,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=65536,t=0,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=65536,t=2,p=0" ARGON_TAIL, false},
		{"$argon2id$v=19$m=8,t=2,p=2" ARGON_TAIL, false},
		{"$argon2id$v=19$t=2,m=65536,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=65536,t=2,p=1,x=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=065536,t=2,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=+65536,t=2,p=1" ARGON_TAIL, false},
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", false},
		{"$argon2id$v=19$m=65536,t=2,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", false},
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1a", false},
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ=$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", false},
		{"$argon2id$v=19$m=65536,t=2,p=1$" H86 "$" H43, false},
		{"$1$abcdefgh$0123456789012345678901", false},
		{"$7$CU..../....", false},
		{"_J9..CCCCXBrJUJV154M", false},
		{"abJnggxhB/yWI", false},
		{"", false},
		{"*", false},
		{"!", false},
		{"!!", false},
		{"x", false},
		{":public:-----BEGIN PUBLIC KEY-----", false},
		{"password", false},
		/* libsodium takes the byte for a letter */
		{"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y\xb7" "cJHAph8ArZWb2GRPPc", false},
		{"$6$salt$" "\xff" "0123456789" H43 "01234567890123456789012345678901", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iam_error err = {0};
		enum iam_err e = password_hash_check(str_c(rows[i].hash), &err);

		if (e != (rows[i].ok ? IAM_OK : IAM_BAD_DATA))
			fail_msg("%s: %s", rows[i].hash, err.text);
		assert_true(rows[i].ok == (err.text[0] == '\0'));
		/* the text may go into logs: nothing of the hash itself */
		assert_null(strstr(err.text, H43));
	}
	assert_int_equal(password_hash_check(STR_NONE, NULL), IAM_BAD_DATA);
	assert_int_equal(password_hash_check(STR("$6$salt$" H86 "\0"), NULL), IAM_BAD_DATA);
}

static void parameters_out_of_range_are_an_error(void **state)
{
	(void)state;
	static const struct password_params bad[] = {
		{.opslimit = 0, .memory_bytes = 8192},
		{.opslimit = 1, .memory_bytes = 8191},
		{.opslimit = UINT64_C(1) << 40, .memory_bytes = 8192},
		{.opslimit = 1, .memory_bytes = UINT64_C(1) << 60},
	};
	char hash[PASSWORD_HASH_MAX];
	struct password_verdict v = {0};

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(password_hash(&bad[i], STR("pass"), hash), IAM_CONFIG);
		assert_int_equal(password_verify(&bad[i], STR("pass"), STR_NONE, &v), IAM_CONFIG);
	}
}

static int setup(void **state)
{
	(void)state;
	return sodium_init() >= 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_verifies_its_password_only),
		cmocka_unit_test(nothing_of_a_long_password_is_cut_off),
		cmocka_unit_test(bytes_after_a_nul_count),
		cmocka_unit_test(hashes_of_others_verify_and_ask_for_a_rehash),
		cmocka_unit_test(other_parameters_ask_for_a_rehash),
		cmocka_unit_test(every_attempt_costs_one_computation),
		cmocka_unit_test(longer_passwords_cost_nothing),
		cmocka_unit_test(hashes_that_may_be_stored),
		cmocka_unit_test(parameters_out_of_range_are_an_error),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
