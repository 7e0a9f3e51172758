/* test_store_directories - stored directories, bindings, marked memberships, where a run stands. */
#include "iamd/authz/guard.h"
#include "iamd/store/directories.h"
#include "tests/unit/store_fixture.h"

/* ---- configurations ---- */

struct listed {
	unsigned n;
	char text[256]; /* id=config/sealed; ... */
};

static bool list_row(const struct directory_row *row, void *ctx)
{
	struct listed *l = ctx;
	size_t at = strlen(l->text);

	l->n++;
	(void)snprintf(l->text + at, sizeof(l->text) - at, "%.*s=%.*s/%s%.*s;",
		STR_FMT(row->id), STR_FMT(row->config),
		row->sealed.ptr == NULL ? "none" : "", STR_FMT(row->sealed));
	return true;
}

static void assert_directories(struct fixture *f, const char *expected)
{
	struct listed l = {.n = 0};

	assert_ok(store_directory_each(store_reader(f->store), list_row, &l));
	assert_string_equal(l.text, expected);
}

static void put(struct fixture *f, const char *id, const char *config, struct str sealed)
{
	assert_ok(store_directory_put(f->w,
		&(struct directory_row){
			.id = str_c(id), .config = str_c(config), .sealed = sealed}));
}

static void directories_are_put_replaced_listed_by_id_and_deleted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_directories(&f, "");
	tx_begin(&f);
	put(&f, "second", "{2}", STR_NONE);
	put(&f, "default", "{1}", STR("sealed"));
	put(&f, "default", "{3}", STR("other"));
	tx_commit(&f);
	assert_directories(&f, "default={3}/other;second={2}/none;");
	tx_begin(&f);
	assert_ok(store_directory_delete(f.w, STR("default")));
	assert_err(store_directory_delete(f.w, STR("default")), IAM_NO_DIRECTORY);
	tx_commit(&f);
	assert_directories(&f, "second={2}/none;");
	fixture_close(&f);
	fixture_open(&f);
	assert_directories(&f, "second={2}/none;");
	fixture_done(&f);
}

/* ---- accounts ---- */

static void user_of_type(struct fixture *f, const char *uid, enum provider_type type)
{
	assert_ok(store_user_add(f->w,
		&(struct user){
			.uid = str_c(uid), .provider_type = type, .enabled = true}));
}

static enum iam_err bind(struct fixture *f, const char *uid, const char *directory,
	const char *subject)
{
	return store_directory_user_bind(f->w,
		&(struct directory_user){.uid = str_c(uid),
			.directory = str_c(directory),
			.subject = str_c(subject),
			.dn = STR("cn=x"),
			.email = STR("x@y")});
}

static void an_account_is_one_entry_and_an_entry_one_account(void **state)
{
	struct fixture f;
	struct directory_user u;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	user_of_type(&f, "a", PROVIDER_LDAP);
	user_of_type(&f, "b", PROVIDER_LDAP);
	user_of_type(&f, "local", PROVIDER_INTERNAL);
	user_of_type(&f, "saml", PROVIDER_SAML);
	assert_ok(bind(&f, "a", "d", "1"));
	assert_ok(bind(&f, "a", "d", "1"));
	assert_err(bind(&f, "a", "d", "2"), IAM_CANNOT_IMPORT_USER);
	assert_err(bind(&f, "a", "e", "1"), IAM_CANNOT_IMPORT_USER);
	assert_err(bind(&f, "b", "d", "1"), IAM_CANNOT_IMPORT_USER);
	assert_err(bind(&f, "local", "d", "3"), IAM_CANNOT_IMPORT_USER);
	assert_err(bind(&f, "saml", "d", "3"), IAM_CANNOT_IMPORT_USER);
	assert_err(bind(&f, "nobody", "d", "3"), IAM_NO_USER);
	assert_ok(bind(&f, "b", "e", "1"));
	tx_commit(&f);
	assert_ok(store_directory_user_find(f.w, f.arena, STR("d"), STR("1"), &u));
	assert_str(u.uid, "a");
	assert_str(u.dn, "cn=x");
	assert_str(u.email, "x@y");
	assert_false(u.disabled_there);
	assert_ok(store_directory_user_get(f.w, f.arena, STR("b"), &u));
	assert_str(u.directory, "e");
	assert_str(u.subject, "1");
	assert_err(store_directory_user_get(f.w, f.arena, STR("local"), &u), IAM_NO_USER);
	assert_err(store_directory_user_find(f.w, f.arena, STR("d"), STR("9"), &u),
		IAM_NO_USER);
	fixture_done(&f);
}

