/* test_store_members - groups, memberships, nesting: changes, errors, lists at any depth. */
#include <time.h>

#include "tests/unit/store_fixture.h"

/* ---- helpers ---- */

struct rows {
	char text[4096];
	char last[IAM_UID_MAX_BYTES + 1];
	size_t n, stop_at;
	bool ordered;
};

static bool gather(struct rows *r, struct str id)
{
	size_t at = strlen(r->text);
	char key[sizeof(r->last)];

	(void)snprintf(key, sizeof(key), "%.*s", STR_FMT(id));
	if (r->n == 0)
		r->ordered = true;
	else if (strcmp(r->last, key) >= 0)
		r->ordered = false;
	(void)snprintf(r->last, sizeof(r->last), "%s", key);
	(void)snprintf(r->text + at, sizeof(r->text) - at, "%s ", key);
	return ++r->n != r->stop_at;
}

static bool gather_user(const struct user *user, void *ctx)
{
	return gather(ctx, user->uid);
}

static bool gather_group(const struct group *group, void *ctx)
{
	return gather(ctx, group->gid);
}

enum depth { DIRECT, EFFECTIVE };

static struct rows members(struct fixture *f, const char *gid, bool service,
	enum depth depth, const char *after, int64_t limit)
{
	struct rows r = {.stop_at = 0};
	struct page_query q = {
		.after = after == NULL ? STR_NONE : str_c(after), .limit = limit};

	assert_ok(store_group_members(store_reader(f->store), str_c(gid), service,
		depth == EFFECTIVE, &q, gather_user, &r));
	return r;
}

static void assert_members(struct fixture *f, const char *gid, bool service,
	enum depth depth, const char *expected)
{
	assert_string_equal(members(f, gid, service, depth, NULL, 1000).text, expected);
}

static struct rows subgroups(struct fixture *f, const char *gid, enum depth depth,
	const char *after, int64_t limit)
{
	struct rows r = {.stop_at = 0};
	struct page_query q = {
		.after = after == NULL ? STR_NONE : str_c(after), .limit = limit};

	assert_ok(store_subgroups(store_reader(f->store), str_c(gid), depth == EFFECTIVE,
		&q, gather_group, &r));
	return r;
}

static struct rows groups_of(struct fixture *f, const char *uid, enum depth depth)
{
	struct rows r = {.stop_at = 0};

	assert_ok(store_user_groups(store_reader(f->store), str_c(uid),
		depth == EFFECTIVE, &(struct page_query){.limit = 100000}, gather_group,
		&r));
	return r;
}

static void assert_change(struct fixture *f, enum change_kind kind, const char *id,
	const char *other)
{
	const struct change *c = last_change(f);

	assert_int_equal(c->kind, kind);
	assert_str(c->id, id);
	if (other == NULL)
		assert_null(c->other.ptr);
	else
		assert_str(c->other, other);
}

static void nest(struct fixture *f, const char *gid, const char *sub)
{
	assert_ok(store_subgroup_add(f->w, str_c(gid), str_c(sub)));
}

static void join(struct fixture *f, const char *gid, const char *uid)
{
	assert_ok(store_member_add(f->w, str_c(gid), str_c(uid)));
}

