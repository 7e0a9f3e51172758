/* test_publish - what readers see of a publication, and when what they saw is freed. */
#include "authz_fixture.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"
#include "torture.h"

static const struct stored_user users[] = {{"alice", true, 1, false, false}, {0}};
static const struct stored_fact facts_before[] = {
	{"svc:a", NULL, "alice", IAM_READ}, {0}};

struct state {
	struct db db;
	unsigned keyrings_freed;
	struct publisher *p;
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->db = (struct db){.users = users, .facts = facts_before, .revision = 5};
	s->p = fixture_publisher(&s->db, 2, &s->keyrings_freed);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	unsigned before = s->keyrings_freed;

	publisher_free(s->p);
	assert_int_equal(s->keyrings_freed, before + 1);
	free(s);
	return 0;
}

static int64_t gen_of(const struct root *root, const char *uid)
{
	struct session found;

	return sessions_find(root, str_c(uid), &found) ? found.gen : -1;
}

static bool may_read(const struct root *root, const char *uid, const char *rid)
{
	return iam_check(root->acl, str_c(uid), str_c(rid), IAM_READ) == IAM_ALLOW;
}

static int64_t published_gen(struct publisher *p, const char *uid)
{
	PUBLISH_SCOPE(p, scope);

	return gen_of(scope.root, uid);
}

static void a_publication_is_seen_after_install_and_not_before(void **state)
{
	struct state *s = *state;
	struct change row = change_of_session("alice", true, 2);
	struct changes changes = {.rows = &row, .len = 1};

	assert_int_equal(publish_prepare(s->p, &changes, 6), IAM_OK);
	assert_int_equal(published_gen(s->p, "alice"), 1);
	publish_install(s->p);
	PUBLISH_SCOPE(s->p, scope);
	assert_int_equal(gen_of(scope.root, "alice"), 2);
	assert_int_equal(scope.root->revision, 6);
}

static void an_aborted_publication_leaves_all_as_it_was(void **state)
{
	struct state *s = *state;
	struct change rows[] = {change_of_session("alice", true, 2),
		change_of_session("bob", true, 3),
		change_of_grant(CHANGE_GRANT, "svc:b", "bob"),
		change_of_digest(CHANGE_REVOKED, 9)};
	struct changes changes = {.rows = rows, .len = 4};
	const struct root *root;

	assert_int_equal(publish_prepare(s->p, &changes, 6), IAM_OK);
	publish_abort(s->p);
	root = publish_enter(s->p);
	assert_int_equal(gen_of(root, "alice"), 1);
	assert_int_equal(gen_of(root, "bob"), -1);
	assert_false(may_read(root, "bob", "svc:b"));
	assert_false(revoked_find(root, rows[3].digest));
	assert_int_equal(root->revision, 5);
	publish_leave(s->p);

	fixture_publish(s->p, rows, 2, 6);
	assert_int_equal(published_gen(s->p, "bob"), 3);
}

static void a_reader_keeps_its_root_while_others_are_installed(void **state)
{
	struct state *s = *state;
	const struct root *root = publish_enter(s->p);

	for (int64_t i = 0; i < 100; i++) {
		struct change rows[] = {change_of_session("alice", true, 100 + i),
			change_of_digest(CHANGE_REVOKED, (unsigned char)i),
			change_of_grant(i % 2 == 0 ? CHANGE_GRANT_GONE : CHANGE_GRANT,
				"svc:a", "alice")};

		fixture_publish(s->p, rows, 3, 6 + i);
	}
	assert_int_equal(publish_reclaim(s->p), 100);
	assert_int_equal(gen_of(root, "alice"), 1);
	assert_true(may_read(root, "alice", "svc:a"));
	assert_int_equal(root->revision, 5);
	publish_leave(s->p);

	assert_int_equal(publish_reclaim(s->p), 0);
	assert_int_equal(published_gen(s->p, "alice"), 199);
}

