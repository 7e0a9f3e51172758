/* test_ldap_name - names in filters and DNs stay one value; DNs that mean the same get one spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <string.h>

#include <cmocka.h>

#include "iamd/idp/ldap_name.h"

static struct arena *a;

static int setup(void **state)
{
	(void)state;
	a = arena_new(4096, (size_t)4 << 20);
	return a == NULL;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

static void same(struct str got, const char *want)
{
	if (!str_eq_c(got, want))
		fail_msg("'%.*s' instead of '%s'", STR_FMT(got), want);
}

static void every_metacharacter_is_escaped_in_a_filter(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		{"alice", "(uid=alice)"},
		{"a.b-c_d@e", "(uid=a.b-c_d@e)"},
		{"*", "(uid=\\2a)"},
		{"a)(uid=*", "(uid=a\\29\\28uid\\3d\\2a)"},
		{"a\\2a", "(uid=a\\5c2a)"},
		{"a|b&c!d", "(uid=a|b&c!d)"},
		{"<>=~", "(uid=\\3c\\3e\\3d~)"},
		{"J\xc3\xbcrgen", "(uid=J\\c3\\bcrgen)"},
		{"a b", "(uid=a b)"},
		{"\n\t\x7f", "(uid=\\0a\\09\\7f)"},
		{"%(username)s", "(uid=%\\28username\\29s)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got;

		assert_int_equal(ldap_filter_expand(a, STR("(uid=%(username)s)"),
					 LDAP_USER_PLACEHOLDER, str_c(cases[i].value),
					 &got),
			IAM_OK);
		same(got, cases[i].want);
	}
}

static void every_metacharacter_is_escaped_in_a_dn(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		{"alice", "uid=alice,dc=x"},
		{"a,dc=evil", "uid=a\\2cdc\\3devil,dc=x"},
		{"a+cn=b", "uid=a\\2bcn\\3db,dc=x"},
		{"#a", "uid=\\23a,dc=x"},
		{" a b ", "uid=\\20a b\\20,dc=x"},
		{"a\\,b", "uid=a\\5c\\2cb,dc=x"},
		{"\"<>;=", "uid=\\22\\3c\\3e\\3b\\3d,dc=x"},
		{"J\xc3\xbcrgen", "uid=J\xc3\xbcrgen,dc=x"},
		{"\r", "uid=\\0d,dc=x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got;

		assert_int_equal(ldap_dn_expand(a, STR("uid=%(username)s,dc=x"),
					 LDAP_USER_PLACEHOLDER, str_c(cases[i].value),
					 &got),
			IAM_OK);
		same(got, cases[i].want);
	}
}

static void every_place_is_filled(void **state)
{
	struct str got;

	(void)state;
	assert_int_equal(ldap_filter_expand(a,
				 STR("(|(cn=%(groupname)s)(name=%(groupname)s))"),
				 LDAP_GROUP_PLACEHOLDER, STR("a*"), &got),
		IAM_OK);
	same(got, "(|(cn=a\\2a)(name=a\\2a))");
	assert_int_equal(ldap_filter_expand(a, STR("(cn=x)"), LDAP_GROUP_PLACEHOLDER,
				 STR("a"), &got),
		IAM_OK);
	same(got, "(cn=x)");
}

static void names_that_are_none_are_refused(void **state)
{
	static char huge[513];
	const struct str bad[] = {STR(""), STR("a\0b"), STR("\xff"), STR("\xc0\x80"),
		{huge, sizeof(huge)}, STR_NONE};
	struct str got = STR("untouched");

	(void)state;
	memset(huge, 'a', sizeof(huge));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ldap_filter_expand(a, STR("(uid=%(username)s)"),
					 LDAP_USER_PLACEHOLDER, bad[i], &got),
			IAM_BAD_DATA);
		assert_int_equal(ldap_dn_expand(a, STR("uid=%(username)s"),
					 LDAP_USER_PLACEHOLDER, bad[i], &got),
			IAM_BAD_DATA);
	}
	same(got, "untouched");
	assert_int_equal(ldap_dn_expand(a, STR("uid=%(username)s"), LDAP_USER_PLACEHOLDER,
				 (struct str){huge, 512}, &got),
		IAM_OK);
	assert_int_equal(got.len, 516);
}

static void an_arena_that_is_full_is_no_bad_name(void **state)
{
	struct arena *small = arena_new(64, 128);
	struct str got = STR("untouched");
	char name[300];

	(void)state;
	memset(name, '*', sizeof(name));
	assert_int_equal(ldap_filter_expand(small, STR("(uid=%(username)s)"),
				 LDAP_USER_PLACEHOLDER, (struct str){name, sizeof(name)},
				 &got),
		IAM_NO_MEMORY);
	same(got, "untouched");
	arena_free(small);
}

static void any_name_is_one_star(void **state)
{
	static const struct {
		const char *template, *want;
	} cases[] = {
		{"(uid=%(username)s)", "(uid=*)"},
		{"(uid=*%(username)s*)", "(uid=*)"},
		{"(&(objectClass=person)(mail=%(username)s@x))",
			"(&(objectClass=person)(mail=*@x))"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got;

		assert_int_equal(ldap_filter_any(a, str_c(cases[i].template),
					 LDAP_USER_PLACEHOLDER, &got),
			IAM_OK);
		same(got, cases[i].want);
	}
}

static void an_equality_takes_any_bytes(void **state)
{
	struct str got;

	(void)state;
	assert_int_equal(ldap_filter_equal(a, "objectGUID", STR("\x00\xff(*"), &got),
		IAM_OK);
	same(got, "(objectGUID=\\00\\ff\\28\\2a)");
	assert_int_equal(ldap_filter_equal(a, "a)(b", STR("x"), &got), IAM_BAD_DATA);
	assert_int_equal(ldap_filter_equal(a, "", STR("x"), &got), IAM_BAD_DATA);
	assert_int_equal(ldap_filter_equal(a, "cn", STR_NONE, &got), IAM_BAD_DATA);
}

static void dns_that_mean_the_same_get_one_spelling(void **state)
{
	static const struct {
		const char *dn, *want;
	} cases[] = {
		{"", ""},
		{"CN=Alice,DC=Example,DC=Test", "cn=alice,dc=example,dc=test"},
		{" cn = Alice , dc=example", "cn=alice,dc=example"},
		{"cn=A\\2CB,dc=x", "cn=a\\2cb,dc=x"},
		{"cn=A\\,B,dc=x", "cn=a\\2cb,dc=x"},
		{"cn=a   b", "cn=a b"},
		{"uid=b+cn=a,dc=x", "cn=a+uid=b,dc=x"},
		{"cn=a+uid=b,dc=x", "cn=a+uid=b,dc=x"},
		{"cn=M\xc3\x9cLLER", "cn=m\xc3\xbcller"},
		{"cn=M\\C3\\9CLLER", "cn=m\xc3\xbcller"},
		{"cn=\xd0\x90\xd0\xaf", "cn=\xd0\xb0\xd1\x8f"},
		{"cn=\xce\xa3", "cn=\xcf\x83"},
		{"cn=\xc3\x97", "cn=\xc3\x97"},
		{"cn=\xe2\x82\xac", "cn=\xe2\x82\xac"},
		{"cn=#04024AF9,dc=x", "cn=#04024af9,dc=x"},
		{"cn=\\#a", "cn=\\23a"},
		{"cn=a=b", "cn=a\\3db"},
		{"2.5.4.3=a", "2.5.4.3=a"},
		{"cn=", "cn="},
		{"cn=\\ a\\ ,dc=x", "cn=a,dc=x"},
		{"cn=\\C1\\C3", "cn=\\c1\\c3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got, again;

		if (ldap_dn_normal(a, str_c(cases[i].dn), &got) != IAM_OK)
			fail_msg("'%s'", cases[i].dn);
		same(got, cases[i].want);
		assert_int_equal(ldap_dn_normal(a, got, &again), IAM_OK);
		same(again, cases[i].want);
	}
}

static void what_is_no_dn_is_refused(void **state)
{
	static const char *const cases[] = {"alice", "=a", "cn=a,", "cn=a,,dc=x",
		"cn=a,b", "cn=\"a\"", "cn=a;dc=x", "cn=a\\", "cn=a\\zz", "cn=#1",
		"cn=#zz", "cn=#0402 x", "c n=a", "cn=a+", "cn=\xff", ",", "cn=#04,x"};
	struct str got = STR("untouched");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ldap_dn_normal(a, str_c(cases[i]), &got) != IAM_BAD_DATA)
			fail_msg("'%s'", cases[i]);
	assert_int_equal(ldap_dn_normal(a, STR("cn=a\0b"), &got), IAM_BAD_DATA);
	assert_int_equal(ldap_dn_normal(a, STR_NONE, &got), IAM_BAD_DATA);
	same(got, "untouched");
}

static void a_long_dn_costs_little_memory(void **state)
{
	struct arena *small = arena_new(4096, (size_t)512 * 1024);
	static char dn[16384];
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof(dn); i++)
		dn[i] = "a=b,"[i % 4];
	assert_int_equal(ldap_dn_normal(small, (struct str){dn, sizeof(dn) - 1}, &got),
		IAM_OK);
	assert_int_equal(got.len, sizeof(dn) - 1);
	arena_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_metacharacter_is_escaped_in_a_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(every_metacharacter_is_escaped_in_a_dn,
			setup, teardown),
		cmocka_unit_test_setup_teardown(every_place_is_filled, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_are_none_are_refused, setup,
			teardown),
		cmocka_unit_test(an_arena_that_is_full_is_no_bad_name),
		cmocka_unit_test_setup_teardown(any_name_is_one_star, setup, teardown),
		cmocka_unit_test_setup_teardown(an_equality_takes_any_bytes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(dns_that_mean_the_same_get_one_spelling,
			setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_dn_is_refused, setup,
			teardown),
		cmocka_unit_test(a_long_dn_costs_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
