/*
 * test_token_cache - what was put in is found until it is evicted or the key set changes, and
 * nothing else ever is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "iamd/authn/token_cache.h"

/* Any bytes will do for a token here. */
static struct str token_of(const uint64_t *n)
{
	return (struct str){.ptr = (const char *)n, .len = sizeof(*n)};
}

static struct token_facts facts_of(uint64_t n)
{
	struct token_facts f;

	memset(&f, 0, sizeof(f));
	f.uid_len = (uint8_t)snprintf(f.uid, sizeof(f.uid), "u%llu", (unsigned long long)n);
	f.has_gen = true;
	f.gen = (int64_t)n * 3;
	f.expires_at_s = (int64_t)n + 1;
	return f;
}

static void put(struct token_cache *c, uint64_t keyset, uint64_t n)
{
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct token_facts f = facts_of(n);

	jose_digest(token_of(&n), digest);
	token_cache_put(c, keyset, token_of(&n), digest, &f);
}

static bool has(struct token_cache *c, uint64_t keyset, uint64_t n)
{
	unsigned char digest[JOSE_DIGEST_BYTES];
	unsigned char got_digest[JOSE_DIGEST_BYTES];
	struct token_facts want = facts_of(n);
	struct token_facts got;

	memset(&got, 0, sizeof(got));
	if (!token_cache_get(c, keyset, token_of(&n), &got, got_digest))
		return false;
	jose_digest(token_of(&n), digest);
	assert_memory_equal(got_digest, digest, sizeof(digest));
	assert_int_equal(got.uid_len, want.uid_len);
	assert_memory_equal(got.uid, want.uid, want.uid_len);
	assert_int_equal(got.gen, want.gen);
	assert_int_equal(got.expires_at_s, want.expires_at_s);
	return true;
}

static void a_thread_has_one_cache(void **state)
{
	(void)state;
	assert_non_null(token_cache_mine());
	assert_ptr_equal(token_cache_mine(), token_cache_mine());
}

static void what_was_put_in_is_found(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();

	assert_false(has(c, 10, 1));
	put(c, 10, 1);
	put(c, 10, 2);
	assert_true(has(c, 10, 1));
	assert_true(has(c, 10, 2));
	assert_false(has(c, 10, 3));
}

static void the_last_facts_of_a_token_count(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();
	unsigned char digest[JOSE_DIGEST_BYTES] = {0};
	struct str token = STR("a.b.c");
	struct token_facts f = facts_of(1);
	struct token_facts got;

	token_cache_put(c, 11, token, digest, &f);
	f.gen = 99;
	token_cache_put(c, 11, token, digest, &f);
	assert_true(token_cache_get(c, 11, token, &got, digest));
	assert_int_equal(got.gen, 99);
}

static void every_byte_and_the_length_tell_tokens_apart(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();
	unsigned char digest[JOSE_DIGEST_BYTES] = {0};
	struct token_facts f = facts_of(1);
	struct token_facts got;
	char text[600];
	struct str token = {.ptr = text, .len = sizeof(text)};

	memset(text, 'x', sizeof(text));
	token_cache_put(c, 12, token, digest, &f);
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = 'y';
		assert_false(token_cache_get(c, 12, token, &got, digest));
		text[i] = 'x';
		assert_false(token_cache_get(c, 12, str_sub(token, 0, i), &got, digest));
	}
	assert_true(token_cache_get(c, 12, token, &got, digest));
}

static void another_key_set_knows_nothing_of_before(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();

	for (uint64_t n = 0; n < 100; n++)
		put(c, 20, n);
	for (uint64_t n = 0; n < 100; n++)
		assert_false(has(c, 21, n));
	put(c, 22, 5); /* a put may be the first to see a new set */
	assert_true(has(c, 22, 5));
	assert_false(has(c, 22, 6));
	assert_false(has(c, 20, 5)); /* and going back finds nothing either */
}

/* As many tokens as chains: by chance every third has to share one. */
static void tokens_that_share_a_chain_are_told_apart(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();

	for (uint64_t n = 0; n < TOKEN_CACHE_ENTRIES; n++)
		put(c, 30, n);
	for (uint64_t n = 0; n < TOKEN_CACHE_ENTRIES; n++)
		assert_true(has(c, 30, n));
	assert_false(has(c, 30, TOKEN_CACHE_ENTRIES));
}

static void the_full_cache_keeps_what_is_asked_for(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();
	unsigned kept = 0;

	for (uint64_t n = 0; n < TOKEN_CACHE_ENTRIES; n++)
		put(c, 40, n);
	for (uint64_t n = 0; n < 1000; n++)
		assert_true(has(c, 40, n));
	/* Round after round of tokens seen once, while the first thousand are asked for in between. */
	for (uint64_t n = TOKEN_CACHE_ENTRIES; n < UINT64_C(4) * TOKEN_CACHE_ENTRIES; n++) {
		put(c, 40, n);
		if (n % 8 == 0)
			(void)has(c, 40, n / 8 % 1000);
	}
	for (uint64_t n = 0; n < 1000; n++)
		kept += has(c, 40, n);
	assert_true(kept == 1000);
}

static void the_full_cache_holds_exactly_its_limit(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();
	unsigned found = 0;

	for (uint64_t n = 0; n < 2 * TOKEN_CACHE_ENTRIES + 77; n++) {
		put(c, 50, n);
		/* second chances here and there: what is evicted is then not always the oldest of its chain */
		(void)has(c, 50, n * 7919 % (n + 1));
	}
	for (uint64_t n = 0; n < 2 * TOKEN_CACHE_ENTRIES + 77; n++)
		found += has(c, 50, n);
	assert_int_equal(found, TOKEN_CACHE_ENTRIES);
}

static void *other_thread(void *main_cache)
{
	struct token_cache *c = token_cache_mine();

	assert_non_null(c);
	assert_ptr_not_equal(c, main_cache);
	assert_false(has(c, 60, 1));
	for (uint64_t n = 0; n < 5000; n++) {
		put(c, 60, n);
		assert_true(has(c, 60, n));
	}
	return NULL;
}

static void caches_of_threads_are_their_own(void **state)
{
	(void)state;
	struct token_cache *c = token_cache_mine();
	pthread_t threads[4];

	put(c, 60, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, other_thread, c), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(has(c, 60, 1));
	assert_false(has(c, 60, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_one_cache),
		cmocka_unit_test(what_was_put_in_is_found),
		cmocka_unit_test(the_last_facts_of_a_token_count),
		cmocka_unit_test(another_key_set_knows_nothing_of_before),
		cmocka_unit_test(every_byte_and_the_length_tell_tokens_apart),
		cmocka_unit_test(tokens_that_share_a_chain_are_told_apart),
		cmocka_unit_test(the_full_cache_keeps_what_is_asked_for),
		cmocka_unit_test(the_full_cache_holds_exactly_its_limit),
		cmocka_unit_test(caches_of_threads_are_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