static void an_inner_leave_does_not_end_the_outer_scope(void **state)
{
	struct state *s = *state;
	struct change row = change_of_session("alice", true, 2);
	const struct root *outer = publish_enter(s->p);

	fixture_publish(s->p, &row, 1, 6);
	assert_int_equal(published_gen(s->p, "alice"), 2);
	assert_int_equal(publish_reclaim(s->p), 1);
	assert_int_equal(gen_of(outer, "alice"), 1);
	publish_leave(s->p);
	assert_int_equal(publish_reclaim(s->p), 0);
}

static const struct iam_snapshot *published_acl(struct publisher *p)
{
	PUBLISH_SCOPE(p, scope);

	return scope.root->acl;
}

static void the_snapshot_changes_only_with_facts_and_is_never_read_anew(void **state)
{
	struct state *s = *state;
	uint64_t publications = metrics_value(METRIC_PUBLICATIONS);
	struct change session = change_of_session("alice", true, 2);
	struct change facts[] = {change_of_grant(CHANGE_GRANT_GONE, "svc:a", "alice"),
		change_of_grant(CHANGE_GRANT, "svc:b", "alice")};
	const struct iam_snapshot *before = published_acl(s->p);
	unsigned loads = s->db.model_loads;

	fixture_publish(s->p, &session, 1, 6);
	assert_ptr_equal(published_acl(s->p), before);

	fixture_publish(s->p, facts, 2, 7);
	assert_int_equal(s->db.model_loads, loads);
	assert_int_equal(metrics_value(METRIC_PUBLICATIONS), publications + 2);
	PUBLISH_SCOPE(s->p, scope);
	assert_false(may_read(scope.root, "alice", "svc:a"));
	assert_true(may_read(scope.root, "alice", "svc:b"));
}

/* One row of every kind of fact, each undone by the row that follows. */
static void every_kind_of_fact_is_applied_in_order(void **state)
{
	struct state *s = *state;
	const struct str staff = STR("staff"), ops = STR("ops"), rid = STR("svc:s");
	struct change rows[] = {
		{.kind = CHANGE_GROUP, .id = staff},
		{.kind = CHANGE_GROUP, .id = ops},
		{.kind = CHANGE_RESOURCE, .id = rid},
		{.kind = CHANGE_MEMBER, .id = ops, .other = STR("bob")},
		{.kind = CHANGE_SUBGROUP, .id = staff, .other = ops},
		{.kind = CHANGE_GRANT, .id = rid, .other = staff,
			.subject = IAM_SUBJECT_GROUP, .action = IAM_READ},
	};
	struct change undo[] = {
		{.kind = CHANGE_GRANT_GONE, .id = rid, .other = staff,
			.subject = IAM_SUBJECT_GROUP, .action = IAM_READ},
		{.kind = CHANGE_SUBGROUP_GONE, .id = staff, .other = ops},
		{.kind = CHANGE_MEMBER_GONE, .id = ops, .other = STR("bob")},
		{.kind = CHANGE_RESOURCE_GONE, .id = rid},
		{.kind = CHANGE_GROUP_GONE, .id = staff},
		{.kind = CHANGE_USER_LINKS_GONE, .id = STR("bob")},
	};
	int64_t revision = 6;

	for (size_t i = 0; i < 6; i++) {
		fixture_publish(s->p, rows, 6, revision++);
		PUBLISH_SCOPE(s->p, given);
		assert_true(may_read(given.root, "bob", "svc:s"));
		assert_true(iam_knows_resource(given.root->acl, rid));

		fixture_publish(s->p, &undo[i], 1, revision++);
		PUBLISH_SCOPE(s->p, taken);
		assert_false(may_read(taken.root, "bob", "svc:s"));
		assert_true(may_read(given.root, "bob", "svc:s"));
	}
}

static void a_bad_fact_changes_nothing_and_holds_nothing(void **state)
{
	struct state *s = *state;
	struct change rows[] = {change_of_session("alice", true, 2),
		change_of_grant(CHANGE_GRANT_GONE, "svc:a", "alice"),
		change_of_grant(CHANGE_GRANT, "svc:a", "not a uid")};
	struct changes changes = {.rows = rows, .len = 3};

	assert_int_equal(publish_prepare(s->p, &changes, 6), IAM_BAD_UID);
	assert_int_equal(published_gen(s->p, "alice"), 1);
	fixture_publish(s->p, rows, 2, 6);
	assert_int_equal(published_gen(s->p, "alice"), 2);
}

