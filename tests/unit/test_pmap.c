/* Persistent map: versions against a plain array, aborts, collisions, retired blocks, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iamd/authz/pmap.h"
#include "tests/unit/torture.h"

#define KEYS 4096U

struct rec {
	uint64_t key;
	unsigned value;
};

static bool rec_is(const void *record, const void *key)
{
	return ((const struct rec *)record)->key == *(const uint64_t *)key;
}

/* Counts what is released, so that leaks show without a sanitizer too. */
static void rec_free(void *record, void *ctx)
{
	free(record);
	++*(size_t *)ctx;
}

static uint64_t spread(uint64_t x)
{
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
	x = (x ^ x >> 27) * 0x94D049BB133111EBU;
	return x ^ x >> 31;
}

/* How keys are hashed: well, or all into few pages, or all alike. */
typedef uint64_t hash_fn(uint64_t key);

static uint64_t hash_well(uint64_t key)
{
	return spread(key + 1);
}

static uint64_t hash_high_bits_alike(uint64_t key)
{
	return spread(key + 1) >> 20;
}

static uint64_t hash_low_bits_alike(uint64_t key)
{
	return spread(key + 1) << 12;
}

static uint64_t hash_sixteen_values(uint64_t key)
{
	return spread(key % 16);
}

static struct rec *rec_new(uint64_t key, unsigned value)
{
	struct rec *r = malloc(sizeof(*r));

	assert_non_null(r);
	*r = (struct rec){.key = key, .value = value};
	return r;
}

static void put(struct pmap_edit *e, hash_fn *hash, uint64_t key, unsigned value)
{
	assert_int_equal(pmap_edit_put(e, hash(key), rec_new(key, value), rec_is, &key),
		IAM_OK);
}

/* What a map must hold: value by key, 0 for none. */
static void assert_holds(const struct pmap *m, hash_fn *hash, const unsigned *expected)
{
	size_t count = 0;

	for (uint64_t key = 0; key < KEYS; key++) {
		const struct rec *r = pmap_find(m, hash(key), rec_is, &key);

		if (expected[key] == 0) {
			assert_null(r);
			continue;
		}
		assert_non_null(r);
		assert_int_equal(r->key, key);
		assert_int_equal(r->value, expected[key]);
		count++;
	}
	assert_int_equal(pmap_count(m), count);
}

/* One random edit of up to `changes` puts and removes, also done to the array. */
static void change_at_random(struct pmap_edit *e, hash_fn *hash, unsigned *expected,
	unsigned seed, unsigned changes)
{
	for (unsigned i = 0; i < changes; i++) {
		uint64_t rnd = spread((uint64_t)seed << 32 | i);
		uint64_t key = rnd % KEYS;
		bool remove = (rnd >> 40) % 5 < (seed / 8) % 5;

		if (remove) {
			assert_int_equal(pmap_edit_remove(e, hash(key), rec_is, &key),
				expected[key] == 0 ? IAM_NOT_FOUND : IAM_OK);
			expected[key] = 0;
		} else {
			put(e, hash, key, i + 1);
			expected[key] = i + 1;
		}
	}
}

static void versions_follow_edits(hash_fn *hash, unsigned edits, unsigned changes)
{
	unsigned now[KEYS] = {0};
	unsigned before[KEYS];
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	size_t freed = 0;

	for (unsigned i = 0; i < edits; i++) {
		memcpy(before, now, sizeof(now));
		pmap_edit_begin(&e, m);
		change_at_random(&e, hash, now, i, changes);
		assert_holds(m, hash, before);
		if (i % 3 == 2) {
			pmap_edit_abort(&e, rec_free, &freed);
			assert_holds(m, hash, before);
			memcpy(now, before, sizeof(now));
			continue;
		}
		struct pmap *next = pmap_edit_finish(&e, &retired);

		assert_holds(next, hash, now);
		assert_holds(m, hash, before);
		pmap_retired_free(&retired, rec_free, &freed);
		assert_holds(next, hash, now);
		m = next;
	}
	pmap_free(m, rec_free, &freed);
	assert_true(freed > 0);
}

static void old_and_new_versions_hold_what_they_should(void **state)
{
	(void)state;
	versions_follow_edits(hash_well, 60, 300);
	versions_follow_edits(hash_well, 20, 3000);
}

