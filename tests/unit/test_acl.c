/* The model and the check: grants, groups, nesting, cycles, superusers, bounds, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iam/acl.h"
#include "libacl/closure.h"
#include "tests/unit/acl_fixture.h"
#include "tests/unit/torture.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
	const char *name;
	const char *model;
	const char *uid;
	const char *rid;
	enum iam_action action;
	bool allow;
} decisions[] = {
	{"empty model", "", "u", "svc:a", IAM_READ, false},
	{"own grant", "ugrant:u:read:svc:a", "u", "svc:a", IAM_READ, true},
	{"other action", "ugrant:u:read:svc:a", "u", "svc:a", IAM_UPDATE, false},
	{"full is every action", "ugrant:u:full:svc:a", "u", "svc:a", IAM_DELETE, true},
	{"every action is not full",
		"ugrant:u:create:a ugrant:u:read:a ugrant:u:update:a ugrant:u:delete:a",
		"u", "a", IAM_FULL, false},
	{"other user", "ugrant:u:read:svc:a", "v", "svc:a", IAM_READ, false},
	{"other resource", "ugrant:u:read:svc:a", "u", "svc:b", IAM_READ, false},
	{"a longer resource is another", "ugrant:u:read:svc:a", "u", "svc:a:b", IAM_READ,
		false},
	{"a shorter resource is another", "ugrant:u:read:svc:a:b", "u", "svc:a", IAM_READ,
		false},
	{"a star is a character", "ugrant:u:read:svc:*", "u", "svc:a", IAM_READ, false},
	{"case matters", "ugrant:u:read:svc:a", "U", "svc:a", IAM_READ, false},
	{"group grant", "member:u@g ggrant:g:read:a", "u", "a", IAM_READ, true},
	{"group full", "member:u@g ggrant:g:full:a", "u", "a", IAM_CREATE, true},
	{"not a member", "member:v@g ggrant:g:read:a", "u", "a", IAM_READ, false},
	{"user and group of one name", "member:u@g ggrant:u:read:a", "u", "a", IAM_READ,
		false},
	{"group grant is no user's", "ggrant:u:read:a ugrant:u:read:b", "u", "a",
		IAM_READ, false},
	{"member of a subgroup", "member:u@s nest:s@g ggrant:g:read:a", "u", "a",
		IAM_READ, true},
	{"not downwards", "member:u@g nest:s@g ggrant:s:read:a", "u", "a", IAM_READ,
		false},
	{"three levels", "member:u@1 nest:1@2 nest:2@3 ggrant:3:read:a", "u", "a",
		IAM_READ, true},
	{"cycle", "member:u@1 nest:1@2 nest:2@3 nest:3@1 ggrant:3:read:a", "u", "a",
		IAM_READ, true},
	{"into a cycle", "member:u@0 nest:0@1 nest:1@2 nest:2@1 ggrant:2:read:a", "u",
		"a", IAM_READ, true},
	{"cycle alone", "member:u@1 nest:1@2 nest:2@1", "u", "a", IAM_READ, false},
	{"in itself", "member:u@g nest:g@g ggrant:g:read:a", "u", "a", IAM_READ, true},
	{"superuser directly", "ugrant:u:read:dcos:superuser", "u", "never:named",
		IAM_FULL, true},
	{"superuser by group", "member:u@s ggrant:s:full:dcos:superuser", "u", "x",
		IAM_READ, true},
	{"superuser by nesting", "member:u@t nest:t@s ggrant:s:delete:dcos:superuser",
		"u", "x", IAM_READ, true},
	{"the group's name is nothing", "member:u@superusers", "u", "x", IAM_READ, false},
	{"like the superuser's", "ugrant:u:full:dcos:superuser2", "u", "x", IAM_READ,
		false},
	{"told twice", "ugrant:u:read:a ugrant:u:read:a member:u@g member:u@g", "u", "a",
		IAM_READ, true},
};

static void decisions_follow_the_permission_model(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(decisions); i++) {
		struct iam_snapshot *s = freeze(decisions[i].model);

		if (allowed(s, decisions[i].uid, decisions[i].rid, decisions[i].action) !=
			decisions[i].allow)
			fail_msg("%s", decisions[i].name);
		iam_snapshot_free(s);
	}
}

static void nonsense_is_denied(void **state)
{
	struct iam_snapshot *s =
		freeze("ugrant:u:read:a ugrant:root:full:dcos:superuser");

	(void)state;
	assert_int_equal(iam_check(s, STR_NONE, STR("a"), IAM_READ), IAM_DENY);
	assert_int_equal(iam_check(s, STR("u"), STR_NONE, IAM_READ), IAM_DENY);
	assert_int_equal(iam_check(s, STR(""), STR(""), IAM_READ), IAM_DENY);
	assert_int_equal(iam_check(s, STR("u\0"), STR("a"), IAM_READ), IAM_DENY);
	assert_int_equal(iam_check(s, STR("u"), STR("a"), IAM_ACTION_COUNT), IAM_DENY);
	assert_int_equal(iam_check(s, STR("root"), STR("a"), (enum iam_action)77),
		IAM_DENY);
	assert_int_equal(iam_check(s, STR("root"), STR_NONE, IAM_READ), IAM_ALLOW);
	iam_snapshot_free(s);
	iam_snapshot_free(NULL);
	iam_model_free(NULL);
}

static void bad_ids_are_named_and_leave_no_fact(void **state)
{
	struct iam_model *m = iam_model_new();
	struct str u = STR("u");
	struct str g = STR("g");

	(void)state;
	assert_int_equal(iam_model_add_group(m, STR("..")), IAM_BAD_GID);
	assert_int_equal(iam_model_add_resource(m, STR("a b")), IAM_BAD_RID);
	assert_int_equal(iam_model_add_resource(m, STR_NONE), IAM_BAD_RID);
	assert_int_equal(iam_model_add_member(m, STR(""), u), IAM_BAD_GID);
	assert_int_equal(iam_model_add_member(m, g, STR("anonymous")), IAM_BAD_UID);
	assert_int_equal(iam_model_add_subgroup(m, g, STR("a b")), IAM_BAD_GID);
	assert_int_equal(iam_model_add_subgroup(m, STR("a b"), g), IAM_BAD_GID);
	assert_int_equal(iam_model_add_grant(m, STR("a "), IAM_SUBJECT_USER, u, IAM_READ),
		IAM_BAD_RID);
	assert_int_equal(iam_model_add_grant(m, STR("a"), IAM_SUBJECT_USER, STR("/"),
				 IAM_READ),
		IAM_BAD_UID);
	assert_int_equal(iam_model_add_grant(m, STR("a"), IAM_SUBJECT_GROUP, STR("/"),
				 IAM_READ),
		IAM_BAD_GID);
	iam_model_free(m);
}

static bool pick_protected(struct str rid, void *ctx)
{
	++*(int *)ctx;
	return str_starts(rid, STR("iam:"));
}

static void reaching_is_by_any_action_and_any_group(void **state)
{
	struct iam_snapshot *s =
		freeze("ugrant:direct:read:iam:x ggrant:top:delete:iam:y "
		       "nest:mid@top member:in@mid ugrant:out:full:svc:a "
		       "member:out@other");
	int calls = 0;

	(void)state;
	assert_true(iam_user_reaches(s, STR("direct"), STR("iam:x")));
	assert_false(iam_user_reaches(s, STR("direct"), STR("iam:y")));
	assert_true(iam_user_reaches(s, STR("in"), STR("iam:y")));
	assert_false(iam_user_reaches(s, STR("in"), STR("nowhere")));
	assert_true(iam_user_reaches_any(s, STR("direct"), pick_protected, &calls));
	assert_true(iam_user_reaches_any(s, STR("in"), pick_protected, &calls));
	assert_false(iam_user_reaches_any(s, STR("out"), pick_protected, &calls));
	assert_false(iam_user_reaches_any(s, STR("nobody"), pick_protected, &calls));
	assert_true(iam_group_reaches_any(s, STR("mid"), pick_protected, &calls));
	assert_true(iam_group_reaches_any(s, STR("top"), pick_protected, &calls));
	assert_false(iam_group_reaches_any(s, STR("other"), pick_protected, &calls));
	assert_false(iam_group_reaches_any(s, STR("nogroup"), pick_protected, &calls));
	assert_true(calls > 0);
	iam_snapshot_free(s);
}

static void a_resource_without_grants_is_known(void **state)
{
	struct iam_snapshot *s =
		freeze("resource:svc:bare resource:svc:bare ugrant:u:read:svc:a");
	struct iam_snapshot_stats stats;

	(void)state;
	assert_true(iam_knows_resource(s, STR("svc:bare")));
	assert_true(iam_knows_resource(s, STR("svc:a")));
	assert_false(iam_knows_resource(s, STR("svc:ba")));
	assert_false(iam_knows_resource(s, STR("")));
	assert_false(iam_knows_resource(s, STR_NONE));
	assert_false(allowed(s, "u", "svc:bare", IAM_READ));
	assert_false(iam_user_reaches(s, STR("u"), STR("svc:bare")));
	iam_snapshot_stats(s, &stats);
	assert_int_equal(stats.resources, 2);
	assert_int_equal(stats.grants, 1);
	iam_snapshot_free(s);
}

/* Which of the groups a to z were told, and how often in all. */
struct told {
	bool letters[26];
	int calls;
	int stop_after;
};

