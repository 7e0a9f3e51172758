/* test_ldap_sync_plan - what a plan does below protected groups, and what stops it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "iamd/authn/ldap_sync_plan.h"
#include "libacl/base/str.h"

#define PEOPLE 60

/* Groups g0 (outer) and g1 (inner), people u0 to u59; everybody has an account. */
struct fixture {
	struct sync_picture p;
	struct sync_stored s;
	struct sync_rules rules;
	struct sync_known known;
	struct sync_plan plan;
};

static struct str text(char buf[32], const char *prefix, int i)
{
	(void)snprintf(buf, 32, "%s%d", prefix, i);
	return str_c(buf);
}

static void add_group(struct fixture *f, int i, bool as_stored)
{
	char a[32], b[32], c[32];
	const struct sync_group g = {.subject = text(a, "gs", i),
		.name = text(b, "g", i),
		.dn = text(c, "cn=g", i),
		.description = STR(""),
		.as_stored = as_stored};
	bool added = false;

	assert_int_equal(sync_picture_group(&f->p, &g, g.dn, &added), IAM_OK);
	assert_true(added);
}

static void add_members(struct fixture *f, int from, int to)
{
	char a[32];

	for (int i = from; i < to; i++)
		assert_int_equal(sync_picture_member_dn(&f->p, text(a, "uid=u", i)),
			IAM_OK);
}

static void add_people(struct fixture *f, int disabled, bool as_stored)
{
	char a[32], b[32], c[32];

	for (int i = 0; i < PEOPLE; i++) {
		const struct identity who = {.subject = text(a, "us", i),
			.name = text(b, "u", i),
			.dn = text(c, "uid=u", i),
			.description = STR(""),
			.email = STR(""),
			.disabled = i < disabled};

		assert_int_equal(sync_picture_person(&f->p, &who, who.dn,
					 as_stored && i >= disabled),
			IAM_OK);
	}
}

static void store_all(struct fixture *f, bool is_protected)
{
	char a[32], b[32], c[32];

	for (int i = 0; i < PEOPLE; i++) {
		const struct sync_stored_user row = {.uid = text(a, "u", i),
			.subject = text(b, "us", i),
			.dn = text(c, "uid=u", i),
			.enabled = true};

		assert_int_equal(sync_stored_user(&f->s, &row), IAM_OK);
	}
	for (int i = 0; i < 2; i++) {
		const struct sync_stored_group row = {.gid = text(a, "g", i),
			.subject = text(b, "gs", i),
			.dn = text(c, "cn=g", i),
			.is_protected = is_protected && i == 0};

		assert_int_equal(sync_stored_group(&f->s, &row), IAM_OK);
	}
	f->s.any_protected = is_protected;
}

static void store_members(struct fixture *f, const char *gid, int from, int to)
{
	char a[32];

	for (int i = from; i < to; i++)
		assert_int_equal(sync_stored_link(&f->s, str_c(gid), text(a, "u", i),
					 SYNC_MEMBER_USER, true),
			IAM_OK);
}

static void begin(struct fixture *f, bool is_protected)
{
	*f = (struct fixture){.rules = {.nested = true,
				      .complete = true,
				      .now_ms = 1000,
				      .grace_ms = 100,
				      .max_vanished_percent = 20}};
	assert_int_equal(sync_picture_init(&f->p), IAM_OK);
	assert_int_equal(sync_stored_init(&f->s), IAM_OK);
	store_all(f, is_protected);
}

static const uint64_t *make(struct fixture *f)
{
	assert_int_equal(sync_plan_make(&f->p, &f->s, &f->rules, &f->plan), IAM_OK);
	return f->plan.counts;
}

static void end(struct fixture *f)
{
	sync_plan_done(&f->plan);
	sync_known_done(&f->known);
	sync_picture_done(&f->p);
	sync_stored_done(&f->s);
}

/* ---- protected groups ---- */

/* g1 is in g0 and has two people. */
static void draw_nested(struct fixture *f)
{
	add_group(f, 0, false);
	assert_int_equal(sync_picture_member_dn(&f->p, STR("cn=g1")), IAM_OK);
	add_group(f, 1, false);
	add_members(f, 0, 2);
	add_people(f, 0, false);
}

static void nothing_is_nested_below_a_protected_group(void **state)
{
	struct fixture f;
	const uint64_t *n;

	(void)state;
	for (int is_protected = 0; is_protected < 2; is_protected++) {
		begin(&f, is_protected != 0);
		draw_nested(&f);
		n = make(&f);
		assert_int_equal(n[SYNC_OP_SUBGROUP_ADD], is_protected ? 0 : 1);
		assert_int_equal(n[SYNC_OP_MEMBER_ADD], is_protected ? 4 : 2);
		end(&f);
	}
}

static void what_is_nested_there_already_becomes_people(void **state)
{
	struct fixture f;
	const uint64_t *n;

	(void)state;
	begin(&f, true);
	assert_int_equal(sync_stored_link(&f.s, STR("g0"), STR("g1"), SYNC_MEMBER_GROUP,
				 true),
		IAM_OK);
	store_members(&f, "g1", 0, 2);
	draw_nested(&f);
	n = make(&f);
	assert_int_equal(n[SYNC_OP_SUBGROUP_REMOVE], 1);
	assert_int_equal(n[SYNC_OP_MEMBER_ADD], 2);
	assert_int_equal(n[SYNC_OP_MEMBER_REMOVE], 0);
	end(&f);
}

