/* test_store_acls - ACLs, grants and their listings, the last superuser, undoing of facts. */
#include "iamd/store/directories.h"
#include "tests/unit/store_fixture.h"

/* ---- helpers ---- */

static bool grant_text(const struct grant_row *g, void *ctx)
{
	sb_addf(ctx, "%.*s|%.*s|%.*s|%.*s=%s ",
		STR_FMT(g->uid.ptr == NULL ? STR("-") : g->uid),
		STR_FMT(g->gid.ptr == NULL ? STR("-") : g->gid),
		STR_FMT(g->rid.ptr == NULL ? STR("-") : g->rid),
		STR_FMT(g->description.ptr == NULL ? STR("-") : g->description),
		iam_action_name(g->action));
	return true;
}

static bool acl_text(const struct acl *acl, void *ctx)
{
	sb_addf(ctx, "%.*s ", STR_FMT(acl->rid));
	return true;
}

static bool count_to_two(const struct grant_row *g, void *ctx)
{
	(void)g;
	return ++*(int *)ctx < 2;
}

typedef enum iam_err list_fn(struct db *db, struct str id, struct str after,
	grant_row_fn *row, void *ctx);

static void assert_grants(struct fixture *f, list_fn *list, const char *id,
	const char *after, const char *expected)
{
	struct sb t;

	sb_init(&t, f->arena, 4096);
	assert_ok(list(store_reader(f->store), str_c(id),
		after == NULL ? STR_NONE : str_c(after), grant_text, &t));
	assert_str(sb_str(&t), expected);
}

static void assert_acls(struct fixture *f, const char *after, int64_t limit,
	const char *expected)
{
	struct sb t;

	sb_init(&t, f->arena, 65536);
	assert_ok(store_acl_list(store_reader(f->store),
		&(struct page_query){
			.after = after == NULL ? STR_NONE : str_c(after), .limit = limit},
		acl_text, &t));
	assert_str(sb_str(&t), expected);
}

static void grant(struct fixture *f, const char *rid, enum iam_subject kind,
	const char *id, enum iam_action action)
{
	assert_ok(store_grant_add(f->w, str_c(rid), kind, str_c(id), action));
}

static unsigned actions(struct fixture *f, const char *rid, enum iam_subject kind,
	const char *id)
{
	unsigned set = 99;

	assert_ok(store_grants_get(store_reader(f->store), str_c(rid), kind, str_c(id),
		&set));
	return set;
}

/* Users u and v, service s, groups g and h, ACLs r and q. */
static void fill(struct fixture *f)
{
	fixture_init(f);
	tx_begin(f);
	assert_ok(user_add(f, "u", ""));
	assert_ok(user_add(f, "v", ""));
	assert_ok(service_add(f, "s", ""));
	assert_ok(group_add(f, "g"));
	assert_ok(group_add(f, "h"));
	assert_ok(store_acl_add(f->w, STR("r"), STR("R")));
	assert_ok(store_acl_add(f->w, STR("q"), STR("Q")));
	tx_commit(f);
}

/* ---- ACLs ---- */

static void an_acl_is_read_described_and_deleted(void **state)
{
	struct fixture f;
	struct acl acl = {.rid = STR("untouched")};
	size_t n;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_err(store_acl_get(f.w, f.arena, STR("r"), &acl), IAM_NO_RESOURCE);
	assert_str(acl.rid, "untouched");
	assert_ok(store_acl_add(f.w, STR("r"), STR("Zoë's")));
	assert_int_equal(last_change(&f)->kind, CHANGE_RESOURCE);
	assert_str(last_change(&f)->id, "r");
	n = store_changes(f.w)->len;
	assert_err(store_acl_add(f.w, STR("r"), STR("")), IAM_ACL_EXISTS);
	assert_err(store_acl_set_description(f.w, STR("R"), STR("")), IAM_NO_RESOURCE);
	assert_err(store_acl_delete(f.w, STR("R")), IAM_NO_RESOURCE);
	assert_ok(store_acl_get(f.w, f.arena, STR("r"), &acl));
	assert_str(acl.description, "Zoë's");
	assert_ok(store_acl_set_description(f.w, STR("r"), STR("")));
	assert_int_equal(store_changes(f.w)->len, n);
	tx_commit(&f);
	assert_ok(store_acl_get(store_reader(f.store), f.arena, STR("r"), &acl));
	assert_str(acl.rid, "r");
	assert_str(acl.description, "");
	tx_begin(&f);
	assert_ok(store_acl_delete(f.w, STR("r")));
	assert_int_equal(last_change(&f)->kind, CHANGE_RESOURCE_GONE);
	assert_str(last_change(&f)->id, "r");
	tx_commit(&f);
	assert_err(store_acl_get(f.w, f.arena, STR("r"), &acl), IAM_NO_RESOURCE);
	(void)eyes_digest(&f);
	fixture_done(&f);
}

