/*
 * superuser - is there somebody left who may do everything?
 *
 * Does: answer for the open transaction, nested groups included. Does not: refuse anything.
 * Invariants: the first one found ends the search; only groups are followed, never all members.
 */
#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

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

enum iam_err store_superuser_any(struct db *w, bool *ret_any)
{
	/* Nobody has the empty uid: anybody is another. */
	return superuser_row(w, STMT_SUPERUSER_OTHER, STR(""), ret_any);
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