static double seconds(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- groups themselves ---- */

static void a_group_is_read_described_and_deleted(void **state)
{
	struct fixture f;
	struct group add = {.gid = STR("g"),
		.description = STR("Zoë's"),
		.provider_type = PROVIDER_LDAP};
	struct group group = {.provider_type = PROVIDER_SAML};
	size_t n;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_err(store_group_get(f.w, f.arena, STR("g"), &group), IAM_NO_GROUP);
	assert_int_equal(group.provider_type, PROVIDER_SAML);
	assert_ok(store_group_add(f.w, &add));
	assert_change(&f, CHANGE_GROUP, "g", NULL);
	n = store_changes(f.w)->len;
	assert_err(store_group_add(f.w, &add), IAM_GROUP_EXISTS);
	assert_err(store_group_set_description(f.w, STR("G"), STR("x")), IAM_NO_GROUP);
	assert_err(store_group_delete(f.w, STR("G")), IAM_NO_GROUP);
	assert_ok(store_group_get(f.w, f.arena, STR("g"), &group));
	assert_str(group.description, "Zoë's");
	assert_int_equal(group.provider_type, PROVIDER_LDAP);
	assert_ok(store_group_set_description(f.w, STR("g"), STR("")));
	assert_int_equal(store_changes(f.w)->len, n); /* decisions need no descriptions */
	tx_commit(&f);
	assert_ok(store_group_get(store_reader(f.store), f.arena, STR("g"), &group));
	assert_str(group.gid, "g");
	assert_str(group.description, "");
	tx_begin(&f);
	assert_ok(store_group_delete(f.w, STR("g")));
	assert_change(&f, CHANGE_GROUP_GONE, "g", NULL);
	assert_ok(store_group_add(f.w, &(struct group){.gid = STR("g")}));
	tx_commit(&f);
	assert_ok(store_group_get(f.w, f.arena, STR("g"), &group));
	assert_str(group.description, "");
	(void)eyes_digest(&f);
	fixture_done(&f);
}

static void a_deleted_group_takes_members_nesting_and_grants_along(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(group_add(&f, "outer"));
	assert_ok(group_add(&f, "g"));
	assert_ok(group_add(&f, "inner"));
	join(&f, "g", "u");
	nest(&f, "outer", "g");
	nest(&f, "g", "inner");
	assert_ok(store_acl_add(f.w, STR("r"), STR("")));
	assert_ok(store_grant_add(f.w, STR("r"), IAM_SUBJECT_GROUP, STR("g"), IAM_FULL));
	assert_ok(store_group_delete(f.w, STR("g")));
	assert_change(&f, CHANGE_GROUP_GONE, "g", NULL);
	/* a new one of the same name begins with nothing */
	assert_ok(group_add(&f, "g"));
	tx_commit(&f);
	assert_members(&f, "g", false, EFFECTIVE, "");
	assert_string_equal(subgroups(&f, "g", EFFECTIVE, NULL, 9).text, "");
	assert_string_equal(subgroups(&f, "outer", EFFECTIVE, NULL, 9).text, "");
	assert_string_equal(groups_of(&f, "u", EFFECTIVE).text, "");
	assert_int_equal(eyes_i64(&f,
				 "SELECT (SELECT count(*) FROM group_members)"
				 " + (SELECT count(*) FROM group_nesting)"
				 " + (SELECT count(*) FROM group_grants)"),
		0);
	(void)eyes_digest(&f);
	fixture_done(&f);
}

/* ---- memberships ---- */

static void memberships_are_changed_once_and_noted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(group_add(&f, "g"));
	assert_err(store_member_add(f.w, STR("x"), STR("x")), IAM_NO_GROUP);
	assert_err(store_member_add(f.w, STR("g"), STR("g")), IAM_NO_USER);
	assert_err(store_member_remove(f.w, STR("x"), STR("x")), IAM_NO_GROUP);
	assert_err(store_member_remove(f.w, STR("g"), STR("x")), IAM_NO_USER);
	assert_err(store_member_remove(f.w, STR("g"), STR("u")), IAM_NOT_IN_GROUP);
	assert_change(&f, CHANGE_GROUP, "g", NULL);
	join(&f, "g", "u");
	assert_change(&f, CHANGE_MEMBER, "g", "u");
	assert_err(store_member_add(f.w, STR("g"), STR("u")), IAM_IN_GROUP);
	assert_int_equal(store_changes(f.w)->len, 3);
	assert_ok(store_member_remove(f.w, STR("g"), STR("u")));
	assert_change(&f, CHANGE_MEMBER_GONE, "g", "u");
	assert_err(store_member_remove(f.w, STR("g"), STR("u")), IAM_NOT_IN_GROUP);
	join(&f, "g", "u");
	tx_commit(&f);
	assert_members(&f, "g", false, DIRECT, "u ");
	fixture_done(&f);
}