static void acls_are_listed_in_byte_order(void **state)
{
	static const char *const rids[] = {
		"a:b", "a/b", "a", "A:b", "ab", "é", "*", "a:*", "a_b", "a-b", "日本"};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (size_t i = 0; i < sizeof(rids) / sizeof(*rids); i++)
		assert_ok(store_acl_add(f.w, str_c(rids[i]), STR_NONE));
	tx_commit(&f);
	assert_acls(&f, NULL, 99, "* A:b a a-b a/b a:* a:b a_b ab é 日本 ");
	assert_acls(&f, "a/b", 2, "a:* a:b ");
	assert_acls(&f, "a0", 2, "a:* a:b ");
	assert_acls(&f, "日本", 2, "");
	fixture_done(&f);
}

static void the_longest_rid_of_utf8_goes_through_everything(void **state)
{
	struct fixture f;
	char text[IAM_RID_MAX_BYTES + 1];
	struct str rid = {.ptr = text, .len = IAM_RID_MAX_BYTES};
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	struct acl acl;

	(void)state;
	/* NOLINTBEGIN(bugprone-not-null-terminated-result): its length stands beside it */
	memcpy(text, "dcos", 4);
	for (size_t i = 4; i < IAM_RID_MAX_BYTES; i += 4)
		memcpy(text + i, i % 8 == 0 ? "Éß" : "😀", 4);
	/* NOLINTEND(bugprone-not-null-terminated-result) */
	assert_true(iam_rid_valid(rid));
	fill(&f);
	tx_begin(&f);
	assert_ok(store_acl_add(f.w, rid, STR("long")));
	assert_ok(store_grant_add(f.w, rid, IAM_SUBJECT_USER, STR("u"), IAM_READ));
	assert_true(str_eq(last_change(&f)->id, rid));
	tx_commit(&f);
	assert_ok(store_acl_get(store_reader(f.store), f.arena, rid, &acl));
	assert_true(str_eq(acl.rid, rid));
	assert_ok(store_model_load(store_reader(f.store), m));
	assert_ok(iam_snapshot_build(m, &s));
	assert_int_equal(iam_check(s, STR("u"), rid, IAM_READ), IAM_ALLOW);
	assert_int_equal(iam_check(s, STR("u"), rid, IAM_FULL), IAM_DENY);
	iam_snapshot_free(s);
	iam_model_free(m);
	tx_begin(&f);
	assert_ok(store_grants_remove(f.w, rid, IAM_SUBJECT_USER, STR("u")));
	assert_ok(store_acl_delete(f.w, rid));
	assert_true(str_eq(last_change(&f)->id, rid));
	tx_commit(&f);
	(void)eyes_digest(&f);
	fixture_done(&f);
}

static void the_model_knows_resources_without_grants(void **state)
{
	struct fixture f;
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;

	(void)state;
	fill(&f);
	assert_ok(store_model_load(store_reader(f.store), m));
	assert_ok(iam_snapshot_build(m, &s));
	assert_true(iam_knows_resource(s, STR("q")));
	assert_false(iam_knows_resource(s, STR("x")));
	iam_snapshot_free(s);
	iam_model_free(m);
	fixture_done(&f);
}

/* ---- grants ---- */