static void a_binding_is_updated_and_goes_with_its_account(void **state)
{
	struct fixture f;
	struct directory_user u;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	user_of_type(&f, "a", PROVIDER_LDAP);
	assert_ok(bind(&f, "a", "d", "1"));
	assert_ok(store_directory_user_get(f.w, f.arena, STR("a"), &u));
	u.dn = STR("cn=moved");
	u.disabled_there = true;
	u.missing_since_ms = 7;
	assert_ok(store_directory_user_update(f.w, &u));
	u.subject = STR("2");
	assert_err(store_directory_user_update(f.w, &u), IAM_NO_USER);
	assert_ok(store_directory_user_get(f.w, f.arena, STR("a"), &u));
	assert_str(u.dn, "cn=moved");
	assert_str(u.subject, "1");
	assert_true(u.disabled_there);
	assert_int_equal(u.missing_since_ms, 7);
	assert_ok(store_user_delete(f.w, STR("a")));
	assert_err(store_directory_user_get(f.w, f.arena, STR("a"), &u), IAM_NO_USER);
	user_of_type(&f, "b", PROVIDER_LDAP);
	assert_ok(bind(&f, "b", "d", "1"));
	tx_commit(&f);
	fixture_done(&f);
}

static void the_deletion_of_a_directory_keeps_accounts_and_bindings(void **state)
{
	struct fixture f;
	struct directory_user u;
	struct directory_sync s;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	put(&f, "d", "{}", STR("x"));
	user_of_type(&f, "a", PROVIDER_LDAP);
	assert_ok(bind(&f, "a", "d", "1"));
	assert_ok(store_directory_sync_put(f.w, STR("d"),
		&(struct directory_sync){
			.cookie = STR("c"), .kind = STR("usn"), .report = STR("{}")}));
	assert_ok(store_directory_delete(f.w, STR("d")));
	tx_commit(&f);
	assert_ok(store_directory_user_find(f.w, f.arena, STR("d"), STR("1"), &u));
	assert_str(u.uid, "a");
	assert_ok(store_directory_sync_get(f.w, f.arena, STR("d"), &s));
	assert_str(s.cookie, "");
	assert_str(s.kind, "");
	assert_str(s.report, "{}");
	fixture_done(&f);
}

struct page {
	unsigned n, stop_after;
	char text[256];
};

static void page_add(struct page *p, struct str text)
{
	size_t at = strlen(p->text);

	p->n++;
	(void)snprintf(p->text + at, sizeof(p->text) - at, "%.*s ", STR_FMT(text));
}

static bool user_row(const struct directory_user *row, const struct user *user, void *ctx)
{
	struct page *p = ctx;

	assert_true(str_eq(row->uid, user->uid));
	assert_int_equal(user->provider_type, PROVIDER_LDAP);
	assert_true(user->enabled && user->gen > 0 && user->created_at_ms > 0);
	page_add(p, row->subject);
	return p->n != p->stop_after;
}

