/* Strings: comparing, cutting, UTF-8, numbers, builders; errors' names and texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iam/err.h"
#include "libacl/base/map.h"
#include "libacl/base/str.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* STR() for static tables, which ISO C wants without a compound literal. */
#define TEXT(literal) \
	{ \
		.ptr = "" literal, .len = sizeof(literal) - 1 \
	}

static void equality_tells_absent_from_empty(void **state)
{
	(void)state;
	assert_true(str_eq(STR("ab"), str_c("ab")));
	assert_false(str_eq(STR("ab"), STR("aB")));
	assert_false(str_eq(STR("ab"), STR("abc")));
	assert_false(str_eq(STR(""), STR_NONE));
	assert_true(str_eq(STR_NONE, str_c(NULL)));
	assert_true(str_eq_c(STR("a\0b"), "a") == false);
	assert_true(str_ieq(STR("Content-TYPE"), STR("content-type")));
	assert_true(str_ieq_c(STR("AZaz"), "azAZ"));
	assert_false(str_ieq_c(STR("@["), "`{"));
	assert_false(str_ieq_c(STR("ab"), "abc"));
	assert_false(str_ieq(STR(""), STR_NONE));
}

static void order_is_of_bytes_then_length(void **state)
{
	(void)state;
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("a"), STR("")) > 0);
	assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
	assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
	assert_int_equal(str_cmp(STR(""), STR_NONE), 0);
}

static void pieces_are_clamped(void **state)
{
	struct str s = STR("abcdef");

	(void)state;
	assert_true(str_eq_c(str_sub(s, 1, 3), "bc"));
	assert_true(str_eq_c(str_sub(s, 4, 99), "ef"));
	assert_true(str_eq_c(str_sub(s, 5, 2), ""));
	assert_true(str_eq_c(str_sub(s, 99, 100), ""));
	assert_null(str_sub(STR_NONE, 0, 1).ptr);
	assert_true(str_starts(s, STR("abc")) && str_starts(s, STR("")));
	assert_false(str_starts(s, STR("abcdefg")));
	assert_true(str_ends(s, STR("def")) && str_ends(STR(""), STR("")));
	assert_false(str_ends(s, STR("de")));
	assert_int_equal(str_find(s, 'c'), 2);
	assert_int_equal(str_find(s, 'x'), -1);
	assert_int_equal(str_find(STR_NONE, 'x'), -1);
	assert_true(str_eq_c(str_trim(STR(" \t\r\n a b \n")), "a b"));
	assert_true(str_eq_c(str_trim(STR(" \t ")), ""));
}

static void split_ends_after_the_last_piece(void **state)
{
	struct str rest = STR("a,,b,");

	(void)state;
	assert_true(str_eq_c(str_split(&rest, ','), "a"));
	assert_true(str_eq_c(str_split(&rest, ','), ""));
	assert_true(str_eq_c(str_split(&rest, ','), "b"));
	assert_true(str_eq_c(str_split(&rest, ','), ""));
	assert_null(rest.ptr);
	assert_null(str_split(&rest, ',').ptr);
}

static void utf8_is_well_formed_or_not(void **state)
{
	static const struct {
		struct str text;
		bool ok;
	} cases[] = {
		{TEXT(""), true},
		{TEXT("plain"), true},
		{TEXT("\xc3\xa9"), true},
		{TEXT("\xe2\x82\xac"), true},
		{TEXT("\xf0\x9f\x98\x80"), true},
		{TEXT("\xf4\x8f\xbf\xbf"), true},
		{TEXT("\xef\xbf\xbf"), true},
		{TEXT("\xed\x9f\xbf"), true},
		{TEXT("\x80"), false},
		{TEXT("\xc3"), false},
		{TEXT("\xc0\x80"), false},
		{TEXT("\xc1\xbf"), false},
		{TEXT("\xe0\x9f\xbf"), false},
		{TEXT("\xe2\x82"), false},
		{TEXT("\xed\xa0\x80"), false},
		{TEXT("\xf0\x8f\xbf\xbf"), false},
		{TEXT("\xf4\x90\x80\x80"), false},
		{TEXT("\xf5\x80\x80\x80"), false},
		{TEXT("\xe2\x28\xa1"), false},
		{TEXT("\xe2\x82\x28"), false},
		{TEXT("\xff"), false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].text), cases[i].ok);
	assert_int_equal(str_count_code_points(STR("a\xc3\xa9\xf0\x9f\x98\x80")), 3);
}

