/*
 * meta - counters that never go back, and the store's own settings.
 *
 * Invariants: a number taken from a counter is stored with the transaction that took it; taken
 * again only if that transaction was undone.
 */
#include "iamd/store/store_impl.h"

enum iam_err store_counter_next(struct db *w, struct str name, int64_t *ret_value)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_COUNTER_NEXT);
	int64_t value;
	enum iam_err e;

	db_bind_str(st, name);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_STORE);
	value = db_col_i64(st, 0);
	e = db_run(st);
	if (e != IAM_OK)
		return e;
	*ret_value = value;
	return IAM_OK;
}

enum iam_err store_gen_next(struct db *w, int64_t *ret_gen)
{
	return store_counter_next(w, STR("gen"), ret_gen);
}

enum iam_err store_revision_next(struct db *w, int64_t *ret_revision)
{
	return store_counter_next(w, STR("revision"), ret_revision);
}

enum iam_err store_revision(struct db *db, int64_t *ret_revision)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_COUNTER_GET);

	db_bind_str(st, STR("revision"));
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_STORE);
	*ret_revision = db_col_i64(st, 0);
	return IAM_OK;
}

enum iam_err store_meta_set(struct db *w, struct str key, struct str value)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_META_SET);

	db_bind_str(st, key);
	db_bind_str(st, value);
	return db_run(st);
}

enum iam_err store_is_bootstrapped(struct db *db, bool *ret_is)
{
	enum iam_err e =
		store_exists(db, STMT_META_GET, STR(META_BOOTSTRAPPED), IAM_NOT_FOUND);

	if (e != IAM_OK && e != IAM_NOT_FOUND)
		return e;
	*ret_is = e == IAM_OK;
	return IAM_OK;
}

enum iam_err store_exists(struct db *db, enum stmt_id id, struct str key,
	enum iam_err none)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, id);

	db_bind_str(st, key);
	return db_step(st) == DB_ROW ? IAM_OK : db_result(st, none);
}