static bool note_gid(struct str gid, void *ctx)
{
	struct told *t = ctx;

	assert_int_equal(gid.len, 1);
	t->letters[gid.ptr[0] - 'a'] = true;
	return ++t->calls != t->stop_after;
}

static void effective_groups_are_told_until_told_to_stop(void **state)
{
	struct iam_snapshot *s = freeze("member:u@a nest:a@b nest:b@c nest:c@a "
					"member:u@d nest:e@d member:v@e group:f");
	struct told t = {.stop_after = -1};

	(void)state;
	assert_true(iam_user_groups_each(s, STR("u"), note_gid, &t));
	for (int i = 0; i < 26; i++)
		assert_int_equal(t.letters[i], i < 4); /* a to d; e is below, f apart */
	t = (struct told){.stop_after = 2};
	assert_false(iam_user_groups_each(s, STR("u"), note_gid, &t));
	assert_int_equal(t.calls, 2);
	t = (struct told){.stop_after = -1};
	assert_true(iam_user_groups_each(s, STR("nobody"), note_gid, &t));
	assert_true(iam_user_groups_each(s, STR_NONE, note_gid, &t));
	assert_int_equal(t.calls, 0);
	iam_snapshot_free(s);
}

static bool count_gid(struct str gid, void *ctx)
{
	(void)gid;
	++*(size_t *)ctx;
	return true;
}

