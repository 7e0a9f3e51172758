/*
 * groups - groups and their descriptions.
 *
 * Does: read, list, add, describe and delete. Does not: know who is in a group (members.c) or what
 * it may do (grants.c); a deletion takes both along. Does not judge ids.
 * Invariants: every change of the model is noted in the change set.
 */
#include <assert.h>

#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

/* ---- reading ---- */

/* Order of GROUP_COLUMNS. */
enum group_column { COL_GID, COL_DESCRIPTION, COL_PROVIDER_TYPE };

static void group_row(const struct db_stmt *st, struct group *ret_group)
{
	struct group g = {.gid = db_col_str(st, COL_GID),
		.description = db_col_str(st, COL_DESCRIPTION),
		.provider_type = PROVIDER_INTERNAL};
	bool known =
		provider_type_parse(db_col_str(st, COL_PROVIDER_TYPE), &g.provider_type);

	assert(known); /* the table's CHECK */
	(void)known;
	*ret_group = g;
}

enum iam_err store_group_rows(struct db_stmt *st, void *sink, struct store_told *told)
{
	const struct group_sink *to = sink;

	while (db_step(st) == DB_ROW) {
		struct group group;

		group_row(st, &group);
		told->n++;
		if (!to->row(&group, to->ctx)) {
			told->stopped = true;
			return IAM_OK;
		}
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_group_get(struct db *db, struct arena *a, struct str gid,
	struct group *ret_group)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_GROUP_GET);
	struct group group;

	db_bind_str(st, gid);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_GROUP);
	group_row(st, &group);
	if (!store_keep(a, &group.gid) || !store_keep(a, &group.description))
		return IAM_NO_MEMORY;
	*ret_group = group;
	return IAM_OK;
}

static enum iam_err list_all(struct db *db, const struct page_query *query,
	struct group_sink *sink)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_GROUP_LIST);
	struct store_told told = {0};

	db_bind_str(st, store_or_empty(query->after));
	db_bind_i64(st, query->limit);
	return store_group_rows(st, sink, &told);
}

enum iam_err store_group_list(struct db *db, const struct page_query *query,
	group_row_fn *row, void *ctx)
{
	struct group_sink sink = {.row = row, .ctx = ctx};

	assert(query->limit > 0);
	if (query->q.len == 0)
		return list_all(db, query, &sink);
	return store_search(db, STORE_SEARCH_GROUP, query, store_group_rows, &sink);
}

/* ---- changing ---- */

static enum iam_err insert(struct db *w, const struct group *group)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_GROUP_ADD);
	struct str description = store_or_empty(group->description);
	STORE_TEXT_AUTO char *folded = store_search_folded_new(description);

	if (folded == NULL)
		return IAM_NO_MEMORY;
	db_bind_str(st, group->gid);
	db_bind_str(st, description);
	db_bind_str(st, (struct str){.ptr = folded, .len = description.len});
	db_bind_str(st, str_c(provider_type_name(group->provider_type)));
	return db_run_touching(st, IAM_GROUP_EXISTS);
}

enum iam_err store_group_add(struct db *w, const struct group *group)
{
	enum iam_err e = insert(w, group);

	if (e == IAM_OK)
		e = store_search_feed(w, STORE_SEARCH_GROUP, group->gid);
	return e != IAM_OK ? e : store_note(w, CHANGE_GROUP, group->gid, STR_NONE);
}

enum iam_err store_group_set_description(struct db *w, struct str gid,
	struct str description)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_GROUP_SET_DESCRIPTION);
	STORE_TEXT_AUTO char *folded = store_search_folded_new(description);
	enum iam_err e;

	if (folded == NULL)
		return IAM_NO_MEMORY;
	e = store_search_forget(w, STORE_SEARCH_GROUP, gid);
	if (e != IAM_OK)
		return e;
	db_bind_str(st, description);
	db_bind_str(st, (struct str){.ptr = folded, .len = description.len});
	db_bind_str(st, gid);
	e = db_run_touching(st, IAM_NO_GROUP);
	return e != IAM_OK ? e : store_search_feed(w, STORE_SEARCH_GROUP, gid);
}

static enum iam_err delete_row(struct db *w, struct str gid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_GROUP_DELETE);

	db_bind_str(st, gid);
	return db_run_touching(st, IAM_NO_GROUP);
}

enum iam_err store_group_delete(struct db *w, struct str gid)
{
	enum iam_err e = store_search_forget(w, STORE_SEARCH_GROUP, gid);

	if (e == IAM_OK)
		e = delete_row(w, gid);
	return e != IAM_OK ? e : store_note(w, CHANGE_GROUP_GONE, gid, STR_NONE);
}
