/*
 * directories - configurations of directories, and what came from which entry of them.
 *
 * Does: keep configurations, the bindings of accounts and groups to entries, the memberships that a
 * directory gave, and where its synchronisation stands. Does not: read configurations or unseal
 * secrets; decide what an entry becomes (authn/ldap_accounts).
 * Invariants: an entry is one account and an account one entry, for ever; a membership is marked as
 * the directory's only by whoever made it so, and the mark goes with the membership.
 */
#include "iamd/store/directories.h"

#include <assert.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/clock.h"
#include "libacl/base/str.h"

/* ---- configurations ---- */

enum iam_err store_directory_each(struct db *db, directory_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_LIST);

	while (db_step(st) == DB_ROW) {
		struct directory_row r = {.id = db_col_str(st, 0),
			.config = db_col_str(st, 1),
			.sealed = db_col_blob(st, 2)};

		if (!row(&r, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

/* One text to a statement that writes. */
static enum iam_err run_for(struct db *w, enum stmt_id id, struct str key,
	enum iam_err untouched)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);

	db_bind_str(st, key);
	return db_run_touching(st, untouched);
}

static enum iam_err put_row(struct db *w, const struct directory_row *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_PUT);

	db_bind_str(st, row->id);
	db_bind_str(st, row->config);
	db_bind_blob(st, row->sealed.ptr, row->sealed.len);
	db_bind_i64(st, clock_now_ms());
	return db_run(st);
}

enum iam_err store_directory_put(struct db *w, const struct directory_row *row)
{
	enum iam_err e = put_row(w, row);

	/* What changed since the last run means nothing under other search rules. */
	return e != IAM_OK ? e : run_for(w, STMT_DIRECTORY_SYNC_FORGET, row->id, IAM_OK);
}

enum iam_err store_directory_delete(struct db *w, struct str id)
{
	enum iam_err e = run_for(w, STMT_DIRECTORY_DELETE, id, IAM_NO_DIRECTORY);

	return e != IAM_OK ? e : run_for(w, STMT_DIRECTORY_SYNC_FORGET, id, IAM_OK);
}

/* ---- accounts ---- */

/* Order of DIRECTORY_USER_COLUMNS. */
enum user_column {
	USER_DIRECTORY,
	USER_SUBJECT,
	USER_UID,
	USER_DN,
	USER_EMAIL,
	USER_DISABLED_THERE,
	USER_MISSING_SINCE_MS,
	USER_COLUMN_COUNT
};

static struct directory_user user_row(const struct db_stmt *st)
{
	return (struct directory_user){.directory = db_col_str(st, USER_DIRECTORY),
		.subject = db_col_str(st, USER_SUBJECT),
		.uid = db_col_str(st, USER_UID),
		.dn = db_col_str(st, USER_DN),
		.email = db_col_str(st, USER_EMAIL),
		.disabled_there = db_col_bool(st, USER_DISABLED_THERE),
		.missing_since_ms = db_col_i64(st, USER_MISSING_SINCE_MS)};
}

/* The row a bound statement has, copied. */
static enum iam_err user_of(struct db_stmt *st, struct arena *a,
	struct directory_user *ret)
{
	struct directory_user u;

	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_USER);
	u = user_row(st);
	if (!store_keep(a, &u.directory) || !store_keep(a, &u.subject) ||
		!store_keep(a, &u.uid) || !store_keep(a, &u.dn) ||
		!store_keep(a, &u.email))
		return IAM_NO_MEMORY;
	*ret = u;
	return IAM_OK;
}

enum iam_err store_directory_user_find(struct db *db, struct arena *a,
	struct str directory, struct str subject, struct directory_user *ret)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_USER_FIND);

	db_bind_str(st, directory);
	db_bind_str(st, subject);
	return user_of(st, a, ret);
}

enum iam_err store_directory_user_get(struct db *db, struct arena *a, struct str uid,
	struct directory_user *ret)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_USER_GET);

	db_bind_str(st, uid);
	return user_of(st, a, ret);
}