static void accounts_of_a_directory_come_in_pages_by_subject(void **state)
{
	static const struct {
		const char *directory, *after, *expected;
		int64_t limit;
		unsigned stop_after;
	} cases[] = {
		{"d", NULL, "1 2 3 ", 10, 0},
		{"d", NULL, "1 2 ", 2, 0},
		{"d", "1", "2 3 ", 2, 0},
		{"d", "3", "", 2, 0},
		{"d", NULL, "1 ", 10, 1},
		{"e", NULL, "1 ", 10, 0},
		{"f", NULL, "", 10, 0},
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	user_of_type(&f, "a", PROVIDER_LDAP);
	user_of_type(&f, "b", PROVIDER_LDAP);
	user_of_type(&f, "c", PROVIDER_LDAP);
	user_of_type(&f, "d", PROVIDER_LDAP);
	assert_ok(bind(&f, "a", "d", "3"));
	assert_ok(bind(&f, "b", "d", "1"));
	assert_ok(bind(&f, "c", "d", "2"));
	assert_ok(bind(&f, "d", "e", "1"));
	tx_commit(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct page p = {.stop_after = cases[i].stop_after};

		assert_ok(store_directory_users(store_reader(f.store),
			str_c(cases[i].directory), str_c(cases[i].after), cases[i].limit,
			user_row, &p));
		assert_string_equal(p.text, cases[i].expected);
	}
	fixture_done(&f);
}

/* ---- groups ---- */

static bool group_row(const struct directory_group *row, void *ctx)
{
	page_add(ctx, row->gid);
	return true;
}

static enum iam_err bind_group(struct fixture *f, const char *gid, const char *subject,
	bool partial)
{
	return store_directory_group_put(f->w,
		&(struct directory_group){.gid = str_c(gid),
			.directory = STR("d"),
			.subject = str_c(subject),
			.dn = STR("cn=g"),
			.partial = partial});
}

static void a_group_is_one_entry_and_an_entry_one_group(void **state)
{
	struct fixture f;
	struct directory_group g;
	struct page p = {.n = 0};

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(group_add(&f, "a"));
	assert_ok(group_add(&f, "b"));
	assert_ok(bind_group(&f, "b", "1", true));
	assert_ok(bind_group(&f, "a", "2", true));
	assert_ok(bind_group(&f, "a", "2", false));
	assert_err(bind_group(&f, "a", "3", false), IAM_GROUP_EXISTS);
	assert_err(store_directory_group_put(f.w,
			   &(struct directory_group){.gid = STR("a"),
				   .directory = STR("e"),
				   .subject = STR("2")}),
		IAM_GROUP_EXISTS);
	assert_err(bind_group(&f, "a", "1", false), IAM_CONFLICT);
	assert_err(bind_group(&f, "c", "4", false), IAM_NO_GROUP);
	tx_commit(&f);
	assert_ok(store_directory_group_find(f.w, f.arena, STR("d"), STR("2"), &g));
	assert_str(g.gid, "a");
	assert_str(g.dn, "cn=g");
	assert_false(g.partial);
	assert_ok(store_directory_group_get(f.w, f.arena, STR("b"), &g));
	assert_str(g.subject, "1");
	assert_true(g.partial);
	assert_err(store_directory_group_find(f.w, f.arena, STR("d"), STR("3"), &g),
		IAM_NO_GROUP);
	assert_err(store_directory_group_find(f.w, f.arena, STR("e"), STR("2"), &g),
		IAM_NO_GROUP);
	assert_ok(store_directory_groups(f.w, STR("d"), STR_NONE, 9, group_row, &p));
	assert_string_equal(p.text, "a b ");
	p = (struct page){.n = 0};
	assert_ok(store_directory_groups(f.w, STR("d"), STR("a"), 9, group_row, &p));
	assert_string_equal(p.text, "b ");
	tx_begin(&f);
	assert_ok(store_group_delete(f.w, STR("b")));
	assert_err(store_directory_group_get(f.w, f.arena, STR("b"), &g), IAM_NO_GROUP);
	tx_commit(&f);
	fixture_done(&f);
}

/* ---- memberships ---- */

static bool id_row(struct str id, void *ctx)
{
	page_add(ctx, id);
	return true;
}

static void assert_marked(struct fixture *f, const char *members, const char *subgroups)
{
	struct page p = {.n = 0};

	assert_ok(store_directory_members(f->w, STR("g"), STR_NONE, 9, id_row, &p));
	assert_string_equal(p.text, members);
	p = (struct page){.n = 0};
	assert_ok(store_directory_subgroups(f->w, STR("g"), STR_NONE, 9, id_row, &p));
	assert_string_equal(p.text, subgroups);
}

static bool protected_row(struct str gid, void *ctx)
{
	page_add(ctx, gid);
	return true;
}

/* A resource is granted to `top`; `top` holds `middle`, by hand, and that `bottom`. Another is beside. */
static void a_group_is_protected_by_a_grant_of_its_own_or_from_above(void **state)
{
	static const char *const rids[] = {"dcos:superuser", "dcos:adminrouter:acs",
		"iam:users", "iam:", "iam;users", "iam", "dcos:superuser2",
		"dcos:adminrouter", "app:iam:users"};
	static const char *const gids[] = {"bottom", "beside", "middle", "top"};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (size_t i = 0; i < sizeof gids / sizeof *gids; i++)
		assert_ok(group_add(&f, gids[i]));
	assert_ok(bind_group(&f, "bottom", "1", false));
	assert_ok(bind_group(&f, "beside", "2", false));
	assert_ok(store_subgroup_add(f.w, STR("top"), STR("middle")));
	assert_ok(store_subgroup_add(f.w, STR("middle"), STR("bottom")));
	assert_ok(store_subgroup_add(f.w, STR("bottom"), STR("middle")));
	for (size_t i = 0; i < sizeof rids / sizeof *rids; i++) {
		struct page p = {.n = 0}, other = {.n = 0};
		enum iam_err e = store_acl_add(f.w, str_c(rids[i]), STR(""));

		assert_true(e == IAM_OK || e == IAM_ACL_EXISTS);
		assert_ok(store_grant_add(f.w, str_c(rids[i]), IAM_SUBJECT_GROUP,
			STR("top"), IAM_READ));
		assert_ok(store_directory_groups_protected(f.w, STR("d"), protected_row,
			&p));
		assert_string_equal(p.text,
			guard_rid_is_protected(str_c(rids[i])) ? "bottom " : "");
		assert_ok(store_directory_groups_protected(f.w, STR("other"),
			protected_row, &other));
		assert_int_equal(other.n, 0);
		assert_ok(store_grants_remove(f.w, str_c(rids[i]), IAM_SUBJECT_GROUP,
			STR("top")));
	}
	tx_commit(&f);
	fixture_done(&f);
}

static void members_put_in_by_hand_are_not_the_directorys(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(group_add(&f, "g"));
	assert_ok(group_add(&f, "sub"));
	assert_ok(group_add(&f, "mine"));
	assert_ok(user_add(&f, "hand", ""));
	assert_ok(user_add(&f, "far", ""));
	assert_ok(store_member_add(f.w, STR("g"), STR("hand")));
	assert_ok(store_subgroup_add(f.w, STR("g"), STR("mine")));
	assert_ok(store_directory_member_add(f.w, STR("g"), STR("hand")));
	assert_ok(store_directory_member_add(f.w, STR("g"), STR("far")));
	assert_int_equal(last_change(&f)->kind, CHANGE_MEMBER);
	assert_ok(store_directory_member_add(f.w, STR("g"), STR("far")));
	assert_ok(store_directory_subgroup_add(f.w, STR("g"), STR("mine")));
	assert_ok(store_directory_subgroup_add(f.w, STR("g"), STR("sub")));
	assert_marked(&f, "far ", "sub ");
	assert_err(store_directory_member_remove(f.w, STR("g"), STR("hand")),
		IAM_NOT_IN_GROUP);
	assert_err(store_directory_subgroup_remove(f.w, STR("g"), STR("mine")),
		IAM_NOT_IN_GROUP);
	assert_ok(store_directory_member_remove(f.w, STR("g"), STR("far")));
	assert_int_equal(last_change(&f)->kind, CHANGE_MEMBER_GONE);
	assert_ok(store_directory_subgroup_remove(f.w, STR("g"), STR("sub")));
	assert_marked(&f, "", "");
	assert_err(store_member_remove(f.w, STR("g"), STR("far")), IAM_NOT_IN_GROUP);
	assert_ok(store_member_remove(f.w, STR("g"), STR("hand")));
	assert_err(store_directory_member_add(f.w, STR("none"), STR("far")),
		IAM_NO_GROUP);
	assert_err(store_directory_member_add(f.w, STR("g"), STR("none")), IAM_NO_USER);
	tx_commit(&f);
	fixture_done(&f);
}

static bool link_row(const struct directory_link *row, void *ctx)
{
	struct sb *sb = ctx;

	sb_addf(sb, "%.*s/%.*s%s ", STR_FMT(row->gid), STR_FMT(row->member),
		row->ours ? "!" : "");
	return true;
}

static void assert_links(struct fixture *f, bool sub, const struct directory_link *after,
	int64_t limit, const char *expected)
{
	struct sb sb;

	sb_init(&sb, f->arena, 4096);
	assert_ok(store_directory_links(store_reader(f->store), STR("corp"), sub, after,
		limit, link_row, &sb));
	sb_add_c(&sb, "");
	assert_str(sb_str(&sb), expected);
}

static void all_members_of_a_directorys_groups_come_in_pages(void **state)
{
	static const char *const gids[] = {"g1", "g2", "other"};
	const struct directory_link start = {.ours = false};
	const struct directory_link middle = {.gid = STR("g1"), .member = STR("ann")};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	user_of_type(&f, "ann", PROVIDER_LDAP);
	user_of_type(&f, "bob", PROVIDER_LDAP);
	for (size_t i = 0; i < 3; i++) {
		assert_ok(group_add(&f, gids[i]));
		assert_ok(store_directory_group_put(f.w,
			&(struct directory_group){
				.directory = i == 2 ? STR("another") : STR("corp"),
				.subject = str_c(gids[i]),
				.gid = str_c(gids[i])}));
		assert_ok(store_directory_member_add(f.w, str_c(gids[i]), STR("ann")));
	}
	assert_ok(store_member_add(f.w, STR("g1"), STR("bob")));
	assert_ok(store_directory_subgroup_add(f.w, STR("g1"), STR("g2")));
	assert_ok(store_subgroup_add(f.w, STR("g2"), STR("other")));
	tx_commit(&f);
	assert_links(&f, false, &start, 9, "g1/ann! g1/bob g2/ann! ");
	assert_links(&f, false, &start, 1, "g1/ann! ");
	assert_links(&f, false, &middle, 9, "g1/bob g2/ann! ");
	assert_links(&f, true, &start, 9, "g1/g2! g2/other ");
	fixture_done(&f);
}

static void a_mark_goes_with_the_membership_the_user_and_the_group(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(group_add(&f, "g"));
	assert_ok(group_add(&f, "sub"));
	assert_ok(user_add(&f, "a", ""));
	assert_ok(user_add(&f, "b", ""));
	assert_ok(store_directory_member_add(f.w, STR("g"), STR("a")));
	assert_ok(store_directory_member_add(f.w, STR("g"), STR("b")));
	assert_ok(store_directory_subgroup_add(f.w, STR("g"), STR("sub")));
	assert_ok(store_member_remove(f.w, STR("g"), STR("a")));
	assert_marked(&f, "b ", "sub ");
	assert_ok(store_member_add(f.w, STR("g"), STR("a")));
	assert_marked(&f, "b ", "sub ");
	assert_ok(store_user_delete(f.w, STR("b")));
	assert_ok(store_group_delete(f.w, STR("sub")));
	assert_marked(&f, "", "");
	tx_commit(&f);
	fixture_done(&f);
}

/* ---- where a synchronisation stands ---- */

static void where_a_run_stands_is_kept_until_the_configuration_changes(void **state)
{
	struct fixture f;
	struct directory_sync s = {.finished_ms = 1};

	(void)state;
	fixture_init(&f);
	assert_ok(store_directory_sync_get(f.w, f.arena, STR("d"), &s));
	assert_true(s.finished_ms == 0 && s.cookie.len == 0 && s.report.len == 0);
	s = (struct directory_sync){.cookie = STR("rid=1,csn=2"),
		.kind = STR("content-sync"),
		.server = STR("host"),
		.finished_ms = 5,
		.full_ms = 4,
		.report = STR("{\"n\":1}")};
	tx_begin(&f);
	put(&f, "d", "{}", STR_NONE);
	assert_ok(store_directory_sync_put(f.w, STR("d"), &s));
	s.finished_ms = 6;
	assert_ok(store_directory_sync_put(f.w, STR("d"), &s));
	tx_commit(&f);
	assert_ok(store_directory_sync_get(store_reader(f.store), f.arena, STR("d"), &s));
	assert_str(s.cookie, "rid=1,csn=2");
	assert_str(s.kind, "content-sync");
	assert_str(s.server, "host");
	assert_true(s.finished_ms == 6 && s.full_ms == 4);
	tx_begin(&f);
	put(&f, "d", "{\"other\":1}", STR_NONE);
	tx_commit(&f);
	assert_ok(store_directory_sync_get(f.w, f.arena, STR("d"), &s));
	assert_str(s.cookie, "");
	assert_str(s.report, "{\"n\":1}");
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directories_are_put_replaced_listed_by_id_and_deleted),
		cmocka_unit_test(an_account_is_one_entry_and_an_entry_one_account),
		cmocka_unit_test(a_binding_is_updated_and_goes_with_its_account),
		cmocka_unit_test(the_deletion_of_a_directory_keeps_accounts_and_bindings),
		cmocka_unit_test(accounts_of_a_directory_come_in_pages_by_subject),
		cmocka_unit_test(a_group_is_one_entry_and_an_entry_one_group),
		cmocka_unit_test(
			a_group_is_protected_by_a_grant_of_its_own_or_from_above),
		cmocka_unit_test(members_put_in_by_hand_are_not_the_directorys),
		cmocka_unit_test(all_members_of_a_directorys_groups_come_in_pages),
		cmocka_unit_test(a_mark_goes_with_the_membership_the_user_and_the_group),
		cmocka_unit_test(
			where_a_run_stands_is_kept_until_the_configuration_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
