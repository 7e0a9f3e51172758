/*
 * acls - ACLs and grants: adding, a user's own permissions, the whole model for the snapshot, and
 * the question whether a superuser is left.
 *
 * Does not: decide requests (libacl does, on the snapshot).
 * Invariants: every change is noted in the change set; the stored numbers of actions are those of
 * enum iam_action and never change.
 */
#include <assert.h>

#include "iamd/store/store_impl.h"

_Static_assert(IAM_CREATE == 0 && IAM_READ == 1 && IAM_UPDATE == 2 && IAM_DELETE == 3 &&
		IAM_FULL == 4 && IAM_ACTION_COUNT == 5,
	"actions are stored by number");

static enum iam_action col_action(const struct db_stmt *st, int column)
{
	int64_t number = db_col_i64(st, column);

	assert(number >= 0 && number < IAM_ACTION_COUNT); /* the table's CHECK */
	return (enum iam_action)number;
}

/* ---- adding ---- */

enum iam_err store_acl_add(struct db *w, struct str rid, struct str description)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_ACL_ADD);
	enum iam_err e;

	db_bind_str(st, rid);
	db_bind_str(st, description.ptr == NULL ? STR("") : description);
	e = db_run_touching(st, IAM_ACL_EXISTS);
	return e != IAM_OK
		? e
		: changes_add(store_changes(w),
			  &(struct change){.kind = CHANGE_RESOURCE, .id = rid});
}

static enum iam_err subject_exists(struct db *w, enum iam_subject kind, struct str id)
{
	if (kind == IAM_SUBJECT_USER)
		return store_exists(w, STMT_USER_EXISTS, id, IAM_NO_USER);
	return store_exists(w, STMT_GROUP_EXISTS, id, IAM_NO_GROUP);
}

enum iam_err store_grant_add(struct db *w, struct str rid, enum iam_subject kind,
	struct str id, enum iam_action action)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w,
		kind == IAM_SUBJECT_USER ? STMT_USER_GRANT_ADD : STMT_GROUP_GRANT_ADD);
	enum iam_err e = store_exists(w, STMT_ACL_EXISTS, rid, IAM_NO_RESOURCE);

	if (e == IAM_OK)
		e = subject_exists(w, kind, id);
	if (e != IAM_OK)
		return e;
	db_bind_str(st, id);
	db_bind_str(st, rid);
	db_bind_i64(st, (int64_t)action);
	e = db_run_touching(st, IAM_PERMISSION_EXISTS);
	return e != IAM_OK
		? e
		: changes_add(store_changes(w),
			  &(struct change){.kind = CHANGE_GRANT,
				  .id = rid,
				  .other = id,
				  .subject = kind,
				  .action = action});
}

/* ---- a user's own permissions ---- */

static enum iam_err permissions_direct(struct db *db, struct str uid, grant_row_fn *row,
	void *ctx, bool *ret_stopped)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_USER_PERMISSIONS_DIRECT);

	db_bind_str(st, uid);
	while (db_step(st) == DB_ROW) {
		struct grant_row grant = {.rid = db_col_str(st, 0),
			.description = db_col_str(st, 1),
			.gid = STR_NONE,
			.action = col_action(st, 2)};

		if (!row(&grant, ctx)) {
			*ret_stopped = true;
			return IAM_OK;
		}
	}
	return db_result(st, IAM_OK);
}

static enum iam_err permissions_of_groups(struct db *db, struct str uid,
	grant_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_USER_PERMISSIONS_GROUPS);

	db_bind_str(st, uid);
	while (db_step(st) == DB_ROW) {
		struct grant_row grant = {.rid = db_col_str(st, 0),
			.description = db_col_str(st, 1),
			.gid = db_col_str(st, 2),
			.action = col_action(st, 3)};

		if (!row(&grant, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_user_permissions(struct db *db, struct str uid, grant_row_fn *row,
	void *ctx)
{
	bool stopped = false;
	enum iam_err e = db_view_begin(db);

	if (e != IAM_OK)
		return e;
	e = permissions_direct(db, uid, row, ctx, &stopped);
	if (e == IAM_OK && !stopped)
		e = permissions_of_groups(db, uid, row, ctx);
	db_view_end(db);
	return e;
}

/* ---- the model ---- */

static enum iam_err load_groups(struct db *db, struct iam_model *m)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_GROUP_LIST_IDS);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW)
		e = iam_model_add_group(m, db_col_str(st, 0));
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

typedef enum iam_err pair_fn(struct iam_model *m, struct str gid, struct str id);

static enum iam_err load_pairs(struct db *db, struct iam_model *m, enum stmt_id id,
	pair_fn *add)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, id);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW)
		e = add(m, db_col_str(st, 0), db_col_str(st, 1));
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

static enum iam_err load_grants(struct db *db, struct iam_model *m, enum stmt_id id,
	enum iam_subject kind)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, id);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW)
		e = iam_model_add_grant(m, db_col_str(st, 1), kind, db_col_str(st, 0),
			col_action(st, 2));
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

static enum iam_err load_in_view(struct db *db, struct iam_model *m)
{
	enum iam_err e = load_groups(db, m);

	if (e == IAM_OK)
		e = load_pairs(db, m, STMT_NESTING_LIST, iam_model_add_subgroup);
	if (e == IAM_OK)
		e = load_pairs(db, m, STMT_MEMBER_LIST, iam_model_add_member);
	if (e == IAM_OK)
		e = load_grants(db, m, STMT_USER_GRANT_LIST, IAM_SUBJECT_USER);
	if (e == IAM_OK)
		e = load_grants(db, m, STMT_GROUP_GRANT_LIST, IAM_SUBJECT_GROUP);
	return e;
}

enum iam_err store_model_load(struct db *db, struct iam_model *m)
{
	enum iam_err e = db_view_begin(db);

	if (e != IAM_OK)
		return e;
	e = load_in_view(db, m);
	db_view_end(db);
	return e;
}

/* ---- the last superuser ---- */

static enum iam_err superuser_row(struct db *w, enum stmt_id id, struct str uid,
	bool *ret_is)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);
	enum db_step step;

	db_bind_str(st, STR(IAM_SUPERUSER_RID));
	db_bind_str(st, uid);
	step = db_step(st);
	if (step == DB_FAILED)
		return db_result(st, IAM_STORE);
	*ret_is = step == DB_ROW;
	return IAM_OK;
}

enum iam_err store_superuser_left_without(struct db *w, struct str uid, bool *ret_left)
{
	bool other = false, self = false;
	enum iam_err e = superuser_row(w, STMT_SUPERUSER_OTHER, uid, &other);

	if (e == IAM_OK && !other)
		e = superuser_row(w, STMT_SUPERUSER_SELF, uid, &self);
	if (e == IAM_OK)
		*ret_left = other || !self;
	return e;
}
