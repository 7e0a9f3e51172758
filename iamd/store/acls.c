/*
 * acls - protected resources and their descriptions.
 *
 * Does: read, list, add, describe and delete. Does not: know who may do what (grants.c); a deletion
 * takes the grants along. Does not judge ids.
 * Invariants: every change of the model is noted in the change set.
 */
#include <assert.h>

#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

/* ---- reading ---- */

static struct acl acl_row(const struct db_stmt *st)
{
	return (struct acl){.rid = db_col_str(st, 0), .description = db_col_str(st, 1)};
}

enum iam_err store_acl_rows(struct db_stmt *st, void *sink, struct store_told *told)
{
	const struct acl_sink *to = sink;

	while (db_step(st) == DB_ROW) {
		struct acl acl = acl_row(st);

		told->n++;
		if (!to->row(&acl, to->ctx)) {
			told->stopped = true;
			return IAM_OK;
		}
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_acl_get(struct db *db, struct arena *a, struct str rid,
	struct acl *ret_acl)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_ACL_GET);
	struct acl acl;

	db_bind_str(st, rid);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_RESOURCE);
	acl = acl_row(st);
	if (!store_keep(a, &acl.rid) || !store_keep(a, &acl.description))
		return IAM_NO_MEMORY;
	*ret_acl = acl;
	return IAM_OK;
}

static enum iam_err list_all(struct db *db, const struct page_query *query,
	struct acl_sink *sink)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_ACL_LIST);
	struct store_told told = {0};

	db_bind_str(st, store_or_empty(query->after));
	db_bind_i64(st, query->limit);
	return store_acl_rows(st, sink, &told);
}

enum iam_err store_acl_list(struct db *db, const struct page_query *query,
	acl_row_fn *row, void *ctx)
{
	struct acl_sink sink = {.row = row, .ctx = ctx};

	assert(query->limit > 0);
	if (query->q.len == 0)
		return list_all(db, query, &sink);
	return store_search(db, STORE_SEARCH_ACL, query, store_acl_rows, &sink);
}

/* ---- changing ---- */

static enum iam_err insert(struct db *w, struct str rid, struct str description)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_ACL_ADD);
	STORE_TEXT_AUTO char *rid_folded = store_search_folded_new(rid);
	STORE_TEXT_AUTO char *folded = store_search_folded_new(description);

	if (rid_folded == NULL || folded == NULL)
		return IAM_NO_MEMORY;
	db_bind_str(st, rid);
	db_bind_str(st, (struct str){.ptr = rid_folded, .len = rid.len});
	db_bind_str(st, description);
	db_bind_str(st, (struct str){.ptr = folded, .len = description.len});
	return db_run_touching(st, IAM_ACL_EXISTS);
}

enum iam_err store_acl_add(struct db *w, struct str rid, struct str description)
{
	enum iam_err e = insert(w, rid, store_or_empty(description));

	if (e == IAM_OK)
		e = store_search_feed(w, STORE_SEARCH_ACL, rid);
	return e != IAM_OK ? e : store_note(w, CHANGE_RESOURCE, rid, STR_NONE);
}

enum iam_err store_acl_set_description(struct db *w, struct str rid,
	struct str description)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_ACL_SET_DESCRIPTION);
	STORE_TEXT_AUTO char *folded = store_search_folded_new(description);
	enum iam_err e;

	if (folded == NULL)
		return IAM_NO_MEMORY;
	e = store_search_forget(w, STORE_SEARCH_ACL, rid);
	if (e != IAM_OK)
		return e;
	db_bind_str(st, description);
	db_bind_str(st, (struct str){.ptr = folded, .len = description.len});
	db_bind_str(st, rid);
	e = db_run_touching(st, IAM_NO_RESOURCE);
	return e != IAM_OK ? e : store_search_feed(w, STORE_SEARCH_ACL, rid);
}

static enum iam_err delete_row(struct db *w, struct str rid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_ACL_DELETE);

	db_bind_str(st, rid);
	return db_run_touching(st, IAM_NO_RESOURCE);
}

enum iam_err store_acl_delete(struct db *w, struct str rid)
{
	enum iam_err e = store_search_forget(w, STORE_SEARCH_ACL, rid);

	if (e == IAM_OK)
		e = delete_row(w, rid);
	return e != IAM_OK ? e : store_note(w, CHANGE_RESOURCE_GONE, rid, STR_NONE);
}
