/*
 * members - who and what is in a group, directly or through nested groups.
 *
 * Does: add, remove and list memberships of users and groups. Does not: decide (libacl does, on the
 * snapshot), nor forbid circles: every walk through nested groups visits a group once.
 * Invariants: every change is noted in the change set; references are checked inside the
 * transaction; a page of members costs no more than some thousand memberships, or users, besides
 * the nested groups, however many members there are.
 */
#include <assert.h>

#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

/* LIMIT: up to this many memberships are sorted for a page; with more, users are walked in order. */
#define FEW 10000

/* ---- changing ---- */

/* Binds two ids to a statement that adds or removes their relation, and runs it. */
static enum iam_err run_pair(struct db *w, enum stmt_id id, struct str gid,
	struct str other, enum iam_err untouched)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);

	db_bind_str(st, gid);
	db_bind_str(st, other);
	return db_run_touching(st, untouched);
}

/* Errors: IAM_NO_GROUP for gid, then `none` for other. */
static enum iam_err both_exist(struct db *w, struct str gid, enum stmt_id exists,
	struct str other, enum iam_err none)
{
	enum iam_err e = store_exists(w, STMT_GROUP_EXISTS, gid, IAM_NO_GROUP);

	return e != IAM_OK ? e : store_exists(w, exists, other, none);
}

enum iam_err store_member_add(struct db *w, struct str gid, struct str uid)
{
	enum iam_err e = both_exist(w, gid, STMT_USER_EXISTS, uid, IAM_NO_USER);

	if (e == IAM_OK)
		e = run_pair(w, STMT_MEMBER_ADD, gid, uid, IAM_IN_GROUP);
	return e != IAM_OK ? e : store_note(w, CHANGE_MEMBER, gid, uid);
}

enum iam_err store_member_remove(struct db *w, struct str gid, struct str uid)
{
	enum iam_err e = both_exist(w, gid, STMT_USER_EXISTS, uid, IAM_NO_USER);

	if (e == IAM_OK)
		e = run_pair(w, STMT_MEMBER_REMOVE, gid, uid, IAM_NOT_IN_GROUP);
	return e != IAM_OK ? e : store_note(w, CHANGE_MEMBER_GONE, gid, uid);
}

enum iam_err store_subgroup_add(struct db *w, struct str gid, struct str sub)
{
	enum iam_err e = both_exist(w, gid, STMT_GROUP_EXISTS, sub, IAM_NO_GROUP);

	if (e == IAM_OK && str_eq(gid, sub))
		e = IAM_IN_GROUP;
	if (e == IAM_OK)
		e = run_pair(w, STMT_NESTING_ADD, gid, sub, IAM_IN_GROUP);
	return e != IAM_OK ? e : store_note(w, CHANGE_SUBGROUP, gid, sub);
}

enum iam_err store_subgroup_remove(struct db *w, struct str gid, struct str sub)
{
	enum iam_err e = both_exist(w, gid, STMT_GROUP_EXISTS, sub, IAM_NO_GROUP);

	if (e == IAM_OK)
		e = run_pair(w, STMT_NESTING_REMOVE, gid, sub, IAM_NOT_IN_GROUP);
	return e != IAM_OK ? e : store_note(w, CHANGE_SUBGROUP_GONE, gid, sub);
}

/* ---- members ---- */

struct members {
	struct db *db;
	struct str gid;
	bool service;
	bool effective;
	struct str after;
	int64_t limit;
	struct user_sink sink;
};

static enum iam_err tell(struct db_stmt *st, struct members *q)
{
	struct store_told told = {0};

	return store_user_rows(st, &q->sink, &told);
}

/* Regular users who are members themselves: the key of the memberships is in their order. */
static enum iam_err tell_direct(struct members *q)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(q->db, STMT_MEMBER_DIRECT_REGULAR);

	db_bind_str(st, q->gid);
	db_bind_str(st, q->after);
	db_bind_i64(st, q->limit);
	return tell(st, q);
}

