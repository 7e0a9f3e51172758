/* test_db - transactions, statements, readers, the lock, full disks and crashes. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/store_fixture.h"

static void the_file_is_private_and_says_whose_it_is(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(eyes_i64(&f, "PRAGMA application_id"), 0x49414d44);
	assert_int_equal(eyes_i64(&f, "PRAGMA user_version"), n_migrations());
	assert_int_equal(eyes_i64(&f,
				 "SELECT journal_mode = 'wal' FROM pragma_journal_mode"),
		1);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		char name[96];
		struct stat st;

		(void)snprintf(name, sizeof(name), "%s%s", f.path, suffixes[i]);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	fixture_done(&f);
}

static void a_second_iamd_is_refused_but_others_may_read(void **state)
{
	struct fixture f, g;
	struct iam_error err = {0};

	(void)state;
	fixture_init(&f);
	g = f;
	assert_err(fixture_try_open(&g, 0, &err), IAM_CONFIG);
	assert_non_null(strstr(err.text, "in use by another iamd"));
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM users"), 0);
	/* the refusal did not disturb the first one's locks */
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	tx_commit(&f);
	fixture_close(&f);
	fixture_open(&f);
	fixture_done(&f);
}

static void readers_see_what_was_committed(void **state)
{
	struct fixture f;
	int64_t n = -1;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	assert_ok(store_user_count(store_reader(f.store), &n));
	assert_int_equal(n, 0);
	assert_ok(store_user_count(f.w, &n));
	assert_int_equal(n, 1);
	tx_commit(&f);
	assert_ok(store_user_count(store_reader(f.store), &n));
	assert_int_equal(n, 1);
	fixture_done(&f);
}

static void a_view_stays_as_it_was(void **state)
{
	struct fixture f;
	struct db *r;
	int64_t n = -1;

	(void)state;
	fixture_init(&f);
	r = store_reader(f.store);
	assert_ok(db_view_begin(r));
	assert_ok(store_user_count(r, &n));
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	tx_commit(&f);
	assert_ok(db_view_begin(r));
	assert_ok(store_user_count(r, &n));
	assert_int_equal(n, 0);
	db_view_end(r);
	db_view_end(r);
	assert_ok(store_user_count(r, &n));
	assert_int_equal(n, 1);
	fixture_done(&f);
}

static void *use_reader(void *arg)
{
	struct store *s = arg;
	struct db *mine = store_reader(s);
	int64_t n = -1;

	if (mine == NULL || mine != store_reader(s) ||
		store_user_count(mine, &n) != IAM_OK)
		return NULL;
	return mine;
}

static void each_thread_has_one_reader_a_store(void **state)
{
	struct fixture f, g;
	pthread_t thread;
	void *theirs = NULL;

	(void)state;
	fixture_init(&f);
	fixture_init(&g);
	assert_ptr_equal(store_reader(f.store), store_reader(f.store));
	assert_ptr_not_equal(store_reader(f.store), store_reader(g.store));
	assert_int_equal(pthread_create(&thread, NULL, use_reader, f.store), 0);
	assert_int_equal(pthread_join(thread, &theirs), 0);
	assert_non_null(theirs);
	fixture_done(&g);
	assert_non_null(store_reader(f.store));
	fixture_done(&f);
}

/* ---- transactions ---- */

static void a_job_that_fails_is_undone_alone(void **state)
{
	struct fixture f;
	int64_t n = 0, revision = 0;

	(void)state;
	fixture_init(&f);
	assert_ok(store_begin(f.w));
	for (int i = 0; i < 6; i++) {
		char uid[8];

		(void)snprintf(uid, sizeof(uid), "u%d", i);
		assert_ok(store_savepoint(f.w));
		assert_ok(user_add(&f, uid, ""));
		if (i % 2 == 0)
			assert_ok(store_release(f.w));
		else
			store_rollback_to(f.w);
	}
	assert_int_equal(store_changes(f.w)->len, 3);
	assert_ok(store_revision_next(f.w, &revision));
	assert_ok(store_commit(f.w));
	assert_int_equal(store_changes(f.w)->len, 3);
	assert_int_equal(revision, 1);
	assert_ok(store_user_count(f.w, &n));
	assert_int_equal(n, 3);

	assert_ok(store_begin(f.w));
	assert_int_equal(store_changes(f.w)->len, 0);
	assert_ok(user_add(&f, "x", ""));
	store_rollback(f.w);
	assert_int_equal(store_changes(f.w)->len, 0);
	assert_ok(store_user_count(f.w, &n));
	assert_int_equal(n, 3);
	fixture_done(&f);
}

