/* test_store_groups - groups, ACLs, grants, the model, the last superuser, bootstrap. */
#include "tests/unit/store_fixture.h"

static void references_are_checked_and_doubles_refused(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(group_add(&f, "g"));
	assert_int_equal(last_change(&f)->kind, CHANGE_GROUP);
	assert_err(group_add(&f, "g"), IAM_GROUP_EXISTS);
	assert_err(store_member_add(f.w, STR("x"), STR("u")), IAM_NO_GROUP);
	assert_err(store_member_add(f.w, STR("g"), STR("x")), IAM_NO_USER);
	assert_ok(store_member_add(f.w, STR("g"), STR("u")));
	assert_err(store_member_add(f.w, STR("g"), STR("u")), IAM_IN_GROUP);
	assert_err(store_grant_add(f.w, STR("r"), IAM_SUBJECT_USER, STR("u"), IAM_READ),
		IAM_NO_RESOURCE);
	assert_ok(store_acl_add(f.w, STR("r"), STR("d")));
	assert_err(store_acl_add(f.w, STR("r"), STR("d")), IAM_ACL_EXISTS);
	assert_err(store_grant_add(f.w, STR("r"), IAM_SUBJECT_USER, STR("x"), IAM_READ),
		IAM_NO_USER);
	assert_err(store_grant_add(f.w, STR("r"), IAM_SUBJECT_GROUP, STR("x"), IAM_READ),
		IAM_NO_GROUP);
	assert_ok(store_grant_add(f.w, STR("r"), IAM_SUBJECT_USER, STR("u"), IAM_READ));
	assert_err(store_grant_add(f.w, STR("r"), IAM_SUBJECT_USER, STR("u"), IAM_READ),
		IAM_PERMISSION_EXISTS);
	assert_ok(store_grant_add(f.w, STR("r"), IAM_SUBJECT_USER, STR("u"), IAM_FULL));
	assert_ok(store_grant_add(f.w, STR("r"), IAM_SUBJECT_GROUP, STR("g"), IAM_READ));
	/* user, and then one row for each change of the model that went through */
	assert_int_equal(store_changes(f.w)->len, 1 + 6);
	tx_commit(&f);
	fixture_done(&f);
}

static bool group_text(const struct group *g, void *ctx)
{
	sb_addf(ctx, "%.*s/%.*s/%s ", STR_FMT(g->gid), STR_FMT(g->description),
		provider_type_name(g->provider_type));
	return true;
}

static bool grant_text(const struct grant_row *g, void *ctx)
{
	sb_addf(ctx, "%.*s:%.*s(%.*s)=%s ",
		STR_FMT(g->gid.ptr == NULL ? STR("-") : g->gid), STR_FMT(g->rid),
		STR_FMT(g->description), iam_action_name(g->action));
	return true;
}

static void a_users_groups_and_permissions_are_its_own(void **state)
{
	struct fixture f;
	struct sb t;

	(void)state;
	fixture_init(&f);
	sb_init(&t, f.arena, 1024);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(user_add(&f, "other", ""));
	assert_ok(group_add(&f, "g2"));
	assert_ok(group_add(&f, "g1"));
	assert_ok(group_add(&f, "g3"));
	assert_ok(store_member_add(f.w, STR("g2"), STR("u")));
	assert_ok(store_member_add(f.w, STR("g1"), STR("u")));
	assert_ok(store_member_add(f.w, STR("g3"), STR("other")));
	assert_ok(store_acl_add(f.w, STR("r:b"), STR("B")));
	assert_ok(store_acl_add(f.w, STR("r:a"), STR("A")));
	assert_ok(store_grant_add(f.w, STR("r:b"), IAM_SUBJECT_USER, STR("u"), IAM_FULL));
	assert_ok(store_grant_add(f.w, STR("r:b"), IAM_SUBJECT_USER, STR("u"), IAM_READ));
	assert_ok(store_grant_add(f.w, STR("r:a"), IAM_SUBJECT_USER, STR("u"),
		IAM_DELETE));
	assert_ok(store_grant_add(f.w, STR("r:a"), IAM_SUBJECT_USER, STR("other"),
		IAM_FULL));
	assert_ok(store_grant_add(f.w, STR("r:a"), IAM_SUBJECT_GROUP, STR("g1"),
		IAM_CREATE));
	assert_ok(store_grant_add(f.w, STR("r:b"), IAM_SUBJECT_GROUP, STR("g2"),
		IAM_UPDATE));
	assert_ok(store_grant_add(f.w, STR("r:a"), IAM_SUBJECT_GROUP, STR("g3"),
		IAM_FULL));
	tx_commit(&f);

	assert_ok(store_user_groups(store_reader(f.store), STR("u"), false,
		&(struct page_query){.limit = 10}, group_text, &t));
	assert_str(sb_str(&t), "g1/a group/internal g2/a group/internal ");
	sb_reset(&t);
	assert_ok(store_user_permissions(store_reader(f.store), STR("u"), STR_NONE,
		grant_text, &t));
	assert_str(sb_str(&t), "-:r:a(A)=delete -:r:b(B)=read -:r:b(B)=full ");
	sb_reset(&t);
	assert_ok(store_user_permissions(store_reader(f.store), STR("nobody"), STR_NONE,
		grant_text, &t));
	assert_str(sb_str(&t), "");
	fixture_done(&f);
}

