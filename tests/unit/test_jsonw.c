/* test_jsonw - pretty JSON, byte for byte, and read back by the JSON library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/http/jsonw.h"

static void a_document_is_laid_out_with_two_spaces(void **state)
{
	struct sb sb;
	struct jsonw w;

	(void)state;
	sb_init_heap(&sb, 4096);
	jsonw_init(&w, &sb);
	jsonw_object(&w);
	jsonw_array_key(&w, "array");
	jsonw_object(&w);
	jsonw_str(&w, "uid", STR("a@b.c"));
	jsonw_bool(&w, "is_remote", false);
	jsonw_int(&w, "n", INT64_MIN);
	jsonw_null(&w, "none");
	jsonw_key_str(&w, STR("k\"ey"), STR("\xC3\xA9"));
	jsonw_object_end(&w);
	jsonw_str(&w, NULL, STR("x"));
	jsonw_array(&w);
	jsonw_array_end(&w);
	jsonw_array_end(&w);
	jsonw_object_key(&w, "empty");
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	jsonw_end_document(&w);
	assert_string_equal(sb_str(&sb).ptr,
		"{\n"
		"  \"array\": [\n"
		"    {\n"
		"      \"uid\": \"a@b.c\",\n"
		"      \"is_remote\": false,\n"
		"      \"n\": -9223372036854775808,\n"
		"      \"none\": null,\n"
		"      \"k\\\"ey\": \"\xC3\xA9\"\n"
		"    },\n"
		"    \"x\",\n"
		"    []\n"
		"  ],\n"
		"  \"empty\": {}\n"
		"}\n");
	sb_done(&sb);
}

static void strings_are_escaped(void **state)
{
	static const struct {
		const char *text, *utf8, *ascii;
	} cases[] = {
		{"", "\"\"", "\"\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\""},
		{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"", "\"\\b\\f\\n\\r\\t\""},
		{"\x01\x1f", "\"\\u0001\\u001f\"", "\"\\u0001\\u001f\""},
		{"\x7f", "\"\x7f\"", "\"\\u007f\""},
		{"\xC3\xA9", "\"\xC3\xA9\"", "\"\\u00e9\""},
		{"\xE2\x82\xAC", "\"\xE2\x82\xAC\"", "\"\\u20ac\""},
		{"\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\"", "\"\\ud83d\\ude00\""},
		{"a\xFFz", "\"a\xEF\xBF\xBDz\"", "\"a\\ufffdz\""},
		{"\xC3", "\"\xEF\xBF\xBD\"", "\"\\ufffd\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sb sb;

		sb_init_heap(&sb, 256);
		jsonw_quote(&sb, str_c(cases[i].text), false);
		assert_string_equal(sb_str(&sb).ptr, cases[i].utf8);
		sb_reset(&sb);
		jsonw_quote(&sb, str_c(cases[i].text), true);
		assert_string_equal(sb_str(&sb).ptr, cases[i].ascii);
		sb_done(&sb);
	}
}

/* The same generator for every run. */
static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 16;
}

static void any_text_is_read_back_as_it_was(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char text[40];
		struct sb sb;
		json_t *back;
		size_t len = 0;

		while (len < sizeof(text) - 5) {
			unsigned c = next(&seed) % 4 == 0 ? next(&seed) % 0x7FF : next(&seed) % 0x7F;

			c = c == 0 ? 1 : c;
			if (c < 0x80) {
				text[len++] = (char)c;
			} else {
				text[len++] = (char)(0xC0 | c >> 6);
				text[len++] = (char)(0x80 | (c & 0x3F));
			}
		}
		sb_init_heap(&sb, 4096);
		jsonw_quote(&sb, (struct str){text, len}, round % 2 == 0);
		back = json_loadb(sb.ptr, sb.len, JSON_DECODE_ANY, NULL);
		assert_non_null(back);
		assert_int_equal(json_string_length(back), len);
		assert_memory_equal(json_string_value(back), text, len);
		json_decref(back);
		sb_done(&sb);
	}
}

static void what_is_not_balanced_fails(void **state)
{
	struct sb sb;
	struct jsonw w;

	(void)state;
	sb_init_heap(&sb, 4096);
	jsonw_init(&w, &sb);
	for (int i = 0; i < 16; i++)
		jsonw_array(&w);
	assert_false(sb.failed);
	jsonw_array(&w);
	assert_true(sb.failed);
	sb_reset(&sb);
	jsonw_init(&w, &sb);
	jsonw_object_end(&w);
	assert_true(sb.failed);
	sb_reset(&sb);
	jsonw_init(&w, &sb);
	jsonw_object(&w);
	jsonw_end_document(&w);
	assert_true(sb.failed);
	sb_done(&sb);
}

static void a_document_may_change_its_builder_between_pieces(void **state)
{
	struct sb a;
	struct sb b;
	struct jsonw w;

	(void)state;
	sb_init_heap(&a, 256);
	sb_init_heap(&b, 256);
	jsonw_init(&w, &a);
	jsonw_array(&w);
	jsonw_str(&w, NULL, STR("1"));
	jsonw_set_out(&w, &b);
	jsonw_str(&w, NULL, STR("2"));
	jsonw_array_end(&w);
	assert_string_equal(sb_str(&a).ptr, "[\n  \"1\"");
	assert_string_equal(sb_str(&b).ptr, ",\n  \"2\"\n]");
	sb_done(&a);
	sb_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_laid_out_with_two_spaces),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(any_text_is_read_back_as_it_was),
		cmocka_unit_test(what_is_not_balanced_fails),
		cmocka_unit_test(a_document_may_change_its_builder_between_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
