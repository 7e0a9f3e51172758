/* test_cookie - the Cookie header read, the two Set-Cookie forms written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "iamd/http/cookie.h"

static void a_cookie_is_found_by_its_exact_name(void **state)
{
	static const struct {
		const char *header, *value; /* NULL: absent */
	} cases[] = {
		{COOKIE_AUTH "=abc", "abc"},
		{"x=1; " COOKIE_AUTH "=abc; y=2", "abc"},
		{"x=1;" COOKIE_AUTH "=abc;y=2", "abc"},
		{COOKIE_AUTH "=\"abc\"", "abc"},
		{COOKIE_AUTH "=\"abc", "\"abc"},
		{COOKIE_AUTH "=\"", "\""},
		{COOKIE_AUTH "=", ""},
		{COOKIE_AUTH "=\"\"", ""},
		{COOKIE_AUTH "=a=b", "a=b"},
		{COOKIE_AUTH "=one; " COOKIE_AUTH "=two", "one"},
		{" " COOKIE_AUTH " = abc ", "abc"},
		{COOKIE_AUTH, NULL},
		{"X" COOKIE_AUTH "=abc", NULL},
		{COOKIE_AUTH "x=abc", NULL},
		{"DCOS-ACS-AUTH-COOKIE=abc", NULL},
		{"", NULL},
		{";;;", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!str_eq(cookie_find(str_c(cases[i].header), COOKIE_AUTH),
			str_c(cases[i].value)))
			fail_msg("'%s'", cases[i].header);
	assert_null(cookie_find(STR_NONE, COOKIE_AUTH).ptr);
}

static void the_auth_cookie_has_the_wires_form(void **state)
{
	struct arena *a = arena_new(1024, 65536);

	(void)state;
	assert_true(str_eq_c(cookie_auth(a, STR("a.b.c"), 432000, false),
		"dcos-acs-auth-cookie=a.b.c; HttpOnly; Max-Age=432000; Path=/; SameSite=Lax"));
	assert_true(str_eq_c(cookie_auth(a, STR("a.b.c"), 1, true),
		"dcos-acs-auth-cookie=a.b.c; HttpOnly; Max-Age=1; Path=/; SameSite=Lax; Secure"));
	arena_free(a);
}

/* The JSON inside, through base64; *ret_quoted: the value stood in quotes. */
static json_t *info_json(struct str cookie, bool *ret_quoted)
{
	struct str value = cookie_find(cookie, COOKIE_INFO);
	unsigned char json[512];
	size_t len = 0;
	json_t *back;

	*ret_quoted = cookie.ptr[strlen(COOKIE_INFO "=")] == '"';
	assert_int_equal(sodium_base642bin(json, sizeof(json), value.ptr, value.len, NULL, &len,
		NULL, sodium_base64_VARIANT_ORIGINAL), 0);
	for (size_t i = 0; i < len; i++)
		assert_true(json[i] >= 0x20 && json[i] < 0x7F);
	back = json_loadb((const char *)json, len, 0, NULL);
	assert_non_null(back);
	return back;
}

static void the_info_cookie_is_ascii_json_in_base64(void **state)
{
	struct arena *a = arena_new(1024, 65536);
	bool quoted;
	unsigned n_plain = 0;

	(void)state;
	for (size_t len = 0; len < 6; len++) {
		struct str description = str_sub(STR("\xC3\xA9\"ab<"), 0, len == 1 ? 2 : len);
		struct str c = cookie_info(a, STR("bob"), description, len == 3, 60, false);
		struct str value = str_sub(c, strlen(COOKIE_INFO "="), (size_t)str_find(c, ';'));
		json_t *json = info_json(c, &quoted);

		assert_true(str_eq_c(str_c(json_string_value(json_object_get(json, "uid"))), "bob"));
		assert_true(str_eq(str_c(json_string_value(json_object_get(json, "description"))),
			description));
		assert_int_equal(json_is_true(json_object_get(json, "is_remote")), len == 3);
		assert_int_equal(quoted, str_find(value, '=') >= 0 || str_find(value, '/') >= 0);
		n_plain += quoted ? 0 : 1;
		assert_true(str_ends(c, STR("; Max-Age=60; Path=/; SameSite=Lax")));
		json_decref(json);
	}
	assert_in_range(n_plain, 1, 5); /* both forms were seen */
	assert_true(str_ends(cookie_info(a, STR("b"), STR(""), false, 1, true), STR("; Secure")));
	arena_free(a);
}

static void a_hostile_description_cannot_leave_its_cookie(void **state)
{
	struct arena *a = arena_new(1024, 65536);
	struct str c = cookie_info(a, STR("b"), STR("\r\nSet-Cookie: x=y; \""), false, 1, false);

	(void)state;
	assert_int_equal(str_find(c, '\r'), -1);
	assert_int_equal(str_find(c, '\n'), -1);
	arena_free(a);
}

static void clearing_has_one_comma_and_an_old_date(void **state)
{
	struct str c = cookie_auth_cleared();

	(void)state;
	assert_true(str_eq_c(c, "dcos-acs-auth-cookie=\"\"; expires=Sat, 01 Jan 2000 00:00:00 GMT; "
		"HttpOnly; Path=/"));
	assert_true(str_starts(cookie_info_cleared(), STR("dcos-acs-info-cookie=\"\"; expires=Sat, ")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_is_found_by_its_exact_name),
		cmocka_unit_test(the_auth_cookie_has_the_wires_form),
		cmocka_unit_test(the_info_cookie_is_ascii_json_in_base64),
		cmocka_unit_test(a_hostile_description_cannot_leave_its_cookie),
		cmocka_unit_test(clearing_has_one_comma_and_an_old_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
