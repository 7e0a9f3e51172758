/* test_store_steps - a change of any kind whose n-th step fails leaves nothing behind. */
#include "iamd/store/directories.h"
#include "tests/unit/store_fixture.h"

static enum iam_err job_add(struct fixture *f)
{
	return user_add(f, "new", "somebody new");
}

static enum iam_err job_describe(struct fixture *f)
{
	return store_user_set_description(f->w, STR("old"), STR("another text"));
}

static enum iam_err job_password(struct fixture *f)
{
	return store_user_set_password(f->w, STR("old"), STR("$other"));
}

static enum iam_err job_disable(struct fixture *f)
{
	return store_user_set_enabled(f->w, STR("old"), false);
}

static enum iam_err job_delete(struct fixture *f)
{
	return store_user_delete(f->w, STR("gone"));
}

static enum iam_err job_member(struct fixture *f)
{
	return store_member_add(f->w, STR("g"), STR("old"));
}

static enum iam_err job_grant(struct fixture *f)
{
	return store_grant_add(f->w, STR("r"), IAM_SUBJECT_GROUP, STR("g"), IAM_READ);
}

static enum iam_err job_group(struct fixture *f)
{
	return group_add(f, "new");
}

static enum iam_err job_group_describe(struct fixture *f)
{
	return store_group_set_description(f->w, STR("g"), STR("another text"));
}

static enum iam_err job_group_delete(struct fixture *f)
{
	return store_group_delete(f->w, STR("inner"));
}

static enum iam_err job_nest(struct fixture *f)
{
	return store_subgroup_add(f->w, STR("g"), STR("other"));
}

static enum iam_err job_unnest(struct fixture *f)
{
	return store_subgroup_remove(f->w, STR("g"), STR("other"));
}

static enum iam_err job_leave(struct fixture *f)
{
	return store_member_remove(f->w, STR("g"), STR("old"));
}

static enum iam_err job_acl(struct fixture *f)
{
	return store_acl_add(f->w, STR("new"), STR("text"));
}

static enum iam_err job_acl_describe(struct fixture *f)
{
	return store_acl_set_description(f->w, STR("r"), STR("another text"));
}

static enum iam_err job_acl_delete(struct fixture *f)
{
	return store_acl_delete(f->w, STR("granted"));
}

static enum iam_err job_ungrant(struct fixture *f)
{
	return store_grant_remove(f->w, STR("r"), IAM_SUBJECT_GROUP, STR("g"), IAM_READ);
}

static enum iam_err job_ungrant_all(struct fixture *f)
{
	return store_grants_remove(f->w, STR("r"), IAM_SUBJECT_USER, STR("old"));
}

static enum iam_err job_revoke(struct fixture *f)
{
	return store_revocation_add(f->w,
		(const unsigned char *)"0123456789abcdef0123456789abcdef", 9);
}

static enum iam_err job_audit(struct fixture *f)
{
	return store_audit_add(f->w,
		&(struct audit_row){.at_us = 1, .action = STR("x"), .actor = STR("y")});
}

static enum iam_err job_directory(struct fixture *f)
{
	return store_directory_put(f->w,
		&(struct directory_row){.id = STR("d"), .config = STR("{}")});
}

static enum iam_err job_directory_delete(struct fixture *f)
{
	return store_directory_delete(f->w, STR("gone"));
}

static enum iam_err job_bind(struct fixture *f)
{
	return store_directory_user_bind(f->w,
		&(struct directory_user){
			.uid = STR("far"), .directory = STR("d"), .subject = STR("1")});
}

static enum iam_err job_bind_group(struct fixture *f)
{
	return store_directory_group_put(f->w,
		&(struct directory_group){
			.gid = STR("g"), .directory = STR("d"), .subject = STR("2")});
}

static enum iam_err job_directory_member(struct fixture *f)
{
	return store_directory_member_add(f->w, STR("other"), STR("far"));
}

static enum iam_err job_directory_leave(struct fixture *f)
{
	return store_directory_member_remove(f->w, STR("other"), STR("far"));
}

static enum iam_err job_directory_nest(struct fixture *f)
{
	return store_directory_subgroup_add(f->w, STR("other"), STR("g"));
}