static void unknown_ends_of_a_grant_are_told_in_order(void **state)
{
	static const struct {
		const char *rid, *id;
		enum iam_subject kind;
		enum iam_err expected;
	} cases[] = {
		{"x", "x", IAM_SUBJECT_USER, IAM_NO_RESOURCE},
		{"x", "u", IAM_SUBJECT_USER, IAM_NO_RESOURCE},
		{"x", "x", IAM_SUBJECT_GROUP, IAM_NO_RESOURCE},
		{"r", "x", IAM_SUBJECT_USER, IAM_NO_USER},
		{"r", "g", IAM_SUBJECT_USER, IAM_NO_USER},
		{"r", "x", IAM_SUBJECT_GROUP, IAM_NO_GROUP},
		{"r", "u", IAM_SUBJECT_GROUP, IAM_NO_GROUP},
		{"R", "u", IAM_SUBJECT_USER, IAM_NO_RESOURCE},
		{"r", "U", IAM_SUBJECT_USER, IAM_NO_USER},
	};
	struct fixture f;
	unsigned set = 99;

	(void)state;
	fill(&f);
	tx_begin(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str rid = str_c(cases[i].rid), id = str_c(cases[i].id);
		enum iam_subject kind = cases[i].kind;
		enum iam_err expected = cases[i].expected;

		assert_err(store_grants_get(f.w, rid, kind, id, &set), expected);
		assert_err(store_grant_add(f.w, rid, kind, id, IAM_READ), expected);
		assert_err(store_grant_remove(f.w, rid, kind, id, IAM_READ), expected);
		assert_err(store_grants_remove(f.w, rid, kind, id), expected);
	}
	assert_int_equal(set, 99);
	assert_int_equal(store_changes(f.w)->len, 0);
	tx_commit(&f);
	fixture_done(&f);
}

static void assert_grant_change(struct fixture *f, enum change_kind kind,
	enum iam_subject subject, const char *id, enum iam_action action)
{
	const struct change *c = last_change(f);

	assert_int_equal(c->kind, kind);
	assert_str(c->id, "r");
	assert_str(c->other, id);
	assert_int_equal(c->subject, subject);
	assert_int_equal(c->action, action);
}

static void grants_are_changed_one_by_one_and_noted(void **state)
{
	static const struct {
		enum iam_subject kind;
		const char *id;
		enum iam_err none;
	} subjects[] = {
		{IAM_SUBJECT_USER, "u", IAM_USER_NOT_IN_ACL},
		{IAM_SUBJECT_USER, "s", IAM_USER_NOT_IN_ACL},
		{IAM_SUBJECT_GROUP, "g", IAM_GROUP_NOT_IN_ACL},
	};
	struct fixture f;

	(void)state;
	fill(&f);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++) {
		enum iam_subject kind = subjects[i].kind;
		const char *id = subjects[i].id;
		struct str rid = STR("r"), who = str_c(id);

		assert_int_equal(actions(&f, "r", kind, id), 0);
		tx_begin(&f);
		assert_err(store_grants_remove(f.w, rid, kind, who), subjects[i].none);
		assert_err(store_grant_remove(f.w, rid, kind, who, IAM_READ),
			IAM_ACTION_NOT_STORED);
		grant(&f, "r", kind, id, IAM_READ);
		assert_grant_change(&f, CHANGE_GRANT, kind, id, IAM_READ);
		assert_err(store_grant_add(f.w, rid, kind, who, IAM_READ),
			IAM_PERMISSION_EXISTS);
		/* full is an action like the others: it neither covers nor takes them */
		grant(&f, "r", kind, id, IAM_FULL);
		assert_err(store_grant_remove(f.w, rid, kind, who, IAM_UPDATE),
			IAM_ACTION_NOT_STORED);
		assert_int_equal(store_changes(f.w)->len, 2);
		tx_commit(&f);
		assert_int_equal(actions(&f, "r", kind, id),
			1U << IAM_READ | 1U << IAM_FULL);
		tx_begin(&f);
		assert_ok(store_grant_remove(f.w, rid, kind, who, IAM_FULL));
		assert_grant_change(&f, CHANGE_GRANT_GONE, kind, id, IAM_FULL);
		grant(&f, "r", kind, id, IAM_CREATE);
		assert_ok(store_grants_remove(f.w, rid, kind, who));
		assert_int_equal(store_changes(f.w)->len, 4);
		assert_int_equal(store_changes(f.w)->rows[2].action, IAM_CREATE);
		assert_grant_change(&f, CHANGE_GRANT_GONE, kind, id, IAM_READ);
		tx_commit(&f);
		assert_int_equal(actions(&f, "r", kind, id), 0);
	}
	fixture_done(&f);
}

