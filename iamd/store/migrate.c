/*
 * migrate - numbered schema files, applied once each, in order.
 *
 * Does: compare what the database says was applied with the files of this build, apply the rest,
 * each in a transaction that also records its name and SHA-256. Does not: go back.
 * Invariants: a failure in the middle leaves the schema of the file before; a database that is
 * not ours, newer than this build, or made from other texts is refused before anything is changed.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

/* LIMIT: numbers have four digits. */
#define NUMBER_DIGITS 4

struct migration {
	int64_t number;
	struct str name; /* "0001_init.sql" */
	struct str text; /* ends in NUL behind len */
	unsigned char sha256[crypto_hash_sha256_BYTES];
};

/* False when the file is not a migration of this driver. */
static bool migration_of(const struct embedded_file *file, const struct db_driver *driver,
	struct migration *ret)
{
	struct str name = str_c(file->name);
	struct str folder = str_c(driver->name);
	int64_t number;

	if (!str_starts(name, folder) || name.len <= folder.len + 1 ||
		name.ptr[folder.len] != '/')
		return false;
	name = str_sub(name, folder.len + 1, name.len);
	if (!str_ends(name, STR(".sql")) || name.len <= NUMBER_DIGITS ||
		name.ptr[NUMBER_DIGITS] != '_' ||
		!str_to_i64(str_sub(name, 0, NUMBER_DIGITS), 1, 9999, &number))
		return false;
	ret->number = number;
	ret->name = name;
	ret->text = file->data;
	(void)crypto_hash_sha256(ret->sha256, (const unsigned char *)file->data.ptr,
		file->data.len);
	return true;
}

/* The file with this number; false when the build has none. */
static bool find(const struct db *db, const struct embedded_file *files, unsigned n_files,
	int64_t number, struct migration *ret)
{
	for (unsigned i = 0; i < n_files; i++) {
		struct migration m;

		if (!migration_of(&files[i], db_driver_of(db), &m) || m.number != number)
			continue;
		*ret = m;
		return true;
	}
	return false;
}

static enum iam_err check_row(const struct db_stmt *st, const struct migration *m,
	struct iam_error *err)
{
	struct str sha256 = db_col_blob(st, 2);

	if (!str_eq(db_col_str(st, 1), m->name) || sha256.len != sizeof(m->sha256) ||
		memcmp(sha256.ptr, m->sha256, sizeof(m->sha256)) != 0)
		return iam_error_set(err, IAM_CONFIG,
			"the database was made with another text of migration %.*s than this iamd has",
			STR_FMT(m->name));
	return IAM_OK;
}

/* Rows 1..version, each equal to its file. */
static enum iam_err check_applied(struct db *w, const struct embedded_file *files,
	unsigned n_files, int64_t version, struct iam_error *err)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_MIGRATION_LIST);
	int64_t number = 0;
	struct migration m;
	enum iam_err e;

	while (db_step(st) == DB_ROW) {
		number++;
		if (db_col_i64(st, 0) != number || !find(w, files, n_files, number, &m))
			return iam_error_set(err, IAM_CONFIG,
				"the database's list of migrations is not one of this iamd");
		e = check_row(st, &m, err);
		if (e != IAM_OK)
			return e;
	}
	e = db_result(st, IAM_OK);
	if (e != IAM_OK)
		return iam_error_set(err, e,
			"cannot read the database's list of migrations");
	if (number != version)
		return iam_error_set(err, IAM_CONFIG,
			"the database says schema %lld but lists %lld migrations",
			(long long)version, (long long)number);
	return IAM_OK;
}

static enum iam_err record(struct db *w, const struct migration *m)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_MIGRATION_ADD);

	db_bind_i64(st, m->number);
	db_bind_str(st, m->name);
	db_bind_blob(st, m->sha256, sizeof(m->sha256));
	db_bind_i64(st, clock_now_ms());
	return db_run(st);
}

static enum iam_err apply_open(struct db *w, const struct migration *m)
{
	enum iam_err e = db_exec(w, m->text.ptr);

	if (e == IAM_OK)
		e = record(w, m);
	if (e == IAM_OK)
		e = db_version_set(w, m->number);
	return e;
}

static enum iam_err apply(struct db *w, const struct migration *m)
{
	enum iam_err e = store_begin(w);

	if (e != IAM_OK)
		return e;
	e = apply_open(w, m);
	if (e != IAM_OK) {
		store_rollback(w);
		return e;
	}
	return store_commit(w);
}

static enum iam_err check(struct db *w, const struct embedded_file *files,
	unsigned n_files, int64_t *ret_version, struct iam_error *err)
{
	enum db_owner owner = DB_OWNER_FOREIGN;
	int64_t version = 0, last = 0;
	struct migration m;
	enum iam_err e = db_version_get(w, &owner, &version);

	if (e != IAM_OK)
		return iam_error_set(err, e, "cannot read the database's version: %s",
			db_driver_of(w)->name);
	if (owner == DB_OWNER_FOREIGN)
		return iam_error_set(err, IAM_CONFIG,
			"the database belongs to another program");
	while (find(w, files, n_files, last + 1, &m))
		last++;
	if (version < 0 || version > last)
		return iam_error_set(err, IAM_CONFIG,
			"the database has schema %lld, made by a newer iamd; this one knows %lld",
			(long long)version, (long long)last);
	*ret_version = version;
	return version == 0 ? IAM_OK : check_applied(w, files, n_files, version, err);
}

enum iam_err migrate_run(struct db *w, const struct embedded_file *files,
	unsigned n_files, struct iam_error *err)
{
	int64_t version = 0;
	struct migration m;
	enum iam_err e = check(w, files, n_files, &version, err);

	if (e != IAM_OK)
		return e;
	while (find(w, files, n_files, version + 1, &m)) {
		e = apply(w, &m);
		if (e != IAM_OK)
			return iam_error_set(err, e, "migration %.*s failed: %s",
				STR_FMT(m.name), iam_err_text(e));
		log_event(LOG_LEVEL_INFO, "store.migrated", LOG_STR("migration", m.name));
		version++;
	}
	return IAM_OK;
}