static enum iam_err check_is_ldap(struct db *w, struct str uid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_USER_PROVIDER);

	db_bind_str(st, uid);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_USER);
	return str_eq_c(db_col_str(st, 0), provider_type_name(PROVIDER_LDAP))
		? IAM_OK
		: IAM_CANNOT_IMPORT_USER;
}

static enum iam_err insert_user(struct db *w, const struct directory_user *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_USER_ADD);

	db_bind_str(st, row->uid);
	db_bind_str(st, row->directory);
	db_bind_str(st, row->subject);
	db_bind_str(st, store_or_empty(row->dn));
	db_bind_str(st, store_or_empty(row->email));
	db_bind_bool(st, row->disabled_there);
	db_bind_i64(st, row->missing_since_ms);
	return db_run_touching(st, IAM_EXISTS);
}

enum iam_err store_directory_user_bind(struct db *w, const struct directory_user *row)
{
	enum iam_err e = check_is_ldap(w, row->uid);

	if (e == IAM_OK)
		e = insert_user(w, row);
	if (e != IAM_EXISTS)
		return e;
	/* Bound: to this very entry, or this touches nothing. */
	e = store_directory_user_update(w, row);
	return e == IAM_NO_USER ? IAM_CANNOT_IMPORT_USER : e;
}

enum iam_err store_directory_user_update(struct db *w, const struct directory_user *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_USER_UPDATE);

	db_bind_str(st, store_or_empty(row->dn));
	db_bind_str(st, store_or_empty(row->email));
	db_bind_bool(st, row->disabled_there);
	db_bind_i64(st, row->missing_since_ms);
	db_bind_str(st, row->uid);
	db_bind_str(st, row->directory);
	db_bind_str(st, row->subject);
	return db_run_touching(st, IAM_NO_USER);
}

enum iam_err store_directory_users(struct db *db, struct str directory, struct str after,
	int64_t limit, directory_user_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_USER_LIST);

	assert(limit > 0);
	db_bind_str(st, directory);
	db_bind_str(st, store_or_empty(after));
	db_bind_i64(st, limit);
	while (db_step(st) == DB_ROW) {
		struct directory_user bound = user_row(st);
		struct user user;

		store_user_row(st, USER_COLUMN_COUNT, &user);
		if (!row(&bound, &user, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

/* ---- groups ---- */

/* Order of DIRECTORY_GROUP_COLUMNS. */
enum group_column {
	GROUP_DIRECTORY,
	GROUP_SUBJECT,
	GROUP_GID,
	GROUP_DN,
	GROUP_MISSING_SINCE_MS,
	GROUP_PARTIAL
};

static struct directory_group group_row(const struct db_stmt *st)
{
	return (struct directory_group){.directory = db_col_str(st, GROUP_DIRECTORY),
		.subject = db_col_str(st, GROUP_SUBJECT),
		.gid = db_col_str(st, GROUP_GID),
		.dn = db_col_str(st, GROUP_DN),
		.missing_since_ms = db_col_i64(st, GROUP_MISSING_SINCE_MS),
		.partial = db_col_bool(st, GROUP_PARTIAL)};
}

static enum iam_err group_of(struct db_stmt *st, struct arena *a,
	struct directory_group *ret)
{
	struct directory_group g;

	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_GROUP);
	g = group_row(st);
	if (!store_keep(a, &g.directory) || !store_keep(a, &g.subject) ||
		!store_keep(a, &g.gid) || !store_keep(a, &g.dn))
		return IAM_NO_MEMORY;
	*ret = g;
	return IAM_OK;
}

enum iam_err store_directory_group_find(struct db *db, struct arena *a,
	struct str directory, struct str subject, struct directory_group *ret)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_GROUP_FIND);

	db_bind_str(st, directory);
	db_bind_str(st, subject);
	return group_of(st, a, ret);
}