static void listings_are_ordered_and_hold_what_is_stored(void **state)
{
	struct fixture f;
	int n = 0;

	(void)state;
	fill(&f);
	tx_begin(&f);
	assert_ok(store_member_add(f.w, STR("h"), STR("u")));
	assert_ok(store_member_add(f.w, STR("g"), STR("u")));
	grant(&f, "r", IAM_SUBJECT_USER, "v", IAM_CREATE);
	grant(&f, "r", IAM_SUBJECT_USER, "u", IAM_FULL);
	grant(&f, "r", IAM_SUBJECT_USER, "u", IAM_READ);
	grant(&f, "q", IAM_SUBJECT_USER, "u", IAM_DELETE);
	grant(&f, "r", IAM_SUBJECT_GROUP, "h", IAM_UPDATE);
	grant(&f, "r", IAM_SUBJECT_GROUP, "g", IAM_FULL);
	grant(&f, "q", IAM_SUBJECT_GROUP, "g", IAM_READ);
	grant(&f, "q", IAM_SUBJECT_GROUP, "g", IAM_CREATE);
	tx_commit(&f);
	assert_grants(&f, store_user_permissions, "u", NULL,
		"u|-|q|Q=delete u|-|r|R=read u|-|r|R=full ");
	assert_grants(&f, store_user_permissions, "u", "q", "u|-|r|R=read u|-|r|R=full ");
	assert_grants(&f, store_user_permissions, "u", "r", "");
	assert_grants(&f, store_user_permissions, "g", NULL, "");
	assert_grants(&f, store_group_permissions, "g", NULL,
		"-|g|q|Q=create -|g|q|Q=read -|g|r|R=full ");
	assert_grants(&f, store_group_permissions, "g", "pzz",
		"-|g|q|Q=create -|g|q|Q=read -|g|r|R=full ");
	assert_grants(&f, store_group_permissions, "g", "q", "-|g|r|R=full ");
	assert_grants(&f, store_group_permissions, "u", NULL, "");
	assert_ok(store_user_permissions(f.w, STR("u"), STR_NONE, count_to_two, &n));
	assert_int_equal(n, 2);
	fixture_done(&f);
}

static bool acl_grant_text(const struct grant_row *g, void *ctx)
{
	assert_null(g->description.ptr);
	assert_str(g->rid, "r");
	sb_addf(ctx, "%s%.*s=%s ", g->uid.ptr != NULL ? "user " : "group ",
		STR_FMT(g->uid.ptr != NULL ? g->uid : g->gid),
		iam_action_name(g->action));
	return true;
}

static void an_acl_lists_users_or_groups_behind_an_id(void **state)
{
	struct fixture f;
	struct sb t;
	int n = 0;

	(void)state;
	fill(&f);
	tx_begin(&f);
	grant(&f, "r", IAM_SUBJECT_GROUP, "h", IAM_UPDATE);
	grant(&f, "r", IAM_SUBJECT_GROUP, "g", IAM_FULL);
	grant(&f, "r", IAM_SUBJECT_USER, "v", IAM_CREATE);
	grant(&f, "r", IAM_SUBJECT_USER, "u", IAM_FULL);
	grant(&f, "r", IAM_SUBJECT_USER, "u", IAM_READ);
	grant(&f, "r", IAM_SUBJECT_USER, "s", IAM_READ);
	grant(&f, "q", IAM_SUBJECT_USER, "u", IAM_DELETE);
	tx_commit(&f);
	sb_init(&t, f.arena, 1024);
	for (int i = 0; i < 6; i++) {
		static const struct {
			enum iam_subject kind;
			const char *rid, *after, *grants;
		} cases[] = {
			{IAM_SUBJECT_USER, "r", NULL,
				"user s=read user u=read user u=full user v=create "},
			{IAM_SUBJECT_USER, "r", "s",
				"user u=read user u=full user v=create "},
			{IAM_SUBJECT_USER, "r", "v", ""},
			{IAM_SUBJECT_GROUP, "r", NULL, "group g=full group h=update "},
			{IAM_SUBJECT_GROUP, "r", "ga", "group h=update "},
			{IAM_SUBJECT_GROUP, "unknown", NULL, ""},
		};

		sb_init(&t, f.arena, 1024);
		assert_ok(store_acl_permissions(store_reader(f.store),
			str_c(cases[i].rid), cases[i].kind,
			cases[i].after != NULL ? str_c(cases[i].after) : STR_NONE,
			acl_grant_text, &t));
		assert_str(sb_str(&t), cases[i].grants);
	}
	assert_ok(store_acl_permissions(f.w, STR("r"), IAM_SUBJECT_USER, STR_NONE,
		count_to_two, &n));
	assert_int_equal(n, 2);
	fixture_done(&f);
}

