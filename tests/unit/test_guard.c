/* test_guard - who may do what to iamd's own objects. */
#include "authz_fixture.h"
#include "iamd/authz/guard.h"

static const struct stored_user users[] = {{"root", true, 1, false, false},
	{"rootoff", false, 2, false, false}, {"ops", true, 3, false, false},
	{"opsread", true, 4, false, false}, {"helper", true, 5, false, false},
	{"helperfull", true, 6, false, false}, {"plain", true, 7, false, false},
	{"plainoff", false, 8, false, false}, {"late", true, 9, false, false}, {0}};

static const struct stored_fact facts[] = {
	{"dcos:superuser", "superusers", NULL, IAM_FULL},
	{NULL, "superusers", "root", 0},
	{NULL, "superusers", "rootoff", 0},
	{NULL, "superusers", "ghost", 0}, /* a member that is no stored user */
	{"dcos:adminrouter:acs", NULL, "ops", IAM_FULL},
	{"dcos:adminrouter:acs", NULL, "opsread", IAM_READ},
	{"iam:users", "desk", NULL, IAM_READ},
	{NULL, "desk", "helper", 0},
	{"iam:users", NULL, "helperfull", IAM_FULL},
	{"svc:a", NULL, "plain", IAM_READ},
	{"svc:a", NULL, "plainoff", IAM_READ},
	{"svc:a", "team", NULL, IAM_FULL},
	{NULL, "team", "late", 0},
	{0},
};

struct state {
	struct db db;
	unsigned freed;
	struct publisher *p;
	const struct root *root;
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->db = (struct db){.users = users, .facts = facts};
	s->p = fixture_publisher(&s->db, 2, &s->freed);
	s->root = publish_enter(s->p);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	publish_leave(s->p);
	publisher_free(s->p);
	free(s);
	return 0;
}

static void decisions_join_grants_with_known_and_enabled(void **state)
{
	static const struct {
		const char *uid, *rid;
		enum iam_action action;
		bool allowed;
	} cases[] = {
		{"root", "svc:a", IAM_READ, true},
		{"root", "no:such:thing", IAM_DELETE, true},
		{"rootoff", "svc:a", IAM_READ, false},
		{"ghost", "svc:a", IAM_READ, false},
		{"plain", "svc:a", IAM_READ, true},
		{"plain", "svc:a", IAM_UPDATE, false},
		{"plain", "svc:b", IAM_READ, false},
		{"plainoff", "svc:a", IAM_READ, false},
		{"late", "svc:a", IAM_DELETE, true},
		{"nobody", "svc:a", IAM_READ, false},
		{"", "svc:a", IAM_READ, false},
	};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (authz_allows(s->root, str_c(cases[i].uid), str_c(cases[i].rid),
			    cases[i].action) != cases[i].allowed)
			fail_msg("%s on %s", cases[i].uid, cases[i].rid);
	assert_false(authz_allows(s->root, STR_NONE, STR("svc:a"), IAM_READ));
}

static void only_known_enabled_members_are_superusers(void **state)
{
	struct state *s = *state;

	assert_true(authz_is_superuser(s->root, STR("root")));
	assert_false(authz_is_superuser(s->root, STR("rootoff")));
	assert_false(authz_is_superuser(s->root, STR("ghost")));
	assert_false(authz_is_superuser(s->root, STR("ops")));
	assert_false(authz_is_superuser(s->root, STR_NONE));
}

static void management_needs_the_router_grant_or_the_delegated_action(void **state)
{
	static const struct {
		const char *uid, *delegated;
		enum iam_action action;
		bool allowed;
	} cases[] = {
		{"root", "iam:users", IAM_DELETE, true},
		{"rootoff", "iam:users", IAM_READ, false},
		{"ops", "iam:users", IAM_DELETE, true},
		{"ops", "iam:audit", IAM_READ, true},
		{"opsread", "iam:users", IAM_READ, false},
		{"helper", "iam:users", IAM_READ, true},
		{"helper", "iam:users", IAM_UPDATE, false},
		{"helper", "iam:groups", IAM_READ, false},
		{"helperfull", "iam:users", IAM_CREATE, true},
		{"helperfull", "iam:acls", IAM_CREATE, false},
		{"plain", "iam:users", IAM_READ, false},
		{"nobody", "iam:users", IAM_READ, false},
	};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (guard_allows(s->root, str_c(cases[i].uid), str_c(cases[i].delegated),
			    cases[i].action) != cases[i].allowed)
			fail_msg("%s on %s", cases[i].uid, cases[i].delegated);
}

static void without_a_delegated_rid_only_router_and_superusers_pass(void **state)
{
	struct state *s = *state;

	assert_true(guard_allows(s->root, STR("ops"), STR_NONE, IAM_READ));
	assert_true(guard_allows(s->root, STR("root"), STR_NONE, IAM_READ));
	assert_false(guard_allows(s->root, STR("helperfull"), STR_NONE, IAM_READ));
}

static void rids_that_give_power_over_iamd_are_protected(void **state)
{
	static const struct {
		const char *rid;
		bool is_protected;
	} cases[] = {
		{"dcos:superuser", true},
		{"dcos:adminrouter:acs", true},
		{"iam:users", true},
		{"iam:", true},
		{"iam", false},
		{"IAM:users", false},
		{"dcos:superuserx", false},
		{"dcos:adminrouter:acs:x", false},
		{"dcos:adminrouter:ops", false},
		{"x:iam:users", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (guard_rid_is_protected(str_c(cases[i].rid)) != cases[i].is_protected)
			fail_msg("%s", cases[i].rid);
	assert_true(guard_rid_is_protected((struct str){"iam:x\0y", 7}));
}

static void users_and_groups_with_a_protected_grant_are_protected(void **state)
{
	static const struct {
		const char *uid;
		bool is_protected;
	} cases[] = {
		{"root", true},
		{"rootoff", true},
		{"ghost", true},
		{"ops", true},
		{"opsread", true},
		{"helper", true},
		{"helperfull", true},
		{"plain", false},
		{"late", false},
		{"nobody", false},
	};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (guard_user_is_protected(s->root, str_c(cases[i].uid)) !=
			cases[i].is_protected)
			fail_msg("%s", cases[i].uid);
	assert_true(guard_group_is_protected(s->root, STR("superusers")));
	assert_true(guard_group_is_protected(s->root, STR("desk")));
	assert_false(guard_group_is_protected(s->root, STR("team")));
	assert_false(guard_group_is_protected(s->root, STR("nogroup")));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(decisions_join_grants_with_known_and_enabled),
		T(only_known_enabled_members_are_superusers),
		T(management_needs_the_router_grant_or_the_delegated_action),
		T(without_a_delegated_rid_only_router_and_superusers_pass),
		T(rids_that_give_power_over_iamd_are_protected),
		T(users_and_groups_with_a_protected_grant_are_protected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
