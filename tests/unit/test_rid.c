/* Identifiers and actions: what is one and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "iam/rid.h"
#include "libacl/base/str.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* STR() for static tables, which ISO C wants without a compound literal. */
#define TEXT(literal) \
	{ \
		.ptr = "" literal, .len = sizeof(literal) - 1 \
	}

struct id_case {
	struct str id;
	bool ok;
};

static const struct id_case names[] = {
	{TEXT("a"), true},
	{TEXT("bob@example.com"), true},
	{TEXT("A-Z_0.9"), true},
	{TEXT("..a"), true},
	{TEXT("-"), true},
	{TEXT("Anonymous"), true},
	{TEXT("anonymous2"), true},
	{TEXT(""), false},
	{{.ptr = NULL}, false},
	{TEXT("."), false},
	{TEXT(".."), false},
	{TEXT("..."), false},
	{TEXT("a b"), false},
	{TEXT("a\n"), false},
	{TEXT("a\0"), false},
	{TEXT("\0"), false},
	{TEXT("a/b"), false},
	{TEXT("a:b"), false},
	{TEXT("a+b"), false},
	{TEXT("b\xc3\xb6"), false},
	{TEXT("a%62"), false},
};

static void user_and_group_ids_are_plain_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(iam_uid_valid(names[i].id), names[i].ok);
		assert_int_equal(iam_gid_valid(names[i].id), names[i].ok);
	}
	assert_false(iam_uid_valid(STR("anonymous")));
	assert_true(iam_gid_valid(STR("anonymous")));
}

static void lengths_are_counted_in_bytes(void **state)
{
	char text[IAM_RID_MAX_BYTES + 1];
	struct str s = {.ptr = text};

	(void)state;
	memset(text, 'x', sizeof(text));
	for (s.len = 0; s.len <= sizeof(text); s.len++) {
		assert_int_equal(iam_uid_valid(s), s.len >= 1 && s.len <= 96);
		assert_int_equal(iam_gid_valid(s), s.len >= 1 && s.len <= 64);
		assert_int_equal(iam_rid_valid(s), s.len >= 1 && s.len <= 1024);
	}
}

static const struct id_case rids[] = {
	{TEXT("dcos:superuser"), true},
	{TEXT("dcos:secrets:default:/kubernetes/*"), true},
	{TEXT("dcos:mesos:master:framework:role:*"), true},
	{TEXT("dcos:adminrouter:service:group1/app"), true}, {TEXT("a//b"), true},
	{TEXT("."), true}, {TEXT("!\"$&'()*+,-.:;<=>@[]^_`{|}~"), true},
	{TEXT("\xc3\xbc:\xe4\xb8\xad:\xf0\x9f\x98\x80"), true}, {TEXT(""), false},
	{{.ptr = NULL}, false}, {TEXT("/a"), false}, {TEXT("a/"), false},
	{TEXT("/"), false}, {TEXT("a b"), false}, {TEXT("a\tb"), false},
	{TEXT("a\n"), false}, {TEXT("a\0b"), false}, {TEXT("a\x7f"), false},
	{TEXT("a%2Fb"), false}, {TEXT("a?b"), false}, {TEXT("a#b"), false},
	{TEXT("a\\b"), false}, {TEXT("a\xff"), false}, {TEXT("a\xc3"), false},
	{TEXT("\xc2\x85"), false},           /* C1 control: next line */
	{TEXT("a\xc2\xa0z"), false},         /* no-break space */
	{TEXT("a\xc2\xa1z"), true},          /* the code point after it */
	{TEXT("a\xe1\x9a\x80z"), false},     /* Ogham space */
	{TEXT("a\xe2\x80\x8bz"), false},     /* zero width space */
	{TEXT("a\xe2\x80\x90z"), true},      /* hyphen, next to the invisible ones */
	{TEXT("a\xe2\x80\xaez"), false},     /* right-to-left override */
	{TEXT("a\xe2\x81\xa6z"), false},     /* left-to-right isolate */
	{TEXT("a\xe3\x80\x80z"), false},     /* ideographic space */
	{TEXT("a\xef\xbb\xbfz"), false},     /* byte order mark */
	{TEXT("a\xef\xbf\xbfz"), false},     /* non-character */
	{TEXT("a\xf3\xa0\x80\x81z"), false}, /* tag */
};

static void resource_ids_are_printable(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rids); i++)
		if (iam_rid_valid(rids[i].id) != rids[i].ok)
			fail_msg("rid number %zu", i);
}

static void actions_are_five_lower_case_words(void **state)
{
	static const char *const bad[] = {
		"", "Create", "reads", "rea", "full ", "*", "any"};
	enum iam_action action = IAM_UPDATE;

	(void)state;
	for (int i = 0; i < IAM_ACTION_COUNT; i++) {
		struct str name = str_c(iam_action_name((enum iam_action)i));

		assert_int_equal(iam_action_parse(name, &action), IAM_OK);
		assert_int_equal(action, i);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		action = IAM_UPDATE;
		assert_int_equal(iam_action_parse(str_c(bad[i]), &action),
			IAM_BAD_ACTION);
		assert_int_equal(action, IAM_UPDATE);
	}
	assert_int_equal(iam_action_parse(STR_NONE, &action), IAM_BAD_ACTION);
	assert_int_equal(iam_action_parse(STR("read\0"), &action), IAM_BAD_ACTION);
	assert_string_equal(iam_action_name((enum iam_action)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_and_group_ids_are_plain_names),
		cmocka_unit_test(lengths_are_counted_in_bytes),
		cmocka_unit_test(resource_ids_are_printable),
		cmocka_unit_test(actions_are_five_lower_case_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
