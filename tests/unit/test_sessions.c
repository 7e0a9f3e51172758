/* test_sessions - lookups of users and revoked tokens in a published root. */
#include "authz_fixture.h"

static const struct stored_user users[] = {{"alice", true, 7, false, false},
	{"bob", false, 8, true, true}, {"alice2", true, 9, false, false}, {0}};

struct state {
	struct db db;
	unsigned freed;
	struct publisher *p;
};

static int setup(void **state)
{
	static unsigned char digest[TOKEN_DIGEST_BYTES];
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	memset(digest, 0x11, sizeof(digest));
	s->db = (struct db){.users = users, .revoked = digest, .revision = 3};
	s->p = fixture_publisher(&s->db, 4, &s->freed);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	publisher_free(s->p);
	free(s);
	return 0;
}

static void stored_users_are_found_with_what_is_stored(void **state)
{
	struct state *s = *state;
	PUBLISH_SCOPE(s->p, scope);
	struct session found;

	for (const struct stored_user *u = users; u->uid != NULL; u++) {
		assert_true(sessions_find(scope.root, str_c(u->uid), &found));
		assert_int_equal(found.gen, u->gen);
		assert_int_equal(found.enabled, u->enabled);
		assert_int_equal(found.raised, u->raised);
		assert_int_equal(found.is_service, u->is_service);
	}
	assert_int_equal(sessions_count(scope.root), 3);
}

static void what_is_no_stored_uid_is_not_found_and_leaves_the_output_alone(void **state)
{
	struct state *s = *state;
	PUBLISH_SCOPE(s->p, scope);
	struct session found = {.gen = 42};
	char longest[IAM_UID_MAX_BYTES + 1];
	static const struct str unknown[] = {{"alic", 4}, {"alice3", 6}, {"Alice", 5},
		{"alice", 6}, /* with its NUL */
		{"", 0}, {NULL, 0}};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_false(sessions_find(scope.root, unknown[i], &found));
	memset(longest, 'a', sizeof(longest));
	assert_false(sessions_find(scope.root, (struct str){longest, sizeof(longest)},
		&found));
	assert_false(sessions_find(scope.root, (struct str){longest, IAM_UID_MAX_BYTES},
		&found));
	assert_int_equal(found.gen, 42);
}

static void a_uid_of_the_greatest_length_is_kept_whole(void **state)
{
	struct state *s = *state;
	char uid[IAM_UID_MAX_BYTES + 1] = {0};
	struct change row;
	struct session found;

	memset(uid, 'x', IAM_UID_MAX_BYTES);
	row = change_of_session(uid, true, 10);
	fixture_publish(s->p, &row, 1, 4);
	PUBLISH_SCOPE(s->p, scope);
	assert_true(sessions_find(scope.root, str_c(uid), &found));
	uid[IAM_UID_MAX_BYTES - 1] = 'y';
	assert_false(sessions_find(scope.root, str_c(uid), &found));
}

static void a_change_replaces_and_a_deletion_removes(void **state)
{
	struct state *s = *state;
	struct change rows[] = {change_of_session("alice", false, 20), change_gone("bob"),
		change_gone("nobody")};
	struct session found;

	rows[0].is_service = true;
	fixture_publish(s->p, rows, 3, 4);
	PUBLISH_SCOPE(s->p, scope);
	assert_true(sessions_find(scope.root, STR("alice"), &found));
	assert_int_equal(found.gen, 20);
	assert_false(found.enabled);
	assert_true(found.is_service);
	assert_false(sessions_find(scope.root, STR("bob"), &found));
	assert_int_equal(sessions_count(scope.root), 2);
}

static void within_one_publication_the_last_change_of_a_user_holds(void **state)
{
	struct state *s = *state;
	struct change rows[] = {change_of_session("carol", true, 30),
		change_gone("carol"), change_of_session("dave", true, 31),
		change_of_session("dave", true, 32), change_gone("alice"),
		change_of_session("alice", true, 33)};
	struct session found;

	fixture_publish(s->p, rows, 6, 4);
	PUBLISH_SCOPE(s->p, scope);
	assert_false(sessions_find(scope.root, STR("carol"), &found));
	assert_true(sessions_find(scope.root, STR("dave"), &found));
	assert_int_equal(found.gen, 32);
	assert_true(sessions_find(scope.root, STR("alice"), &found));
	assert_int_equal(found.gen, 33);
}

static void revoked_digests_are_found_until_they_are_gone(void **state)
{
	struct state *s = *state;
	unsigned char stored[TOKEN_DIGEST_BYTES], added[TOKEN_DIGEST_BYTES];
	struct change rows[] = {change_of_digest(CHANGE_REVOKED, 0x22),
		change_of_digest(CHANGE_REVOKED, 0x22),
		change_of_digest(CHANGE_REVOKED_GONE, 0x11),
		change_of_digest(CHANGE_REVOKED_GONE, 0x33)};
	const struct root *root = publish_enter(s->p);

	memset(stored, 0x11, sizeof(stored));
	memset(added, 0x22, sizeof(added));
	assert_true(revoked_find(root, stored));
	assert_false(revoked_find(root, added));
	publish_leave(s->p);

	fixture_publish(s->p, rows, 4, 4);
	root = publish_enter(s->p);
	assert_false(revoked_find(root, stored));
	assert_true(revoked_find(root, added));
	added[31] ^= 1;
	assert_false(revoked_find(root, added));
	publish_leave(s->p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(stored_users_are_found_with_what_is_stored),
		T(what_is_no_stored_uid_is_not_found_and_leaves_the_output_alone),
		T(a_uid_of_the_greatest_length_is_kept_whole),
		T(a_change_replaces_and_a_deletion_removes),
		T(within_one_publication_the_last_change_of_a_user_holds),
		T(revoked_digests_are_found_until_they_are_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
