/*
 * superuser - is there somebody left who may do everything, and who lets them log in?
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

/* Of everybody but `uid`. */
static enum iam_err rank_without(struct db *w, struct str uid,
	enum superuser_rank *ret_rank)
{
	bool is = false;
	enum iam_err e = superuser_row(w, STMT_SUPERUSER_OTHER, uid, &is);

	if (e != IAM_OK || is) {
		if (e == IAM_OK)
			*ret_rank = SUPERUSER_OWN;
		return e;
	}
	e = superuser_row(w, STMT_SUPERUSER_OTHER_DIRECTORY, uid, &is);
	if (e == IAM_OK)
		*ret_rank = is ? SUPERUSER_BY_DIRECTORY : SUPERUSER_NONE;
	return e;
}

enum iam_err store_superuser_rank(struct db *w, enum superuser_rank *ret_rank)
{
	/* Nobody has the empty uid: anybody is another. */
	return rank_without(w, STR(""), ret_rank);
}

enum iam_err store_superuser_left_without(struct db *w, struct str uid, bool *ret_left)
{
	enum superuser_rank after, before = SUPERUSER_NONE;
	enum iam_err e = rank_without(w, uid, &after);

	if (e == IAM_OK && after != SUPERUSER_OWN)
		e = store_superuser_rank(w, &before);
	if (e == IAM_OK)
		*ret_left = after >= before;
	return e;
}
