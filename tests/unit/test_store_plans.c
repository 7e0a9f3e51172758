/* test_store_plans - no statement goes through a whole table where an index serves. */
#include "tests/unit/store_fixture.h"

/* What is gone through on purpose: all of it is wanted, or the first row ends it. */
static const struct {
	enum stmt_id id;
	const char *detail; /* begins with this */
} allowed[] = {
	{STMT_MIGRATION_LIST, "SCAN migrations"},
	{STMT_USER_ANY_REGULAR, "SCAN users"},
	{STMT_USER_COUNT, "SCAN users"},
	{STMT_SESSION_LIST, "SCAN users"},
	{STMT_GROUP_LIST_IDS, "SCAN groups"},
	{STMT_ACL_LIST_IDS, "SCAN acls"},
	{STMT_MEMBER_LIST, "SCAN group_members"},
	{STMT_NESTING_LIST, "SCAN group_nesting"},
	{STMT_USER_GRANT_LIST, "SCAN user_grants"},
	{STMT_GROUP_GRANT_LIST, "SCAN group_grants"},
	{STMT_REVOCATION_LIST, "SCAN revocations"},
	{STMT_DIRECTORY_LIST, "SCAN directories"}, /* 32 at most */
	{STMT_AUDIT_TRIM_DENIED, "SCAN audit USING INDEX audit_denied"},
	/* the search index; at most 1000 rows are sorted */
	{STMT_SEARCH_USER_COUNT, "SCAN user_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_REGULAR_FEW, "SCAN user_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_REGULAR_FEW, "USE TEMP B-TREE FOR ORDER BY"},
	{STMT_SEARCH_SERVICE_FEW, "SCAN user_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_SERVICE_FEW, "USE TEMP B-TREE FOR ORDER BY"},
	{STMT_SEARCH_GROUP_COUNT, "SCAN group_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_GROUP_FEW, "SCAN group_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_GROUP_FEW, "USE TEMP B-TREE FOR ORDER BY"},
	{STMT_SEARCH_ACL_COUNT, "SCAN acl_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_ACL_FEW, "SCAN acl_search VIRTUAL TABLE INDEX 0:M"},
	{STMT_SEARCH_ACL_FEW, "USE TEMP B-TREE FOR ORDER BY"},
};

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What a statement itself makes: rows of subqueries, groups found so far. */
static bool is_own(const char *detail)
{
	static const char *const own[] = {"SCAN CONSTANT ROW", "SCAN (", "SCAN i",
		"SCAN inside", "SCAN a", "SCAN above", "SCAN h", "SCAN holders"};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strcmp(detail, own[i]) == 0 || (i == 1 && starts(detail, own[i])))
			return true;
	return false;
}

static bool is_fine(enum stmt_id id, const char *detail)
{
	bool costs = starts(detail, "SCAN ") || starts(detail, "USE TEMP ") ||
		strstr(detail, "AUTOMATIC") != NULL;

	if (!costs || is_own(detail))
		return true;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if (allowed[i].id == id && starts(detail, allowed[i].detail))
			return true;
	return false;
}

static void assert_plans(struct fixture *f)
{
	sqlite3 *db = eyes_open(f);

	for (enum stmt_id id = 0; id < STMT_COUNT; id++) {
		sqlite3_stmt *st = NULL;
		char sql[4096];

		assert_in_range(snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s",
					db_stmt_defs[id].sql),
			1, sizeof(sql) - 1);
		if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
			fail_msg("%s: %s", db_stmt_defs[id].name, sqlite3_errmsg(db));
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(st, 3);

			if (!is_fine(id, detail))
				fail_msg("%s: %s", db_stmt_defs[id].name, detail);
		}
		(void)sqlite3_finalize(st);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void plans_are_the_same_with_and_without_statistics(void **state)
{
	/* many in one group; many groups; few of anything else: what misleads a planner */
	static const char *const skewed[] = {
		("INSERT INTO users SELECT i + 10, printf('u%d', i), '', '', 'internal', '', 'h',"
		 " CASE WHEN i % 50 = 0 THEN 'PEM' END, 1, i, 0, 1, 0 FROM n"),
		"INSERT INTO groups SELECT i + 10, printf('g%d', i), '', '', 'internal' FROM n",
		"INSERT INTO acls SELECT i + 10, printf('r%d', i), '', '', '' FROM n WHERE i < 9",
		"INSERT INTO group_members SELECT 'g1', printf('u%d', i) FROM n",
		"INSERT INTO group_nesting SELECT 'g2', printf('g%d', i) FROM n WHERE i > 2",
		"INSERT INTO user_grants SELECT printf('u%d', i), 'r1', 4 FROM n",
		"INSERT INTO group_grants SELECT 'g1', printf('r%d', i), 4 FROM n WHERE i < 9",
		("INSERT INTO directory_users SELECT printf('u%d', i), 'd', printf('s%d', i), '', '', 0, 0"
		 " FROM n"),
		"INSERT INTO directory_groups SELECT printf('g%d', i), 'd', printf('s%d', i), '', 0, 0 FROM n",
		"INSERT INTO directory_members SELECT gid, uid FROM group_members LIMIT 2000",
		"INSERT INTO directory_subgroups SELECT gid, sub_gid FROM group_nesting LIMIT 2000",
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_plans(&f);
	for (size_t i = 0; i < sizeof(skewed) / sizeof(*skewed); i++) {
		char sql[512];

		(void)snprintf(sql, sizeof(sql),
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
			" WHERE i < 3000) %s",
			skewed[i]);
		eyes_exec(&f, sql);
	}
	eyes_exec(&f, "ANALYZE");
	assert_plans(&f);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_the_same_with_and_without_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
