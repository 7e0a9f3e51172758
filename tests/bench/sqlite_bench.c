/*
 * sqlite_bench - grants into SQLite, one commit each, and nothing around it.
 *
 *	sqlite_bench DATABASE SECONDS
 *
 * DATABASE is a copy of iamd's own, with users and ACLs in it. Writes what iamd writes for a grant
 * (the grant, its audit row, the revision) with iamd's settings (WAL, synchronous=FULL), each in a
 * transaction of its own, and prints grants a second.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sqlite3 *db;

static void check(int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
		return;
	fprintf(stderr, "sqlite_bench: %s\n", sqlite3_errmsg(db));
	exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *st = NULL;

	check(sqlite3_prepare_v2(db, sql, -1, &st, NULL));
	return st;
}

static void run(sqlite3_stmt *st)
{
	check(sqlite3_step(st));
	check(sqlite3_reset(st));
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc != 3 || sqlite3_open(argv[1], &db) != SQLITE_OK)
		return 2;
	check(sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			       " PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384",
		NULL, NULL, NULL));
	sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");
	sqlite3_stmt *grant = prepare(
		"INSERT INTO user_grants (uid, rid, action) VALUES ('template', 'raw:' || $1, 1)");
	sqlite3_stmt *acl = prepare(
		"INSERT INTO acls (rid, rid_folded, description, description_folded)"
		" VALUES ('raw:' || $1, 'raw:' || $1, '', '')");
	sqlite3_stmt *revision = prepare(
		"UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value");
	sqlite3_stmt *audit = prepare(
		"INSERT INTO audit (at_us, action, actor, object, result, reason, source_ip, request_id)"
		" VALUES (1, 'grant-add', 'bench-admin', 'raw:' || $1, 'allow', 'user:template read',"
		" '127.0.0.1', 'f2a0c1d4e5b697887766554433221100')");
	double seconds = strtod(argv[2], NULL);
	int made = 0, granted = 0;
	double end = now_s() + seconds, from, took = 0;

	while (now_s() < end + 60 && took < seconds) {
		/* the ACLs that the next grants need, outside the time measured */
		run(begin);
		for (int i = 0; i < 1000; i++) {
			check(sqlite3_bind_int(acl, 1, made++));
			run(acl);
		}
		run(commit);
		from = now_s();
		for (int i = 0; i < 1000; i++, granted++) {
			check(sqlite3_bind_int(grant, 1, granted));
			check(sqlite3_bind_int(audit, 1, granted));
			run(begin);
			run(grant);
			run(audit);
			run(revision);
			run(commit);
		}
		took += now_s() - from;
	}
	printf("%.1f\n", granted / took);
	return 0;
}
