/* Tables and ordered sets in pages: every version holds what it should, with pages failing too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libacl/table.h"
#include "libacl/tree.h"
#include "tests/model/random.h"
#include "tests/unit/torture.h"

/* NOLINTBEGIN(readability-identifier-naming) */
void *__real_pool_take(struct pool *p);
void *__wrap_pool_take(struct pool *p);
/* NOLINTEND(readability-identifier-naming) */

void *__wrap_pool_take(struct pool *p)
{
	return torture_hits() ? NULL : __real_pool_take(p);
}

#define KEYS 20000U

/* One of each, and what they hold. */
struct version {
	struct tree tree;
	struct table table;
	bool has[KEYS];
};

/* Few bits differ at the top, so that pages split deeply as well as widely. */
static uint64_t tree_key(uint32_t i)
{
	return (uint64_t)(i % 7) << 60 | (uint64_t)i << 20 | 1;
}

static uint64_t word_of(uint32_t i)
{
	return grant_key(i % 2 == 0 ? IAM_SUBJECT_USER : IAM_SUBJECT_GROUP, i, i % 100) |
		1;
}

static uint64_t hash_of(const struct version *v, uint32_t i)
{
	return grant_hash(v->table.seed, word_of(i) & ~(uint64_t)GRANT_ACTIONS);
}

/* Turns the key over: adds what is not there, removes what is. */
static bool turn(struct cow *c, struct version *v, uint32_t i)
{
	uint64_t word = word_of(i);
	bool ok;

	if (v->has[i])
		ok = tree_remove(c, &v->tree, tree_key(i)) &&
			table_remove(c, &v->table, hash_of(v, i), word, ~(uint64_t)0);
	else
		ok = tree_add(c, &v->tree, tree_key(i)) &&
			table_put(c, &v->table, hash_of(v, i), word, ~(uint64_t)0) !=
				NULL;
	v->has[i] = !v->has[i];
	return ok;
}

static void assert_holds(const struct version *v)
{
	size_t count = 0;
	size_t listed = 0;
	uint64_t last = 0;
	struct tree_run run;

	for (uint32_t i = 0; i < KEYS; i++) {
		uint64_t word = word_of(i);

		assert_int_equal(tree_has(&v->tree, tree_key(i)), v->has[i]);
		assert_int_equal(table_get(&v->table, hash_of(v, i), word, ~(uint64_t)0),
			v->has[i] ? word : 0);
		count += v->has[i];
	}
	assert_int_equal(v->tree.count, count);
	assert_int_equal(v->table.count, count);
	for (bool ok = tree_seek(&v->tree, 0, UINT64_MAX, &run); ok;
		ok = tree_next(&v->tree, UINT64_MAX, &run))
		for (size_t i = 0; i < run.count; i++, listed++) {
			assert_true(run.keys[i] > last);
			last = run.keys[i];
		}
	assert_int_equal(listed, count);
}

static void begin(struct cow *c, struct pool *pool, struct version *v)
{
	struct cow first = {.pool = pool, .version = 1, .is_first = true};

	*v = (struct version){.table = {.seed = 5}};
	assert_true(tree_init(&first, &v->tree));
	assert_true(table_init(&first, &v->table, sizeof(uint64_t), 0));
	*c = (struct cow){.pool = pool, .version = 2};
}

/* Grows to 20 000 keys and shrinks to none, in many versions, each beside the one before. */
static void versions_grow_and_shrink_beside_each_other(void **state)
{
	static struct version now;
	static struct version before;
	struct pool *pool = pool_new();
	uint64_t rnd = 7;
	struct cow c;

	(void)state;
	assert_non_null(pool);
	begin(&c, pool, &now);
	for (int round = 0; round < 40; round++) {
		bool grow = round < 20;

		before = now;
		for (int i = 0; i < 3000; i++) {
			uint32_t key = (uint32_t)random_below(&rnd, KEYS);

			if (now.has[key] != grow || random_below(&rnd, 8) == 0)
				assert_true(turn(&c, &now, key));
		}
		for (uint32_t i = 0; round == 39 && i < KEYS; i++)
			if (now.has[i])
				assert_true(turn(&c, &now, i));
		if (round % 5 == 4) {
			assert_holds(&before);
			assert_holds(&now);
		}
		cow_finish(&c);
		if (round % 7 == 3) { /* taken back */
			cow_free_list(pool, &c.taken);
			free(c.gone.items);
			now = before;
		} else {
			cow_free_list(pool, &c.gone);
			free(c.taken.items);
		}
		c = (struct cow){.pool = pool, .version = c.version + 1};
	}
	assert_holds(&now);
	assert_int_equal(now.tree.levels, 0);
	pool_drop(pool);
}