static bool collect_uid(struct str uid, void *ctx)
{
	char *seen = ctx;

	assert_int_equal(uid.len, 1);
	seen[strlen(seen)] = uid.ptr[0];
	return strlen(seen) < 3;
}

static void every_superuser_is_listed_once_until_told_to_stop(void **state)
{
	struct iam_snapshot *s =
		freeze("member:a@s member:a@t nest:t@s member:b@t member:c@o "
		       "ugrant:a:read:dcos:superuser ggrant:s:full:dcos:superuser");
	char seen[8] = "";

	(void)state;
	iam_superusers_each(s, collect_uid, seen);
	assert_true(strcmp(seen, "ab") == 0 || strcmp(seen, "ba") == 0);
	assert_true(iam_is_superuser(s, STR("b")));
	assert_true(iam_user_reaches(s, STR("b"), STR(IAM_SUPERUSER_RID)));
	assert_false(iam_is_superuser(s, STR("c")));
	assert_false(iam_user_reaches(s, STR("c"), STR(IAM_SUPERUSER_RID)));
	assert_false(iam_is_superuser(s, STR("nobody")));
	iam_snapshot_free(s);
	s = freeze("ugrant:a:full:dcos:superuser ugrant:b:full:dcos:superuser "
		   "ugrant:c:full:dcos:superuser ugrant:d:full:dcos:superuser");
	memset(seen, 0, sizeof(seen));
	iam_superusers_each(s, collect_uid, seen);
	assert_int_equal(strlen(seen), 3);
	iam_snapshot_free(s);
}

