/* test_ldap_rule - where a directory's users are, by its settings; which DNs are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "iamd/idp/ldap_name.h"
#include "iamd/idp/ldap_rule.h"

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(4096, 1 << 20);
	return arena == NULL;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct ldap_rule rule_of_template(const char *template)
{
	struct ldap_settings s = {.dn_template = str_c(template)};
	struct ldap_rule r;

	assert_int_equal(ldap_rule_of(&s, arena, &r), IAM_OK);
	return r;
}

static struct ldap_rule rule_of_search(const char *base, const char *filter)
{
	struct ldap_settings s = {
		.users = {.base = str_c(base), .filter = str_c(filter)}};
	struct ldap_rule r;

	assert_int_equal(ldap_rule_of(&s, arena, &r), IAM_OK);
	return r;
}

static bool has_place(const struct ldap_rule *r, const char *dn)
{
	struct str normal;

	assert_int_equal(ldap_dn_normal(arena, str_c(dn), &normal), IAM_OK);
	return ldap_rule_has_place(r, normal);
}

static void a_search_means_everything_below_its_base(void **state)
{
	struct ldap_rule r = rule_of_search("OU=People, dc=example,dc=test",
		"(&(objectClass=person)(|(uid=%(username)s)(mail=%(username)s)))");

	(void)state;
	assert_int_equal(r.where, LDAP_WHERE_SUBTREE);
	assert_true(str_eq_c(r.filter, "(&(objectClass=person)(|(uid=*)(mail=*)))"));
	assert_true(has_place(&r, "uid=a,ou=people,dc=example,dc=test"));
	assert_true(has_place(&r, "uid=a,ou=sub,ou=people,dc=example,dc=test"));
	assert_false(has_place(&r, "uid=a,ou=other,dc=example,dc=test"));
	assert_false(has_place(&r, "ou=people,dc=example,dc=test"));
	/* The end of another name is no place below it. */
	assert_false(has_place(&r, "uid=a,cn=xou\\=people,dc=example,dc=test"));
	assert_false(has_place(&r, "uid=a,dc=test"));
}

static void a_filter_without_brackets_gets_them(void **state)
{
	(void)state;
	assert_true(str_eq_c(rule_of_search("dc=test", "uid=%(username)s").filter,
		"(uid=*)"));
}

static void the_root_holds_everything(void **state)
{
	struct ldap_rule r = rule_of_search("", "(uid=%(username)s)");

	(void)state;
	assert_true(has_place(&r, "uid=a,dc=anything"));
}

static void a_template_means_what_is_right_below_its_parent(void **state)
{
	struct ldap_rule r =
		rule_of_template("uid=%(username)s, ou=people,dc=example,dc=test");

	(void)state;
	assert_int_equal(r.where, LDAP_WHERE_ONE);
	assert_true(str_eq_c(r.base, "ou=people,dc=example,dc=test"));
	assert_true(str_eq_c(r.filter, "(uid=*)"));
	assert_true(has_place(&r, "uid=a\\,b,ou=people,dc=example,dc=test"));
	assert_false(has_place(&r, "uid=a,ou=sub,ou=people,dc=example,dc=test"));
}

static void a_template_that_is_no_dn_can_be_searched_nowhere(void **state)
{
	static const char *const templates[] = {"%(username)s@example.test",
		"EXAMPLE\\%(username)s", "uid=%(username)s",
		"uid=x,ou=%(username)s,dc=test"};

	(void)state;
	for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
		struct ldap_rule r = rule_of_template(templates[i]);

		assert_null(r.base.ptr);
		assert_true(has_place(&r, "cn=whoever,dc=anywhere"));
	}
}

static void a_base_that_is_no_dn_is_told(void **state)
{
	struct ldap_settings s = {
		.users = {.base = STR("nonsense"), .filter = STR("(uid=%(username)s)")}};
	struct ldap_rule r = {.where = LDAP_WHERE_BASE};

	(void)state;
	assert_int_equal(ldap_rule_of(&s, arena, &r), IAM_BAD_DATA);
	assert_int_equal(r.where, LDAP_WHERE_BASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_search_means_everything_below_its_base),
		cmocka_unit_test(a_filter_without_brackets_gets_them),
		cmocka_unit_test(the_root_holds_everything),
		cmocka_unit_test(a_template_means_what_is_right_below_its_parent),
		cmocka_unit_test(a_template_that_is_no_dn_can_be_searched_nowhere),
		cmocka_unit_test(a_base_that_is_no_dn_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