enum iam_err store_directory_group_get(struct db *db, struct arena *a, struct str gid,
	struct directory_group *ret)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_GROUP_GET);

	db_bind_str(st, gid);
	return group_of(st, a, ret);
}

/* The entry has no group, or this one. */
static enum iam_err check_entry_is_free(struct db *w, const struct directory_group *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_GROUP_FIND);

	db_bind_str(st, row->directory);
	db_bind_str(st, row->subject);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_OK);
	return str_eq(db_col_str(st, GROUP_GID), row->gid) ? IAM_OK : IAM_CONFLICT;
}

static enum iam_err put_group(struct db *w, const struct directory_group *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_GROUP_PUT);

	db_bind_str(st, row->gid);
	db_bind_str(st, row->directory);
	db_bind_str(st, row->subject);
	db_bind_str(st, store_or_empty(row->dn));
	db_bind_i64(st, row->missing_since_ms);
	db_bind_bool(st, row->partial);
	return db_run_touching(st, IAM_GROUP_EXISTS); /* bound to another entry */
}

enum iam_err store_directory_group_put(struct db *w, const struct directory_group *row)
{
	enum iam_err e = store_exists(w, STMT_GROUP_EXISTS, row->gid, IAM_NO_GROUP);

	if (e == IAM_OK)
		e = check_entry_is_free(w, row);
	return e != IAM_OK ? e : put_group(w, row);
}

enum iam_err store_directory_groups(struct db *db, struct str directory, struct str after,
	int64_t limit, directory_group_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_GROUP_LIST);

	assert(limit > 0);
	db_bind_str(st, directory);
	db_bind_str(st, store_or_empty(after));
	db_bind_i64(st, limit);
	while (db_step(st) == DB_ROW) {
		struct directory_group g = group_row(st);

		if (!row(&g, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_directory_groups_protected(struct db *db, struct str directory,
	bool (*row)(struct str gid, void *ctx), void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_GROUP_PROTECTED);

	db_bind_str(st, directory);
	while (db_step(st) == DB_ROW)
		if (!row(db_col_str(st, 0), ctx))
			return IAM_OK;
	return db_result(st, IAM_OK);
}

/* ---- memberships and nesting that a directory gave ---- */

/* Is the pair marked as the directory's? Else IAM_NOT_IN_GROUP. */
static enum iam_err is_marked(struct db *db, enum stmt_id id, struct str gid,
	struct str other)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, id);

	db_bind_str(st, gid);
	db_bind_str(st, other);
	return db_step(st) == DB_ROW ? IAM_OK : db_result(st, IAM_NOT_IN_GROUP);
}

static enum iam_err mark(struct db *w, enum stmt_id id, struct str gid, struct str other)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);

	db_bind_str(st, gid);
	db_bind_str(st, other);
	return db_run(st);
}

enum iam_err store_directory_member_add(struct db *w, struct str gid, struct str uid)
{
	enum iam_err e = store_member_add(w, gid, uid);

	if (e == IAM_IN_GROUP) /* by hand, and so it stays; or marked before */
		return IAM_OK;
	return e != IAM_OK ? e : mark(w, STMT_DIRECTORY_MEMBER_ADD, gid, uid);
}

enum iam_err store_directory_member_remove(struct db *w, struct str gid, struct str uid)
{
	enum iam_err e = is_marked(w, STMT_DIRECTORY_MEMBER_EXISTS, gid, uid);

	return e != IAM_OK ? e : store_member_remove(w, gid, uid);
}

enum iam_err store_directory_subgroup_add(struct db *w, struct str gid, struct str sub)
{
	enum iam_err e = store_subgroup_add(w, gid, sub);

	if (e == IAM_IN_GROUP)
		return IAM_OK;
	return e != IAM_OK ? e : mark(w, STMT_DIRECTORY_SUBGROUP_ADD, gid, sub);
}

