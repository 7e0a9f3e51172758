/*
 * model - the whole stored model, told to libacl at start.
 *
 * Does: one pass over each table in one view, in the order that suits libacl, some rows at a time,
 * and a word in the log now and then. Does not: keep anything.
 * Invariants: the model is that of one moment, whoever writes meanwhile. A row's strings live until
 * the next step only, so they are copied until libacl has seen them.
 */
#include <stdlib.h>
#include <string.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"

/* LIMIT: rows told at once; memory for them: the longest ids that are valid. */
#define ROWS  32U
#define BYTES (ROWS * (IAM_RID_MAX_BYTES + IAM_UID_MAX_BYTES))
/* The log hears of a load that takes longer, and then again each time as long. */
#define FIRST_WORD_MS 2000
#define NEXT_WORD_MS  1000

struct load {
	struct db *db;
	struct iam_model *m;
	int64_t next_word_ms; /* of the monotonic clock */
	uint64_t n_rows;
	size_t n, used;
	union {
		struct iam_member members[ROWS];
		struct iam_grant grants[ROWS];
	};
	char bytes[BYTES];
};

static void say_progress(struct load *l)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms < l->next_word_ms)
		return;
	l->next_word_ms = now_ms + NEXT_WORD_MS;
	log_event(LOG_LEVEL_INFO, "store.model", LOG_INT("rows", l->n_rows));
}

/* ---- rows of one id ---- */

typedef enum iam_err name_fn(struct iam_model *m, struct str name);

static enum iam_err load_names(struct load *l, enum stmt_id id, name_fn *add)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(l->db, id);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW) {
		e = add(l->m, db_col_str(st, 0));
		l->n_rows++;
	}
	say_progress(l);
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

static enum iam_err load_nesting(struct load *l)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(l->db, STMT_NESTING_LIST);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW) {
		e = iam_model_add_subgroup(l->m, db_col_str(st, 0), db_col_str(st, 1));
		l->n_rows++;
	}
	say_progress(l);
	return e != IAM_OK ? e : db_result(st, IAM_OK);
}

/* ---- rows by the dozen ---- */

/* A copy of the id in a column; longer ones than `max` are not valid, and there is no room. */
static enum iam_err keep(struct load *l, struct str id, size_t max, enum iam_err bad,
	struct str *ret)
{
	if (id.len > max)
		return bad;
	memcpy(l->bytes + l->used, id.ptr, id.len);
	*ret = (struct str){.ptr = l->bytes + l->used, .len = id.len};
	l->used += id.len;
	return IAM_OK;
}

/* Tells what was copied, and begins anew. */
static enum iam_err tell_members(struct load *l)
{
	enum iam_err e = iam_model_add_members(l->m, l->members, l->n);

	l->n_rows += l->n;
	l->n = l->used = 0;
	say_progress(l);
	return e;
}

static enum iam_err tell_grants(struct load *l)
{
	enum iam_err e = iam_model_add_grants(l->m, l->grants, l->n);

	l->n_rows += l->n;
	l->n = l->used = 0;
	say_progress(l);
	return e;
}

static enum iam_err load_members(struct load *l)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(l->db, STMT_MEMBER_LIST);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW) {
		struct iam_member *row = &l->members[l->n];

		e = keep(l, db_col_str(st, 0), IAM_GID_MAX_BYTES, IAM_BAD_GID, &row->gid);
		if (e == IAM_OK)
			e = keep(l, db_col_str(st, 1), IAM_UID_MAX_BYTES, IAM_BAD_UID,
				&row->uid);
		if (e == IAM_OK && ++l->n == ROWS)
			e = tell_members(l);
	}
	if (e == IAM_OK)
		e = db_result(st, IAM_OK);
	return e != IAM_OK ? e : tell_members(l);
}

static enum iam_err load_grants(struct load *l, enum stmt_id id, enum iam_subject kind)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(l->db, id);
	enum iam_err e = IAM_OK;

	while (e == IAM_OK && db_step(st) == DB_ROW) {
		struct iam_grant *row = &l->grants[l->n];

		row->kind = kind;
		row->action = store_col_action(st, 2);
		e = keep(l, db_col_str(st, 0), IAM_UID_MAX_BYTES, IAM_BAD_UID,
			&row->subject_id);
		if (e == IAM_OK)
			e = keep(l, db_col_str(st, 1), IAM_RID_MAX_BYTES, IAM_BAD_RID,
				&row->rid);
		if (e == IAM_OK && ++l->n == ROWS)
			e = tell_grants(l);
	}
	if (e == IAM_OK)
		e = db_result(st, IAM_OK);
	return e != IAM_OK ? e : tell_grants(l);
}

static enum iam_err load_in_view(struct load *l)
{
	enum iam_err e = load_names(l, STMT_GROUP_LIST_IDS, iam_model_add_group);

	if (e == IAM_OK)
		e = load_names(l, STMT_ACL_LIST_IDS, iam_model_add_resource);
	if (e == IAM_OK)
		e = load_nesting(l);
	if (e == IAM_OK)
		e = load_members(l);
	if (e == IAM_OK)
		e = load_grants(l, STMT_USER_GRANT_LIST, IAM_SUBJECT_USER);
	if (e == IAM_OK)
		e = load_grants(l, STMT_GROUP_GRANT_LIST, IAM_SUBJECT_GROUP);
	return e;
}

enum iam_err store_model_load(struct db *db, struct iam_model *m)
{
	struct load *l = calloc(1, sizeof(*l));
	enum iam_err e;

	if (l == NULL)
		return IAM_NO_MEMORY;
	l->db = db;
	l->m = m;
	l->next_word_ms = clock_mono_ms() + FIRST_WORD_MS;
	e = db_view_begin(db);
	if (e == IAM_OK) {
		e = load_in_view(l);
		db_view_end(db);
	}
	free(l);
	return e;
}