static void numbers_are_whole_strings_within_bounds(void **state)
{
	static const struct {
		struct str text;
		int64_t min, max;
		bool ok;
		int64_t value;
	} cases[] = {
		{TEXT("0"), 0, 9, true, 0},
		{TEXT("-7"), -9, 9, true, -7},
		{TEXT("007"), 0, 9, true, 7},
		{TEXT("9223372036854775807"), INT64_MIN, INT64_MAX, true, INT64_MAX},
		{TEXT("-9223372036854775808"), INT64_MIN, INT64_MAX, true, INT64_MIN},
		{TEXT("9223372036854775808"), INT64_MIN, INT64_MAX, false, 0},
		{TEXT("-9223372036854775809"), INT64_MIN, INT64_MAX, false, 0},
		{TEXT("99999999999999999999"), INT64_MIN, INT64_MAX, false, 0},
		{TEXT("10"), 0, 9, false, 0},
		{TEXT("-1"), 0, 9, false, 0},
		{TEXT(""), 0, 9, false, 0},
		{TEXT("-"), -9, 9, false, 0},
		{TEXT("+1"), 0, 9, false, 0},
		{TEXT(" 1"), 0, 9, false, 0},
		{TEXT("1 "), 0, 9, false, 0},
		{TEXT("0x1"), 0, 9, false, 0},
		{TEXT("1\0"), 0, 9, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t value = 77;
		bool ok = str_to_i64(cases[i].text, cases[i].min, cases[i].max, &value);

		assert_int_equal(ok, cases[i].ok);
		assert_int_equal(value, cases[i].ok ? cases[i].value : 77);
	}
	assert_false(str_to_i64(STR_NONE, 0, 9, &(int64_t){0}));
}

static void integers_are_added_in_decimal(void **state)
{
	static const struct {
		int64_t value;
		const char *text;
	} cases[] = {
		{0, "0"},
		{9, "9"},
		{10, "10"},
		{-1, "-1"},
		{1234567890, "1234567890"},
		{INT64_MAX, "9223372036854775807"},
		{INT64_MIN, "-9223372036854775808"},
	};
	struct sb sb;

	(void)state;
	sb_init_heap(&sb, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sb_reset(&sb);
		sb_add_int(&sb, cases[i].value);
		assert_string_equal(sb_str(&sb).ptr, cases[i].text);
	}
	sb_done(&sb);
}

static void formatted_text_that_needs_more_room_is_whole(void **state)
{
	struct sb sb;

	(void)state;
	sb_init_heap(&sb, 1000);
	for (int i = 0; i < 50; i++)
		sb_addf(&sb, "%03d-%s", i, "abcdefg");
	assert_int_equal(sb_str(&sb).len, 50 * 11);
	assert_memory_equal(sb_str(&sb).ptr + (ptrdiff_t)49 * 11, "049-abcdefg", 12);
	sb_addf(&sb, "%500s", "too long");
	assert_null(sb_str(&sb).ptr);
	sb_done(&sb);
}

/* The same steps on the heap and in an arena. */
static void build_and_overflow(struct sb *sb)
{
	assert_string_equal(sb_str(sb).ptr, "");
	sb_add(sb, STR("ab"));
	sb_add_char(sb, 'c');
	sb_add_c(sb, "de");
	sb_add_c(sb, NULL);
	sb_addf(sb, "%d", 12345);
	assert_string_equal(sb_str(sb).ptr, "abcde12345");
	for (int i = 0; i < 89; i++)
		sb_add_char(sb, 'x');
	sb_addf(sb, "%c", 'y');
	assert_int_equal(sb_str(sb).len, 100);
	assert_int_equal(strlen(sb_str(sb).ptr), 100);
	sb_add(sb, STR(""));
	assert_non_null(sb_str(sb).ptr);
	sb_add_char(sb, 'z');
	assert_null(sb_str(sb).ptr);
	sb_add_char(sb, 'z');
	assert_int_equal(sb->len, 100);
	sb_reset(sb);
	assert_string_equal(sb_str(sb).ptr, "");
	sb_addf(sb, "%101d", 1);
	assert_null(sb_str(sb).ptr);
	sb_reset(sb);
	sb_add(sb, STR("again"));
	assert_string_equal(sb_str(sb).ptr, "again");
}

static void a_builder_stops_at_its_maximum(void **state)
{
	struct arena *a = arena_new(256, SIZE_MAX);
	struct sb sb;

	(void)state;
	sb_init_heap(&sb, 100);
	build_and_overflow(&sb);
	sb_done(&sb);
	assert_null(sb.ptr);
	sb_init(&sb, a, 100);
	build_and_overflow(&sb);
	sb_done(&sb);
	arena_free(a);
}

static void a_builder_in_a_full_arena_fails(void **state)
{
	struct arena *a = arena_new(256, 512);
	struct sb sb;

	(void)state;
	sb_init(&sb, a, SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		sb_add(&sb, STR("0123456789"));
	assert_null(sb_str(&sb).ptr);
	arena_free(a);
}

static void errors_have_names_texts_and_bounds(void **state)
{
	struct iam_error err;
	char long_text[1000];

	(void)state;
	for (int i = 0; i < IAM_ERR_COUNT; i++) {
		assert_true(strlen(iam_err_name((enum iam_err)i)) > 0);
		assert_true(strlen(iam_err_text((enum iam_err)i)) > 0);
	}
	assert_string_equal(iam_err_name(IAM_NO_USER), "NO_USER");
	assert_string_equal(iam_err_name((enum iam_err)9999), "UNKNOWN");
	assert_string_equal(iam_err_text((enum iam_err) - 1), "unknown error");
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(iam_error_set(&err, IAM_BAD_RID, "%s", long_text), IAM_BAD_RID);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(err.code, IAM_BAD_RID);
	assert_int_equal(iam_error_set(NULL, IAM_STORE, "x"), IAM_STORE);
}

static void a_map_numbers_strings_in_order(void **state)
{
	struct map_seed seed;
	struct map m;
	char keys[1000][8];

	(void)state;
	assert_true(map_seed_random(&seed));
	map_init(&m, seed);
	assert_int_equal(map_find(&m, STR("x"), map_hash(&seed, STR("x"))), MAP_NONE);
	for (size_t i = 0; i < 1000; i++) {
		struct str key = {.ptr = keys[i]};

		key.len = (size_t)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		assert_true(map_add(&m, key, map_hash(&seed, key)));
	}
	for (size_t i = 0; i < 1000; i++) {
		struct str key = str_c(keys[i]);

		assert_int_equal(map_find(&m, key, map_hash(&seed, key)), i);
		key.len--;
		if (i > 9)
			assert_int_equal(map_find(&m, key, map_hash(&seed, key)), i / 10);
	}
	map_done(&m);
}

/* Reference vectors of SipHash-1-3 (key 00..0f), as published with the Rust and OCaml ports. */
static void the_hash_depends_on_every_byte_and_on_the_seed(void **state)
{
	struct map_seed seed = {.k0 = 0x0706050403020100U, .k1 = 0x0f0e0d0c0b0a0908U};
	struct map_seed other = {.k0 = 0x0706050403020100U, .k1 = 0x0f0e0d0c0b0a0909U};
	char text[64] = {0};

	(void)state;
	assert_true(map_hash(&seed, STR("")) == 0xabac0158050fc4dcU);
	assert_true(map_hash(&seed, STR("\0")) == 0xc9f49bf37d57ca93U);
	for (size_t len = 1; len < sizeof(text); len++) {
		struct str s = {.ptr = text, .len = len};
		uint64_t before = map_hash(&seed, s);

		assert_true(map_hash(&other, s) != before);
		for (size_t i = 0; i < len; i++) {
			text[i] ^= 1;
			assert_true(map_hash(&seed, s) != before);
			text[i] ^= 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_added_in_decimal),
		cmocka_unit_test(formatted_text_that_needs_more_room_is_whole),
		cmocka_unit_test(equality_tells_absent_from_empty),
		cmocka_unit_test(order_is_of_bytes_then_length),
		cmocka_unit_test(pieces_are_clamped),
		cmocka_unit_test(split_ends_after_the_last_piece),
		cmocka_unit_test(utf8_is_well_formed_or_not),
		cmocka_unit_test(numbers_are_whole_strings_within_bounds),
		cmocka_unit_test(a_builder_stops_at_its_maximum),
		cmocka_unit_test(a_builder_in_a_full_arena_fails),
		cmocka_unit_test(errors_have_names_texts_and_bounds),
		cmocka_unit_test(a_map_numbers_strings_in_order),
		cmocka_unit_test(the_hash_depends_on_every_byte_and_on_the_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
