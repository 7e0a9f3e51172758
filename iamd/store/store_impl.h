/*
 * store_impl - what the files of the store share with each other and with nobody else.
 */
#ifndef STORE_STORE_IMPL_H
#define STORE_STORE_IMPL_H

#include "iamd/embedded.h"
#include "iamd/store/changes.h"
#include "iamd/store/db.h"
#include "iamd/store/store.h"

static inline struct str store_or_empty(struct str s)
{
	return s.ptr == NULL ? STR("") : s;
}

/* ---- migrate.c ---- */

/*
 * Brings the database to the last of `files` that belongs to the connection's driver, one
 * transaction each. Errors: IAM_CONFIG with a text when the database is foreign, newer, or was
 * made from other texts than these.
 */
MUST_CHECK enum iam_err migrate_run(struct db *w, const struct embedded_file *files,
	unsigned n_files, struct iam_error *err);

/* ---- meta.c ---- */

/* Set in the transaction that makes the first accounts. */
#define META_BOOTSTRAPPED "bootstrapped"

MUST_CHECK enum iam_err store_counter_next(struct db *w, struct str name,
	int64_t *ret_value);
/* Fresh generation; never handed out before. */
MUST_CHECK enum iam_err store_gen_next(struct db *w, int64_t *ret_gen);
MUST_CHECK enum iam_err store_meta_set(struct db *w, struct str key, struct str value);
MUST_CHECK enum iam_err store_is_bootstrapped(struct db *db, bool *ret_is);
/* Is there a row? Binds `id` to a statement with one text parameter. `none` when there is not. */
MUST_CHECK enum iam_err store_exists(struct db *db, enum stmt_id id, struct str key,
	enum iam_err none);

/* ---- changes.c ---- */

/* A change of the model that is no grant. */
MUST_CHECK enum iam_err store_note(struct db *w, enum change_kind kind, struct str id,
	struct str other);

/* ---- groups.c, acls.c, grants.c: rows ---- */

/* Each steps through rows until row() says stop. */
MUST_CHECK enum iam_err store_group_rows(struct db_stmt *st, group_row_fn *row, void *ctx);
MUST_CHECK enum iam_err store_acl_rows(struct db_stmt *st, acl_row_fn *row, void *ctx);
enum iam_action store_col_action(const struct db_stmt *st, int column);

/* ---- search.c ---- */

/*
 * Folds letter case of well-formed UTF-8 in place of the same length: ASCII, Latin-1, Latin
 * Extended-A, Greek, Cyrillic. Everything else, malformed bytes included, stays as it is.
 * `out` has room for text.len bytes.
 */
void store_search_fold(struct str text, char *out);

/* Puts the stored user into the index, or takes it out; before it is changed or deleted. */
MUST_CHECK enum iam_err store_search_feed(struct db *w, struct str uid);
MUST_CHECK enum iam_err store_search_forget(struct db *w, struct str uid);

/* store_user_list() with q; ranked. */
MUST_CHECK enum iam_err store_search_users(struct db *db, const struct user_query *query,
	user_row_fn *row, void *ctx);

/* ---- users.c: rows of USER_COLUMNS ---- */

/* Copies *s into the arena; an absent string stays absent. False when there is no memory. */
bool store_keep(struct arena *a, struct str *s);

/* Strings point into the statement: valid until its next step. */
void store_user_row(const struct db_stmt *st, struct user *ret_user);
/* Steps through user rows until row() says stop; *n_rows is raised by the rows told. */
MUST_CHECK enum iam_err store_user_rows(struct db_stmt *st, user_row_fn *row, void *ctx,
	int64_t *n_rows, bool *ret_stopped);

#endif
