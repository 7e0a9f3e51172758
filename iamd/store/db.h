/*
 * db - prepared statements on one connection, and the seam below which a database driver lives.
 *
 * Statements are the rows of stmts.def. A store function takes one with db_use(), binds its
 * parameters in order, steps it and reads its columns; the first failure sticks to the statement,
 * so that binding needs no checks and db_step() or db_result() tell. A connection has one owner
 * thread at a time. Only files below iamd/store/ include this.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iam/err.h"
#include "iam/str.h"
#include "iamd/store/changes.h"

enum db_access { DB_READ, DB_WRITE };
enum db_step { DB_ROW, DB_DONE, DB_FAILED };

enum stmt_id {
#define STMT(name, access, params, columns, sql) STMT_##name,
#include "iamd/store/stmts.def"
#undef STMT
	STMT_COUNT
};

/* A row of stmts.def. */
struct db_stmt_def {
	const char *name;
	enum db_access access;
	const char *params; /* a letter each: t TEXT, i BIGINT, b BLOB */
	const char *columns;
	const char *sql;
};
extern const struct db_stmt_def db_stmt_defs[STMT_COUNT];

/* ---- the driver's side ---- */

enum db_value_kind { DB_VALUE_NULL, DB_VALUE_TEXT, DB_VALUE_INT, DB_VALUE_BLOB };

struct db_value {
	enum db_value_kind kind;
	struct str bytes;
	int64_t number;
};

enum db_control {
	DB_BEGIN,      /* for writing: takes the write lock at once */
	DB_BEGIN_READ, /* one view over several reads */
	DB_COMMIT,
	DB_ROLLBACK,
	DB_SAVEPOINT,
	DB_RELEASE,
	DB_ROLLBACK_TO, /* undo and end the savepoint */
	DB_CONTROL_COUNT
};

enum db_owner { DB_OWNER_NONE, DB_OWNER_IAMD, DB_OWNER_FOREIGN };

/*
 * What a database must be able to do. Every function that returns an iam_err returns one of IAM_OK,
 * IAM_STORE, IAM_STORE_FULL, IAM_STORE_BUSY, IAM_NO_MEMORY (the error class; a broken constraint
 * is IAM_STORE, because statements avoid it). All but open() are called by the owner thread only.
 */
struct db_driver {
	const char *name; /* folder of its migrations below schema/ */
	/* Opens a connection. Writers create what is not there. Changes nothing in a foreign database. */
	enum iam_err (*open)(const char *path, bool writer, void **ret_conn,
		struct iam_error *err);
	void (*close)(void *conn);
	/* Whose database it is, and the number of its last migration. */
	enum iam_err (*version_get)(void *conn, enum db_owner *ret_owner,
		int64_t *ret_version);
	/* Inside the transaction of that migration. */
	enum iam_err (*version_set)(void *conn, int64_t version);
	/* Several statements without parameters or rows: a migration. NUL-terminated. */
	enum iam_err (*exec)(void *conn, const char *sql);
	enum iam_err (*control)(void *conn, enum db_control what);
	/* Is a transaction open? Databases end one on their own after some errors. */
	bool (*in_transaction)(void *conn);
	/* Checks the text against the letters of def as well. *ret_stmt is released by finalize(). */
	enum iam_err (*prepare)(void *conn, const struct db_stmt_def *def,
		void **ret_stmt, struct iam_error *err);
	void (*finalize)(void *stmt);
	/* index counts from 0. The bytes stay valid until reset(). */
	enum iam_err (*bind)(void *stmt, int index, const struct db_value *value);
	enum iam_err (*step)(void *stmt, bool *ret_row);
	/* Ends the statement and forgets what was bound. */
	void (*reset)(void *stmt);
	/* Bytes are valid until the next step() or reset(). */
	struct db_value (*column)(void *stmt, int index, char type);
	/* Rows touched by the last writing statement, cascades not counted. */
	int64_t (*changes)(void *conn);
	/* Outside a transaction: checkpoint, statistics, spare memory. */
	void (*maintain)(void *conn);
	/* The last error in the database's own words. */
	const char *(*error_text)(void *conn);
};

extern const struct db_driver db_driver_sqlite;

/* ---- connections ---- */

/*
 * Opens a connection; a writer's statements are not prepared yet (db_prepare_all()).
 * Errors: IAM_CONFIG with a text when it is no database, or not ours.
 */
MUST_CHECK enum iam_err db_open(const struct db_driver *driver, const char *path,
	bool writer, struct db **ret_db, struct iam_error *err);
void db_close(struct db *db);

/* Prepares every statement, so that a wrong one is known now. Errors: IAM_STORE with a text. */
MUST_CHECK enum iam_err db_prepare_all(struct db *db, struct iam_error *err);

/* Tests: the n-th step, control or exec from now on fails with IAM_STORE_FULL; 0: none. */
void db_fail_after(struct db *db, int n);

const struct db_driver *db_driver_of(const struct db *db);
bool db_is_writer(const struct db *db);
bool db_in_transaction(const struct db *db);

/* The driver's functions of the same names. Errors as documented there. */
MUST_CHECK enum iam_err db_exec(struct db *db, const char *sql);
MUST_CHECK enum iam_err db_version_get(struct db *db, enum db_owner *ret_owner,
	int64_t *ret_version);
MUST_CHECK enum iam_err db_version_set(struct db *db, int64_t version);
/* Inside a transaction it is put off until just before the next one. */
void db_maintain(struct db *db);

/*
 * One view over the reads between them; may be nested, and inside a transaction does nothing.
 * db_view_end() must follow only when db_view_begin() returned IAM_OK.
 */
MUST_CHECK enum iam_err db_view_begin(struct db *db);
void db_view_end(struct db *db);

/* ---- statements ---- */

struct db_stmt;

/* `DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_X);` ends the statement with its scope. */
#define DB_STMT_AUTO __attribute__((cleanup(db_stmt_release)))
void db_stmt_release(struct db_stmt **st);

/*
 * Never NULL: a failure to prepare shows at db_step(). A statement cannot be used twice at once,
 * and a WRITE one only on the writer inside a transaction (both asserted).
 */
struct db_stmt *db_use(struct db *db, enum stmt_id id);

/* Bind the next parameter. Bytes must stay valid until the statement ends. Absent: NULL. */
void db_bind_str(struct db_stmt *st, struct str text);
void db_bind_i64(struct db_stmt *st, int64_t number);
void db_bind_bool(struct db_stmt *st, bool is);
void db_bind_blob(struct db_stmt *st, const void *bytes, size_t size);

enum db_step db_step(struct db_stmt *st);

/* After db_step(): why there was no row. `no_row` when there is none, else the failure. */
enum iam_err db_result(const struct db_stmt *st, enum iam_err no_row);

/* Steps to the end, ignoring rows. */
MUST_CHECK enum iam_err db_run(struct db_stmt *st);

/* The same; `untouched` when no row was written. */
MUST_CHECK enum iam_err db_run_touching(struct db_stmt *st, enum iam_err untouched);

/* Columns of the row, counted from 0; valid until the next step. NULL is an absent str. */
struct str db_col_str(const struct db_stmt *st, int index);
int64_t db_col_i64(const struct db_stmt *st, int index);
bool db_col_bool(const struct db_stmt *st, int index);
struct str db_col_blob(const struct db_stmt *st, int index);

#endif
