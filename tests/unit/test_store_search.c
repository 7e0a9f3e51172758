/* test_store_search - finding groups and ACLs by text; users: test_store_users. */
#include "tests/unit/store_fixture.h"

/* ---- helpers: the same for both ---- */

struct rows {
	char text[8192];
	char last[IAM_RID_MAX_BYTES + 1];
	size_t n, stop_at;
};

static bool gather(struct rows *r, struct str id)
{
	size_t at = strlen(r->text);

	(void)snprintf(r->text + at, sizeof(r->text) - at, "%.*s ", STR_FMT(id));
	(void)snprintf(r->last, sizeof(r->last), "%.*s", STR_FMT(id));
	return ++r->n != r->stop_at;
}

static bool gather_group(const struct group *group, void *ctx)
{
	return gather(ctx, group->gid);
}

static bool gather_acl(const struct acl *acl, void *ctx)
{
	return gather(ctx, acl->rid);
}

enum what { GROUPS, ACLS, WHAT_COUNT };

static enum iam_err search(struct fixture *f, enum what what, struct page_query q,
	struct rows *r)
{
	if (q.limit == 0)
		q.limit = 1000;
	return what == GROUPS
		? store_group_list(store_reader(f->store), &q, gather_group, r)
		: store_acl_list(store_reader(f->store), &q, gather_acl, r);
}

static void assert_found(struct fixture *f, enum what what, struct page_query q,
	const char *expected)
{
	struct rows r = {.stop_at = 0};

	assert_ok(search(f, what, q, &r));
	assert_string_equal(r.text, expected);
}

static void add(struct fixture *f, enum what what, const char *id,
	const char *description)
{
	if (what == ACLS)
		assert_ok(store_acl_add(f->w, str_c(id), str_c(description)));
	else
		assert_ok(store_group_add(f->w,
			&(struct group){
				.gid = str_c(id), .description = str_c(description)}));
}

static enum iam_err describe(struct fixture *f, enum what what, const char *id,
	const char *description)
{
	return what == ACLS
		? store_acl_set_description(f->w, str_c(id), str_c(description))
		: store_group_set_description(f->w, str_c(id), str_c(description));
}

static enum iam_err delete (struct fixture *f, enum what what, const char *id) {
	return what == ACLS ? store_acl_delete(f->w, str_c(id))
			    : store_group_delete(f->w, str_c(id));
}

/* ---- tests ---- */

static void matches_are_exact_then_prefix_then_substring(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		add(&f, w, "zz-ops", "on call");
		add(&f, w, "OPS", "the team");
		add(&f, w, "ops-b", "second");
		add(&f, w, "a", "runs OPS");
		add(&f, w, "b", "Ops");
		add(&f, w, "c", "50%_of \"all\" Ärger");
	}
	tx_commit(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		/* by the index, and (under three characters) by walking */
		assert_found(&f, w, (struct page_query){.q = STR("ops")},
			"OPS b ops-b a zz-ops ");
		assert_found(&f, w, (struct page_query){.q = STR("oP")},
			"OPS b ops-b a zz-ops ");
		assert_found(&f, w, (struct page_query){.q = STR("ops"), .limit = 2},
			"OPS b ");
		assert_found(&f, w,
			(struct page_query){.q = STR("ops"), .after = STR("b")},
			"ops-b a zz-ops ");
		assert_found(&f, w,
			(struct page_query){
				.q = STR("op"), .limit = 2, .after = STR("ops-b")},
			"a zz-ops ");
		assert_found(&f, w,
			(struct page_query){.q = STR("ops"), .after = STR("zz-ops")}, "");
		assert_found(&f, w, (struct page_query){.q = STR("")},
			"OPS a b c ops-b zz-ops ");
		assert_found(&f, w, (struct page_query){.q = STR("%_")}, "c ");
		assert_found(&f, w, (struct page_query){.q = STR("\"ALL\" ä")}, "c ");
		assert_found(&f, w, (struct page_query){.q = STR("ops OR a")}, "");
	}
	fixture_done(&f);
}

static void what_changed_is_found_by_its_new_text_only(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		add(&f, w, "g", "before");
		add(&f, w, "h", "before");
		assert_ok(describe(&f, w, "g", "AFTER"));
		assert_ok(delete (&f, w, "h"));
	}
	tx_commit(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		assert_found(&f, w, (struct page_query){.q = STR("before")}, "");
		assert_found(&f, w, (struct page_query){.q = STR("after")}, "g ");
	}
	tx_begin(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		add(&f, w, "h", "again");
		assert_found(&f, w, (struct page_query){.q = STR("again")}, "");
	}
	store_rollback_to(f.w);
	assert_ok(store_commit(f.w));
	for (enum what w = GROUPS; w < WHAT_COUNT; w++)
		assert_found(&f, w, (struct page_query){.q = STR("again")}, "");
	(void)eyes_digest(&f);
	fixture_done(&f);
}

