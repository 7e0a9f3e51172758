/* test_api_explain - explanations on the wire, over a real publisher. */
#include <stdio.h>

#include <jansson.h>

#include "authz_fixture.h"
#include "iamd/api/explain.h"
#include "iamd/authz/guard.h"

static const struct stored_user users[] = {{"root", true, 1, false, false},
	{"alice", true, 2, false, false}, {"bob", true, 3, false, false},
	{"off", false, 4, false, false}, {"rootoff", false, 5, false, false},
	{"deep", true, 6, false, false}, {0}};

static const struct stored_fact facts[] = {
	{"dcos:superuser", "superusers", NULL, IAM_FULL},
	{NULL, "superusers", "root", 0},
	{NULL, "superusers", "rootoff", 0},
	{"svc:shop", "staff", NULL, IAM_FULL},
	{NULL, "staff", "group:ops", 0},
	{NULL, "ops", "alice", 0},
	{"svc:own", NULL, "alice", IAM_READ},
	{"svc:a/b", NULL, NULL, 0},
	{"svc:deep", "g9", NULL, IAM_READ},
	{NULL, "g1", "group:g0", 0},
	{NULL, "g2", "group:g1", 0},
	{NULL, "g3", "group:g2", 0},
	{NULL, "g4", "group:g3", 0},
	{NULL, "g5", "group:g4", 0},
	{NULL, "g6", "group:g5", 0},
	{NULL, "g7", "group:g6", 0},
	{NULL, "g8", "group:g7", 0},
	{NULL, "g9", "group:g8", 0},
	{NULL, "g0", "deep", 0},
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

/* The member "explanation", read back; the caller drops the document *ret_doc. */
static json_t *explained(const struct root *root, struct str uid, struct str rid,
	struct str action, json_t **ret_doc)
{
	struct sb sb;
	struct jsonw w;

	sb_init_heap(&sb, 65536);
	jsonw_init(&w, &sb);
	jsonw_object(&w);
	assert_int_equal(explain_write(&w, "explanation", root, uid, rid, action),
		IAM_OK);
	jsonw_object_end(&w);
	*ret_doc = json_loadb(sb_str(&sb).ptr, sb_str(&sb).len, JSON_REJECT_DUPLICATES,
		NULL);
	assert_non_null(*ret_doc);
	sb_done(&sb);
	return json_object_get(*ret_doc, "explanation");
}

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

#define ACLS "/acs/api/v1/acls/"

static const struct {
	const char *uid, *rid, *action;
	const char *why;
	const char *text;
	const char *rest; /* grant or needed as compact JSON, and groups where allowed */
} cases[] = {
	{"alice", "svc:shop", "read", "grant",
		"alice may read svc:shop: group staff has full on it; alice is in ops, "
		"ops is in staff",
		"{\"rid\":\"svc:shop\",\"action\":\"full\",\"gid\":\"staff\","
		"\"aclurl\":\"" ACLS "svc:shop\",\"url\":\"" ACLS
		"svc:shop/groups/staff/full\"}[\"ops\",\"staff\"]2"},
	{"alice", "svc:own", "read", "grant",
		"alice may read svc:own: alice has read on it",
		"{\"rid\":\"svc:own\",\"action\":\"read\",\"uid\":\"alice\","
		"\"aclurl\":\"" ACLS "svc:own\",\"url\":\"" ACLS
		"svc:own/users/alice/read\"}[]0"},
	{"root", "any:thing", "delete", "superuser",
		"root may delete any:thing: group superusers has full on dcos:superuser, "
		"which allows everything; root is in superusers",
		"{\"rid\":\"dcos:superuser\",\"action\":\"full\",\"gid\":\"superusers\","
		"\"aclurl\":\"" ACLS "dcos:superuser\",\"url\":\"" ACLS
		"dcos:superuser/groups/superusers/full\"}[\"superusers\"]1"},
	{"deep", "svc:deep", "read", "grant",
		"deep may read svc:deep: group g9 has read on it; deep is in g0, g0 is "
		"in g1, g1 is in g2, g2 is in g3, g3 is in g4, g4 is in g5, g5 is in "
		"g6, g6 is in g7, and so on through 2 more to g9",
		"{\"rid\":\"svc:deep\",\"action\":\"read\",\"gid\":\"g9\",\"aclurl\":"
		"\"" ACLS "svc:deep\",\"url\":\"" ACLS
		"svc:deep/groups/g9/read\"}[\"g0\",\"g1\",\"g2\",\"g3\",\"g4\",\"g5\","
		"\"g6\",\"g7\",\"g8\",\"g9\"]10"},
	{"bob", "svc:shop", "read", "no-grant",
		"denied: bob has neither read nor full on svc:shop, directly or through "
		"groups; grant one of them with PUT " ACLS
		"svc:shop/users/bob/read, or to one of the user's groups with PUT " ACLS
		"svc:shop/groups/{gid}/read",
		"[{\"method\":\"PUT\",\"url\":\"" ACLS "svc:shop/users/bob/read\"}]"},
	{"bob", "svc:a/b", "full", "no-grant",
		"denied: bob has no full on svc:a/b, directly or through groups; grant "
		"it with PUT " ACLS
		"svc:a%252Fb/users/bob/full, or to one of the user's groups with "
		"PUT " ACLS "svc:a%252Fb/groups/{gid}/full",
		"[{\"method\":\"PUT\",\"url\":\"" ACLS "svc:a%252Fb/users/bob/full\"}]"},
	{"bob", "svc:new", "read", "unknown-resource",
		"denied: there is no ACL svc:new; make it with PUT " ACLS
		"svc:new, then grant read on it",
		"[{\"method\":\"PUT\",\"url\":\"" ACLS
		"svc:new\"},{\"method\":\"PUT\",\"url\":\"" ACLS
		"svc:new/users/bob/read\"}]"},
	{"bob", "a b", "read", "unknown-resource", "denied: a b can be no resource id",
		"[]"},
	{"bob", "", "read", "unknown-resource", "denied:  can be no resource id", "[]"},
	{"bob", "svc:shop", "write", "bad-action",
		"denied: write is no action; the actions are create, read, update, "
		"delete, full",
		"[]"},
	{"root", "svc:shop", "READ", "bad-action",
		"denied: READ is no action; the actions are create, read, update, "
		"delete, full",
		"[]"},
	{"nobody", "svc:shop", "read", "unknown-user", "denied: there is no user nobody",
		"[{\"method\":\"PUT\",\"url\":\"/acs/api/v1/users/nobody\"},"
		"{\"method\":\"PUT\",\"url\":\"" ACLS "svc:shop/users/nobody/read\"}]"},
	{"no\"body\n", "svc:shop", "read", "unknown-user",
		"denied: there is no user no\"body\n", "[]"},
	{"off", "svc:own", "read", "disabled-user",
		"denied: the account of off is disabled; if it were enabled: off has "
		"neither read nor full on svc:own, directly or through groups; grant "
		"one of them with PUT " ACLS
		"svc:own/users/off/read, or to one of the user's groups with PUT " ACLS
		"svc:own/groups/{gid}/read",
		"[{\"method\":\"PATCH\",\"url\":\"/acs/api/v1/users/off\"},"
		"{\"method\":\"PUT\",\"url\":\"" ACLS "svc:own/users/off/read\"}]"},
	{"rootoff", "x", "read", "disabled-user",
		"denied: the account of rootoff is disabled; if it were enabled: rootoff "
		"may read x: group superusers has full on dcos:superuser, which allows "
		"everything; rootoff is in superusers",
		"[{\"method\":\"PATCH\",\"url\":\"/acs/api/v1/users/rootoff\"}]"},
};

static void assert_rest(json_t *e, bool allow, const char *expected)
{
	char *first =
		json_dumps(json_object_get(e, allow ? "grant" : "needed"), JSON_COMPACT);
	char *groups = json_dumps(json_object_get(e, "groups"), JSON_COMPACT);
	char all[1024];

	assert_non_null(first);
	if (allow)
		(void)snprintf(all, sizeof(all), "%s%s%d", first, groups,
			(int)json_integer_value(json_object_get(e, "groups_total")));
	else
		(void)snprintf(all, sizeof(all), "%s", first);
	assert_string_equal(all, expected);
	assert_null(json_object_get(e, allow ? "needed" : "grant"));
	free(first);
	free(groups);
}

static void decision_reason_sentence_and_way_out_are_told(void **state)
{
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *doc;
		json_t *e = explained(s->root, str_c(cases[i].uid), str_c(cases[i].rid),
			str_c(cases[i].action), &doc);
		enum iam_action action = IAM_ACTION_COUNT;
		bool allow;

		(void)!iam_action_parse(str_c(cases[i].action), &action);
		allow = authz_allows(s->root, str_c(cases[i].uid), str_c(cases[i].rid),
			action);
		assert_string_equal(text_of(e, "decision"), allow ? "allow" : "deny");
		assert_string_equal(text_of(e, "why"), cases[i].why);
		assert_string_equal(text_of(e, "text"), cases[i].text);
		assert_rest(e, allow, cases[i].rest);
		json_decref(doc);
	}
}