static void the_model_holds_groups_nesting_members_and_grants(void **state)
{
	struct fixture f;
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(group_add(&f, "inner"));
	assert_ok(group_add(&f, "outer"));
	assert_ok(store_member_add(f.w, STR("inner"), STR("u")));
	assert_ok(store_acl_add(f.w, STR("r"), STR("")));
	assert_ok(store_acl_add(f.w, STR("q"), STR("")));
	assert_ok(store_grant_add(f.w, STR("r"), IAM_SUBJECT_GROUP, STR("outer"),
		IAM_UPDATE));
	assert_ok(store_grant_add(f.w, STR("q"), IAM_SUBJECT_USER, STR("u"), IAM_FULL));
	tx_commit(&f);
	eyes_exec(&f,
		"INSERT INTO group_nesting (gid, sub_gid) VALUES ('outer', 'inner')");

	assert_ok(store_model_load(store_reader(f.store), m));
	assert_ok(iam_snapshot_build(m, &s));
	assert_int_equal(iam_check(s, STR("u"), STR("r"), IAM_UPDATE), IAM_ALLOW);
	assert_int_equal(iam_check(s, STR("u"), STR("r"), IAM_READ), IAM_DENY);
	assert_int_equal(iam_check(s, STR("u"), STR("q"), IAM_READ), IAM_ALLOW);
	assert_int_equal(iam_check(s, STR("v"), STR("q"), IAM_READ), IAM_DENY);
	iam_snapshot_free(s);
	iam_model_free(m);
	fixture_done(&f);
}

/* ---- the last superuser ---- */

static bool left_without(struct fixture *f, const char *uid)
{
	bool left = false;

	assert_ok(store_superuser_left_without(f->w, str_c(uid), &left));
	return left;
}

static void bootstrap_both(struct fixture *f)
{
	assert_ok(store_bootstrap(f->store,
		&(struct bootstrap){.superuser_uid = STR("admin"),
			.superuser_password_hash = STR("$6$x"),
			.service_uid = STR("svc"),
			.service_public_key = STR("PEM")},
		NULL));
}

static void the_last_superuser_who_can_log_in_is_seen(void **state)
{
	struct fixture f;
	struct user remote = {
		.uid = STR("dir"), .provider_type = PROVIDER_LDAP, .enabled = true};
	struct user nested = {
		.uid = STR("deep"), .password_hash = STR("h"), .enabled = true};

	(void)state;
	fixture_init(&f);
	bootstrap_both(&f);
	tx_begin(&f);
	assert_true(left_without(&f, "admin"));
	assert_true(left_without(&f, "nobody"));
	assert_ok(store_user_set_enabled(f.w, STR("svc"), false));
	assert_false(left_without(&f, "admin"));
	assert_true(left_without(&f, "svc"));
	/* through a nested group, even in a circle; but not a user of a directory */
	assert_ok(store_user_add(f.w, &remote));
	assert_ok(store_member_add(f.w, STR("superusers"), STR("dir")));
	assert_false(left_without(&f, "admin"));
	assert_ok(store_user_add(f.w, &nested));
	assert_ok(group_add(&f, "nested"));
	assert_ok(store_member_add(f.w, STR("nested"), STR("deep")));
	assert_false(left_without(&f, "admin"));
	tx_commit(&f);
	eyes_exec(&f,
		"INSERT INTO group_nesting (gid, sub_gid) VALUES ('superusers', 'nested'),"
		" ('nested', 'superusers')");
	tx_begin(&f);
	assert_true(left_without(&f, "admin"));
	assert_ok(store_user_delete(f.w, STR("deep")));
	assert_false(left_without(&f, "admin"));
	/* a direct grant of any action counts; a user without a way to log in does not */
	assert_ok(store_user_add(f.w,
		&(struct user){.uid = STR("mute"), .enabled = true}));
	assert_ok(store_grant_add(f.w, STR("dcos:superuser"), IAM_SUBJECT_USER,
		STR("mute"), IAM_READ));
	assert_false(left_without(&f, "admin"));
	assert_ok(store_user_set_password(f.w, STR("mute"), STR("h")));
	assert_true(left_without(&f, "admin"));
	assert_ok(store_user_set_enabled(f.w, STR("mute"), false));
	/* none before either */
	assert_ok(store_user_delete(f.w, STR("admin")));
	assert_true(left_without(&f, "admin"));
	tx_commit(&f);
	fixture_done(&f);
}

