/* Arena: alignment, zeroing, maximum, copies, wiping, and no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libacl/base/arena.h"
#include "tests/unit/torture.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = {1, 15, 16, 17, 100, 4096, 70000, 3};
	struct arena *a = arena_new(512, SIZE_MAX);
	unsigned char *parts[8];

	(void)state;
	assert_non_null(a);
	for (size_t i = 0; i < 8; i++) {
		parts[i] = arena_alloc(a, sizes[i]);
		assert_non_null(parts[i]);
		assert_int_equal((uintptr_t)parts[i] % 16, 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(parts[i][j], 0);
		memset(parts[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(parts[i][j], i + 1);
	arena_free(a);
}

static void zero_bytes_give_distinct_pointers(void **state)
{
	struct arena *a = arena_new(0, SIZE_MAX);
	void *one = arena_alloc(a, 0);
	void *two = arena_alloc(a, 0);

	(void)state;
	assert_non_null(one);
	assert_non_null(two);
	assert_ptr_not_equal(one, two);
	arena_free(a);
}

static void the_maximum_is_never_exceeded(void **state)
{
	struct arena *a = arena_new(256, 10000);
	volatile size_t huge = SIZE_MAX; /* the compiler would refuse a constant */
	size_t got = 0;

	(void)state;
	assert_int_equal(arena_size_bytes(a), 0);
	assert_null(arena_alloc(a, 10001));
	while (arena_alloc(a, 64) != NULL)
		got += 64;
	assert_true(arena_size_bytes(a) <= 10000);
	assert_true(got > 8000);
	assert_null(arena_alloc(a, huge));
	assert_null(arena_alloc(a, huge - 8));
	arena_free(a);
}

static void counts_that_overflow_are_refused(void **state)
{
	struct arena *a = arena_new(256, SIZE_MAX);

	(void)state;
	assert_null(arena_alloc_n(a, SIZE_MAX / 2, 3));
	assert_non_null(arena_alloc_n(a, 3, 7));
	arena_free(a);
}

static void copies_end_in_nul_and_keep_absence(void **state)
{
	struct arena *a = arena_new(256, 4096);
	struct str s = arena_str(a, (struct str){.ptr = "abcdef", .len = 3});

	(void)state;
	assert_int_equal(s.len, 3);
	assert_string_equal(s.ptr, "abc");
	assert_null(arena_str(a, STR_NONE).ptr);
	s = arena_str(a, STR(""));
	assert_non_null(s.ptr);
	assert_int_equal(s.len, 0);
	assert_string_equal(arena_cstr(a, STR("x")), "x");
	assert_null(arena_cstr(a, (struct str){.ptr = "", .len = SIZE_MAX}));
	assert_null(arena_cstr(a, (struct str){.ptr = "", .len = 5000}));
	arena_free(a);
}

static void formatted_text_fits_exactly(void **state)
{
	struct arena *a = arena_new(256, 1024);
	struct str s = arena_fmt(a, "%s-%d", "n", 42);

	(void)state;
	assert_string_equal(s.ptr, "n-42");
	assert_int_equal(s.len, 4);
	assert_null(arena_fmt(a, "%2000d", 1).ptr);
	arena_free(a);
}

static void a_sensitive_arena_frees_like_any_other(void **state)
{
	struct arena *a = arena_new(256, SIZE_MAX);

	(void)state;
	arena_set_sensitive(a);
	for (int i = 0; i < 100; i++)
		memset(arena_alloc(a, 100), 's', 100);
	arena_free(a);
	arena_free(NULL);
}

static void no_memory_is_null_and_later_allocations_work(void **state)
{
	struct arena *a;

	(void)state;
	torture_at(1);
	assert_null(arena_new(256, 4096));
	a = arena_new(256, 4096);
	torture_at(1);
	assert_null(arena_alloc(a, 10));
	torture_off();
	assert_int_equal(arena_size_bytes(a), 0);
	assert_non_null(arena_alloc(a, 10));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(zero_bytes_give_distinct_pointers),
		cmocka_unit_test(the_maximum_is_never_exceeded),
		cmocka_unit_test(counts_that_overflow_are_refused),
		cmocka_unit_test(copies_end_in_nul_and_keep_absence),
		cmocka_unit_test(formatted_text_fits_exactly),
		cmocka_unit_test(a_sensitive_arena_frees_like_any_other),
		cmocka_unit_test(no_memory_is_null_and_later_allocations_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
