/* test_store_reads - reading groups, ACLs, grants and the model when something is wrong. */
#include "tests/unit/store_fixture.h"

/* ---- one read of each kind ---- */

static bool count_user(const struct user *u, void *ctx)
{
	(void)u;
	++*(int *)ctx;
	return true;
}

static bool count_group(const struct group *g, void *ctx)
{
	(void)g;
	++*(int *)ctx;
	return true;
}

static bool count_acl(const struct acl *a, void *ctx)
{
	(void)a;
	++*(int *)ctx;
	return true;
}

static bool count_grant(const struct grant_row *g, void *ctx)
{
	(void)g;
	++*(int *)ctx;
	return true;
}

static const struct page_query all = {.limit = 9};
static const struct page_query found = {.q = {.ptr = "text", .len = 4}, .limit = 9};
static const struct page_query found_behind = {
	.after = {.ptr = "A", .len = 1}, .q = {.ptr = "te", .len = 2}, .limit = 9};

static enum iam_err read_group(struct fixture *f, struct db *db, int *n)
{
	struct group group;
	enum iam_err e = store_group_get(db, f->arena, STR("a"), &group);

	*n += e == IAM_OK;
	return e;
}

static enum iam_err read_acl(struct fixture *f, struct db *db, int *n)
{
	struct acl acl;
	enum iam_err e = store_acl_get(db, f->arena, STR("r"), &acl);

	*n += e == IAM_OK;
	return e;
}

static enum iam_err list_groups(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_group_list(db, &all, count_group, n);
}

static enum iam_err find_groups(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_group_list(db, &found, count_group, n);
}

static enum iam_err find_groups_walking(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_group_list(db, &found_behind, count_group, n);
}

static enum iam_err list_acls(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_acl_list(db, &all, count_acl, n);
}

static enum iam_err find_acls(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_acl_list(db, &found, count_acl, n);
}

static enum iam_err members_direct(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_group_members(db, STR("a"), false, false, &all, count_user, n);
}

static enum iam_err members_effective(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_group_members(db, STR("a"), false, true, &all, count_user, n);
}

static enum iam_err subgroups(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_subgroups(db, STR("a"), true, &all, count_group, n);
}

static enum iam_err groups_of_user(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_user_groups(db, STR("u"), true, &(struct page_query){.limit = 1000},
		count_group, n);
}

static enum iam_err permissions_of_user(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_user_permissions(db, STR("u"), STR_NONE, count_grant, n);
}

static enum iam_err permissions_of_group(struct fixture *f, struct db *db, int *n)
{
	(void)f;
	return store_group_permissions(db, STR("b"), STR_NONE, count_grant, n);
}

static enum iam_err actions(struct fixture *f, struct db *db, int *n)
{
	unsigned set = 0;
	enum iam_err e =
		store_grants_get(db, STR("r"), IAM_SUBJECT_GROUP, STR("a"), &set);

	(void)f;
	*n += e == IAM_OK;
	return e;
}

static enum iam_err model(struct fixture *f, struct db *db, int *n)
{
	struct iam_model *m = iam_model_new();
	enum iam_err e = store_model_load(db, m);

	(void)f;
	*n += e == IAM_OK;
	iam_model_free(m);
	return e;
}

static const struct {
	const char *name;
	enum iam_err (*run)(struct fixture *f, struct db *db, int *n);
	int rows;
} reads[] = {
	{"group", read_group, 1},
	{"acl", read_acl, 1},
	{"groups", list_groups, 2},
	{"groups found", find_groups, 2},
	{"groups found walking", find_groups_walking, 2},
	{"acls", list_acls, 2},
	{"acls found", find_acls, 2},
	{"direct members", members_direct, 1},
	{"effective members", members_effective, 2},
	{"subgroups", subgroups, 1},
	{"groups of a user", groups_of_user, 2},
	{"permissions of a user", permissions_of_user, 1},
	{"permissions of a group", permissions_of_group, 1},
	{"actions", actions, 1},
	{"model", model, 1},
};

