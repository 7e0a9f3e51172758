/*
 * db - statements and transactions of one connection, whatever the driver.
 *
 * Does: keep each statement of stmts.def prepared, make its first failure stick, check parameter
 * and column types against stmts.def, remember a transaction that the database ended on its own,
 * inject failures for tests. Does not: know SQL, SQLite or what the tables mean.
 * Invariants: a WRITE statement runs only on the writer between begin and commit; once a
 * transaction is broken every further call fails with the same error until it is rolled back.
 */
#include "iamd/store/db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

#define READ  DB_READ
#define WRITE DB_WRITE
const struct db_stmt_def db_stmt_defs[STMT_COUNT] = {
#define STMT(name_, access_, params_, columns_, sql_) \
	{.name = #name_, \
		.access = (access_), \
		.params = "" params_, \
		.columns = "" columns_, \
		.sql = "" sql_},
#include "iamd/store/stmts.def"
#undef STMT
};
#undef READ
#undef WRITE

struct db_stmt {
	struct db *db;
	const struct db_stmt_def *def;
	void *handle; /* the driver's; NULL until prepared */
	enum iam_err err;
	int n_bound;
	bool in_use;
	bool has_row;
};

struct db {
	const struct db_driver *driver;
	void *conn;
	bool writer;
	bool in_tx;
	bool in_savepoint;
	bool disk_full;      /* said so in the log; until the next commit that worked */
	enum iam_err broken; /* the open transaction cannot be committed any more */
	unsigned view_depth;
	int fail_after;        /* steps until the injected failure; 0: none */
	bool maintain_due;     /* asked for inside a transaction */
	size_t savepoint_mark; /* length of the change set at the savepoint */
	struct changes changes;
	struct db_stmt stmts[STMT_COUNT];
};

/* ---- failures ---- */

/* True when a test wants this step to fail. */
static bool inject(struct db *db)
{
	if (db->fail_after == 0)
		return false;
	db->fail_after--;
	return db->fail_after == 0;
}

/* Every failure comes through here, once: logs what a person must know, notes a dead transaction. */
static enum iam_err note_failure(struct db *db, enum iam_err e, const char *what)
{
	if (db->in_tx && db->broken == IAM_OK && !db->driver->in_transaction(db->conn))
		db->broken = e;
	if (e == IAM_STORE)
		log_event(LOG_LEVEL_ERROR, "store.failed", LOG_CSTR("what", what),
			LOG_CSTR("text", db->driver->error_text(db->conn)));
	if (e == IAM_STORE_FULL && !db->disk_full) {
		log_event(LOG_LEVEL_ERROR, "store.full", LOG_CSTR("what", what));
		db->disk_full = true;
	}
	return e;
}

void db_fail_after(struct db *db, int n)
{
	db->fail_after = n;
}

/* ---- connections ---- */

enum iam_err db_open(const struct db_driver *driver, const char *path, bool writer,
	struct db **ret_db, struct iam_error *err)
{
	struct db *db = calloc(1, sizeof(*db));
	enum iam_err e;

	if (db == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	db->driver = driver;
	db->writer = writer;
	changes_init(&db->changes);
	for (size_t i = 0; i < STMT_COUNT; i++) {
		db->stmts[i].db = db;
		db->stmts[i].def = &db_stmt_defs[i];
	}
	e = driver->open(path, writer, &db->conn, err);
	if (e != IAM_OK) {
		free(db);
		return e;
	}
	*ret_db = db;
	return IAM_OK;
}

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	if (db->in_tx)
		store_rollback(db);
	for (size_t i = 0; i < STMT_COUNT; i++) {
		assert(!db->stmts[i].in_use);
		if (db->stmts[i].handle != NULL)
			db->driver->finalize(db->stmts[i].handle);
	}
	db->driver->close(db->conn);
	changes_done(&db->changes);
	free(db);
}