/* A page that cannot be had, at every place in turn of splits and joins. */
static void failing_pages_leave_the_base_as_it_was(void **state)
{
	static struct version base;
	static struct version next;
	struct pool *pool = pool_new();
	struct cow c;
	size_t used;
	bool ok;

	(void)state;
	assert_non_null(pool);
	begin(&c, pool, &base);
	for (uint32_t i = 0; i < 5000; i++)
		assert_true(turn(&c, &base, i));
	cow_finish(&c);
	cow_free_list(pool, &c.gone);
	free(c.taken.items);
	used = pool_used(pool);
	for (size_t n = 1; n == 1 || !ok; n++) {
		c = (struct cow){.pool = pool, .version = 3};
		next = base;
		ok = true;
		torture_at(n);
		for (uint32_t i = 0; ok && i < 12000; i += 1 + i % 3)
			ok = turn(&c, &next, i);
		torture_off();
		if (ok)
			assert_holds(&next);
		cow_finish(&c);
		cow_free_list(pool, &c.taken);
		free(c.gone.items);
		assert_int_equal(pool_used(pool), used);
	}
	assert_holds(&base);
	pool_drop(pool);
}

/* Records whose hashes agree in all bits that tell pages apart fill one page, and then no more. */
static void a_page_that_cannot_be_split_is_no_endless_loop(void **state)
{
	struct pool *pool = pool_new();
	struct cow c = {.pool = pool, .version = 1, .is_first = true};
	struct table t = {0};
	size_t taken = 0;

	(void)state;
	assert_non_null(pool);
	assert_true(table_init(&c, &t, 64, 0));
	while (taken < 2000 &&
		table_put(&c, &t, 0, table_number_word(0, (uint32_t)taken),
			~(uint64_t)0) != NULL)
		taken++;
	assert_in_range(taken, 100, PAGE_BYTES / 64 - 1);
	for (uint32_t i = 0; i < taken; i++)
		assert_non_null(table_find(&t, 64, 0, table_number_word(0, i),
			~(uint64_t)0));
	pool_drop(pool);
}

#define RECORDS 300000U

/* 35 bits of hash that look random, below a byte of its own so that parts grow unevenly. */
static uint64_t record_hash(uint32_t i)
{
	uint64_t hash = grant_hash(9, i);

	return (i % 4 == 0 ? hash >> 9 : hash) & ~TABLE_NUMBER_MASK;
}

static bool is_whole(const struct table *t, uint32_t i)
{
	const uint64_t *slot =
		table_find(t, 128, record_hash(i), (uint64_t)i + 1, TABLE_NUMBER_MASK);

	return slot != NULL && slot[1] == i && slot[15] == ~(uint64_t)i;
}

/* Wide slots, so that pages of pointers are doubled, get one above them and are split. */
static void records_stay_whole_while_pages_of_pointers_split(void **state)
{
	struct pool *pool = pool_new();
	struct cow c = {.pool = pool, .version = 1, .is_first = true};
	struct table t = {0};
	struct table before;

	(void)state;
	assert_non_null(pool);
	assert_true(table_init(&c, &t, 128, 0));
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint64_t *slot = table_put(&c, &t, record_hash(i),
			table_number_word(record_hash(i), i), ~(uint64_t)0);

		assert_non_null(slot);
		assert_int_equal(slot[1], 0);
		slot[1] = i;
		slot[15] = ~(uint64_t)i;
	}
	before = t;
	c = (struct cow){.pool = pool, .version = 2};
	for (uint32_t i = 0; i < RECORDS; i += 2)
		assert_true(table_remove(&c, &t, record_hash(i), (uint64_t)i + 1,
			TABLE_NUMBER_MASK));
	for (uint32_t i = 0; i < RECORDS; i++) {
		assert_true(is_whole(&before, i));
		assert_int_equal(is_whole(&t, i), i % 2 == 1);
	}
	assert_int_equal(t.count, RECORDS / 2);
	cow_finish(&c);
	free(c.taken.items);
	free(c.gone.items);
	pool_drop(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_grow_and_shrink_beside_each_other),
		cmocka_unit_test(failing_pages_leave_the_base_as_it_was),
		cmocka_unit_test(a_page_that_cannot_be_split_is_no_endless_loop),
		cmocka_unit_test(records_stay_whole_while_pages_of_pointers_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