static void bad_hashes_are_slow_but_right(void **state)
{
	(void)state;
	versions_follow_edits(hash_high_bits_alike, 20, 1000);
	versions_follow_edits(hash_low_bits_alike, 20, 1000);
	versions_follow_edits(hash_sixteen_values, 12, 500);
}

static void an_edit_sees_its_own_changes(void **state)
{
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	uint64_t key = 7;
	size_t freed = 0;

	(void)state;
	pmap_edit_begin(&e, m);
	assert_null(pmap_edit_find(&e, hash_well(key), rec_is, &key));
	put(&e, hash_well, key, 1);
	put(&e, hash_well, key, 2);
	assert_int_equal(((struct rec *)pmap_edit_find(&e, hash_well(key), rec_is, &key))
				 ->value,
		2);
	assert_int_equal(pmap_edit_count(&e), 1);
	assert_int_equal(pmap_edit_remove(&e, hash_well(key), rec_is, &key), IAM_OK);
	assert_int_equal(pmap_edit_count(&e), 0);
	m = pmap_edit_finish(&e, &retired);
	assert_int_equal(retired.records.count, 2);
	pmap_retired_free(&retired, rec_free, &freed);
	assert_int_equal(freed, 2);
	pmap_free(m, rec_free, &freed);
	assert_int_equal(freed, 2);
}

static void an_edit_without_change_is_the_old_version(void **state)
{
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	uint64_t key = 7;

	(void)state;
	pmap_edit_begin(&e, m);
	assert_int_equal(pmap_edit_remove(&e, hash_well(key), rec_is, &key),
		IAM_NOT_FOUND);
	assert_ptr_equal(pmap_edit_finish(&e, &retired), m);
	assert_int_equal(retired.blocks.count, 0);
	pmap_retired_free(&retired, NULL, NULL);
	pmap_edit_begin(&e, m);
	pmap_edit_abort(&e, NULL, NULL);
	pmap_free(m, NULL, NULL);
	pmap_free(NULL, NULL, NULL);
}

static bool count_until(uint64_t hash, void *record, void *ctx)
{
	unsigned *left = ctx;

	assert_true(hash == hash_well(((const struct rec *)record)->key));
	return --*left > 0;
}

static void a_walk_sees_every_record_and_may_stop(void **state)
{
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	unsigned left = KEYS + 1;
	size_t freed = 0;

	(void)state;
	pmap_edit_begin(&e, m);
	for (uint64_t key = 0; key < KEYS; key++)
		put(&e, hash_well, key, 1);
	m = pmap_edit_finish(&e, &retired);
	pmap_retired_free(&retired, NULL, NULL);
	pmap_each(m, count_until, &left);
	assert_int_equal(left, 1);
	left = 10;
	pmap_each(m, count_until, &left);
	assert_int_equal(left, 0);
	pmap_free(m, rec_free, &freed);
	assert_int_equal(freed, KEYS);
}

/* One change among many copies a root, a chunk and a page, however many records there are. */
static void the_cost_of_an_update_does_not_grow_with_the_map(void **state)
{
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	size_t freed = 0;

	(void)state;
	pmap_edit_begin(&e, m);
	for (uint64_t key = 0; key < 300000; key++)
		put(&e, hash_well, key, 1);
	m = pmap_edit_finish(&e, &retired);
	pmap_retired_free(&retired, NULL, NULL);
	assert_true(pmap_size_bytes(m) < (size_t)300000 * 80);
	for (uint64_t key = 0; key < 1000; key++) {
		pmap_edit_begin(&e, m);
		put(&e, hash_well, key * 300, 2);
		m = pmap_edit_finish(&e, &retired);
		assert_true(retired.blocks.count <= 3);
		assert_true(retired.bytes <= 3UL * 4200);
		assert_int_equal(retired.records.count, 1);
		pmap_retired_free(&retired, rec_free, &freed);
	}
	assert_int_equal(pmap_count(m), 300000);
	pmap_free(m, rec_free, &freed);
	assert_int_equal(freed, 301000);
}