enum iam_err db_prepare_all(struct db *db, struct iam_error *err)
{
	for (size_t i = 0; i < STMT_COUNT; i++) {
		struct db_stmt *st = &db->stmts[i];
		enum iam_err e;

		if (st->handle != NULL)
			continue;
		e = db->driver->prepare(db->conn, st->def, &st->handle, err);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

const struct db_driver *db_driver_of(const struct db *db)
{
	return db->driver;
}

bool db_is_writer(const struct db *db)
{
	return db->writer;
}

bool db_in_transaction(const struct db *db)
{
	return db->in_tx;
}

struct changes *store_changes(struct db *w)
{
	assert(w->writer);
	return &w->changes;
}

enum iam_err db_exec(struct db *db, const char *sql)
{
	enum iam_err e = inject(db) ? IAM_STORE_FULL : db->driver->exec(db->conn, sql);

	return e == IAM_OK ? IAM_OK : note_failure(db, e, "exec");
}

enum iam_err db_version_get(struct db *db, enum db_owner *ret_owner, int64_t *ret_version)
{
	enum iam_err e = db->driver->version_get(db->conn, ret_owner, ret_version);

	return e == IAM_OK ? IAM_OK : note_failure(db, e, "version");
}

enum iam_err db_version_set(struct db *db, int64_t version)
{
	enum iam_err e =
		inject(db) ? IAM_STORE_FULL : db->driver->version_set(db->conn, version);

	return e == IAM_OK ? IAM_OK : note_failure(db, e, "version");
}

void db_maintain(struct db *db)
{
	db->maintain_due = db->in_tx;
	if (!db->in_tx)
		db->driver->maintain(db->conn);
}

/* ---- transactions ---- */

static enum iam_err control(struct db *db, enum db_control what, const char *name)
{
	enum iam_err e =
		inject(db) ? IAM_STORE_FULL : db->driver->control(db->conn, what);

	return e == IAM_OK ? IAM_OK : note_failure(db, e, name);
}

enum iam_err store_begin(struct db *w)
{
	enum iam_err e;

	assert(w->writer && !w->in_tx && w->view_depth == 0);
	if (w->maintain_due)
		db_maintain(w);
	e = control(w, DB_BEGIN, "begin");
	if (e != IAM_OK)
		return e;
	w->in_tx = true;
	w->broken = IAM_OK;
	changes_cut(&w->changes, 0);
	return IAM_OK;
}

enum iam_err store_commit(struct db *w)
{
	enum iam_err e;

	assert(w->in_tx && !w->in_savepoint);
	e = w->broken != IAM_OK ? w->broken : control(w, DB_COMMIT, "commit");
	if (e != IAM_OK) {
		store_rollback(w);
		return e;
	}
	w->in_tx = false;
	if (w->disk_full) {
		log_event(LOG_LEVEL_INFO, "store.writable", LOG_CSTR("what", "commit"));
		w->disk_full = false;
	}
	return IAM_OK;
}

void store_rollback(struct db *w)
{
	assert(w->in_tx);
	if (w->driver->in_transaction(w->conn))
		(void)w->driver->control(w->conn, DB_ROLLBACK);
	w->in_tx = false;
	w->in_savepoint = false;
	w->broken = IAM_OK;
	changes_cut(&w->changes, 0);
}

enum iam_err store_savepoint(struct db *w)
{
	enum iam_err e;

	assert(w->in_tx && !w->in_savepoint);
	if (w->broken != IAM_OK)
		return w->broken;
	e = control(w, DB_SAVEPOINT, "savepoint");
	if (e != IAM_OK)
		return e;
	w->in_savepoint = true;
	w->savepoint_mark = w->changes.len;
	return IAM_OK;
}

enum iam_err store_release(struct db *w)
{
	enum iam_err e;

	assert(w->in_tx && w->in_savepoint);
	e = w->broken != IAM_OK ? w->broken : control(w, DB_RELEASE, "release");
	if (e != IAM_OK) {
		store_rollback_to(w);
		return e;
	}
	w->in_savepoint = false;
	return IAM_OK;
}

void store_rollback_to(struct db *w)
{
	assert(w->in_tx && w->in_savepoint);
	w->in_savepoint = false;
	changes_cut(&w->changes, w->savepoint_mark);
	if (w->broken != IAM_OK)
		return;
	/* What cannot be undone alone must not be committed with the rest. */
	if (w->driver->control(w->conn, DB_ROLLBACK_TO) != IAM_OK)
		w->broken = note_failure(w, IAM_STORE, "rollback to savepoint");
}

enum iam_err db_view_begin(struct db *db)
{
	if (!db->in_tx && db->view_depth == 0) {
		enum iam_err e = control(db, DB_BEGIN_READ, "begin view");

		if (e != IAM_OK)
			return e;
	}
	db->view_depth++;
	return IAM_OK;
}

void db_view_end(struct db *db)
{
	assert(db->view_depth > 0);
	db->view_depth--;
	if (!db->in_tx && db->view_depth == 0)
		(void)db->driver->control(db->conn, DB_ROLLBACK);
}

/* ---- statements ---- */

struct db_stmt *db_use(struct db *db, enum stmt_id id)
{
	struct db_stmt *st = &db->stmts[id];

	assert(!st->in_use);
	assert(st->def->access == DB_READ || (db->writer && db->in_tx));
	st->in_use = true;
	st->has_row = false;
	st->n_bound = 0;
	st->err = db->in_tx ? db->broken : IAM_OK;
	if (st->err == IAM_OK && st->handle == NULL) {
		st->err = db->driver->prepare(db->conn, st->def, &st->handle, NULL);
		if (st->err != IAM_OK)
			(void)note_failure(db, st->err, st->def->name);
	}
	return st;
}

void db_stmt_release(struct db_stmt **st)
{
	if (*st == NULL)
		return;
	if ((*st)->handle != NULL)
		(*st)->db->driver->reset((*st)->handle);
	(*st)->in_use = false;
	(*st)->has_row = false;
}

static void bind(struct db_stmt *st, char type, const struct db_value *value)
{
	assert(st->in_use && !st->has_row && st->def->params[st->n_bound] == type);
	if (st->err == IAM_OK) {
		st->err = st->db->driver->bind(st->handle, st->n_bound, value);
		if (st->err != IAM_OK)
			(void)note_failure(st->db, st->err, st->def->name);
	}
	st->n_bound++;
}

void db_bind_str(struct db_stmt *st, struct str text)
{
	bind(st, 't',
		&(struct db_value){
			.kind = text.ptr == NULL ? DB_VALUE_NULL : DB_VALUE_TEXT,
			.bytes = text});
}

void db_bind_i64(struct db_stmt *st, int64_t number)
{
	bind(st, 'i', &(struct db_value){.kind = DB_VALUE_INT, .number = number});
}

void db_bind_bool(struct db_stmt *st, bool is)
{
	db_bind_i64(st, is ? 1 : 0);
}

void db_bind_blob(struct db_stmt *st, const void *bytes, size_t size)
{
	bind(st, 'b',
		&(struct db_value){
			.kind = bytes == NULL ? DB_VALUE_NULL : DB_VALUE_BLOB,
			.bytes = {.ptr = bytes, .len = size}});
}

enum db_step db_step(struct db_stmt *st)
{
	bool row = false;

	assert(st->in_use && st->def->params[st->n_bound] == '\0');
	st->has_row = false;
	if (st->err != IAM_OK)
		return DB_FAILED;
	st->err =
		inject(st->db) ? IAM_STORE_FULL : st->db->driver->step(st->handle, &row);
	if (st->err != IAM_OK) {
		(void)note_failure(st->db, st->err, st->def->name);
		return DB_FAILED;
	}
	st->has_row = row;
	return row ? DB_ROW : DB_DONE;
}

enum iam_err db_result(const struct db_stmt *st, enum iam_err no_row)
{
	return st->err != IAM_OK ? st->err : no_row;
}

enum iam_err db_run(struct db_stmt *st)
{
	enum db_step step;

	do
		step = db_step(st);
	while (step == DB_ROW);
	return st->err;
}

enum iam_err db_run_touching(struct db_stmt *st, enum iam_err untouched)
{
	enum iam_err e = db_run(st);

	if (e != IAM_OK)
		return e;
	return st->db->driver->changes(st->db->conn) == 0 ? untouched : IAM_OK;
}

static struct db_value column(const struct db_stmt *st, int index, char type)
{
	assert(st->has_row && index >= 0 && (size_t)index < strlen(st->def->columns));
	assert(st->def->columns[index] == type);
	return st->db->driver->column(st->handle, index, type);
}

struct str db_col_str(const struct db_stmt *st, int index)
{
	return column(st, index, 't').bytes;
}

int64_t db_col_i64(const struct db_stmt *st, int index)
{
	return column(st, index, 'i').number;
}

bool db_col_bool(const struct db_stmt *st, int index)
{
	return db_col_i64(st, index) != 0;
}

struct str db_col_blob(const struct db_stmt *st, int index)
{
	return column(st, index, 'b').bytes;
}