static void a_failed_load_gives_no_publisher_and_takes_nothing_over(void **state)
{
	struct db db = {.users = users, .model_result = IAM_STORE_BUSY};
	unsigned freed = 0;
	struct keyring *keyring = fixture_keyring(&freed);
	struct config *config = fixture_config();
	struct publisher *p = NULL;

	(void)state;
	assert_int_equal(publisher_new(&db, keyring, config, 2, &p), IAM_STORE_BUSY);
	assert_null(p);
	assert_int_equal(freed, 0);
	keyring_free(keyring);
	config_free(config);
}

static void a_publication_without_changes_moves_the_revision_alone(void **state)
{
	struct state *s = *state;
	const struct root before = *publish_enter(s->p);
	const struct root *after;

	publish_leave(s->p);
	fixture_publish(s->p, NULL, 0, 6);
	after = publish_enter(s->p);
	assert_int_equal(after->revision, 6);
	assert_ptr_equal(after->sessions, before.sessions);
	assert_ptr_equal(after->revoked, before.revoked);
	publish_leave(s->p);
}

static void a_reload_frees_the_old_keyring_when_its_reader_left(void **state)
{
	struct state *s = *state;
	const struct root *root = publish_enter(s->p);
	const struct keyring *old = root->keyring;
	uint64_t keyset = root->keyset;
	unsigned frees = config_frees;

	assert_int_equal(publish_reload(s->p, fixture_keyring(&s->keyrings_freed),
				 fixture_config()),
		IAM_OK);
	assert_int_equal(s->keyrings_freed, 0);
	assert_ptr_equal(root->keyring, old);
	publish_leave(s->p);
	assert_int_equal(publish_reclaim(s->p), 0);
	assert_int_equal(s->keyrings_freed, 1);
	assert_int_equal(config_frees, frees + 1);

	root = publish_enter(s->p);
	assert_true(root->keyset != keyset);
	assert_int_equal(gen_of(root, "alice"), 1);
	assert_int_equal(root->revision, 5);
	publish_leave(s->p);
}

static void a_reload_of_the_configuration_alone_keeps_the_key_set(void **state)
{
	struct state *s = *state;
	struct config *fresh = fixture_config();
	struct root before, after;

	before = *publish_enter(s->p);
	publish_leave(s->p);
	assert_int_equal(publish_reload(s->p, NULL, fresh), IAM_OK);
	after = *publish_enter(s->p);
	publish_leave(s->p);
	assert_ptr_equal(after.config, fresh);
	assert_ptr_equal(after.keyring, before.keyring);
	assert_int_equal(after.keyset, before.keyset);
	assert_int_equal(s->keyrings_freed, 0);
}

static void two_publishers_in_one_thread_do_not_disturb_each_other(void **state)
{
	static const struct stored_user other_users[] = {{"zoe", true, 50, false, false}, {0}};
	struct state *s = *state;
	struct db db = {.users = other_users};
	unsigned freed = 0;
	struct publisher *other = fixture_publisher(&db, 1, &freed);
	struct change row = change_of_session("zoe", true, 51);
	const struct root *first = publish_enter(s->p);
	const struct root *second = publish_enter(other);

	assert_int_equal(gen_of(first, "alice"), 1);
	fixture_publish(other, &row, 1, 1);
	assert_int_equal(gen_of(second, "zoe"), 50);
	publish_leave(other);
	assert_int_equal(publish_reclaim(other), 0);
	publisher_free(other);
	assert_int_equal(freed, 1);
	assert_int_equal(gen_of(first, "alice"), 1);
	publish_leave(s->p);
	assert_int_equal(published_gen(s->p, "alice"), 1);
}

static void *read_once(void *arg)
{
	struct publisher *p = arg;

	return published_gen(p, "alice") == 1 ? p : NULL;
}

static void a_thread_gives_its_slot_back_when_it_ends(void **state)
{
	struct state *s = *state; /* two slots */

	assert_int_equal(published_gen(s->p, "alice"), 1);
	for (unsigned i = 0; i < 20; i++) {
		unsigned long thread;

		assert_true(thread_start(&thread, "reader", read_once, s->p));
		thread_join(thread);
	}
}

