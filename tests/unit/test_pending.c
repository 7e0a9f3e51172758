/* test_pending - which unpublished changes bear on who may do what. */
#include "authz_fixture.h"
#include "iamd/authz/pending.h"

static const struct stored_user users[] = {{"root", true, 1, false, false},
	{"helper", true, 2, false, false}, {"plain", true, 3, false, false}, {0}};

static const struct stored_fact facts[] = {
	{"dcos:superuser", "superusers", NULL, IAM_FULL},
	{NULL, "superusers", "root", 0},
	{"iam:groups", "desk", NULL, IAM_FULL},
	{NULL, "desk", "helper", 0},
	{"svc:a", "team", NULL, IAM_FULL},
	{NULL, "team", "helper", 0},
	{NULL, "team", "plain", 0},
	{0},
};

struct state {
	struct db db;
	unsigned freed;
	struct publisher *p;
	const struct root *root;
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->db = (struct db){.users = users, .facts = facts};
	s->p = fixture_publisher(&s->db, 2, &s->freed);
	s->root = publish_enter(s->p);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	publish_leave(s->p);
	publisher_free(s->p);
	free(s);
	return 0;
}

/* One change, and what must be said of it when the caller is `helper`. */
static const struct {
	enum change_kind kind;
	const char *id, *other; /* of a session: its uid, none */
	bool protects, takes;
} cases[] = {
	{CHANGE_SESSION, "helper", NULL, false, true},
	{CHANGE_SESSION_GONE, "helper", NULL, false, true},
	{CHANGE_SESSION, "plain", NULL, false, false},
	{CHANGE_SESSION_GONE, "plain", NULL, false, false},
	{CHANGE_REVOKED, NULL, NULL, false, false},
	{CHANGE_REVOKED_GONE, NULL, NULL, false, false},
	{CHANGE_GROUP, "new", NULL, false, false},
	{CHANGE_GROUP_GONE, "team", NULL, false, false},
	{CHANGE_GROUP_GONE, "desk", NULL, false, true},
	{CHANGE_GROUP_GONE, "superusers", NULL, false, true},
	{CHANGE_MEMBER, "team", "root", false, false},
	{CHANGE_MEMBER, "new", "plain", false, false},
	{CHANGE_MEMBER, "desk", "plain", true, false},
	{CHANGE_MEMBER, "superusers", "plain", true, false},
	{CHANGE_MEMBER_GONE, "desk", "helper", false, true},
	{CHANGE_MEMBER_GONE, "team", "helper", false, false},
	{CHANGE_MEMBER_GONE, "desk", "plain", false, false},
	{CHANGE_MEMBER_GONE, "superusers", "root", false, false},
	{CHANGE_SUBGROUP, "team", "desk", false, false},
	{CHANGE_SUBGROUP, "desk", "team", true, false},
	{CHANGE_SUBGROUP_GONE, "desk", "team", false, true},
	{CHANGE_SUBGROUP_GONE, "team", "desk", false, false},
	{CHANGE_RESOURCE, "iam:groups", NULL, false, false},
	{CHANGE_RESOURCE_GONE, "svc:a", NULL, false, false},
	{CHANGE_RESOURCE_GONE, "iam:groups", NULL, false, true},
	{CHANGE_GRANT, "svc:a", "team", false, false},
	{CHANGE_GRANT, "iam:users", "team", true, false},
	{CHANGE_GRANT, "dcos:superuser", "plain", true, false},
	{CHANGE_GRANT, "dcos:adminrouter:acs", "plain", true, false},
	{CHANGE_GRANT_GONE, "svc:a", "team", false, false},
	{CHANGE_GRANT_GONE, "iam:groups", "desk", false, true},
	{CHANGE_USER_LINKS_GONE, "helper", NULL, false, true},
	{CHANGE_USER_LINKS_GONE, "plain", NULL, false, false},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static struct change change_of(size_t i)
{
	struct change c = {.kind = cases[i].kind,
		.id = str_c(cases[i].id),
		.other = str_c(cases[i].other)};

	if (c.kind == CHANGE_SESSION || c.kind == CHANGE_SESSION_GONE) {
		c = change_of_session(cases[i].id, true, 9);
		c.kind = cases[i].kind;
	}
	return c;
}

static void each_change_is_told_by_what_it_is_about(void **state)
{
	struct state *s = *state;

	for (size_t i = 0; i < N_CASES; i++) {
		struct change row = change_of(i);
		struct changes c = {.rows = &row, .len = 1, .cap = 1};

		if (pending_protects(s->root, &c) != cases[i].protects ||
			pending_takes(s->root, &c, STR("helper")) != cases[i].takes)
			fail_msg("case %zu: kind %d, %s", i, cases[i].kind, cases[i].id);
	}
}

static void one_change_among_many_is_found_wherever_it_stands(void **state)
{
	struct state *s = *state;
	struct change rows[5];
	struct changes c = {.rows = rows, .len = 5, .cap = 5};

	for (size_t at = 0; at < 5; at++) {
		for (size_t i = 0; i < 5; i++)
			rows[i] = (struct change){.kind = CHANGE_MEMBER,
				.id = i == at ? STR("desk") : STR("team"),
				.other = STR("plain")};
		assert_true(pending_protects(s->root, &c));
		rows[at].kind = CHANGE_MEMBER_GONE;
		rows[at].other = STR("helper");
		assert_false(pending_protects(s->root, &c));
		assert_true(pending_takes(s->root, &c, STR("helper")));
		assert_false(pending_takes(s->root, &c, STR("plain")));
	}
}

static void nothing_pending_bears_on_nothing(void **state)
{
	struct state *s = *state;
	struct changes c = {0};

	assert_false(pending_protects(s->root, &c));
	assert_false(pending_takes(s->root, &c, STR("helper")));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_change_is_told_by_what_it_is_about),
		T(one_change_among_many_is_found_wherever_it_stands),
		T(nothing_pending_bears_on_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
