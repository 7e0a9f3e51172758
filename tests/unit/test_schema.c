/* test_schema - bodies: text to tree, tree to struct, and the texts people read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "iamd/http/schema.h"

struct body {
	struct str uid;
	struct str password;
	struct json_bool enabled;
	const json_t *any;
};

static const struct json_field fields[] = {
	{"uid", JSON_FIELD_STR, offsetof(struct body, uid), .max_bytes = 8},
	{"password", JSON_FIELD_SECRET, offsetof(struct body, password), .max_bytes = 8,
		.optional = true},
	{"enabled", JSON_FIELD_BOOL, offsetof(struct body, enabled), .optional = true},
	{"any", JSON_FIELD_ANY, offsetof(struct body, any), .optional = true},
};
static const struct json_schema closed = {fields, 4, sizeof(struct body), false};
static const struct json_schema open_schema = {fields, 4, sizeof(struct body), true};

static enum iam_err decode(const struct json_schema *schema, const char *text, struct arena *a,
	json_t **json, struct body **ret, struct iam_error *err)
{
	void *decoded = NULL;
	enum iam_err e;

	*json = NULL;
	e = json_parse(str_c(text), json, err);
	if (e == IAM_OK)
		e = json_decode(schema, *json, a, &decoded, err);
	*ret = decoded;
	return e;
}

static void members_land_in_the_struct(void **state)
{
	struct arena *a = arena_new(1024, 65536);
	struct iam_error err;
	struct body *b = NULL;
	json_t *json;

	(void)state;
	assert_int_equal(decode(&closed, "{\"uid\": \"b\\u00f6b\", \"enabled\": false, \"any\": [1]}",
		a, &json, &b, &err), IAM_OK);
	if (b == NULL) { /* the analyzer does not know what assert_non_null() is */
		fail();
		return;
	}
	assert_true(str_eq_c(b->uid, "b\xC3\xB6" "b"));
	assert_null(b->password.ptr);
	assert_true(b->enabled.is_set);
	assert_false(b->enabled.value);
	assert_int_equal(json_array_size(b->any), 1);
	json_decref(json);
	assert_int_equal(decode(&closed, "{\"uid\": \"\", \"any\": null}", a, &json, &b, &err),
		IAM_OK);
	assert_non_null(b->uid.ptr); /* empty is not absent */
	assert_false(b->enabled.is_set);
	assert_true(json_is_null(b->any));
	json_decref(json);
	arena_free(a);
}