static void nesting_is_changed_once_and_noted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(group_add(&f, "g"));
	assert_ok(group_add(&f, "s"));
	assert_ok(user_add(&f, "u", ""));
	assert_err(store_subgroup_add(f.w, STR("x"), STR("x")), IAM_NO_GROUP);
	assert_err(store_subgroup_add(f.w, STR("x"), STR("s")), IAM_NO_GROUP);
	assert_err(store_subgroup_add(f.w, STR("g"), STR("x")), IAM_NO_GROUP);
	assert_err(store_subgroup_add(f.w, STR("g"), STR("u")), IAM_NO_GROUP);
	assert_err(store_subgroup_add(f.w, STR("g"), STR("g")), IAM_IN_GROUP);
	assert_err(store_subgroup_remove(f.w, STR("x"), STR("s")), IAM_NO_GROUP);
	assert_err(store_subgroup_remove(f.w, STR("g"), STR("x")), IAM_NO_GROUP);
	assert_err(store_subgroup_remove(f.w, STR("g"), STR("s")), IAM_NOT_IN_GROUP);
	assert_err(store_subgroup_remove(f.w, STR("g"), STR("g")), IAM_NOT_IN_GROUP);
	assert_int_equal(store_changes(f.w)->len, 3);
	nest(&f, "g", "s");
	assert_change(&f, CHANGE_SUBGROUP, "g", "s");
	assert_err(store_subgroup_add(f.w, STR("g"), STR("s")), IAM_IN_GROUP);
	nest(&f, "s", "g"); /* a circle */
	assert_ok(store_subgroup_remove(f.w, STR("g"), STR("s")));
	assert_change(&f, CHANGE_SUBGROUP_GONE, "g", "s");
	assert_err(store_subgroup_remove(f.w, STR("g"), STR("s")), IAM_NOT_IN_GROUP);
	tx_commit(&f);
	assert_string_equal(subgroups(&f, "s", DIRECT, NULL, 9).text, "g ");
	assert_string_equal(subgroups(&f, "g", DIRECT, NULL, 9).text, "");
	fixture_done(&f);
}

/* ---- lists ---- */

/* a contains b and c, both contain d, d contains a. */
static void add_circle_and_diamond(struct fixture *f)
{
	tx_begin(f);
	assert_ok(group_add(f, "a"));
	assert_ok(group_add(f, "b"));
	assert_ok(group_add(f, "c"));
	assert_ok(group_add(f, "d"));
	assert_ok(group_add(f, "apart"));
	assert_ok(user_add(f, "ua", ""));
	assert_ok(user_add(f, "ud", ""));
	assert_ok(user_add(f, "all", ""));
	assert_ok(user_add(f, "none", ""));
	assert_ok(service_add(f, "svc", ""));
	nest(f, "a", "b");
	nest(f, "a", "c");
	nest(f, "b", "d");
	nest(f, "c", "d");
	nest(f, "d", "a");
	join(f, "a", "ua");
	join(f, "d", "ud");
	join(f, "a", "all");
	join(f, "b", "all");
	join(f, "d", "all");
	join(f, "apart", "none");
	join(f, "c", "svc");
	tx_commit(f);
}