static void a_transaction_that_the_database_ended_cannot_be_committed(void **state)
{
	struct fixture f;
	int64_t n = -1;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "a", ""));
	assert_ok(store_release(f.w));
	/* what SQLite does on its own after some errors */
	assert_err(db_exec(f.w, "ROLLBACK; no such statement"), IAM_STORE);
	assert_err(store_savepoint(f.w), IAM_STORE);
	assert_err(user_add(&f, "b", ""), IAM_STORE);
	assert_err(store_commit(f.w), IAM_STORE);
	assert_ok(store_user_count(f.w, &n));
	assert_int_equal(n, 0);
	tx_begin(&f);
	assert_ok(user_add(&f, "c", ""));
	tx_commit(&f);
	fixture_done(&f);
}

/* ---- a full disk: no file may grow ---- */

static void disk_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_stops_changes_only_and_needs_no_restart(void **state)
{
	struct fixture f;
	struct user user;
	pthread_t thread;
	void *theirs = NULL;
	uint64_t before;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "old", "somebody"));
	tx_commit(&f);
	before = eyes_digest(&f);
	disk_limit(4096);
	for (int i = 0; i < 3; i++) {
		enum iam_err e;

		assert_ok(store_begin(f.w));
		assert_ok(store_savepoint(f.w));
		e = user_add(&f, "u", "x");
		if (e == IAM_OK)
			assert_ok(store_release(f.w));
		else
			store_rollback_to(f.w);
		assert_err(store_commit(f.w), IAM_STORE_FULL);
		/* logins go on: on readers that are there, new ones and the writer */
		assert_ok(store_user_get(store_reader(f.store), f.arena, STR("old"),
			&user));
		assert_ok(store_user_get(f.w, f.arena, STR("old"), &user));
		assert_int_equal(pthread_create(&thread, NULL, use_reader, f.store), 0);
		assert_int_equal(pthread_join(thread, &theirs), 0);
		assert_non_null(theirs);
		store_maintain(f.store);
	}
	disk_limit(RLIM_INFINITY);
	assert_true(eyes_digest(&f) == before);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", "x"));
	tx_commit(&f);
	store_maintain(f.store);
	assert_ok(store_user_get(store_reader(f.store), f.arena, STR("u"), &user));
	fixture_done(&f);
}

static void another_programs_lock_is_busy(void **state)
{
	struct fixture f;
	sqlite3 *other;

	(void)state;
	fixture_init(&f);
	assert_ok(db_exec(f.w, "PRAGMA busy_timeout = 20"));
	other = eyes_open(&f);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
		SQLITE_OK);
	assert_err(store_begin(f.w), IAM_STORE_BUSY);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	tx_begin(&f);
	tx_commit(&f);
	fixture_done(&f);
}

/* ---- crashes ---- */