static void fill(struct fixture *f)
{
	fixture_init(f);
	tx_begin(f);
	assert_ok(user_add(f, "u", ""));
	assert_ok(user_add(f, "v", ""));
	assert_ok(store_group_add(f->w,
		&(struct group){.gid = STR("a"), .description = STR("text")}));
	assert_ok(store_group_add(f->w,
		&(struct group){.gid = STR("b"), .description = STR("a text")}));
	assert_ok(store_subgroup_add(f->w, STR("a"), STR("b")));
	assert_ok(store_member_add(f->w, STR("a"), STR("v")));
	assert_ok(store_member_add(f->w, STR("b"), STR("u")));
	assert_ok(store_acl_add(f->w, STR("r"), STR("text")));
	assert_ok(store_acl_add(f->w, STR("q"), STR("text")));
	assert_ok(store_grant_add(f->w, STR("r"), IAM_SUBJECT_USER, STR("u"), IAM_READ));
	assert_ok(store_grant_add(f->w, STR("r"), IAM_SUBJECT_GROUP, STR("b"), IAM_FULL));
	tx_commit(f);
}

static void a_read_that_fails_at_any_step_says_so_and_can_be_repeated(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f);
	for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
		struct db *db = store_reader(f.store);
		int step, n = 0;

		for (step = 1; step < 100; step++) {
			enum iam_err e;

			n = 0;
			db_fail_after(db, step);
			e = reads[i].run(&f, db, &n);
			db_fail_after(db, 0);
			if (e == IAM_OK)
				break;
			assert_err(e, IAM_STORE_FULL);
		}
		print_message("# %s: %d steps\n", reads[i].name, step - 1);
		assert_in_range(step, 2, 50);
		assert_int_equal(n, reads[i].rows);
	}
	fixture_done(&f);
}

/* What no valid change could have stored: another program, or a damaged file. */
static void a_model_with_ids_that_are_not_valid_is_refused(void **state)
{
	static const struct {
		const char *sql;
		enum iam_err expected;
	} cases[] = {
		{"INSERT INTO user_grants VALUES ('u', printf('%.2000c', 'x'), 1)",
			IAM_BAD_RID},
		{"INSERT INTO user_grants VALUES ('u', 'white space', 1)", IAM_BAD_RID},
		{"INSERT INTO user_grants VALUES (printf('%.200c', 'x'), 'r', 1)",
			IAM_BAD_UID},
		{"INSERT INTO group_grants VALUES (printf('%.70c', 'x'), 'r', 1)",
			IAM_BAD_GID},
		{"INSERT INTO group_members VALUES ('a', printf('%.97c', 'x'))",
			IAM_BAD_UID},
		{"INSERT INTO group_members VALUES (printf('%.65c', 'x'), 'u')",
			IAM_BAD_GID},
		{"INSERT INTO group_members VALUES ('', 'u')", IAM_BAD_GID},
		{"INSERT INTO group_nesting VALUES ('a', '..')", IAM_BAD_GID},
		{"INSERT INTO acls VALUES (99, printf('%.1025c', 'x'), '', '', '')",
			IAM_BAD_RID},
		{"INSERT INTO groups VALUES (99, 'a b', '', '', 'internal')",
			IAM_BAD_GID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		int n = 0;

		fill(&f);
		eyes_exec(&f, cases[i].sql);
		assert_err(model(&f, store_reader(f.store), &n), cases[i].expected);
		fixture_done(&f);
	}
}

static void the_longest_ids_fit_wherever_they_are_gathered(void **state)
{
	struct fixture f;
	int n = 0;

	(void)state;
	fill(&f);
	/* more than are told at once, each as long as may be */
	eyes_exec(&f,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
		" INSERT INTO user_grants SELECT printf('%096d', i), printf('%01024d', i), 4"
		" FROM n");
	eyes_exec(&f,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
		" INSERT INTO group_members SELECT printf('%064d', i), printf('%096d', i)"
		" FROM n");
	assert_ok(model(&f, store_reader(f.store), &n));
	assert_int_equal(n, 1);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_read_that_fails_at_any_step_says_so_and_can_be_repeated),
		cmocka_unit_test(a_model_with_ids_that_are_not_valid_is_refused),
		cmocka_unit_test(the_longest_ids_fit_wherever_they_are_gathered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