static void rids_are_found_whatever_their_letters(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	add(&f, ACLS, "dcos:ÄRGER:/x/*", "");
	add(&f, ACLS, "dcos:Привет", "");
	add(&f, ACLS, "dcos:日本語", "");
	tx_commit(&f);
	assert_found(&f, ACLS, (struct page_query){.q = STR("ärger")},
		"dcos:ÄRGER:/x/* ");
	assert_found(&f, ACLS, (struct page_query){.q = STR("/X/*")}, "dcos:ÄRGER:/x/* ");
	assert_found(&f, ACLS, (struct page_query){.q = STR("ПРИВ")}, "dcos:Привет ");
	assert_found(&f, ACLS, (struct page_query){.q = STR("本")}, "dcos:日本語 ");
	assert_found(&f, ACLS, (struct page_query){.q = STR("DCOS:日")}, "dcos:日本語 ");
	fixture_done(&f);
}

/* More matches than are fetched and sorted: the tables are walked. */
static void many_matches_come_in_pages_without_gaps(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (int i = 0; i < 1100; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "%s%04d", i % 2 == 0 ? "svc." : "my-svc.",
			i);
		add(&f, GROUPS, id, i % 10 == 0 ? "SVC" : "");
		add(&f, ACLS, id, i % 10 == 0 ? "SVC" : "");
	}
	tx_commit(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		struct rows page;
		char after[sizeof(page.last)] = "";
		size_t n = 0, pages = 0;

		do {
			memset(&page, 0, sizeof(page));
			assert_ok(search(&f, w,
				(struct page_query){.q = STR("svc"),
					.after = str_c(after),
					.limit = 200},
				&page));
			n += page.n;
			pages++;
			(void)snprintf(after, sizeof(after), "%s", page.last);
			/* 110 exact, 440 prefixes, 550 substrings */
			if (pages == 1)
				assert_string_equal(page.last, "svc.0224");
			if (pages == 3)
				assert_string_equal(page.last, "my-svc.0099");
		} while (page.n == 200);
		assert_int_equal(n, 1100);
		assert_int_equal(pages, 6);
	}
	fixture_done(&f);
}

static void bad_texts_are_refused_and_a_caller_may_stop(void **state)
{
	struct fixture f;
	char text[1025];
	struct str longest = {.ptr = text, .len = 1024};

	(void)state;
	memset(text, 'x', sizeof(text));
	fixture_init(&f);
	tx_begin(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++)
		for (int i = 0; i < 5; i++)
			add(&f, w, (const char *[]){"a", "b", "c", "d", "e"}[i], "text");
	tx_commit(&f);
	for (enum what w = GROUPS; w < WHAT_COUNT; w++) {
		struct rows r = {.stop_at = 2};

		assert_found(&f, w, (struct page_query){.q = longest}, "");
		longest.len = 1025;
		assert_err(search(&f, w, (struct page_query){.q = longest}, &r),
			IAM_BAD_DATA);
		longest.len = 1024;
		assert_err(search(&f, w, (struct page_query){.q = STR("\xff")}, &r),
			IAM_BAD_DATA);
		assert_err(search(&f, w, (struct page_query){.q = STR("\xc3")}, &r),
			IAM_BAD_DATA);
		assert_int_equal(r.n, 0);
		assert_found(&f, w, (struct page_query){.q = {.ptr = "t\0x", .len = 3}},
			"");
		assert_ok(search(&f, w, (struct page_query){.q = STR("text")}, &r));
		assert_string_equal(r.text, "a b ");
		r = (struct rows){.stop_at = 2};
		assert_ok(search(&f, w, (struct page_query){.q = STR("te")}, &r));
		assert_string_equal(r.text, "a b ");
	}
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_are_exact_then_prefix_then_substring),
		cmocka_unit_test(what_changed_is_found_by_its_new_text_only),
		cmocka_unit_test(rids_are_found_whatever_their_letters),
		cmocka_unit_test(many_matches_come_in_pages_without_gaps),
		cmocka_unit_test(bad_texts_are_refused_and_a_caller_may_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