static void a_stalled_reader_bounds_memory_and_never_makes_a_writer_wait(void **state)
{
	struct state *s = *state;
	struct change row = change_of_session("alice", true, 2);
	struct changes changes = {.rows = &row, .len = 1};
	const struct root *root = publish_enter(s->p);
	enum iam_err e = IAM_OK;
	unsigned n = 0;

	for (; n < 1000000 && e == IAM_OK; n++) {
		e = publish_prepare(s->p, &changes, 6);
		if (e == IAM_OK)
			publish_install(s->p);
	}
	assert_int_equal(e, IAM_NO_MEMORY);
	assert_true(n > 1000);
	assert_int_equal(gen_of(root, "alice"), 1);
	publish_leave(s->p);

	fixture_publish(s->p, &row, 1, 7);
	assert_int_equal(publish_reclaim(s->p), 0);
}

static void wherever_memory_runs_out_a_publication_is_whole_or_not_at_all(void **state)
{
	struct state *s = *state;
	struct change rows[] = {change_of_session("alice", true, 2),
		change_of_session("bob", true, 3), change_gone("alice"),
		change_of_digest(CHANGE_REVOKED, 9), {.kind = CHANGE_GROUP, .id = {"g", 1}}};
	struct changes changes = {.rows = rows, .len = 5};
	enum iam_err e = IAM_NO_MEMORY;
	size_t n = 0;

	while (e != IAM_OK) {
		const struct root *root;

		torture_at(++n);
		e = publish_prepare(s->p, &changes, 6);
		torture_off();
		root = publish_enter(s->p);
		assert_int_equal(gen_of(root, "alice"), 1);
		assert_int_equal(gen_of(root, "bob"), -1);
		assert_int_equal(root->revision, 5);
		publish_leave(s->p);
		assert_true(e == IAM_OK || e == IAM_NO_MEMORY);
	}
	assert_true(n > 5);

	torture_at(
		1); /* installing takes no memory: what fails here is never asked for */
	publish_install(s->p);
	assert_int_equal(torture_left, 1);
	torture_off();
	assert_int_equal(published_gen(s->p, "alice"), -1);
	assert_int_equal(published_gen(s->p, "bob"), 3);
}

static void without_memory_there_is_no_publisher_and_nothing_is_kept(void **state)
{
	struct db db = {.users = users, .facts = facts_before};
	unsigned freed = 0;
	struct keyring *keyring = fixture_keyring(&freed);
	struct config *config = fixture_config();
	struct publisher *p = NULL;
	enum iam_err e = IAM_NO_MEMORY;

	(void)state;
	for (size_t n = 1; e != IAM_OK; n++) {
		torture_at(n);
		e = publisher_new(&db, keyring, config, 2, &p);
		torture_off();
		assert_true(e == IAM_OK || (e == IAM_NO_MEMORY && p == NULL));
		assert_int_equal(freed, 0);
	}
	publisher_free(p);
	assert_int_equal(freed, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_publication_is_seen_after_install_and_not_before),
		T(an_aborted_publication_leaves_all_as_it_was),
		T(a_reader_keeps_its_root_while_others_are_installed),
		T(an_inner_leave_does_not_end_the_outer_scope),
		T(the_snapshot_changes_only_with_facts_and_is_never_read_anew),
		T(every_kind_of_fact_is_applied_in_order),
		T(a_bad_fact_changes_nothing_and_holds_nothing),
		T(a_failed_load_gives_no_publisher_and_takes_nothing_over),
		T(a_publication_without_changes_moves_the_revision_alone),
		T(a_reload_frees_the_old_keyring_when_its_reader_left),
		T(a_reload_of_the_configuration_alone_keeps_the_key_set),
		T(two_publishers_in_one_thread_do_not_disturb_each_other),
		T(a_thread_gives_its_slot_back_when_it_ends),
		T(wherever_memory_runs_out_a_publication_is_whole_or_not_at_all),
		T(without_memory_there_is_no_publisher_and_nothing_is_kept),
		T(a_stalled_reader_bounds_memory_and_never_makes_a_writer_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