static void a_deleted_acl_takes_its_grants_along(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f);
	tx_begin(&f);
	grant(&f, "r", IAM_SUBJECT_USER, "u", IAM_FULL);
	grant(&f, "r", IAM_SUBJECT_GROUP, "g", IAM_FULL);
	grant(&f, "q", IAM_SUBJECT_USER, "u", IAM_READ);
	assert_ok(store_acl_delete(f.w, STR("r")));
	assert_ok(store_acl_add(f.w, STR("r"), STR("")));
	tx_commit(&f);
	assert_int_equal(actions(&f, "r", IAM_SUBJECT_USER, "u"), 0);
	assert_int_equal(actions(&f, "r", IAM_SUBJECT_GROUP, "g"), 0);
	assert_int_equal(actions(&f, "q", IAM_SUBJECT_USER, "u"), 1U << IAM_READ);
	(void)eyes_digest(&f);
	fixture_done(&f);
}

/* ---- undoing ---- */

static void an_undone_savepoint_leaves_neither_rows_nor_facts(void **state)
{
	struct fixture f;
	uint64_t before;

	(void)state;
	fill(&f);
	before = eyes_digest(&f);
	assert_ok(store_begin(f.w));
	assert_ok(store_savepoint(f.w));
	assert_ok(store_member_add(f.w, STR("g"), STR("u")));
	assert_ok(store_subgroup_add(f.w, STR("g"), STR("h")));
	grant(&f, "r", IAM_SUBJECT_GROUP, "g", IAM_READ);
	assert_ok(store_group_add(f.w, &(struct group){.gid = STR("new")}));
	assert_ok(store_acl_add(f.w, STR("new"), STR("new")));
	assert_ok(store_acl_delete(f.w, STR("q")));
	assert_ok(store_group_delete(f.w, STR("h")));
	assert_int_equal(store_changes(f.w)->len, 7);
	store_rollback_to(f.w);
	assert_int_equal(store_changes(f.w)->len, 0);
	assert_ok(store_savepoint(f.w));
	grant(&f, "r", IAM_SUBJECT_USER, "u", IAM_READ);
	assert_ok(store_release(f.w));
	assert_ok(store_savepoint(f.w));
	grant(&f, "r", IAM_SUBJECT_USER, "v", IAM_READ);
	assert_ok(store_grants_remove(f.w, STR("r"), IAM_SUBJECT_USER, STR("u")));
	store_rollback_to(f.w);
	/* what went before stays, strings and all */
	assert_int_equal(store_changes(f.w)->len, 1);
	assert_grant_change(&f, CHANGE_GRANT, IAM_SUBJECT_USER, "u", IAM_READ);
	store_rollback(f.w);
	assert_true(eyes_digest(&f) == before);
	fixture_done(&f);
}

/* ---- the last superuser ---- */

static enum superuser_rank rank(struct fixture *f)
{
	enum superuser_rank is = SUPERUSER_NONE;

	assert_ok(store_superuser_rank(f->w, &is));
	return is;
}

static bool any(struct fixture *f)
{
	return rank(f) == SUPERUSER_OWN;
}

