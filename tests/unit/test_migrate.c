/* test_migrate - numbered schema files, and the databases that are refused. */
#include "tests/unit/store_fixture.h"

#define SQL_FILE(name_, text_) \
	{ \
		.name = (name_), .data = {.ptr = (text_), .len = sizeof(text_) - 1 } \
	}

/* The files of this build, and what tests put behind them. */
struct files {
	struct embedded_file rows[8];
	unsigned n;
};

static struct files build_files(void)
{
	struct files files = {.n = 0};

	for (unsigned i = 0; i < embedded_file_count; i++) {
		assert_in_range(files.n, 0, 5);
		files.rows[files.n++] = embedded_files[i];
	}
	return files;
}

/* One more than the build has, with that number in its name. */
static struct embedded_file next_file(const char *text)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "sqlite/%04u_b.sql", n_migrations() + 1);
	return (struct embedded_file){.name = name, .data = str_c(text)};
}

static enum iam_err migrate(struct fixture *f, const struct files *files,
	struct iam_error *err)
{
	struct db *w = NULL;
	enum iam_err e = db_open(&db_driver_sqlite, f->path, true, &w, err);

	if (e == IAM_OK)
		e = migrate_run(w, files->rows, files->n, err);
	db_close(w);
	return e;
}

static void files_are_applied_once_in_order(void **state)
{
	struct fixture f;
	struct files files = build_files();

	(void)state;
	fixture_folder(&f);
	assert_ok(migrate(&f, &files, NULL));
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM migrations"), n_migrations());
	files.rows[files.n++] = next_file("CREATE TABLE b (x INT);");
	files.rows[files.n++] =
		(struct embedded_file)SQL_FILE("postgres/0009_no.sql", "nonsense");
	files.rows[files.n++] =
		(struct embedded_file)SQL_FILE("sqlite/notes.txt", "nonsense");
	assert_ok(migrate(&f, &files, NULL));
	assert_ok(migrate(&f, &files, NULL));
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM migrations"),
		n_migrations() + 1);
	assert_int_equal(eyes_i64(&f, "PRAGMA user_version"), n_migrations() + 1);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM b"), 0);
	fixture_done(&f);
}

static void a_file_that_fails_leaves_the_schema_before_it(void **state)
{
	struct fixture f;
	struct files files = build_files();
	struct iam_error err = {0};

	(void)state;
	fixture_folder(&f);
	files.rows[files.n++] = next_file("CREATE TABLE b (x INT); INSERT INTO users VALUES (1);");
	assert_err(migrate(&f, &files, &err), IAM_STORE);
	assert_non_null(strstr(err.text, "_b.sql"));
	assert_int_equal(eyes_i64(&f, "PRAGMA user_version"), n_migrations());
	assert_int_equal(eyes_i64(&f,
				 "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"),
		0);
	fixture_open(&f);
	fixture_done(&f);
}

static void an_altered_file_is_refused(void **state)
{
	struct fixture f;
	struct files files = build_files();
	struct iam_error err = {0};

	(void)state;
	fixture_folder(&f);
	assert_ok(migrate(&f, &files, NULL));
	for (unsigned i = 0; i < files.n; i++) {
		if (strcmp(files.rows[i].name, "sqlite/0001_init.sql") == 0)
			files.rows[i].data.len--;
	}
	assert_err(migrate(&f, &files, &err), IAM_CONFIG);
	assert_non_null(strstr(err.text, "another text of migration 0001_init.sql"));
	fixture_done(&f);
}

static void assert_refused(struct fixture *f, const char *text)
{
	struct iam_error err = {0};

	assert_err(fixture_try_open(f, 0, &err), IAM_CONFIG);
	if (strstr(err.text, text) == NULL)
		fail_msg("'%s' does not say '%s'", err.text, text);
}

static void newer_inconsistent_and_foreign_databases_are_refused(void **state)
{
	static const struct {
		const char *sql, *text;
	} cases[] = {
		{"PRAGMA user_version = 99", "made by a newer iamd"},
		{"DELETE FROM migrations", "lists 0 migrations"},
		{"UPDATE migrations SET number = number + 7", "list of migrations"},
		{"UPDATE migrations SET sha256 = zeroblob(32) WHERE number = 2", "another text"},
		{"PRAGMA application_id = 1", "belongs to another program"},
		{"PRAGMA application_id = 0", "belongs to another program"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;

		fixture_init(&f);
		fixture_close(&f);
		eyes_exec(&f, cases[i].sql);
		assert_refused(&f, cases[i].text);
		fixture_done(&f);
	}
}

static void another_programs_database_is_not_touched(void **state)
{
	struct fixture f;

	(void)state;
	fixture_folder(&f);
	eyes_exec(&f, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
	assert_refused(&f, "belongs to another program");
	assert_int_equal(
		eyes_i64(&f, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"),
		1);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM sqlite_schema"), 1);
	fixture_done(&f);
}

static void garbage_and_folders_that_are_not_there_are_refused(void **state)
{
	struct fixture f;
	FILE *file;

	(void)state;
	fixture_folder(&f);
	file = fopen(f.path, "w");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		(void)fputs("this is no database; ", file);
	assert_int_equal(fclose(file), 0);
	assert_refused(&f, "not a database");
	(void)snprintf(f.path + strlen(f.dir), sizeof(f.path) - strlen(f.dir),
		"/no/iamd.db");
	assert_refused(&f, "No such file");
	(void)snprintf(f.path + strlen(f.dir), sizeof(f.path) - strlen(f.dir),
		"/iamd.db");
	fixture_done(&f);
}

static void an_open_that_fails_at_any_step_can_be_tried_again(void **state)
{
	struct fixture f;
	int n;

	(void)state;
	fixture_folder(&f);
	for (n = 1; n < 100; n++) {
		struct iam_error err = {0};
		enum iam_err e = fixture_try_open(&f, n, &err);

		if (e == IAM_OK)
			break;
		assert_err(e, IAM_STORE_FULL);
		assert_true(strlen(err.text) > 0);
		assert_null(f.store);
	}
	assert_in_range(n, 5, 50);
	assert_true(f.created);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_applied_once_in_order),
		cmocka_unit_test(a_file_that_fails_leaves_the_schema_before_it),
		cmocka_unit_test(an_altered_file_is_refused),
		cmocka_unit_test(newer_inconsistent_and_foreign_databases_are_refused),
		cmocka_unit_test(another_programs_database_is_not_touched),
		cmocka_unit_test(garbage_and_folders_that_are_not_there_are_refused),
		cmocka_unit_test(an_open_that_fails_at_any_step_can_be_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