/* ---- bootstrap ---- */

static void bootstrap_makes_everything_once(void **state)
{
	struct fixture f;
	struct user user;
	struct iam_error err = {0};
	int64_t revision = 0;

	(void)state;
	fixture_init(&f);
	assert_true(f.created);
	bootstrap_both(&f);
	assert_ok(store_user_get(f.w, f.arena, STR("admin"), &user));
	assert_str(user.description, "Bootstrap superuser");
	assert_str(user.password_hash, "$6$x");
	assert_ok(store_user_get(f.w, f.arena, STR("svc"), &user));
	assert_str(user.description,
		"Superuser service account defined via DC/OS config");
	assert_true(user_is_service(&user));
	assert_ok(store_revision(f.w, &revision));
	assert_int_equal(revision, 1);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM audit"), 3);
	assert_int_equal(
		eyes_i64(&f,
			"SELECT count(*) FROM group_grants JOIN acls USING (rid) WHERE gid ="
			" 'superusers' AND rid = 'dcos:superuser' AND action = 4 AND description = 'Superuser ACL'"),
		1);
	assert_err(store_bootstrap(f.store,
			   &(struct bootstrap){.superuser_uid = STR_NONE}, &err),
		IAM_EXISTS);
	fixture_close(&f);
	fixture_open(&f);
	assert_false(f.created);
	fixture_done(&f);
}

static void bootstrap_refuses_halves_and_bad_ids(void **state)
{
	static const struct bootstrap bad[] = {
		{.superuser_uid = {"a", 1}},
		{.superuser_password_hash = {"a", 1}},
		{.service_uid = {"a", 1}},
		{.service_public_key = {"a", 1}},
		{.superuser_uid = {"a b", 3}, .superuser_password_hash = {"x", 1}},
		{.superuser_uid = {"a", 1},
			.superuser_password_hash = {"x", 1},
			.service_uid = {"a", 1},
			.service_public_key = {"x", 1}},
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct iam_error err = {0};

		assert_err(store_bootstrap(f.store, &bad[i], &err), IAM_CONFIG);
		assert_true(strlen(err.text) > 0);
	}
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM groups"), 0);
	fixture_done(&f);
}

static void a_bootstrap_that_fails_at_any_step_leaves_a_new_store(void **state)
{
	struct fixture f;
	uint64_t before;
	int n;

	(void)state;
	fixture_init(&f);
	before = eyes_digest(&f);
	for (n = 1; n < 1000; n++) {
		enum iam_err e;

		db_fail_after(f.w, n);
		e = store_bootstrap(f.store,
			&(struct bootstrap){.superuser_uid = STR("admin"),
				.superuser_password_hash = STR("$6$x")},
			NULL);
		db_fail_after(f.w, 0);
		if (e == IAM_OK)
			break;
		assert_err(e, IAM_STORE_FULL);
		assert_true(eyes_digest(&f) == before);
		fixture_close(&f);
		fixture_open(&f);
		assert_true(f.created);
	}
	assert_in_range(n, 20, 200);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM users"), 1);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_are_checked_and_doubles_refused),
		cmocka_unit_test(a_users_groups_and_permissions_are_its_own),
		cmocka_unit_test(the_model_holds_groups_nesting_members_and_grants),
		cmocka_unit_test(the_last_superuser_who_can_log_in_is_seen),
		cmocka_unit_test(bootstrap_makes_everything_once),
		cmocka_unit_test(bootstrap_refuses_halves_and_bad_ids),
		cmocka_unit_test(a_bootstrap_that_fails_at_any_step_leaves_a_new_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