/* A directory that is down lets nobody in: its people never stand in for somebody of our own. */
static void superusers_of_directories_count_less_than_our_own(void **state)
{
	const struct directory_row ours = {.id = STR("corp"), .config = STR("{}")};
	struct user people[] = {
		{.uid = STR("d1"), .provider_type = PROVIDER_LDAP, .enabled = true},
		{.uid = STR("d2"), .provider_type = PROVIDER_LDAP, .enabled = true},
		{.uid = STR("o"), .provider_type = PROVIDER_OIDC, .enabled = true},
	};
	struct fixture f;
	bool left = true;

	(void)state;
	fill(&f);
	tx_begin(&f);
	assert_ok(store_acl_add(f.w, STR("dcos:superuser"), STR("")));
	for (size_t i = 0; i < 3; i++) {
		assert_ok(store_user_add(f.w, &people[i]));
		grant(&f, "dcos:superuser", IAM_SUBJECT_USER, people[i].uid.ptr,
			IAM_FULL);
	}
	assert_int_equal(rank(&f), SUPERUSER_NONE); /* bound to no entry yet */
	for (size_t i = 0; i < 2; i++)
		assert_ok(store_directory_user_bind(f.w,
			&(struct directory_user){.directory = STR("corp"),
				.subject = people[i].uid,
				.uid = people[i].uid,
				.dn = STR(""),
				.email = STR("")}));
	assert_int_equal(rank(&f), SUPERUSER_NONE); /* no such directory */
	assert_ok(store_directory_put(f.w, &ours));
	assert_int_equal(rank(&f), SUPERUSER_BY_DIRECTORY);
	assert_ok(store_superuser_left_without(f.w, STR("d1"), &left));
	assert_true(left);
	assert_ok(store_user_set_enabled(f.w, STR("d2"), false));
	assert_ok(store_superuser_left_without(f.w, STR("d1"), &left));
	assert_false(left);
	/* with one of our own the directory's are free, and ours is not */
	grant(&f, "dcos:superuser", IAM_SUBJECT_USER, "u", IAM_FULL);
	assert_int_equal(rank(&f), SUPERUSER_OWN);
	assert_ok(store_superuser_left_without(f.w, STR("d1"), &left));
	assert_true(left);
	assert_ok(store_superuser_left_without(f.w, STR("u"), &left));
	assert_false(left);
	assert_ok(store_directory_delete(f.w, STR("corp")));
	assert_ok(store_user_set_enabled(f.w, STR("u"), false));
	assert_int_equal(rank(&f), SUPERUSER_NONE);
	tx_commit(&f);
	fixture_done(&f);
}

static void a_superuser_is_whoever_can_log_in_and_reaches_the_grant(void **state)
{
	struct fixture f;
	enum superuser_rank untouched = SUPERUSER_OWN;

	(void)state;
	fill(&f);
	tx_begin(&f);
	assert_false(any(&f));
	assert_ok(store_acl_add(f.w, STR("dcos:superuser"), STR("")));
	assert_false(any(&f));
	grant(&f, "dcos:superuser", IAM_SUBJECT_GROUP, "g", IAM_READ);
	assert_false(any(&f));
	assert_ok(store_subgroup_add(f.w, STR("g"), STR("h")));
	assert_ok(store_member_add(f.w, STR("h"), STR("u")));
	assert_true(any(&f));
	assert_ok(store_user_set_enabled(f.w, STR("u"), false));
	assert_false(any(&f));
	assert_ok(store_member_add(f.w, STR("g"), STR("s")));
	assert_true(any(&f));
	assert_ok(store_subgroup_remove(f.w, STR("g"), STR("h")));
	assert_ok(store_user_set_enabled(f.w, STR("u"), true));
	assert_ok(store_member_remove(f.w, STR("g"), STR("s")));
	assert_false(any(&f));
	grant(&f, "dcos:superuser", IAM_SUBJECT_USER, "u", IAM_DELETE);
	assert_true(any(&f));
	assert_ok(store_acl_delete(f.w, STR("dcos:superuser")));
	assert_false(any(&f));
	db_fail_after(f.w, 1);
	assert_err(store_superuser_rank(f.w, &untouched), IAM_STORE_FULL);
	assert_int_equal(untouched, SUPERUSER_OWN);
	tx_commit(&f);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_acl_is_read_described_and_deleted),
		cmocka_unit_test(acls_are_listed_in_byte_order),
		cmocka_unit_test(the_longest_rid_of_utf8_goes_through_everything),
		cmocka_unit_test(the_model_knows_resources_without_grants),
		cmocka_unit_test(unknown_ends_of_a_grant_are_told_in_order),
		cmocka_unit_test(grants_are_changed_one_by_one_and_noted),
		cmocka_unit_test(listings_are_ordered_and_hold_what_is_stored),
		cmocka_unit_test(an_acl_lists_users_or_groups_behind_an_id),
		cmocka_unit_test(a_deleted_acl_takes_its_grants_along),
		cmocka_unit_test(an_undone_savepoint_leaves_neither_rows_nor_facts),
		cmocka_unit_test(superusers_of_directories_count_less_than_our_own),
		cmocka_unit_test(a_superuser_is_whoever_can_log_in_and_reaches_the_grant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
