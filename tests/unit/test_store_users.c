/* test_store_users - accounts, generations, listing, search. */
#include "tests/unit/store_fixture.h"

static struct user get(struct fixture *f, const char *uid)
{
	struct user user;

	assert_ok(store_user_get(f->w, f->arena, str_c(uid), &user));
	return user;
}

static void a_user_comes_back_as_it_was_added(void **state)
{
	struct fixture f;
	struct user add = {.uid = STR("u@x.org"),
		.description = STR("Zoë \"quoted\" 'it' %_"),
		.provider_type = PROVIDER_OIDC,
		.provider_id = STR("https://idp"),
		.enabled = true};
	struct user user;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(store_user_add(f.w, &add));
	tx_commit(&f);

	assert_ok(store_user_get(store_reader(f.store), f.arena, STR("u@x.org"), &user));
	assert_str(user.description, "Zoë \"quoted\" 'it' %_");
	assert_int_equal(user.provider_type, PROVIDER_OIDC);
	assert_str(user.provider_id, "https://idp");
	assert_null(user.password_hash.ptr);
	assert_null(user.public_key.ptr);
	assert_true(user.enabled && !user.raised && user_is_remote(&user) &&
		!user_is_service(&user));
	assert_true(user.gen == add.gen && user.gen > 0);
	assert_true(user.created_at_ms == add.created_at_ms &&
		user.created_at_ms > 1600000000000);
	assert_int_equal(user.last_login_ms, 0);
	assert_err(store_user_get(store_reader(f.store), f.arena, STR("U@x.org"), &user),
		IAM_NO_USER);
	fixture_done(&f);
}

static void a_second_user_of_the_same_uid_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "a", ""));
	assert_err(user_add(&f, "a", ""), IAM_USER_EXISTS);
	assert_ok(user_add(&f, "A", ""));
	tx_commit(&f);
	fixture_done(&f);
}

static void every_raise_takes_a_fresh_generation_and_is_noted(void **state)
{
	struct fixture f;
	int64_t seen;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_int_equal(last_change(&f)->kind, CHANGE_SESSION);
	assert_false(last_change(&f)->raised || last_change(&f)->is_service);
	seen = last_change(&f)->gen;
	for (int step = 0; step < 4; step++) {
		const struct change *c;

		switch (step) {
		case 0:
			assert_ok(store_user_set_password(f.w, STR("u"), STR("h2")));
			break;
		case 1:
			assert_ok(store_user_set_public_key(f.w, STR("u"), STR("pem")));
			break;
		case 2:
			assert_ok(store_user_end_sessions(f.w, STR("u")));
			break;
		default:
			assert_ok(store_user_set_enabled(f.w, STR("u"), false));
			break;
		}
		c = last_change(&f);
		assert_int_equal(c->kind, CHANGE_SESSION);
		assert_true(c->gen > seen && c->raised && c->enabled == (step < 3));
		assert_true(c->uid_len == 1 && c->uid[0] == 'u');
		assert_int_equal(c->is_service, step >= 1);
		seen = c->gen;
	}
	assert_ok(store_user_set_enabled(f.w, STR("u"), true));
	assert_true(last_change(&f)->gen == seen && last_change(&f)->enabled);
	tx_commit(&f);
	assert_true(get(&f, "u").gen == seen && get(&f, "u").raised);
	assert_str(get(&f, "u").password_hash, "h2");
	assert_str(get(&f, "u").public_key, "pem");
	fixture_done(&f);
}

static void descriptions_rehashes_and_login_times_raise_nothing(void **state)
{
	struct fixture f;
	size_t n_changes;
	struct user user;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", "before"));
	n_changes = store_changes(f.w)->len;
	assert_ok(store_user_set_description(f.w, STR("u"), STR("after")));
	assert_ok(store_user_rehash(f.w, STR("u"), STR("$hash"), STR("$new")));
	assert_err(store_user_rehash(f.w, STR("u"), STR("$hash"), STR("$other")),
		IAM_CONFLICT);
	assert_ok(store_user_touch_login(f.w, STR("u"), 1234));
	assert_int_equal(store_changes(f.w)->len, n_changes);
	tx_commit(&f);
	user = get(&f, "u");
	assert_str(user.description, "after");
	assert_str(user.password_hash, "$new");
	assert_int_equal(user.last_login_ms, 1234);
	assert_false(user.raised);
	fixture_done(&f);
}