/* Adds users for ever; tells each number after its commit. */
static void add_until_killed(const char *path, int out)
{
	struct store *s = NULL;
	bool created;

	if (store_open(&(struct store_settings){.path = path}, &s, &created, NULL) !=
		IAM_OK)
		_exit(1);
	for (int i = 0;; i++) {
		char uid[16];
		struct user user = {
			.uid = {.ptr = uid}, .password_hash = STR("h"), .enabled = true};

		user.uid.len = (size_t)snprintf(uid, sizeof(uid), "u%d", i);
		if (store_begin(store_writer(s)) != IAM_OK ||
			store_user_add(store_writer(s), &user) != IAM_OK ||
			store_commit(store_writer(s)) != IAM_OK ||
			write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

static void what_was_committed_survives_kill_9(void **state)
{
	struct fixture f;

	(void)state;
	fixture_folder(&f);
	for (int round = 0; round < 5; round++) {
		int fds[2], last = -1;
		pid_t pid;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			add_until_killed(f.path, fds[1]);
		(void)close(fds[1]);
		while (last < 20 + round * 7)
			assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (read(fds[0], &last, sizeof(last)) == sizeof(last))
			continue;
		(void)close(fds[0]);

		fixture_open(&f);
		assert_in_range(eyes_i64(&f, "SELECT count(*) FROM users"), last + 1,
			last + 2);
		assert_int_equal(
			eyes_i64(&f,
				"SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
			1);
		(void)eyes_digest(&f);
		fixture_close(&f);
		eyes_exec(&f,
			"DELETE FROM users; INSERT INTO user_search(user_search) VALUES ('rebuild')");
	}
	fixture_done(&f);
}

/* ---- statements ---- */

static void a_statement_that_is_not_as_declared_is_refused(void **state)
{
	static const struct {
		struct db_stmt_def def;
		const char *text;
	} cases[] = {
		{{"A", DB_READ, "t", "t",
			 "SELECT uid FROM users WHERE uid = $1 AND gen = $2"},
			"number of parameters"},
		{{"B", DB_READ, "ti", "t",
			 "SELECT uid FROM users WHERE uid = $2 AND gen = $1"},
			"order of parameters"},
		{{"C", DB_READ, "t", "t", "SELECT uid FROM users WHERE uid = ?"},
			"order of parameters"},
		{{"D", DB_READ, "", "t", "SELECT uid, gen FROM users"},
			"number of columns"},
		{{"E", DB_READ, "", "", "DELETE FROM users"}, "READ or WRITE"},
		{{"F", DB_WRITE, "", "t", "SELECT uid FROM users"}, "READ or WRITE"},
		{{"G", DB_READ, "", "t", "SELECT uid FROM users; SELECT 1"},
			"more than one statement"},
		{{"H", DB_READ, "", "t", "SELECT nowhere FROM users"}, "no such column"},
		{{"I", DB_READ, "", "t", "SELECT \"text\" FROM users"}, "no such column"},
	};
	struct fixture f;
	void *conn = NULL;

	(void)state;
	fixture_init(&f);
	assert_ok(db_driver_sqlite.open(f.path, true, &conn, NULL));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct iam_error err = {0};
		void *st = NULL;

		assert_err(db_driver_sqlite.prepare(conn, &cases[i].def, &st, &err),
			IAM_STORE);
		assert_null(st);
		if (strstr(err.text, cases[i].text) == NULL)
			fail_msg("%s", err.text);
		assert_non_null(strstr(err.text, cases[i].def.name));
	}
	db_driver_sqlite.close(conn);
	fixture_done(&f);
}

static void maintenance_inside_a_transaction_waits_for_its_end(void **state)
{
	struct fixture f;
	struct stat st;
	char wal[96];

	(void)state;
	fixture_init(&f);
	(void)snprintf(wal, sizeof(wal), "%s-wal", f.path);
	tx_begin(&f);
	assert_ok(user_add(&f, "u", ""));
	store_maintain(f.store);
	tx_commit(&f);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size > 0);
	tx_begin(&f);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_size, 0);
	tx_commit(&f);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_private_and_says_whose_it_is),
		cmocka_unit_test(a_second_iamd_is_refused_but_others_may_read),
		cmocka_unit_test(readers_see_what_was_committed),
		cmocka_unit_test(a_view_stays_as_it_was),
		cmocka_unit_test(each_thread_has_one_reader_a_store),
		cmocka_unit_test(a_job_that_fails_is_undone_alone),
		cmocka_unit_test(
			a_transaction_that_the_database_ended_cannot_be_committed),
		cmocka_unit_test(a_full_disk_stops_changes_only_and_needs_no_restart),
		cmocka_unit_test(another_programs_lock_is_busy),
		cmocka_unit_test(what_was_committed_survives_kill_9),
		cmocka_unit_test(a_statement_that_is_not_as_declared_is_refused),
		cmocka_unit_test(maintenance_inside_a_transaction_waits_for_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