/* Memberships behind `after`, a user in several groups counted as often; not beyond FEW + 1. */
static enum iam_err count(const struct members *q, int64_t *ret_count)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(q->db, STMT_MEMBER_COUNT);

	db_bind_str(st, q->gid);
	db_bind_bool(st, q->effective);
	db_bind_str(st, q->after);
	db_bind_i64(st, FEW + 1);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_STORE);
	*ret_count = db_col_i64(st, 0);
	return IAM_OK;
}

static enum iam_err tell_few(struct members *q)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(q->db, STMT_MEMBER_FEW);

	db_bind_str(st, q->gid);
	db_bind_bool(st, q->effective);
	db_bind_str(st, q->after);
	db_bind_bool(st, q->service);
	db_bind_i64(st, q->limit);
	return tell(st, q);
}

/* So many members that the users in order are asked one by one, until the page is full. */
static enum iam_err walk(struct members *q)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(q->db,
		q->service ? STMT_MEMBER_WALK_SERVICE : STMT_MEMBER_WALK_REGULAR);

	db_bind_str(st, q->gid);
	db_bind_bool(st, q->effective);
	db_bind_str(st, q->after);
	db_bind_i64(st, q->limit);
	return tell(st, q);
}

static enum iam_err members_in_view(struct members *q)
{
	int64_t n = 0;
	enum iam_err e = count(q, &n);

	if (e != IAM_OK)
		return e;
	return n <= FEW ? tell_few(q) : walk(q);
}

enum iam_err store_group_members(struct db *db, struct str gid, bool service,
	bool effective, const struct page_query *query, user_row_fn *row, void *ctx)
{
	struct members q = {.db = db,
		.gid = gid,
		.service = service,
		.effective = effective,
		.after = store_or_empty(query->after),
		.limit = query->limit,
		.sink = {.row = row, .ctx = ctx}};
	enum iam_err e;

	assert(query->limit > 0);
	if (!effective && !service)
		return tell_direct(&q);
	e = db_view_begin(db);
	if (e != IAM_OK)
		return e;
	e = members_in_view(&q);
	db_view_end(db);
	return e;
}

/* ---- groups in groups, groups of a user ---- */

static enum iam_err tell_groups(struct db_stmt *st, group_row_fn *row, void *ctx)
{
	struct group_sink sink = {.row = row, .ctx = ctx};
	struct store_told told = {0};

	return store_group_rows(st, &sink, &told);
}

static enum iam_err subgroups_direct(struct db *db, struct str gid,
	const struct page_query *query, group_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_SUBGROUP_LIST);

	db_bind_str(st, gid);
	db_bind_str(st, store_or_empty(query->after));
	db_bind_i64(st, query->limit);
	return tell_groups(st, row, ctx);
}

static enum iam_err subgroups_effective(struct db *db, struct str gid,
	const struct page_query *query, group_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_SUBGROUP_LIST_EFFECTIVE);

	db_bind_str(st, gid);
	db_bind_bool(st, true);
	db_bind_str(st, store_or_empty(query->after));
	db_bind_i64(st, query->limit);
	return tell_groups(st, row, ctx);
}

enum iam_err store_subgroups(struct db *db, struct str gid, bool effective,
	const struct page_query *query, group_row_fn *row, void *ctx)
{
	assert(query->limit > 0);
	return effective ? subgroups_effective(db, gid, query, row, ctx)
			 : subgroups_direct(db, gid, query, row, ctx);
}

enum iam_err store_user_groups(struct db *db, struct str uid, bool effective,
	const struct page_query *query, group_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st =
		db_use(db, effective ? STMT_USER_GROUPS_EFFECTIVE : STMT_USER_GROUPS);

	assert(query->limit > 0);
	db_bind_str(st, uid);
	db_bind_str(st, store_or_empty(query->after));
	db_bind_i64(st, query->limit);
	return tell_groups(st, row, ctx);
}
