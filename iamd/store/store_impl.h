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

/* ---- rows ---- */

/* What became of the rows of a statement. */
struct store_told {
	int64_t n;    /* told */
	bool stopped; /* the caller's row() wanted no more */
};

/* Steps through rows until the sink says stop. */
typedef enum iam_err store_rows_fn(struct db_stmt *st, void *sink,
	struct store_told *told);

struct user_sink {
	user_row_fn *row;
	void *ctx;
};
struct group_sink {
	group_row_fn *row;
	void *ctx;
};
struct acl_sink {
	acl_row_fn *row;
	void *ctx;
};
/* Columns are USER_COLUMNS, GROUP_COLUMNS; rid, description. The sink is one of the above. */
store_rows_fn store_user_rows, store_group_rows, store_acl_rows;

/* The user in the columns USER_COLUMNS from `first` on; strings are the statement's. */
void store_user_row(const struct db_stmt *st, int first, struct user *ret_user);

enum iam_action store_col_action(const struct db_stmt *st, int column);

/* Copies *s into the arena; an absent string stays absent. False when there is no memory. */
bool store_keep(struct arena *a, struct str *s);

/* ---- search.c ---- */

/*
 * Folds letter case of well-formed UTF-8 in place of the same length: ASCII, Latin-1, Latin
 * Extended-A, Greek, Cyrillic. Everything else, malformed bytes included, stays as it is.
 * `out` has room for text.len bytes.
 */
void store_search_fold(struct str text, char *out);
/* The same in new memory. NULL without memory. */
char *store_search_folded_new(struct str text);
#define STORE_TEXT_AUTO __attribute__((cleanup(store_text_free)))
void store_text_free(char **text);

enum store_search_target {
	STORE_SEARCH_REGULAR, /* users: feeding and forgetting is the same for both */
	STORE_SEARCH_SERVICE,
	STORE_SEARCH_GROUP,
	STORE_SEARCH_ACL
};

/* Puts the stored row into the index, or takes it out; before it is changed or deleted. */
MUST_CHECK enum iam_err store_search_feed(struct db *w, enum store_search_target target,
	struct str key);
MUST_CHECK enum iam_err store_search_forget(struct db *w, enum store_search_target target,
	struct str key);

/* A page of rows that match query->q, ranked. Errors: IAM_BAD_DATA for a bad q. */
MUST_CHECK enum iam_err store_search(struct db *db, enum store_search_target target,
	const struct page_query *query, store_rows_fn *rows, void *sink);

#endif
