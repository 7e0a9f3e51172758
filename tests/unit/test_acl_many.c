/* test_acl_many - facts told many at once mean the same as one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "iam/acl.h"
#include "libacl/base/str.h"

#define USERS 40
#define N     1000

static char uids[USERS][8], gids[USERS][8], rids[USERS][8];

static void name_all(void)
{
	for (int i = 0; i < USERS; i++) {
		(void)snprintf(uids[i], sizeof(uids[i]), "u%d", i);
		(void)snprintf(gids[i], sizeof(gids[i]), "g%d", i);
		(void)snprintf(rids[i], sizeof(rids[i]), "r%d", i);
	}
}

static struct iam_snapshot *freeze(struct iam_model *m)
{
	struct iam_snapshot *s = NULL;

	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

static void assert_same(const struct iam_snapshot *a, const struct iam_snapshot *b)
{
	size_t allowed = 0;

	for (int u = 0; u < USERS; u++)
		for (int r = 0; r < USERS; r++)
			for (enum iam_action act = IAM_CREATE; act < IAM_ACTION_COUNT;
				act++) {
				enum iam_decision d =
					iam_check(a, str_c(uids[u]), str_c(rids[r]), act);

				assert_int_equal(iam_check(b, str_c(uids[u]),
							 str_c(rids[r]), act),
					d);
				allowed += d == IAM_ALLOW;
			}
	assert_in_range(allowed, 100, USERS * USERS * 5 - 100);
}

static void many_at_once_are_the_same_as_one_by_one(void **state)
{
	static struct iam_member members[N];
	static struct iam_grant grants[N];
	struct iam_model *one = iam_model_new(), *many = iam_model_new();
	struct iam_snapshot *a, *b;
	uint32_t x = 12345;

	(void)state;
	name_all();
	for (size_t i = 0; i < N; i++) {
		x = x * 1664525 + 1013904223;
		/* in runs of one user, as a database tells them */
		members[i] = (struct iam_member){
			.gid = str_c(gids[(x >> 8) % USERS]), .uid = str_c(uids[i / 30])};
		grants[i] = (struct iam_grant){.rid = str_c(rids[(x >> 16) % USERS]),
			.kind = x >> 31 ? IAM_SUBJECT_USER : IAM_SUBJECT_GROUP,
			.action = (enum iam_action)((x >> 4) % IAM_ACTION_COUNT)};
		grants[i].subject_id =
			str_c(grants[i].kind == IAM_SUBJECT_USER ? uids[(x >> 24) % USERS]
								 : gids[i / 30]);
		if (i % 8 != 0) /* not all allowed */
			grants[i] = grants[i - 1];
		if (i % 16 != 0)
			members[i] = members[i - 1];
	}
	for (size_t i = 0; i < N; i++) {
		const struct iam_grant *g = &grants[i];

		assert_int_equal(iam_model_add_member(one, members[i].gid,
					 members[i].uid),
			IAM_OK);
		assert_int_equal(iam_model_add_grant(one, g->rid, g->kind, g->subject_id,
					 g->action),
			IAM_OK);
	}
	/* all at once, and in pieces of any size */
	assert_int_equal(iam_model_add_members(many, members, N), IAM_OK);
	for (size_t at = 0, n = 0; at < N; at += n, n = n % 70 + 1) {
		n = at + n > N ? N - at : n;
		assert_int_equal(iam_model_add_grants(many, grants + at, n), IAM_OK);
	}
	a = freeze(one);
	b = freeze(many);
	assert_same(a, b);
	iam_snapshot_free(a);
	iam_snapshot_free(b);
}

static void a_bad_one_is_named_and_those_before_it_are_told(void **state)
{
	static const struct str bad = {.ptr = "no good", .len = 7};
	struct iam_member members[3];
	struct iam_grant grants[3];
	struct iam_snapshot *s;
	struct iam_snapshot_stats stats;
	struct iam_model *m = iam_model_new();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		members[i] = (struct iam_member){.gid = STR("g"), .uid = STR("u")};
		grants[i] = (struct iam_grant){.rid = STR("r"),
			.kind = IAM_SUBJECT_USER,
			.subject_id = STR("u"),
			.action = IAM_READ};
	}
	members[1].gid = bad;
	assert_int_equal(iam_model_add_members(m, members, 3), IAM_BAD_GID);
	members[1] = (struct iam_member){.gid = STR("g"), .uid = bad};
	assert_int_equal(iam_model_add_members(m, members, 3), IAM_BAD_UID);
	grants[1].rid = bad;
	assert_int_equal(iam_model_add_grants(m, grants, 3), IAM_BAD_RID);
	grants[1].rid = STR("r2");
	grants[1].subject_id = (struct str){.ptr = NULL, .len = 0};
	assert_int_equal(iam_model_add_grants(m, grants, 3), IAM_BAD_UID);
	grants[1].kind = IAM_SUBJECT_GROUP;
	assert_int_equal(iam_model_add_grants(m, grants, 3), IAM_BAD_GID);
	assert_int_equal(iam_model_add_grants(m, grants, 0), IAM_OK);
	s = freeze(m);
	iam_snapshot_stats(s, &stats);
	assert_int_equal(stats.grants, 1);
	assert_int_equal(stats.memberships, 1);
	iam_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_at_once_are_the_same_as_one_by_one),
		cmocka_unit_test(a_bad_one_is_named_and_those_before_it_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
