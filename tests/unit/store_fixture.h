/*
 * store_fixture - a store of its own in a fresh folder, and a second pair of eyes on its file.
 *
 * The eyes are a plain SQLite connection, as the sqlite3 command would open it.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

struct fixture {
	char dir[64];
	char path[80];
	struct store *store;
	struct db *w;
	struct arena *arena;
	bool created;
};

static inline void assert_ok(enum iam_err e)
{
	assert_string_equal(iam_err_name(e), "OK");
}

static inline void assert_err(enum iam_err e, enum iam_err expected)
{
	assert_string_equal(iam_err_name(e), iam_err_name(expected));
}

static inline void assert_str(struct str s, const char *expected)
{
	assert_true(str_eq_c(s, expected));
}

/* A folder and a path, no store. */
static inline void fixture_folder(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	assert_true(sodium_init() >= 0);
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/iam-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/iamd.db", f->dir);
	f->arena = arena_new(4096, 1 << 20);
	assert_non_null(f->arena);
}

static inline enum iam_err fixture_try_open(struct fixture *f, int fail_after,
	struct iam_error *err)
{
	enum iam_err e = store_open(&(struct store_settings){.path = f->path,
					    .fail_after = fail_after},
		&f->store, &f->created, err);

	f->w = e == IAM_OK ? store_writer(f->store) : NULL;
	return e;
}

static inline void fixture_open(struct fixture *f)
{
	struct iam_error err = {0};
	enum iam_err e = fixture_try_open(f, 0, &err);

	if (e != IAM_OK)
		fail_msg("store_open: %s", err.text);
}

static inline void fixture_init(struct fixture *f)
{
	fixture_folder(f);
	fixture_open(f);
}

static inline void fixture_close(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	f->w = NULL;
}

static inline void fixture_done(struct fixture *f)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};

	fixture_close(f);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		char name[96];

		(void)snprintf(name, sizeof(name), "%s%s", f->path, suffixes[i]);
		(void)unlink(name);
	}
	assert_int_equal(rmdir(f->dir), 0);
	arena_free(f->arena);
}

/* ---- what a job of the writer does ---- */

static inline void tx_begin(struct fixture *f)
{
	assert_ok(store_begin(f->w));
	assert_ok(store_savepoint(f->w));
}

static inline void tx_commit(struct fixture *f)
{
	assert_ok(store_release(f->w));
	assert_ok(store_commit(f->w));
}

static inline enum iam_err user_add(struct fixture *f, const char *uid,
	const char *description)
{
	struct user user = {.uid = str_c(uid),
		.description = str_c(description),
		.password_hash = STR("$hash"),
		.enabled = true};

	return store_user_add(f->w, &user);
}

static inline enum iam_err service_add(struct fixture *f, const char *uid,
	const char *description)
{
	struct user user = {.uid = str_c(uid),
		.description = str_c(description),
		.public_key = STR("PEM"),
		.enabled = true};

	return store_user_add(f->w, &user);
}

static inline enum iam_err group_add(struct fixture *f, const char *gid)
{
	return store_group_add(f->w,
		&(struct group){.gid = str_c(gid),
			.description = STR("a group"),
			.provider_type = PROVIDER_INTERNAL});
}

/* Schema files of this build. */
static inline unsigned n_migrations(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < embedded_file_count; i++)
		n += strncmp(embedded_files[i].name, "sqlite/", 7) == 0 ? 1 : 0;
	return n;
}

/* The last row of the change set. */
static inline const struct change *last_change(struct fixture *f)
{
	const struct changes *c = store_changes(f->w);

	assert_true(c->len > 0);
	return &c->rows[c->len - 1];
}

/* ---- the second pair of eyes ---- */

static inline sqlite3 *eyes_open(const struct fixture *f)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_busy_timeout(db, 1000), SQLITE_OK);
	return db;
}

/* Runs SQL as another program would. */
static inline void eyes_exec(const struct fixture *f, const char *sql)
{
	sqlite3 *db = eyes_open(f);
	char *text = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline int64_t eyes_i64(const struct fixture *f, const char *sql)
{
	sqlite3 *db = eyes_open(f);
	sqlite3_stmt *st = NULL;
	int64_t value;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return value;
}

/* Everything that is stored, in one number; and the search indexes agree with their tables. */
static inline uint64_t eyes_digest(const struct fixture *f)
{
	static const char *const tables[] = {"users", "deleted_users", "groups",
		"group_members", "group_nesting", "acls", "user_grants", "group_grants",
		"revocations", "audit", "counters", "meta", "migrations", "directories",
		"directory_users", "directory_groups", "directory_members",
		"directory_subgroups", "directory_sync"};
	sqlite3 *db = eyes_open(f);
	crypto_generichash_state h;
	unsigned char out[16];
	uint64_t digest;

	(void)crypto_generichash_init(&h, NULL, 0, 16);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		sqlite3_stmt *st = NULL;
		char sql[80];

		(void)snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY 1, 2",
			tables[i]);
		if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		while (sqlite3_step(st) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(st); c++) {
				const void *bytes = sqlite3_column_blob(st, c);
				int n = sqlite3_column_bytes(st, c);

				(void)crypto_generichash_update(&h, bytes,
					(unsigned long long)n);
				(void)crypto_generichash_update(&h,
					(const unsigned char *)"|", 1);
			}
		}
		(void)sqlite3_finalize(st);
	}
	(void)crypto_generichash_final(&h, out, sizeof(out));
	memcpy(&digest, out, sizeof(digest));
	if (sqlite3_exec(db,
		    "INSERT INTO user_search(user_search, rank) VALUES ('integrity-check', 1);"
		    "INSERT INTO group_search(group_search, rank) VALUES ('integrity-check', 1);"
		    "INSERT INTO acl_search(acl_search, rank) VALUES ('integrity-check', 1)",
		    NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("search index: %s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return digest;
}

#endif
