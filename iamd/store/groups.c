/*
 * groups - groups and their members.
 *
 * Does: add, and read a user's own groups. Does not: resolve nested groups (the snapshot does).
 * Invariants: every change is noted in the change set; references are checked inside the transaction.
 */
#include <assert.h>

#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

enum iam_err store_user_groups(struct db *db, struct str uid, bool effective,
	group_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_USER_GROUPS);

	(void)effective;

	db_bind_str(st, uid);
	while (db_step(st) == DB_ROW) {
		struct group group = {
			.gid = db_col_str(st, 0), .description = db_col_str(st, 1)};
		bool known = provider_type_parse(db_col_str(st, 2), &group.provider_type);

		assert(known); /* the table's CHECK */
		(void)known;
		if (!row(&group, ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_group_add(struct db *w, const struct group *group)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_GROUP_ADD);
	enum iam_err e;

	db_bind_str(st, group->gid);
	db_bind_str(st, group->description.ptr == NULL ? STR("") : group->description);
	db_bind_str(st, str_c(provider_type_name(group->provider_type)));
	e = db_run_touching(st, IAM_GROUP_EXISTS);
	return e != IAM_OK ? e
			   : changes_add(store_changes(w),
				     &(struct change){
					     .kind = CHANGE_GROUP, .id = group->gid});
}

enum iam_err store_member_add(struct db *w, struct str gid, struct str uid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_MEMBER_ADD);
	enum iam_err e = store_exists(w, STMT_GROUP_EXISTS, gid, IAM_NO_GROUP);

	if (e == IAM_OK)
		e = store_exists(w, STMT_USER_EXISTS, uid, IAM_NO_USER);
	if (e != IAM_OK)
		return e;
	db_bind_str(st, gid);
	db_bind_str(st, uid);
	e = db_run_touching(st, IAM_IN_GROUP);
	return e != IAM_OK
		? e
		: changes_add(store_changes(w),
			  &(struct change){
				  .kind = CHANGE_MEMBER, .id = gid, .other = uid});
}