static void facts_told_twice_are_counted_once(void **state)
{
	struct iam_snapshot *s =
		freeze("member:u@g member:u@g member:v@g group:h ugrant:u:read:a "
		       "ugrant:u:read:a ugrant:u:full:a ggrant:g:read:a");
	struct iam_snapshot_stats stats;

	(void)state;
	iam_snapshot_stats(s, &stats);
	assert_int_equal(stats.users, 2);
	assert_int_equal(stats.groups, 2);
	assert_int_equal(stats.resources, 1);
	assert_int_equal(stats.memberships, 2);
	assert_int_equal(stats.grants, 3);
	assert_true(stats.bytes > 100);
	iam_snapshot_free(s);
}

static void a_snapshot_outlives_and_ignores_its_model(void **state)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *one = NULL;
	struct iam_snapshot *two = NULL;
	char uid[] = "u";

	(void)state;
	assert_int_equal(iam_model_add_grant(m, STR("a"), IAM_SUBJECT_USER, str_c(uid),
				 IAM_READ),
		IAM_OK);
	uid[0] = 'x';
	assert_int_equal(iam_snapshot_build(m, &one), IAM_OK);
	assert_int_equal(iam_model_add_grant(m, STR("a"), IAM_SUBJECT_USER, STR("v"),
				 IAM_READ),
		IAM_OK);
	assert_int_equal(iam_snapshot_build(m, &two), IAM_OK);
	iam_model_free(m);
	assert_true(allowed(one, "u", "a", IAM_READ));
	assert_false(allowed(one, "v", "a", IAM_READ));
	assert_true(allowed(two, "v", "a", IAM_READ));
	iam_snapshot_free(one);
	iam_snapshot_free(two);
}

static void deep_nesting_and_long_cycles_are_followed(void **state)
{
	static const int depths[] = {4095, 4096, 4097, 10000, (int)CLOSURE_MAX_WALK};

	(void)state;
	for (size_t i = 0; i < COUNT(depths); i++)
		for (int cycle = 0; cycle < 2; cycle++) {
			struct iam_snapshot *s = chain(depths[i], cycle == 1, "iam:a");
			struct iam_snapshot_stats stats;
			int calls = 0;

			assert_true(allowed(s, "u", "iam:a", IAM_READ));
			assert_false(allowed(s, "u", "iam:a", IAM_UPDATE));
			assert_true(iam_user_reaches(s, STR("u"), STR("iam:a")));
			assert_true(iam_user_reaches_any(s, STR("u"), pick_protected,
				&calls));
			iam_snapshot_stats(s, &stats);
			assert_true(stats.bytes < (size_t)48 << 20);
			iam_snapshot_free(s);
		}
}

static void beyond_the_bound_checks_deny_and_guards_forbid(void **state)
{
	struct iam_snapshot *s = chain((int)CLOSURE_MAX_WALK + 1, false, "svc:a");
	int calls = 0;
	size_t told = 0;

	(void)state;
	assert_false(allowed(s, "u", "svc:a", IAM_READ));
	assert_true(iam_user_reaches_any(s, STR("u"), pick_protected, &calls));
	assert_false(iam_user_groups_each(s, STR("u"), count_gid, &told));
	assert_int_equal(told, CLOSURE_MAX_WALK);
	iam_snapshot_free(s);
	/* Who is superuser is known exactly, whatever the depth. */
	s = chain(100000, true, IAM_SUPERUSER_RID);
	assert_true(allowed(s, "u", "svc:a", IAM_READ));
	assert_true(iam_is_superuser(s, STR("u")));
	iam_snapshot_free(s);
}

/* The user is in the first of `n` groups that all contain each other; the last is in "top". */
static struct iam_snapshot *dense(int n, const char *top_rid)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	char sub[16];
	char gid[16];

	for (int i = 0; i < n * n; i++) {
		(void)snprintf(gid, sizeof(gid), "%d", i % n);
		(void)snprintf(sub, sizeof(sub), "%d", i / n);
		if (i % n != i / n)
			assert_int_equal(iam_model_add_subgroup(m, str_c(gid),
						 str_c(sub)),
				IAM_OK);
	}
	assert_int_equal(iam_model_add_subgroup(m, STR("top"), str_c(sub)), IAM_OK);
	assert_int_equal(iam_model_add_member(m, STR("0"), STR("u")), IAM_OK);
	assert_int_equal(iam_model_add_grant(m, str_c(top_rid), IAM_SUBJECT_GROUP,
				 STR("top"), IAM_READ),
		IAM_OK);
	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

