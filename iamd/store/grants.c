/*
 * grants - which action on which resource is granted to whom; and the listings of that.
 *
 * Does: add, remove and tell stored grants. Does not: decide (libacl does, on the snapshot): here
 * `full` is one action of five, and nested groups do not count.
 * Invariants: every change is noted in the change set; references are checked inside the
 * transaction; the stored numbers of actions are those of enum iam_action and never change.
 */
#include <assert.h>

#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

_Static_assert(IAM_CREATE == 0 && IAM_READ == 1 && IAM_UPDATE == 2 && IAM_DELETE == 3 &&
		IAM_FULL == 4 && IAM_ACTION_COUNT == 5,
	"actions are stored by number");

enum iam_action store_col_action(const struct db_stmt *st, int column)
{
	int64_t number = db_col_i64(st, column);

	assert(number >= 0 && number < IAM_ACTION_COUNT); /* the table's CHECK */
	return (enum iam_action)number;
}

/* The statement for a kind of subject. */
static enum stmt_id of_kind(enum iam_subject kind, enum stmt_id user, enum stmt_id group)
{
	return kind == IAM_SUBJECT_USER ? user : group;
}

/* ---- one subject on one resource ---- */

/* Errors: IAM_NO_RESOURCE, IAM_NO_USER, IAM_NO_GROUP. */
static enum iam_err both_exist(struct db *db, struct str rid, enum iam_subject kind,
	struct str id)
{
	enum iam_err e = store_exists(db, STMT_ACL_EXISTS, rid, IAM_NO_RESOURCE);

	if (e != IAM_OK)
		return e;
	if (kind == IAM_SUBJECT_USER)
		return store_exists(db, STMT_USER_EXISTS, id, IAM_NO_USER);
	return store_exists(db, STMT_GROUP_EXISTS, id, IAM_NO_GROUP);
}

static enum iam_err actions_of(struct db *db, struct str rid, enum iam_subject kind,
	struct str id, unsigned *ret_actions)
{
	DB_STMT_AUTO struct db_stmt *st =
		db_use(db, of_kind(kind, STMT_USER_GRANTS_GET, STMT_GROUP_GRANTS_GET));
	unsigned actions = 0;
	enum iam_err e;

	db_bind_str(st, id);
	db_bind_str(st, rid);
	while (db_step(st) == DB_ROW)
		actions |= 1U << store_col_action(st, 0);
	e = db_result(st, IAM_OK);
	if (e == IAM_OK)
		*ret_actions = actions;
	return e;
}

enum iam_err store_grants_get(struct db *db, struct str rid, enum iam_subject kind,
	struct str id, unsigned *ret_actions)
{
	unsigned actions = 0;
	enum iam_err e = db_view_begin(db);

	if (e != IAM_OK)
		return e;
	e = actions_of(db, rid, kind, id, &actions);
	/* A grant speaks for both of its ends. */
	if (e == IAM_OK && actions == 0)
		e = both_exist(db, rid, kind, id);
	db_view_end(db);
	if (e == IAM_OK)
		*ret_actions = actions;
	return e;
}

/* ---- changing ---- */

static enum iam_err note_grant(struct db *w, enum change_kind change, struct str rid,
	enum iam_subject kind, struct str id, enum iam_action action)
{
	return changes_add(store_changes(w),
		&(struct change){.kind = change,
			.id = rid,
			.other = id,
			.subject = kind,
			.action = action});
}

/* Binds a grant to a statement that adds or removes it, and runs it. */
static enum iam_err run_grant(struct db *w, enum stmt_id stmt, struct str rid,
	struct str id, enum iam_action action, enum iam_err untouched)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, stmt);

	db_bind_str(st, id);
	db_bind_str(st, rid);
	db_bind_i64(st, (int64_t)action);
	return db_run_touching(st, untouched);
}