static void violations_name_the_field(void **state)
{
	static const struct {
		const char *text, *in_error;
	} cases[] = {
		{"{\"uid\": \"a\", \"x\": 1}",
			"Additional properties are not allowed ('x' was unexpected)"},
		{"{\"uid\": \"a\", \"x\": 1, \"y\": 2}", "('x', 'y' were unexpected)"},
		{"{\"password\": \"p\"}", "`uid` is a required property"},
		{"{\"uid\": null}", "`uid` is not of type 'string'"},
		{"{\"uid\": 1}", "`uid` is not of type 'string'"},
		{"{\"uid\": \"a\", \"enabled\": 1}", "`enabled` is not of type 'boolean'"},
		{"{\"uid\": \"a\", \"enabled\": null}", "`enabled` is not of type 'boolean'"},
		{"{\"uid\": \"123456789\"}", "`uid` is longer than 8 bytes"},
		{"{\"uid\": \"a\", \"password\": \"hunter2hunter2\"}", "`password`"},
		{"[]", "not of type 'object'"},
		{"\"uid\"", "not of type 'object'"},
		{"null", "not of type 'object'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *a = arena_new(1024, 65536);
		struct iam_error err = {.text = ""};
		struct body *b = NULL;
		json_t *json;

		assert_int_equal(decode(&closed, cases[i].text, a, &json, &b, &err),
			IAM_BAD_SCHEMA);
		assert_null(b);
		assert_int_equal(err.code, IAM_BAD_SCHEMA);
		assert_ptr_equal(strstr(err.text, "Unexpected JSON input. Hint: "), err.text);
		if (strstr(err.text, cases[i].in_error) == NULL)
			fail_msg("case %zu: %s", i, err.text);
		assert_null(strstr(err.text, "hunter2"));
		json_decref(json);
		arena_free(a);
	}
}

static void an_open_schema_ignores_what_it_does_not_know(void **state)
{
	struct arena *a = arena_new(1024, 65536);
	struct iam_error err;
	struct body *b = NULL;
	json_t *json;

	(void)state;
	assert_int_equal(decode(&open_schema, "{\"x\": {\"y\": 1}, \"uid\": \"a\"}", a, &json, &b,
		&err), IAM_OK);
	if (b == NULL) { /* the analyzer does not know what assert_non_null() is */
		fail();
		return;
	}
	assert_true(str_eq_c(b->uid, "a"));
	json_decref(json);
	arena_free(a);
}

static void bad_text_is_refused_with_the_wires_words(void **state)
{
	static const struct {
		const char *text;
		enum iam_err e;
	} cases[] = {
		{"", IAM_BAD_JSON},
		{"{", IAM_BAD_JSON},
		{"{} {}", IAM_BAD_JSON},
		{"{\"a\": 1, \"a\": 2}", IAM_BAD_JSON},
		{"{\"a\": NaN}", IAM_BAD_JSON},
		{"Infinity", IAM_BAD_JSON},
		{"-Infinity", IAM_BAD_JSON},
		{"\"\\u0000\"", IAM_BAD_JSON},
		{"\"\\ud800\"", IAM_BAD_JSON},
		{"{'a': 1}", IAM_BAD_JSON},
		{"99999999999999999999999", IAM_BAD_JSON},
		{"1e999", IAM_BAD_JSON},
		{"\"\xff\"", IAM_BAD_UTF8},
		{"\xed\xa0\x80", IAM_BAD_UTF8},
		{"\xef\xbb\xbf{}", IAM_BAD_JSON},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct iam_error err = {.text = ""};
		json_t *json = NULL;
		enum iam_err e = json_parse(str_c(cases[i].text), &json, &err);
		const char *begin = e == IAM_BAD_UTF8 ?
			"Cannot decode JSON body using UTF-8. Reason: " :
			"Cannot decode JSON body: ";

		if (e != cases[i].e || strstr(err.text, begin) != err.text)
			fail_msg("case %zu: %d, %s", i, (int)e, err.text);
		assert_null(json);
	}
}

static void a_syntax_error_quotes_nothing_of_the_body(void **state)
{
	static const char *const texts[] = {
		"{\"password\": hunter2}",
		"{\"password\": \"hunter2",
		"{\"password\": \"hunter2\" \"x\"}",
		"{\"password\": \"hunter2\\x\"}",
		"{\"password\" \"hunter2\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct iam_error err = {.text = ""};
		json_t *json = NULL;

		assert_int_equal(json_parse(str_c(texts[i]), &json, &err), IAM_BAD_JSON);
		if (strstr(err.text, "hunter2") != NULL)
			fail_msg("%s", err.text);
	}
}

/* C3: nesting is bounded before anything recurses. */
static void nesting_is_bounded(void **state)
{
	char text[200001];
	struct iam_error err;
	json_t *json = NULL;

	(void)state;
	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	assert_int_equal(json_parse((struct str){text, 128}, &json, &err), IAM_OK);
	json_decref(json);
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_int_equal(json_parse((struct str){text, 130}, &json, &err), IAM_BAD_JSON);
	memset(text, '[', sizeof(text));
	assert_int_equal(json_parse((struct str){text, sizeof(text)}, &json, &err), IAM_BAD_JSON);
	/* brackets in strings do not count */
	text[0] = '"';
	text[199] = '"';
	assert_int_equal(json_parse((struct str){text, 200}, &json, &err), IAM_OK);
	json_decref(json);
	assert_int_equal(json_parse(STR_NONE, &json, &err), IAM_BAD_JSON);
}

static void any_value_may_stand_on_top(void **state)
{
	static const char *const texts[] = {"null", "true", "1", "\"a\"", " [ ] ", "{}"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct iam_error err;
		json_t *json = NULL;

		assert_int_equal(json_parse(str_c(texts[i]), &json, &err), IAM_OK);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_land_in_the_struct),
		cmocka_unit_test(violations_name_the_field),
		cmocka_unit_test(an_open_schema_ignores_what_it_does_not_know),
		cmocka_unit_test(bad_text_is_refused_with_the_wires_words),
		cmocka_unit_test(a_syntax_error_quotes_nothing_of_the_body),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(any_value_may_stand_on_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