/* The inner group changes: a comparison of changes knows nothing of the outer one's members. */
static void a_change_of_a_group_that_is_walked_needs_everything(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, true);
	draw_nested(&f);
	(void)make(&f);
	assert_int_equal(sync_known_learn(&f.p, &f.plan, &f.known), IAM_OK);
	sync_plan_done(&f.plan);
	sync_picture_done(&f.p);
	assert_int_equal(sync_picture_init(&f.p), IAM_OK);
	add_group(&f, 1, false);
	add_members(&f, 0, 3);
	add_people(&f, 0, true);
	add_group(&f, 0, true);
	f.rules.complete = false;
	f.rules.known = &f.known;
	(void)make(&f);
	assert_true(f.plan.needs_whole);
	sync_plan_done(&f.plan);
	f.rules.known = NULL;
	(void)make(&f);
	assert_true(f.plan.needs_whole);
	sync_plan_done(&f.plan);
	f.s.groups[0].is_protected = f.s.any_protected = false;
	(void)make(&f);
	assert_false(f.plan.needs_whole);
	end(&f);
}

/* The outer group changes: the inner one's people were not read. */
static void a_change_above_a_group_that_is_walked_needs_everything(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, true);
	add_group(&f, 0, false);
	assert_int_equal(sync_picture_member_dn(&f.p, STR("cn=g1")), IAM_OK);
	add_people(&f, 0, true);
	add_group(&f, 1, true);
	f.rules.complete = false;
	(void)make(&f);
	assert_true(f.plan.needs_whole);
	end(&f);
}

/* ---- the safety stop ---- */

static void assert_stop(struct fixture *f, const char *why)
{
	(void)make(f);
	assert_int_equal(f->plan.stopped, why != NULL);
	assert_string_equal(f->plan.why, why == NULL ? "" : why);
	if (why != NULL)
		assert_true(sync_plan_is_empty(&f->plan));
	end(f);
}

/* g0 had u0 to u59, and keeps that many. */
static void lose_members(struct fixture *f, int kept, bool complete)
{
	begin(f, false);
	store_members(f, "g0", 0, PEOPLE);
	add_group(f, 0, false);
	add_members(f, 0, kept);
	add_group(f, 1, !complete);
	add_people(f, 0, !complete);
	f->rules.complete = complete;
}

static void too_many_memberships_stop_any_run(void **state)
{
	struct fixture f;

	(void)state;
	for (int complete = 0; complete < 2; complete++) {
		lose_members(&f, 0, complete != 0);
		assert_stop(&f,
			"60 of 60 memberships would be removed; "
			"sync-max-vanished is 20 percent");
		lose_members(&f, 40, complete != 0);
		assert_stop(&f,
			"20 of 60 memberships would be removed; "
			"sync-max-vanished is 20 percent");
		lose_members(&f, 41, complete != 0);
		assert_stop(&f, NULL);
		lose_members(&f, 30, complete != 0);
		f.rules.max_vanished_percent = 50;
		assert_stop(&f, NULL);
	}
}

static void members_whose_group_is_nested_now_are_not_lost(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false);
	store_members(&f, "g0", 0, PEOPLE);
	add_group(&f, 0, false);
	assert_int_equal(sync_picture_member_dn(&f.p, STR("cn=g1")), IAM_OK);
	add_group(&f, 1, false);
	add_members(&f, 0, PEOPLE);
	add_people(&f, 0, false);
	assert_stop(&f, NULL);
}

static void too_many_disabled_stop_any_run(void **state)
{
	struct fixture f;

	(void)state;
	for (int complete = 0; complete < 2; complete++) {
		for (int disabled = 12; disabled < 14; disabled++) {
			begin(&f, false);
			add_group(&f, 0, complete == 0);
			add_group(&f, 1, complete == 0);
			add_people(&f, disabled, complete == 0);
			f.rules.complete = complete != 0;
			assert_stop(&f,
				disabled == 12 ? NULL
					       : "13 of 60 users would be disabled; "
						 "sync-max-vanished is 20 percent");
		}
	}
}

static void groups_that_are_not_looked_for_stay(void **state)
{
	struct fixture f;

	(void)state;
	for (int looked = 0; looked < 2; looked++) {
		begin(&f, false);
		store_members(&f, "g0", 0, 2);
		add_people(&f, 0, false);
		f.p.no_groups = looked == 0;
		f.rules.grace_ms = 0;
		(void)make(&f);
		assert_int_equal(f.plan.counts[SYNC_OP_GROUP_DELETE], looked ? 2 : 0);
		assert_int_equal(sync_plan_is_empty(&f.plan), looked == 0);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_nested_below_a_protected_group),
		cmocka_unit_test(what_is_nested_there_already_becomes_people),
		cmocka_unit_test(a_change_of_a_group_that_is_walked_needs_everything),
		cmocka_unit_test(a_change_above_a_group_that_is_walked_needs_everything),
		cmocka_unit_test(too_many_memberships_stop_any_run),
		cmocka_unit_test(members_whose_group_is_nested_now_are_not_lost),
		cmocka_unit_test(too_many_disabled_stop_any_run),
		cmocka_unit_test(groups_that_are_not_looked_for_stay),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