static void effective_lists_tell_each_once_whatever_the_paths(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	add_circle_and_diamond(&f);
	assert_members(&f, "a", false, DIRECT, "all ua ");
	assert_members(&f, "a", false, EFFECTIVE, "all ua ud ");
	assert_members(&f, "d", false, EFFECTIVE, "all ua ud ");
	assert_members(&f, "a", true, DIRECT, "");
	assert_members(&f, "c", true, DIRECT, "svc ");
	assert_members(&f, "a", true, EFFECTIVE, "svc ");
	assert_members(&f, "apart", false, EFFECTIVE, "none ");
	assert_members(&f, "unknown", false, DIRECT, "");
	assert_members(&f, "unknown", false, EFFECTIVE, "");
	assert_members(&f, "unknown", true, DIRECT, "");
	assert_string_equal(subgroups(&f, "a", DIRECT, NULL, 9).text, "b c ");
	assert_string_equal(subgroups(&f, "a", EFFECTIVE, NULL, 9).text, "b c d ");
	assert_string_equal(subgroups(&f, "a", EFFECTIVE, "b", 1).text, "c ");
	assert_string_equal(subgroups(&f, "a", DIRECT, "b", 9).text, "c ");
	assert_string_equal(subgroups(&f, "a", DIRECT, NULL, 1).text, "b ");
	assert_string_equal(subgroups(&f, "unknown", EFFECTIVE, NULL, 9).text, "");
	assert_string_equal(groups_of(&f, "ud", DIRECT).text, "d ");
	assert_string_equal(groups_of(&f, "ud", EFFECTIVE).text, "a b c d ");
	assert_string_equal(groups_of(&f, "svc", EFFECTIVE).text, "a b c d ");
	assert_string_equal(groups_of(&f, "none", EFFECTIVE).text, "apart ");
	assert_string_equal(groups_of(&f, "unknown", EFFECTIVE).text, "");
	fixture_done(&f);
}

static void pages_are_in_byte_order_and_stop_when_told(void **state)
{
	static const char *const ids[] = {
		"a", "a-b", "a.b", "a@b", "aB", "a_b", "ab", "A", "B-", "_", "-", "0"};
	static const char *const order = "- 0 A B- _ a a-b a.b a@b aB a_b ab ";
	struct fixture f;
	struct rows r = {.stop_at = 2};

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(group_add(&f, "top"));
	assert_ok(group_add(&f, "in"));
	nest(&f, "top", "in");
	assert_ok(service_add(&f, "member", ""));
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		assert_ok(user_add(&f, ids[i], ""));
		assert_ok(group_add(&f, ids[i]));
		join(&f, i % 2 == 0 ? "top" : "in", ids[i]);
		nest(&f, "in", ids[i]);
	}
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		join(&f, ids[i], "member");
	tx_commit(&f);
	assert_members(&f, "top", false, EFFECTIVE, order);
	assert_string_equal(subgroups(&f, "in", DIRECT, NULL, 99).text, order);
	assert_string_equal(subgroups(&f, "in", EFFECTIVE, NULL, 99).text, order);
	assert_string_equal(groups_of(&f, "member", DIRECT).text, order);
	assert_string_equal(members(&f, "top", false, EFFECTIVE, "a-b", 3).text,
		"a.b a@b aB ");
	assert_string_equal(members(&f, "top", false, DIRECT, "A", 2).text, "B- a ");
	/* behind an id that is not there */
	assert_string_equal(members(&f, "top", false, EFFECTIVE, "aZ", 9).text,
		"a_b ab ");
	assert_string_equal(subgroups(&f, "in", DIRECT, "a_", 9).text, "a_b ab ");
	assert_ok(store_group_list(f.w, &(struct page_query){.limit = 99}, gather_group,
		&r));
	assert_string_equal(r.text, "- 0 ");
	fixture_done(&f);
}

/* Memberships beyond what is sorted for a page: users are walked instead. */
static void pages_of_many_members_are_complete_and_in_order(void **state)
{
	struct fixture f;
	struct rows page;
	char after[IAM_UID_MAX_BYTES + 1] = "";
	size_t n = 0, pages = 0;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(group_add(&f, "top"));
	assert_ok(group_add(&f, "in"));
	nest(&f, "top", "in");
	tx_commit(&f);
	eyes_exec(&f,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
		" INSERT INTO users SELECT i + 1000, printf('u%05d', i), '', '', 'internal', '',"
		" 'h', CASE WHEN i % 100 = 0 THEN 'PEM' END, 1, i, 0, 1, 0 FROM n");
	/* two thirds in `top`, two thirds in `in`, a third in both: each but once */
	eyes_exec(&f,
		"INSERT INTO group_members SELECT 'top', uid FROM users WHERE id % 3 <> 0");
	eyes_exec(&f,
		"INSERT INTO group_members SELECT 'in', uid FROM users WHERE id % 3 <> 1");
	do {
		page = members(&f, "top", false, EFFECTIVE, after, 1000);
		assert_true(page.n == 0 || page.ordered);
		assert_true(page.n == 0 || strcmp(page.last, after) > 0);
		(void)snprintf(after, sizeof(after), "%s", page.last);
		n += page.n;
		pages++;
	} while (page.n == 1000);
	assert_int_equal(n, 9000 - 90);
	assert_int_equal(pages, 9);
	page = members(&f, "top", true, EFFECTIVE, NULL, 1000);
	assert_true(page.n == 90 && page.ordered);
	assert_string_equal(page.last, "u09000");
	page = members(&f, "top", true, DIRECT, "u08000", 1000);
	assert_true(page.n == 7 && page.ordered);
	page = members(&f, "in", false, DIRECT, "u08990", 1000);
	assert_true(page.n == 6 && page.ordered);
	fixture_done(&f);
}

