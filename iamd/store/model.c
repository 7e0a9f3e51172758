/*
 * model - the whole stored model, told to libacl at start.
 *
 * Does: one pass over each table in one view. Does not: keep anything.
 * Invariants: the model is that of one moment, whoever writes meanwhile.
 */
#include "iamd/store/store_impl.h"

typedef enum iam_err name_fn(struct iam_model *m, struct str name);

static enum iam_err load_names(struct db *db, struct iam_model *m, enum stmt_id id,
	name_fn *add)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, id);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW)
		e = add(m, db_col_str(st, 0));
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
			store_col_action(st, 2));
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

static enum iam_err load_in_view(struct db *db, struct iam_model *m)
{
	enum iam_err e = load_names(db, m, STMT_GROUP_LIST_IDS, iam_model_add_group);

	if (e == IAM_OK)
		e = load_names(db, m, STMT_ACL_LIST_IDS, iam_model_add_resource);
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