static enum iam_err job_directory_sync(struct fixture *f)
{
	return store_directory_sync_put(f->w, STR("d"),
		&(struct directory_sync){.cookie = STR("c")});
}

/* One of each kind of change. */
static const struct {
	const char *name;
	enum iam_err (*run)(struct fixture *f);
} jobs[] = {
	{"add", job_add},
	{"describe", job_describe},
	{"password", job_password},
	{"disable", job_disable},
	{"delete", job_delete},
	{"member", job_member},
	{"grant", job_grant},
	{"group", job_group},
	{"group-describe", job_group_describe},
	{"group-delete", job_group_delete},
	{"nest", job_nest},
	{"unnest", job_unnest},
	{"leave", job_leave},
	{"acl", job_acl},
	{"acl-describe", job_acl_describe},
	{"acl-delete", job_acl_delete},
	{"ungrant", job_ungrant},
	{"ungrant-all", job_ungrant_all},
	{"revoke", job_revoke},
	{"audit", job_audit},
	{"directory", job_directory},
	{"directory-delete", job_directory_delete},
	{"bind", job_bind},
	{"bind-group", job_bind_group},
	{"directory-member", job_directory_member},
	{"directory-leave", job_directory_leave},
	{"directory-nest", job_directory_nest},
	{"directory-sync", job_directory_sync},
};

static void fill(struct fixture *f)
{
	tx_begin(f);
	assert_ok(user_add(f, "old", "somebody"));
	assert_ok(user_add(f, "gone", "somebody else"));
	assert_ok(group_add(f, "g"));
	assert_ok(store_acl_add(f->w, STR("r"), STR("")));
	assert_ok(store_member_add(f->w, STR("g"), STR("gone")));
	assert_ok(group_add(f, "other"));
	assert_ok(group_add(f, "inner"));
	assert_ok(store_subgroup_add(f->w, STR("g"), STR("inner")));
	assert_ok(store_acl_add(f->w, STR("granted"), STR("")));
	for (enum iam_action a = IAM_CREATE; a < IAM_ACTION_COUNT; a++) {
		assert_ok(store_grant_add(f->w, STR("granted"), IAM_SUBJECT_GROUP,
			STR("inner"), a));
		assert_ok(store_grant_add(f->w, STR("r"), IAM_SUBJECT_USER, STR("old"),
			a));
	}
	assert_ok(store_user_add(f->w,
		&(struct user){.uid = STR("far"), .provider_type = PROVIDER_LDAP}));
	assert_ok(store_directory_put(f->w,
		&(struct directory_row){.id = STR("gone"), .config = STR("{}")}));
	tx_commit(f);
}

/* Runs one job in a batch of its own whose n-th step fails; IAM_OK when it had fewer steps. */
static enum iam_err run_failing(struct fixture *f, size_t job, int n)
{
	enum iam_err e, committed;

	db_fail_after(f->w, n);
	e = store_begin(f->w);
	if (e != IAM_OK)
		return e;
	e = store_savepoint(f->w);
	if (e == IAM_OK) {
		e = jobs[job].run(f);
		if (e == IAM_OK)
			e = store_release(f->w);
		else
			store_rollback_to(f->w);
	}
	if (e != IAM_OK)
		assert_int_equal(store_changes(f->w)->len, 0);
	committed = store_commit(f->w);
	return e != IAM_OK ? e : committed;
}

static void any_step_that_fails_leaves_no_half_of_a_change(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fill(&f);
	for (size_t job = 0; job < sizeof(jobs) / sizeof(*jobs); job++) {
		uint64_t before = eyes_digest(&f);
		int n;

		for (n = 1; n < 100; n++) {
			enum iam_err e = run_failing(&f, job, n);

			db_fail_after(f.w, 0);
			if (e == IAM_OK)
				break;
			assert_err(e, IAM_STORE_FULL);
			assert_true(eyes_digest(&f) == before);
		}
		print_message("# %s: %d steps\n", jobs[job].name, n - 1);
		assert_in_range(n, 5, 50);
		assert_true(eyes_digest(&f) != before);
	}
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_step_that_fails_leaves_no_half_of_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
