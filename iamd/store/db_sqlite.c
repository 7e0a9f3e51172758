/*
 * db_sqlite - the SQLite driver.
 *
 * Does: open connections with the settings that make SQLite durable (WAL, synchronous FULL),
 * strict (foreign keys, no double-quoted strings, defensive, untrusted schema) and small (bounded
 * caches, no mmap, temporary data in memory); map result codes to the store's error class.
 * Does not: share a connection between threads (NOMUTEX), know tables or statements.
 * Invariants: readers are opened read-only and never write a page; nothing of a database that
 * is not ours is changed before version_get() said so.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "iamd/store/db.h"
#include "libacl/base/str.h"

/* "IAMD"; PRAGMA application_id of our files. */
#define APPLICATION_ID 0x49414d44

/* LIMIT: a writer waits this long for another program's lock. */
#define BUSY_TIMEOUT_MS 5000
/* LIMIT: ... and a checkpoint this long for readers, before it is left to the next one. */
#define CHECKPOINT_TIMEOUT_MS 100
/* LIMIT: bytes of the file that are fetched early. */
#define READ_AHEAD_MAX ((off_t)4 << 30)
/* Linux heeds no more of one request. */
#define READ_AHEAD_STEP ((off_t)256 << 10)

/* LIMIT: page caches: 16 MiB for the writer, 2 MiB for a reader; used only as far as needed. */
#define WRITER_SETTINGS \
	"PRAGMA cache_size = -16384; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000;" \
	"PRAGMA journal_size_limit = 67108864; PRAGMA analysis_limit = 400;"
#define READER_SETTINGS "PRAGMA cache_size = -2048; PRAGMA query_only = ON;"
#define COMMON_SETTINGS \
	"PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;" \
	"PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"

static const char *const control_sql[DB_CONTROL_COUNT] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_BEGIN_READ] = "BEGIN DEFERRED",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_SAVEPOINT] = "SAVEPOINT job",
	[DB_RELEASE] = "RELEASE job",
	[DB_ROLLBACK_TO] = "ROLLBACK TO job",
};

struct conn {
	sqlite3 *db;
	bool writer;
	sqlite3_stmt *control[DB_CONTROL_COUNT]; /* prepared at first use */
};

static bool errno_is_full(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG;
}

/* The error class of a result code; `rc` may be an extended one. */
static enum iam_err classify(sqlite3 *db, int rc)
{
	int os = db == NULL ? 0 : sqlite3_system_errno(db);

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return IAM_OK;
	case SQLITE_FULL:
		return IAM_STORE_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return IAM_STORE_BUSY;
	case SQLITE_NOMEM:
		return IAM_NO_MEMORY;
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return IAM_NO_MEMORY;
		if (rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_SHMSIZE ||
			errno_is_full(os))
			return IAM_STORE_FULL;
		return IAM_STORE;
	case SQLITE_CANTOPEN:
		return errno_is_full(os) ? IAM_STORE_FULL : IAM_STORE;
	default:
		return IAM_STORE;
	}
}

static enum iam_err exec(void *conn, const char *sql)
{
	struct conn *c = conn;

	return classify(c->db, sqlite3_exec(c->db, sql, NULL, NULL, NULL));
}

/* First column of the first row of a statement without parameters. */
static int query_i64(sqlite3 *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret = sqlite3_column_int64(st, 0);
		rc = SQLITE_OK;
	}
	(void)sqlite3_finalize(st);
	return rc;
}

/* ---- opening ---- */

/* SQLite would make the file with the umask's mode; its -wal and -shm follow this one's. */
static enum iam_err create_private(const char *path, struct iam_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return iam_error_set(err,
			errno_is_full(errno) ? IAM_STORE_FULL : IAM_CONFIG,
			"cannot create database '%s': %s", path, strerrordesc_np(errno));
	if (fd >= 0)
		(void)close(fd);
	return IAM_OK;
}

/*
 * A start reads nearly all of the file, in the order of its indexes: at random, page by page. Has
 * the system read it in its own order meanwhile. Only before SQLite has the file open: closing a
 * file drops every lock that this process has on it.
 */
static void read_ahead(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size;

	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	for (off_t at = 0; at < size && at < READ_AHEAD_MAX; at += READ_AHEAD_STEP)
		(void)posix_fadvise(fd, at, READ_AHEAD_STEP, POSIX_FADV_WILLNEED);
	(void)close(fd);
}

static int configure(sqlite3 *db, bool writer)
{
	int rc = sqlite3_extended_result_codes(db, 1);

	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, COMMON_SETTINGS, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, writer ? WRITER_SETTINGS : READER_SETTINGS, NULL,
			NULL, NULL);
	return rc;
}

static enum db_owner owner_of(int64_t application_id, int64_t n_tables)
{
	if (application_id == APPLICATION_ID)
		return DB_OWNER_IAMD;
	return application_id == 0 && n_tables == 0 ? DB_OWNER_NONE : DB_OWNER_FOREIGN;
}