/* ---- depth ---- */

#define DEPTH 10000

/* A chain of groups c00001 > c00002 > ...; the user "bottom" is in the last one. */
static void add_chain(struct fixture *f)
{
	char sql[400];

	tx_begin(f);
	assert_ok(user_add(f, "bottom", ""));
	tx_commit(f);
	(void)snprintf(sql, sizeof(sql),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		" INSERT INTO groups (gid, description, description_folded, provider_type)"
		" SELECT printf('c%%05d', i), '', '', 'internal' FROM n",
		DEPTH);
	eyes_exec(f, sql);
	eyes_exec(f,
		"INSERT INTO group_nesting SELECT gid, printf('c%05d', substr(gid, 2) + 1)"
		" FROM groups WHERE gid < 'c10000'");
	eyes_exec(f, "INSERT INTO group_members VALUES ('c10000', 'bottom')");
}

static void assert_whole_chain(struct fixture *f)
{
	double before = seconds();
	struct rows r;

	assert_members(f, "c00001", false, EFFECTIVE, "bottom ");
	r = subgroups(f, "c00001", EFFECTIVE, NULL, DEPTH);
	assert_true(r.n == DEPTH - 1 && r.ordered);
	r = subgroups(f, "c00001", EFFECTIVE, "c09997", 9);
	assert_string_equal(r.text, "c09998 c09999 c10000 ");
	r = groups_of(f, "bottom", EFFECTIVE);
	assert_true(r.n == DEPTH && r.ordered);
	print_message("# %.3f s\n", seconds() - before);
	/* some 40 ms; a walk that visits groups twice would take minutes */
	assert_true(seconds() - before < 5);
}

static void nesting_10_000_deep_and_a_circle_of_it_are_walked_once(void **state)
{
	struct fixture f;
	enum superuser_rank rank;
	bool any = false;

	(void)state;
	fixture_init(&f);
	add_chain(&f);
	assert_whole_chain(&f);
	tx_begin(&f);
	nest(&f, "c10000", "c00001");
	assert_ok(store_acl_add(f.w, STR("dcos:superuser"), STR("")));
	assert_ok(store_grant_add(f.w, STR("dcos:superuser"), IAM_SUBJECT_GROUP,
		STR("c00001"), IAM_READ));
	assert_ok(store_superuser_rank(f.w, &rank));
	assert_int_equal(rank, SUPERUSER_OWN);
	assert_ok(store_superuser_left_without(f.w, STR("bottom"), &any));
	assert_false(any);
	tx_commit(&f);
	assert_whole_chain(&f);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_is_read_described_and_deleted),
		cmocka_unit_test(a_deleted_group_takes_members_nesting_and_grants_along),
		cmocka_unit_test(memberships_are_changed_once_and_noted),
		cmocka_unit_test(nesting_is_changed_once_and_noted),
		cmocka_unit_test(effective_lists_tell_each_once_whatever_the_paths),
		cmocka_unit_test(pages_are_in_byte_order_and_stop_when_told),
		cmocka_unit_test(pages_of_many_members_are_complete_and_in_order),
		cmocka_unit_test(nesting_10_000_deep_and_a_circle_of_it_are_walked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