enum iam_err store_directory_subgroup_remove(struct db *w, struct str gid, struct str sub)
{
	enum iam_err e = is_marked(w, STMT_DIRECTORY_SUBGROUP_EXISTS, gid, sub);

	return e != IAM_OK ? e : store_subgroup_remove(w, gid, sub);
}

typedef bool id_fn(struct str id, void *ctx);

struct id_page {
	struct str gid, after;
	int64_t limit;
	id_fn *row;
	void *ctx;
};

static enum iam_err list_ids(struct db *db, enum stmt_id id, const struct id_page *p)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, id);

	assert(p->limit > 0);
	db_bind_str(st, p->gid);
	db_bind_str(st, store_or_empty(p->after));
	db_bind_i64(st, p->limit);
	while (db_step(st) == DB_ROW)
		if (!p->row(db_col_str(st, 0), p->ctx))
			return IAM_OK;
	return db_result(st, IAM_OK);
}

enum iam_err store_directory_members(struct db *db, struct str gid, struct str after,
	int64_t limit, bool (*row)(struct str uid, void *ctx), void *ctx)
{
	return list_ids(db, STMT_DIRECTORY_MEMBER_LIST,
		&(struct id_page){gid, after, limit, row, ctx});
}

enum iam_err store_directory_subgroups(struct db *db, struct str gid, struct str after,
	int64_t limit, bool (*row)(struct str sub, void *ctx), void *ctx)
{
	return list_ids(db, STMT_DIRECTORY_SUBGROUP_LIST,
		&(struct id_page){gid, after, limit, row, ctx});
}

enum iam_err store_directory_links(struct db *db, struct str directory, bool sub,
	const struct directory_link *after, int64_t limit, directory_link_fn *row,
	void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(
		db, sub ? STMT_DIRECTORY_SUBGROUP_LINKS : STMT_DIRECTORY_MEMBER_LINKS);
	struct str gid = store_or_empty(after->gid);

	assert(limit > 0);
	db_bind_str(st, directory);
	db_bind_str(st, gid);
	db_bind_str(st, gid);
	db_bind_str(st, store_or_empty(after->member));
	db_bind_i64(st, limit);
	while (db_step(st) == DB_ROW) {
		struct directory_link link = {.gid = db_col_str(st, 0),
			.member = db_col_str(st, 1),
			.ours = db_col_bool(st, 2)};

		if (!row(&link, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

/* ---- where a synchronisation stands ---- */

enum iam_err store_directory_sync_get(struct db *db, struct arena *a,
	struct str directory, struct directory_sync *ret)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_DIRECTORY_SYNC_GET);
	struct directory_sync s = {.finished_ms = 0};

	db_bind_str(st, directory);
	if (db_step(st) == DB_ROW) {
		s = (struct directory_sync){.kind = db_col_str(st, 0),
			.cookie = db_col_str(st, 1),
			.server = db_col_str(st, 2),
			.finished_ms = db_col_i64(st, 3),
			.full_ms = db_col_i64(st, 4),
			.report = db_col_str(st, 5)};
		if (!store_keep(a, &s.kind) || !store_keep(a, &s.cookie) ||
			!store_keep(a, &s.server) || !store_keep(a, &s.report))
			return IAM_NO_MEMORY;
	} else if (db_result(st, IAM_OK) != IAM_OK) {
		return db_result(st, IAM_OK);
	}
	*ret = s;
	return IAM_OK;
}

enum iam_err store_directory_sync_put(struct db *w, struct str directory,
	const struct directory_sync *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DIRECTORY_SYNC_PUT);

	db_bind_str(st, directory);
	db_bind_str(st, store_or_empty(row->kind));
	db_bind_str(st, store_or_empty(row->cookie));
	db_bind_str(st, store_or_empty(row->server));
	db_bind_i64(st, row->finished_ms);
	db_bind_i64(st, row->full_ms);
	db_bind_str(st, store_or_empty(row->report));
	return db_run(st);
}