static int version_read(sqlite3 *db, enum db_owner *ret_owner, int64_t *ret_version)
{
	int64_t application_id = 0, n_tables = 0, version = 0;
	int rc = query_i64(db, "PRAGMA application_id", &application_id);

	if (rc == SQLITE_OK)
		rc = query_i64(db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = query_i64(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
	if (rc != SQLITE_OK)
		return rc;
	*ret_owner = owner_of(application_id, n_tables);
	*ret_version = version;
	return SQLITE_OK;
}

/* The journal mode is part of the file, so it is left alone in a file that is not ours. */
static int enter_wal(sqlite3 *db)
{
	enum db_owner owner = DB_OWNER_FOREIGN;
	int64_t version = 0;
	int rc = version_read(db, &owner, &version);

	if (rc != SQLITE_OK || owner == DB_OWNER_FOREIGN)
		return rc;
	return sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
}

static enum iam_err open_failed(struct conn *c, const char *path, int rc,
	struct iam_error *err)
{
	enum iam_err e = classify(c->db, rc);

	/* A file of garbage, or one we may not open: the operator's to mend. */
	if ((rc & 0xff) == SQLITE_NOTADB ||
		((rc & 0xff) == SQLITE_CANTOPEN && e == IAM_STORE))
		e = IAM_CONFIG;
	(void)iam_error_set(err, e, "cannot open database '%s': %s", path,
		c->db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(c->db));
	(void)sqlite3_close(c->db);
	free(c);
	return e;
}

static enum iam_err open_conn(const char *path, bool writer, void **ret_conn,
	struct iam_error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		(writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	enum iam_err e = writer ? create_private(path, err) : IAM_OK;
	struct conn *c;
	int rc;

	if (e != IAM_OK)
		return e;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	if (writer)
		read_ahead(path);
	/*
	 * No counters of memory, which would take a process-wide lock at every allocation. Refused
	 * (harmlessly) when SQLite was initialised before.
	 */
	if (writer)
		(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	c->writer = writer;
	rc = sqlite3_open_v2(path, &c->db, flags, NULL);
	if (rc == SQLITE_OK)
		rc = configure(c->db, writer);
	if (rc == SQLITE_OK && writer)
		rc = enter_wal(c->db);
	if (rc != SQLITE_OK)
		return open_failed(c, path, rc, err);
	*ret_conn = c;
	return IAM_OK;
}

static void close_conn(void *conn)
{
	struct conn *c = conn;

	for (size_t i = 0; i < DB_CONTROL_COUNT; i++)
		(void)sqlite3_finalize(c->control[i]);
	(void)sqlite3_close(c->db);
	free(c);
}

/* ---- schema version ---- */

static enum iam_err version_get(void *conn, enum db_owner *ret_owner,
	int64_t *ret_version)
{
	struct conn *c = conn;

	return classify(c->db, version_read(c->db, ret_owner, ret_version));
}

static enum iam_err version_set(void *conn, int64_t version)
{
	char sql[96];

	(void)snprintf(sql, sizeof(sql),
		"PRAGMA application_id = %d; PRAGMA user_version = %lld", APPLICATION_ID,
		(long long)version);
	return exec(conn, sql);
}

/* ---- transactions ---- */

static int control_step(struct conn *c, enum db_control what)
{
	sqlite3_stmt **st = &c->control[what];
	int rc;

	if (*st == NULL) {
		rc = sqlite3_prepare_v3(c->db, control_sql[what], -1,
			SQLITE_PREPARE_PERSISTENT, st, NULL);
		if (rc != SQLITE_OK)
			return rc;
	}
	rc = sqlite3_step(*st);
	(void)sqlite3_reset(*st);
	return rc;
}

static enum iam_err control(void *conn, enum db_control what)
{
	struct conn *c = conn;
	int rc = control_step(c, what);

	/* The savepoint is still there after ROLLBACK TO. */
	if (what == DB_ROLLBACK_TO && rc == SQLITE_DONE)
		rc = control_step(c, DB_RELEASE);
	return classify(c->db, rc);
}

static bool in_transaction(void *conn)
{
	struct conn *c = conn;

	return sqlite3_get_autocommit(c->db) == 0;
}

/* ---- statements ---- */

/* SQLite numbers "$2, $1" by first appearance: parameter i must be the one named $i. */
static const char *mismatch(sqlite3_stmt *st, const struct db_stmt_def *def)
{
	int n_params = sqlite3_bind_parameter_count(st);

	if (n_params != (int)strlen(def->params))
		return "number of parameters";
	for (int i = 1; i <= n_params; i++) {
		const char *name = sqlite3_bind_parameter_name(st, i);
		char expected[16];

		(void)snprintf(expected, sizeof(expected), "$%d", i);
		if (name == NULL || strcmp(name, expected) != 0)
			return "order of parameters";
	}
	if (sqlite3_column_count(st) != (int)strlen(def->columns))
		return "number of columns";
	if ((sqlite3_stmt_readonly(st) != 0) != (def->access == DB_READ))
		return "READ or WRITE";
	return NULL;
}

static enum iam_err prepare(void *conn, const struct db_stmt_def *def, void **ret_stmt,
	struct iam_error *err)
{
	struct conn *c = conn;
	sqlite3_stmt *st = NULL;
	const char *tail = NULL;
	const char *wrong;
	int rc = sqlite3_prepare_v3(c->db, def->sql, -1, SQLITE_PREPARE_PERSISTENT, &st,
		&tail);

	if (rc != SQLITE_OK)
		return iam_error_set(err, classify(c->db, rc), "statement %s: %s",
			def->name, sqlite3_errmsg(c->db));
	wrong = *tail != '\0' ? "more than one statement" : mismatch(st, def);
	if (wrong != NULL) {
		(void)sqlite3_finalize(st);
		return iam_error_set(err, IAM_STORE,
			"statement %s is not as declared: %s", def->name, wrong);
	}
	*ret_stmt = st;
	return IAM_OK;
}

static void finalize(void *stmt)
{
	(void)sqlite3_finalize(stmt);
}

static enum iam_err bind(void *stmt, int index, const struct db_value *value)
{
	const char *bytes = value->bytes.ptr == NULL ? "" : value->bytes.ptr;
	int rc = SQLITE_OK;

	switch (value->kind) {
	case DB_VALUE_NULL:
		rc = sqlite3_bind_null(stmt, index + 1);
		break;
	case DB_VALUE_TEXT:
		rc = sqlite3_bind_text64(stmt, index + 1, bytes, value->bytes.len,
			SQLITE_STATIC, SQLITE_UTF8);
		break;
	case DB_VALUE_INT:
		rc = sqlite3_bind_int64(stmt, index + 1, value->number);
		break;
	case DB_VALUE_BLOB:
		rc = sqlite3_bind_blob64(stmt, index + 1, bytes, value->bytes.len,
			SQLITE_STATIC);
		break;
	}
	return classify(sqlite3_db_handle(stmt), rc);
}

static enum iam_err step(void *stmt, bool *ret_row)
{
	int rc = sqlite3_step(stmt);

	*ret_row = rc == SQLITE_ROW;
	return classify(sqlite3_db_handle(stmt), rc);
}

static void reset(void *stmt)
{
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
}

static struct str column_bytes(sqlite3_stmt *st, int index, bool text)
{
	const void *ptr;

	if (sqlite3_column_type(st, index) == SQLITE_NULL)
		return STR_NONE;
	ptr = text ? (const void *)sqlite3_column_text(st, index)
		   : sqlite3_column_blob(st, index);
	return (struct str){.ptr = ptr == NULL ? "" : ptr,
		.len = (size_t)sqlite3_column_bytes(st, index)};
}

static struct db_value column(void *stmt, int index, char type)
{
	switch (type) {
	case 'i':
		return (struct db_value){.kind = DB_VALUE_INT,
			.number = sqlite3_column_int64(stmt, index)};
	case 'b':
		return (struct db_value){
			.kind = DB_VALUE_BLOB, .bytes = column_bytes(stmt, index, false)};
	default:
		return (struct db_value){
			.kind = DB_VALUE_TEXT, .bytes = column_bytes(stmt, index, true)};
	}
}

static int64_t changes(void *conn)
{
	struct conn *c = conn;

	return sqlite3_changes64(c->db);
}

/*
 * A passive checkpoint never waits. Only when it got everything is the log cut as well, with a
 * short wait for readers.
 */
static void maintain(void *conn)
{
	struct conn *c = conn;
	int in_log = 0, done = 0;

	(void)sqlite3_exec(c->db, "PRAGMA optimize", NULL, NULL, NULL);
	(void)sqlite3_busy_timeout(c->db, CHECKPOINT_TIMEOUT_MS);
	if (sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log,
		    &done) == SQLITE_OK &&
		in_log > 0 && in_log == done)
		(void)sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
			NULL, NULL);
	(void)sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
	/* The allocator would keep what the page cache gives back. */
	(void)sqlite3_db_release_memory(c->db);
	(void)malloc_trim(0);
}

static const char *error_text(void *conn)
{
	struct conn *c = conn;

	return sqlite3_errmsg(c->db);
}

const struct db_driver db_driver_sqlite = {
	.name = "sqlite",
	.open = open_conn,
	.close = close_conn,
	.version_get = version_get,
	.version_set = version_set,
	.exec = exec,
	.control = control,
	.in_transaction = in_transaction,
	.prepare = prepare,
	.finalize = finalize,
	.bind = bind,
	.step = step,
	.reset = reset,
	.column = column,
	.changes = changes,
	.maintain = maintain,
	.error_text = error_text,
};