enum iam_err store_grant_add(struct db *w, struct str rid, enum iam_subject kind,
	struct str id, enum iam_action action)
{
	enum iam_err e = both_exist(w, rid, kind, id);

	if (e == IAM_OK)
		e = run_grant(w, of_kind(kind, STMT_USER_GRANT_ADD, STMT_GROUP_GRANT_ADD),
			rid, id, action, IAM_PERMISSION_EXISTS);
	return e != IAM_OK ? e : note_grant(w, CHANGE_GRANT, rid, kind, id, action);
}

enum iam_err store_grant_remove(struct db *w, struct str rid, enum iam_subject kind,
	struct str id, enum iam_action action)
{
	enum iam_err e = both_exist(w, rid, kind, id);

	if (e == IAM_OK)
		e = run_grant(w,
			of_kind(kind, STMT_USER_GRANT_REMOVE, STMT_GROUP_GRANT_REMOVE),
			rid, id, action, IAM_ACTION_NOT_STORED);
	return e != IAM_OK ? e : note_grant(w, CHANGE_GRANT_GONE, rid, kind, id, action);
}

/* Removes what there is and notes it; *ret_n of them. */
static enum iam_err remove_all(struct db *w, struct str rid, enum iam_subject kind,
	struct str id, int *ret_n)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w,
		of_kind(kind, STMT_USER_GRANTS_REMOVE, STMT_GROUP_GRANTS_REMOVE));
	enum iam_err e = IAM_OK;

	db_bind_str(st, id);
	db_bind_str(st, rid);
	while (e == IAM_OK && db_step(st) == DB_ROW) {
		e = note_grant(w, CHANGE_GRANT_GONE, rid, kind, id,
			store_col_action(st, 0));
		(*ret_n)++;
	}
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

enum iam_err store_grants_remove(struct db *w, struct str rid, enum iam_subject kind,
	struct str id)
{
	int n = 0;
	enum iam_err e = both_exist(w, rid, kind, id);

	if (e == IAM_OK)
		e = remove_all(w, rid, kind, id, &n);
	if (e != IAM_OK || n > 0)
		return e;
	return kind == IAM_SUBJECT_USER ? IAM_USER_NOT_IN_ACL : IAM_GROUP_NOT_IN_ACL;
}

/* ---- listings ---- */

static enum iam_err list(struct db *db, enum iam_subject kind, struct str id,
	struct str after, grant_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st =
		db_use(db, of_kind(kind, STMT_USER_PERMISSIONS, STMT_GROUP_PERMISSIONS));

	db_bind_str(st, id);
	db_bind_str(st, store_or_empty(after));
	while (db_step(st) == DB_ROW) {
		struct grant_row grant = {.rid = db_col_str(st, 0),
			.description = db_col_str(st, 1),
			.action = store_col_action(st, 2)};

		*(kind == IAM_SUBJECT_USER ? &grant.uid : &grant.gid) = id;
		if (!row(&grant, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_user_permissions(struct db *db, struct str uid, struct str after,
	grant_row_fn *row, void *ctx)
{
	return list(db, IAM_SUBJECT_USER, uid, after, row, ctx);
}

enum iam_err store_group_permissions(struct db *db, struct str gid, struct str after,
	grant_row_fn *row, void *ctx)
{
	return list(db, IAM_SUBJECT_GROUP, gid, after, row, ctx);
}

enum iam_err store_acl_permissions(struct db *db, struct str rid, enum iam_subject kind,
	struct str after, grant_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db,
		of_kind(kind, STMT_ACL_PERMISSIONS_USERS, STMT_ACL_PERMISSIONS_GROUPS));

	db_bind_str(st, rid);
	db_bind_str(st, store_or_empty(after));
	while (db_step(st) == DB_ROW) {
		struct grant_row grant = {.rid = rid, .action = store_col_action(st, 1)};

		*(kind == IAM_SUBJECT_USER ? &grant.uid : &grant.gid) = db_col_str(st, 0);
		if (!row(&grant, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}
