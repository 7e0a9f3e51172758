/*
 * audit - rows of the audit trail, stored with the change they tell of.
 *
 * Does: add, and keep the number of denials bounded. Does not: decide what is audited, write log lines, read back.
 */
#include "iamd/store/store_impl.h"

static void bind_or_empty(struct db_stmt *st, struct str text)
{
	db_bind_str(st, text.ptr == NULL ? STR("") : text);
}

enum iam_err store_audit_add(struct db *w, const struct audit_row *row)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_AUDIT_ADD);

	db_bind_i64(st, row->at_us);
	bind_or_empty(st, row->action);
	bind_or_empty(st, row->actor);
	bind_or_empty(st, row->object);
	bind_or_empty(st, row->result);
	bind_or_empty(st, row->reason);
	bind_or_empty(st, row->source_ip);
	bind_or_empty(st, row->request_id);
	return db_run(st);
}

enum iam_err store_audit_trim_denied(struct db *w, int64_t keep, int64_t limit, int64_t *ret_removed)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_AUDIT_TRIM_DENIED);
	int64_t removed = 0;

	db_bind_i64(st, keep);
	db_bind_i64(st, limit);
	while (db_step(st) == DB_ROW)
		removed++;
	*ret_removed = removed;
	return db_result(st, IAM_OK);
}