static void changing_an_unknown_user_says_so(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_err(store_user_set_description(f.w, STR("x"), STR("")), IAM_NO_USER);
	assert_err(store_user_set_password(f.w, STR("x"), STR("h")), IAM_NO_USER);
	assert_err(store_user_set_public_key(f.w, STR("x"), STR("h")), IAM_NO_USER);
	assert_err(store_user_set_enabled(f.w, STR("x"), true), IAM_NO_USER);
	assert_err(store_user_set_enabled(f.w, STR("x"), false), IAM_NO_USER);
	assert_err(store_user_end_sessions(f.w, STR("x")), IAM_NO_USER);
	assert_err(store_user_rehash(f.w, STR("x"), STR("a"), STR("b")), IAM_NO_USER);
	assert_err(store_user_touch_login(f.w, STR("x"), 1), IAM_NO_USER);
	assert_err(store_user_delete(f.w, STR("x")), IAM_NO_USER);
	assert_int_equal(store_changes(f.w)->len, 0);
	tx_commit(&f);
	fixture_done(&f);
}

static void a_uid_that_comes_back_counts_as_raised_also_after_a_restart(void **state)
{
	struct fixture f;
	int64_t gen;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	gen = last_change(&f)->gen;
	assert_ok(store_user_delete(f.w, STR("u")));
	assert_int_equal(last_change(&f)->kind, CHANGE_SESSION_GONE);
	tx_commit(&f);
	fixture_close(&f);
	assert_true(eyes_i64(&f, "SELECT gen FROM deleted_users WHERE uid = 'u'") > gen);

	fixture_open(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_true(last_change(&f)->raised && last_change(&f)->gen > gen + 1);
	assert_ok(user_add(&f, "v", ""));
	assert_false(last_change(&f)->raised);
	tx_commit(&f);
	fixture_done(&f);
}

static void deleting_takes_memberships_and_grants_along(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(user_add(&f, "lonely", ""));
	assert_ok(group_add(&f, "g"));
	assert_ok(store_member_add(f.w, STR("g"), STR("u")));
	assert_ok(store_acl_add(f.w, STR("r"), STR("")));
	assert_ok(store_grant_add(f.w, STR("r"), IAM_SUBJECT_USER, STR("u"), IAM_READ));
	tx_commit(&f);

	tx_begin(&f);
	assert_ok(store_user_delete(f.w, STR("lonely")));
	assert_int_equal(store_changes(f.w)->len, 1);
	assert_ok(store_user_delete(f.w, STR("u")));
	assert_int_equal(store_changes(f.w)->len, 3);
	assert_int_equal(store_changes(f.w)->rows[1].kind, CHANGE_SESSION_GONE);
	assert_int_equal(store_changes(f.w)->rows[2].kind, CHANGE_USER_LINKS_GONE);
	tx_commit(&f);
	assert_int_equal(eyes_i64(&f,
				 "SELECT (SELECT count(*) FROM group_members)"
				 " + (SELECT count(*) FROM user_grants)"),
		0);
	(void)eyes_digest(&f);
	fixture_done(&f);
}

/* ---- listing and searching ---- */

struct rows {
	char text[4096];
	size_t n, stop_at;
};

static bool gather(const struct user *user, void *ctx)
{
	struct rows *r = ctx;
	size_t at = strlen(r->text);

	(void)snprintf(r->text + at, sizeof(r->text) - at, "%.*s ", STR_FMT(user->uid));
	return ++r->n != r->stop_at;
}

static void assert_list(struct fixture *f, struct user_query query, const char *expected)
{
	struct rows r = {.stop_at = 0};

	if (query.limit == 0)
		query.limit = 1000;
	assert_ok(store_user_list(store_reader(f->store), &query, gather, &r));
	assert_string_equal(r.text, expected);
}

static void lists_are_in_byte_order_by_kind_and_page(void **state)
{
	struct fixture f;
	struct rows r = {.stop_at = 2};
	bool any = true;
	int64_t count = 0;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(service_add(&f, "s2", ""));
	assert_ok(service_add(&f, "s1", ""));
	assert_ok(store_user_any_regular(f.w, &any));
	assert_false(any);
	assert_ok(user_add(&f, "b", ""));
	assert_ok(user_add(&f, "a", ""));
	assert_ok(user_add(&f, "B", ""));
	tx_commit(&f);

	assert_list(&f, (struct user_query){.service = false}, "B a b ");
	assert_list(&f, (struct user_query){.service = true}, "s1 s2 ");
	assert_list(&f, (struct user_query){.limit = 2}, "B a ");
	assert_list(&f, (struct user_query){.after = STR("a")}, "b ");
	assert_list(&f, (struct user_query){.after = STR("aa")}, "b ");
	assert_ok(store_user_list(f.w, &(struct user_query){.limit = 9}, gather, &r));
	assert_string_equal(r.text, "B a ");
	assert_ok(store_user_any_regular(store_reader(f.store), &any));
	assert_true(any);
	assert_ok(store_user_count(store_reader(f.store), &count));
	assert_int_equal(count, 5);
	fixture_done(&f);
}

static void add_search_users(struct fixture *f)
{
	tx_begin(f);
	assert_ok(user_add(f, "zz-ops", "on call"));
	assert_ok(user_add(f, "ops", "the team"));
	assert_ok(user_add(f, "ops-b", "second"));
	assert_ok(user_add(f, "a", "runs OPS"));
	assert_ok(user_add(f, "b", "Ops"));
	assert_ok(user_add(f, "c", "50%_of \"all\" ' * NEAR(x)"));
	assert_ok(user_add(f, "d", "50xyof Ärger ÉTÉ ΣΑΣ Привет ЁЖ"));
	assert_ok(service_add(f, "ops-svc", "ops"));
	tx_commit(f);
}

static void search_finds_exact_then_prefix_then_substring(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	add_search_users(&f);
	assert_list(&f, (struct user_query){.q = STR("ops")}, "b ops ops-b a zz-ops ");
	assert_list(&f, (struct user_query){.q = STR("OPS")}, "b ops ops-b a zz-ops ");
	assert_list(&f, (struct user_query){.q = STR("op")}, "b ops ops-b a zz-ops ");
	assert_list(&f, (struct user_query){.q = STR("ops"), .service = true},
		"ops-svc ");
	assert_list(&f, (struct user_query){.q = STR("ops"), .limit = 2}, "b ops ");
	assert_list(&f,
		(struct user_query){.q = STR("ops"), .limit = 2, .after = STR("ops")},
		"ops-b a ");
	assert_list(&f,
		(struct user_query){.q = STR("op"), .limit = 2, .after = STR("b")},
		"ops ops-b ");
	assert_list(&f, (struct user_query){.q = STR("op"), .after = STR("ops-b")},
		"a zz-ops ");
	assert_list(&f, (struct user_query){.q = STR("ops"), .after = STR("zz-ops")}, "");
	assert_list(&f, (struct user_query){.q = STR("")}, "a b c d ops ops-b zz-ops ");
	fixture_done(&f);
}

static void search_takes_its_text_literally(void **state)
{
	static const struct {
		const char *q, *expected;
	} cases[] = {
		{"50%_of", "c "},
		{"%", "c "},
		{"_", "c "},
		{"\"all\"", "c "},
		{"\"", "c "},
		{"'", "c "},
		{" * NEAR(x)", "c "},
		{"ops OR a", ""},
		{"ops*", ""},
		{"^ops", ""},
		{"uid_folded:ops", ""},
		{"\\", ""},
		{"\"\"\"", ""},
		{"- ", ""},
		{"ops\" OR \"team", ""},
		{"of ärger", "d "},
		{"ÄRGER", "d "},
		{"été", "d "},
		{"σας", "d "},
		{"ПРИВЕТ", "d "},
		{"ёж", "d "},
		{"arger", ""},
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	add_search_users(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("# %s\n", cases[i].q);
		assert_list(&f, (struct user_query){.q = str_c(cases[i].q)},
			cases[i].expected);
	}
	assert_list(&f, (struct user_query){.q = {.ptr = "ops\0x", .len = 5}}, "");
	fixture_done(&f);
}

static void search_follows_changes(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	add_search_users(&f);
	tx_begin(&f);
	assert_ok(store_user_set_description(f.w, STR("ops-b"), STR("nothing")));
	assert_ok(store_user_delete(f.w, STR("ops")));
	assert_ok(store_user_set_description(f.w, STR("c"), STR("DevOps")));
	assert_list(&f, (struct user_query){.q = STR("team")}, "ops ");
	tx_commit(&f);
	assert_list(&f, (struct user_query){.q = STR("team")}, "");
	assert_list(&f, (struct user_query){.q = STR("second")}, "");
	assert_list(&f, (struct user_query){.q = STR("devops")}, "c ");
	assert_list(&f, (struct user_query){.q = STR("ops")}, "b ops-b a c zz-ops ");
	/* undone with its savepoint */
	tx_begin(&f);
	assert_ok(user_add(&f, "ghost", "ops"));
	store_rollback_to(f.w);
	assert_int_equal(store_changes(f.w)->len, 0);
	assert_ok(store_commit(f.w));
	assert_list(&f, (struct user_query){.q = STR("ghost")}, "");
	(void)eyes_digest(&f);
	fixture_done(&f);
}

static void too_long_or_malformed_a_text_is_refused(void **state)
{
	struct fixture f;
	char text[1025];
	struct rows r = {.stop_at = 0};

	(void)state;
	fixture_init(&f);
	memset(text, '"', sizeof(text));
	assert_err(store_user_list(f.w,
			   &(struct user_query){.limit = 1, .q = {text, sizeof(text)}},
			   gather, &r),
		IAM_BAD_DATA);
	assert_ok(store_user_list(f.w,
		&(struct user_query){.limit = 1, .q = {text, sizeof(text) - 1}}, gather,
		&r));
	assert_err(store_user_list(f.w,
			   &(struct user_query){.limit = 1, .q = STR("abc\xc3")}, gather,
			   &r),
		IAM_BAD_DATA);
	fixture_done(&f);
}

struct pages {
	char last[IAM_UID_MAX_BYTES];
	size_t last_len;
	size_t total, in_page;
	unsigned char seen[3000];
};

static bool count_page(const struct user *user, void *ctx)
{
	struct pages *p = ctx;
	int64_t n;

	assert_true(str_to_i64(str_sub(user->uid, 1, 5), 0, 2999, &n));
	assert_int_equal(p->seen[n], 0);
	p->seen[n] = 1;
	memcpy(p->last, user->uid.ptr, user->uid.len);
	p->last_len = user->uid.len;
	p->in_page++;
	p->total++;
	return true;
}

/* Few matches come from the index, many by the walk: page by page nothing is lost or told twice. */
static void pages_of_few_and_many_matches_are_complete(void **state)
{
	static const struct {
		const char *q;
		size_t expected;
	} cases[] = {{"user", 3000}, {"u", 3000}, {"rare", 30}, {"is", 3000}};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_ok(store_begin(f.w));
	for (int i = 0; i < 3000; i++) {
		char uid[16];

		(void)snprintf(uid, sizeof(uid), "u%04d", (i * 7919) % 3000);
		assert_ok(user_add(&f, uid,
			i % 100 == 0 ? "this user is rare" : "this user is not"));
	}
	assert_ok(store_commit(f.w));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pages p = {.total = 0};

		do {
			p.in_page = 0;
			assert_ok(store_user_list(store_reader(f.store),
				&(struct user_query){.q = str_c(cases[i].q),
					.limit = 7,
					.after = {.ptr = p.last, .len = p.last_len}},
				count_page, &p));
		} while (p.in_page == 7);
		assert_int_equal(p.total, cases[i].expected);
	}
	fixture_done(&f);
}

static bool count_session(struct str uid, bool enabled, int64_t gen, bool raised,
	bool is_service, void *ctx)
{
	size_t *n = ctx;

	assert_true(uid.len == 5 && gen > 0 && !raised && enabled);
	assert_int_equal(is_service, uid.ptr[4] == '3');
	return ++*n != 5;
}

static void sessions_are_told_until_enough(void **state)
{
	struct fixture f;
	size_t n = 0;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (int i = 0; i < 9; i++) {
		char uid[16];
		struct user u = {.enabled = true};

		(void)snprintf(uid, sizeof(uid), "u%04d", i);
		u.uid = str_c(uid);
		u.public_key = i == 3 ? STR("pem") : STR_NONE;
		assert_ok(store_user_add(f.w, &u));
	}
	tx_commit(&f);
	assert_ok(store_sessions_each(store_reader(f.store), count_session, &n));
	assert_int_equal(n, 5);
	fixture_done(&f);
}

static void names_of_provider_types_parse_back(void **state)
{
	enum provider_type type;

	(void)state;
	for (int t = 0; t < PROVIDER_TYPE_COUNT; t++) {
		assert_true(provider_type_parse(
			str_c(provider_type_name((enum provider_type)t)), &type));
		assert_int_equal(type, t);
	}
	assert_false(provider_type_parse(STR(""), &type));
	assert_false(provider_type_parse(STR("LDAP"), &type));
	assert_false(provider_type_parse(STR_NONE, &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_comes_back_as_it_was_added),
		cmocka_unit_test(a_second_user_of_the_same_uid_is_refused),
		cmocka_unit_test(every_raise_takes_a_fresh_generation_and_is_noted),
		cmocka_unit_test(descriptions_rehashes_and_login_times_raise_nothing),
		cmocka_unit_test(changing_an_unknown_user_says_so),
		cmocka_unit_test(
			a_uid_that_comes_back_counts_as_raised_also_after_a_restart),
		cmocka_unit_test(deleting_takes_memberships_and_grants_along),
		cmocka_unit_test(lists_are_in_byte_order_by_kind_and_page),
		cmocka_unit_test(search_finds_exact_then_prefix_then_substring),
		cmocka_unit_test(search_takes_its_text_literally),
		cmocka_unit_test(search_follows_changes),
		cmocka_unit_test(too_long_or_malformed_a_text_is_refused),
		cmocka_unit_test(pages_of_few_and_many_matches_are_complete),
		cmocka_unit_test(sessions_are_told_until_enough),
		cmocka_unit_test(names_of_provider_types_parse_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
