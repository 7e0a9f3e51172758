/*
 * test_jwt_mint - what is minted is what jose.c verifies, claim by claim, also when several
 * threads mint at once.
 */
#include "tests/unit/jose_fixture.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "iamd/authn/jwt_mint.h"

struct fixture {
	struct arena *a;
	char dir[64];
	char file[80];
	struct keyring *keyring;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct keyring_settings s = {.may_create = true, .bits = 2048, .verification_key_files = ""};

	snprintf(f->dir, sizeof(f->dir), "/tmp/iamd-mint-XXXXXX");
	if (sodium_init() < 0 || mkdtemp(f->dir) == NULL || keyring_init(NULL) != IAM_OK)
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/key.pem", f->dir);
	s.signing_key_file = f->file;
	f->a = arena_new(4096, (size_t)16 << 20);
	*state = f;
	return keyring_load(&s, &f->keyring, NULL) == IAM_OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keyring_free(f->keyring);
	unlink(f->file);
	rmdir(f->dir);
	arena_free(f->a);
	free(f);
	return 0;
}

static json_t *segment(struct arena *a, struct str token, int number)
{
	struct str part = STR_NONE;
	unsigned char *bytes = arena_alloc(a, token.len);
	size_t len;
	json_t *doc;

	for (int i = 0; i <= number; i++)
		part = str_split(&token, '.');
	assert_int_equal(sodium_base642bin(bytes, token.len + part.len, part.ptr, part.len, NULL, &len, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING), 0);
	doc = json_loadb((char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	return doc;
}

static void a_minted_token_says_what_it_should(void **state)
{
	struct fixture *f = *state;
	struct mint m = {.uid = STR("alice@example.com"), .issued_at_s = 1700000000, .expires_at_s = 1700432000,
		.gen = INT64_C(9007199254740993)}; /* more than a double holds */
	struct str token = STR_NONE;
	const struct jose_key *key = keyring_key(f->keyring, 0);
	struct jose_claims c;
	json_t *header, *payload;
	struct str kid;

	assert_int_equal(jwt_mint(f->keyring, &m, f->a, &token), IAM_OK);
	header = segment(f->a, token, 0);
	assert_int_equal(json_object_size(header), 3);
	assert_string_equal(json_string_value(json_object_get(header, "typ")), "JWT");
	assert_string_equal(json_string_value(json_object_get(header, "alg")), "RS256");
	assert_string_equal(json_string_value(json_object_get(header, "kid")), jose_key_kid(key));
	payload = segment(f->a, token, 1);
	assert_int_equal(json_object_size(payload), 5);
	assert_true(json_is_integer(json_object_get(payload, "exp")));
	assert_int_equal(strlen(json_string_value(json_object_get(payload, "jti"))), 22);

	assert_int_equal(jose_peek_kid(token, f->a, &kid), IAM_OK);
	assert_ptr_equal(keyring_find(f->keyring, kid), key);
	assert_int_equal(jose_verify(key, token, f->a, &c), IAM_OK);
	assert_true(str_eq(c.uid, m.uid));
	assert_true(c.has_exp && c.has_iat && c.has_gen && !c.has_nbf && !c.has_aud && !c.bad_time);
	assert_int_equal((int64_t)c.exp, m.expires_at_s);
	assert_int_equal((int64_t)c.iat, m.issued_at_s);
	assert_int_equal(c.gen, m.gen);
	assert_int_equal(jose_times_ok(&c, m.expires_at_s - 1), IAM_OK);
	assert_int_equal(jose_times_ok(&c, m.expires_at_s), IAM_TOKEN_EXPIRED);
	json_decref(header);
	json_decref(payload);
}

static void a_token_for_ever_has_no_exp(void **state)
{
	struct fixture *f = *state;
	struct mint m = {.uid = STR("svc"), .issued_at_s = 1700000000, .gen = 1};
	struct str token;
	struct jose_claims c;
	json_t *payload;

	assert_int_equal(jwt_mint(f->keyring, &m, f->a, &token), IAM_OK);
	payload = segment(f->a, token, 1);
	assert_null(json_object_get(payload, "exp"));
	assert_int_equal(jose_verify(keyring_key(f->keyring, 0), token, f->a, &c), IAM_OK);
	assert_false(c.has_exp);
	assert_int_equal(jose_times_ok(&c, INT64_C(1) << 60), IAM_OK);
	json_decref(payload);
}

static void no_two_tokens_are_the_same(void **state)
{
	struct fixture *f = *state;
	struct mint m = {.uid = STR("alice"), .issued_at_s = 1700000000, .expires_at_s = 1700432000, .gen = 1};
	struct str a, b;

	assert_int_equal(jwt_mint(f->keyring, &m, f->a, &a), IAM_OK);
	assert_int_equal(jwt_mint(f->keyring, &m, f->a, &b), IAM_OK);
	assert_false(str_eq(a, b));
}

static void without_memory_nothing_is_returned(void **state)
{
	struct fixture *f = *state;
	struct mint m = {.uid = STR("alice"), .issued_at_s = 1, .gen = 1};
	struct arena *small = arena_new(64, 64);
	struct str token = STR("untouched");

	assert_int_equal(jwt_mint(f->keyring, &m, small, &token), IAM_NO_MEMORY);
	assert_true(str_eq_c(token, "untouched"));
	arena_free(small);
}

static void *mint_some(void *fixture)
{
	struct fixture *f = fixture;
	struct arena *a = arena_new(4096, (size_t)4 << 20);

	for (int i = 0; i < 50; i++) {
		struct mint m = {.uid = arena_fmt(a, "u%d", i), .issued_at_s = i + 1, .expires_at_s = 1000 + i, .gen = i};
		struct jose_claims c;
		struct str token;

		assert_int_equal(jwt_mint(f->keyring, &m, a, &token), IAM_OK);
		assert_int_equal(jose_verify(keyring_key(f->keyring, 0), token, a, &c), IAM_OK);
		assert_true(str_eq(c.uid, m.uid));
		assert_int_equal(c.gen, i);
	}
	arena_free(a);
	return NULL;
}

static void several_threads_mint_and_verify_at_once(void **state)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, mint_some, *state), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minted_token_says_what_it_should),
		cmocka_unit_test(a_token_for_ever_has_no_exp),
		cmocka_unit_test(no_two_tokens_are_the_same),
		cmocka_unit_test(without_memory_nothing_is_returned),
		cmocka_unit_test(several_threads_mint_and_verify_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