static void removing_all_gives_memory_back(void **state)
{
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	size_t freed = 0;
	size_t full;

	(void)state;
	pmap_edit_begin(&e, m);
	for (uint64_t key = 0; key < 100000; key++)
		put(&e, hash_well, key, 1);
	m = pmap_edit_finish(&e, &retired);
	pmap_retired_free(&retired, rec_free, &freed);
	full = pmap_size_bytes(m);
	for (int half = 0; half < 2;
		half++) { /* twice: pages shrink when they are copied */
		pmap_edit_begin(&e, m);
		for (uint64_t key = half == 0 ? 0 : 90000;
			key < (half == 0 ? 90000 : 100000); key++)
			assert_int_equal(pmap_edit_remove(&e, hash_well(key), rec_is,
						 &key),
				IAM_OK);
		m = pmap_edit_finish(&e, &retired);
		pmap_retired_free(&retired, rec_free, &freed);
	}
	assert_int_equal(pmap_count(m), 0);
	assert_int_equal(freed, 100000);
	assert_true(pmap_size_bytes(m) < full / 2);
	pmap_free(m, rec_free, &freed);
}

/* Some 40 puts and removes; false and an edit still open if the failing allocation was met. */
static bool edit_some(struct pmap_edit *e, hash_fn *hash, unsigned *expected,
	struct rec **spare)
{
	for (uint64_t i = 0; i < 40; i++) {
		uint64_t key = i * 37 % KEYS;

		if (i % 4 == 3) {
			enum iam_err err;

			key = (i - 3) * 37 % KEYS;
			err = pmap_edit_remove(e, hash(key), rec_is, &key);
			if (err != IAM_OK)
				return false;
			expected[key] = 0;
			continue;
		}
		**spare = (struct rec){.key = key, .value = 5};
		if (pmap_edit_put(e, hash(key), *spare, rec_is, &key) != IAM_OK)
			return false;
		expected[key] = 5;
		spare++;
	}
	return true;
}

static void a_failed_allocation_leaves_both_versions_right(hash_fn *hash)
{
	unsigned base[KEYS] = {0};
	struct pmap *m = pmap_new();
	struct pmap_retired retired;
	struct pmap_edit e;
	size_t freed = 0;
	bool done = false;
	size_t n = 0;

	pmap_edit_begin(&e, m);
	for (uint64_t key = 0; key < 800; key++) {
		put(&e, hash, key, 1);
		base[key] = 1;
	}
	m = pmap_edit_finish(&e, &retired);
	pmap_retired_free(&retired, rec_free, &freed);
	while (!done) {
		unsigned expected[KEYS];
		struct rec *spare[42];

		for (size_t i = 0; i < 42; i++)
			spare[i] = __real_malloc(sizeof(struct rec));
		memcpy(expected, base, sizeof(base));
		pmap_edit_begin(&e, m);
		torture_at(++n);
		done = edit_some(&e, hash, expected, spare);
		torture_off();
		for (uint64_t key = 0; key < KEYS; key++) {
			const struct rec *r = pmap_edit_find(&e, hash(key), rec_is, &key);

			assert_int_equal(r == NULL ? 0 : r->value, expected[key]);
		}
		pmap_edit_abort(&e, NULL, NULL);
		assert_holds(m, hash, base);
		for (size_t i = 0; i < 42; i++)
			free(spare[i]);
	}
	assert_true(n > 8);
	pmap_free(m, rec_free, &freed);
}

static void every_failing_allocation_leaves_both_versions_right(void **state)
{
	(void)state;
	a_failed_allocation_leaves_both_versions_right(hash_well);
	a_failed_allocation_leaves_both_versions_right(hash_high_bits_alike);
	torture_at(1);
	assert_null(pmap_new());
	torture_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_and_new_versions_hold_what_they_should),
		cmocka_unit_test(bad_hashes_are_slow_but_right),
		cmocka_unit_test(an_edit_sees_its_own_changes),
		cmocka_unit_test(an_edit_without_change_is_the_old_version),
		cmocka_unit_test(a_walk_sees_every_record_and_may_stop),
		cmocka_unit_test(the_cost_of_an_update_does_not_grow_with_the_map),
		cmocka_unit_test(removing_all_gives_memory_back),
		cmocka_unit_test(every_failing_allocation_leaves_both_versions_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