static void dense_nesting_is_followed_up_to_the_bound_on_links(void **state)
{
	struct iam_snapshot *s = dense(256, "iam:a"); /* 65 280 links and a few */
	int calls = 0;

	(void)state;
	assert_true(allowed(s, "u", "iam:a", IAM_READ));
	assert_false(allowed(s, "u", "iam:a", IAM_UPDATE));
	assert_true(iam_user_reaches(s, STR("u"), STR("iam:a")));
	iam_snapshot_free(s);
	s = dense(400, "svc:a"); /* 159 600 */
	assert_false(allowed(s, "u", "svc:a", IAM_READ));
	assert_true(iam_user_reaches_any(s, STR("u"), pick_protected, &calls));
	assert_false(iam_is_superuser(s, STR("u")));
	iam_snapshot_free(s);
	s = dense(400, IAM_SUPERUSER_RID);
	assert_true(iam_is_superuser(s, STR("u")));
	assert_true(allowed(s, "u", "svc:a", IAM_UPDATE));
	iam_snapshot_free(s);
}

static struct iam_snapshot *try_everything(enum iam_err *ret_err)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	enum iam_err e = m == NULL ? IAM_NO_MEMORY : IAM_OK;

	for (int i = 0; e == IAM_OK && i < 100; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "x%d", i);
		e = iam_model_add_member(m, STR("g"), str_c(id));
		if (e == IAM_OK)
			e = iam_model_add_subgroup(m, str_c(id), STR("g"));
		if (e == IAM_OK)
			e = iam_model_add_grant(m, str_c(id), IAM_SUBJECT_GROUP,
				str_c(id), IAM_READ);
		(void)snprintf(id, sizeof(id), "bare%d", i);
		if (e == IAM_OK)
			e = iam_model_add_resource(m, str_c(id));
	}
	if (e == IAM_OK)
		e = iam_snapshot_build(m, &s);
	iam_model_free(m);
	*ret_err = e;
	return s;
}

static void every_failing_allocation_is_reported_and_nothing_leaks(void **state)
{
	struct iam_snapshot *s = NULL;
	enum iam_err e = IAM_NO_MEMORY;
	size_t n = 0;

	(void)state;
	while (s == NULL) {
		torture_at(++n);
		s = try_everything(&e);
		assert_int_equal(e, s == NULL ? IAM_NO_MEMORY : IAM_OK);
	}
	torture_off();
	assert_true(n > 30);
	assert_true(allowed(s, "x5", "x99", IAM_READ));
	iam_snapshot_free(s);
}

static void a_check_allocates_nothing(void **state)
{
	struct iam_snapshot *s = chain(10000, false, "svc:a");
	int calls = 0;
	size_t told = 0;

	(void)state;
	torture_at(1);
	assert_true(allowed(s, "u", "svc:a", IAM_READ));
	assert_false(iam_is_superuser(s, STR("u")));
	assert_false(iam_user_reaches_any(s, STR("u"), pick_protected, &calls));
	assert_true(iam_knows_resource(s, STR("svc:a")));
	assert_true(iam_user_groups_each(s, STR("u"), count_gid, &told));
	assert_int_equal(told, 10000);
	assert_int_equal(torture_left, 1);
	torture_off();
	iam_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions_follow_the_permission_model),
		cmocka_unit_test(nonsense_is_denied),
		cmocka_unit_test(bad_ids_are_named_and_leave_no_fact),
		cmocka_unit_test(reaching_is_by_any_action_and_any_group),
		cmocka_unit_test(a_resource_without_grants_is_known),
		cmocka_unit_test(effective_groups_are_told_until_told_to_stop),
		cmocka_unit_test(every_superuser_is_listed_once_until_told_to_stop),
		cmocka_unit_test(facts_told_twice_are_counted_once),
		cmocka_unit_test(a_snapshot_outlives_and_ignores_its_model),
		cmocka_unit_test(deep_nesting_and_long_cycles_are_followed),
		cmocka_unit_test(beyond_the_bound_checks_deny_and_guards_forbid),
		cmocka_unit_test(dense_nesting_is_followed_up_to_the_bound_on_links),
		cmocka_unit_test(every_failing_allocation_is_reported_and_nothing_leaks),
		cmocka_unit_test(a_check_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