static void whatever_is_asked_the_answer_stays_small(void **state)
{
	struct state *s = *state;
	static char huge[100000];
	json_t *doc;
	json_t *e;

	memset(huge, 'x', sizeof(huge));
	huge[1023] = '\xC3'; /* a character across the cut */
	huge[1024] = '\xA9';
	e = explained(s->root, STR("bob"), (struct str){huge, sizeof(huge)}, STR("read"),
		&doc);
	assert_true(strlen(text_of(e, "text")) < 1100);
	assert_non_null(strstr(text_of(e, "text"), "xxx... can be no resource id"));
	json_decref(doc);
	e = explained(s->root, (struct str){huge, 1000}, STR("svc:shop"), STR("read"),
		&doc);
	assert_true(strlen(text_of(e, "text")) < 200);
	json_decref(doc);
	e = explained(s->root, STR("bob"), STR("svc:shop"), (struct str){huge, 1000},
		&doc);
	assert_true(strlen(text_of(e, "text")) < 200);
	json_decref(doc);
	e = explained(s->root, STR_NONE, STR_NONE, STR_NONE, &doc);
	assert_string_equal(text_of(e, "why"), "unknown-user");
	json_decref(doc);
}

static void the_longest_resource_id_of_slashes_fits(void **state)
{
	struct state *s = *state;
	char rid[IAM_RID_MAX_BYTES];
	json_t *doc;
	json_t *e;
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *with = NULL;
	struct root root = *s->root;

	memset(rid, '/', sizeof(rid));
	rid[0] = rid[sizeof(rid) - 1] = 'x';
	assert_int_equal(iam_model_add_resource(m, (struct str){rid, sizeof(rid)}),
		IAM_OK);
	assert_int_equal(iam_snapshot_build(m, &with), IAM_OK);
	iam_model_free(m);
	root.acl = with;
	e = explained(&root, STR("bob"), (struct str){rid, sizeof(rid)}, STR("read"),
		&doc);
	assert_string_equal(text_of(e, "why"), "no-grant");
	assert_non_null(strstr(text_of(e, "text"), "x/groups/{gid}/read"));
	json_decref(doc);
	iam_snapshot_free(with);
}

static void a_document_without_room_is_an_error(void **state)
{
	struct state *s = *state;
	struct sb sb;
	struct jsonw w;

	sb_init_heap(&sb, 100);
	jsonw_init(&w, &sb);
	jsonw_object(&w);
	assert_int_equal(explain_write(&w, "explanation", s->root, STR("alice"),
				 STR("svc:shop"), STR("read")),
		IAM_NO_MEMORY);
	sb_done(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			decision_reason_sentence_and_way_out_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(whatever_is_asked_the_answer_stays_small,
			setup, teardown),
		cmocka_unit_test_setup_teardown(the_longest_resource_id_of_slashes_fits,
			setup, teardown),
		cmocka_unit_test_setup_teardown(a_document_without_room_is_an_error,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
