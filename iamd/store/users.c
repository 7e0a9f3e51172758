/*
 * users - accounts, their generations and their index entries.
 *
 * Does: read, list and change users; every change that ends sessions takes a fresh generation and
 * is noted in the change set. Does not: judge ids, passwords, keys or permissions.
 * Invariants: a generation is never handed out twice; `raised` never goes back; whoever changes a
 * searchable text takes the old one out of the index before and puts the new one in after.
 */
#include <assert.h>
#include <string.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/clock.h"
#include "libacl/base/str.h"

static const char *const provider_names[PROVIDER_TYPE_COUNT] = {
	[PROVIDER_INTERNAL] = "internal",
	[PROVIDER_LDAP] = "ldap",
	[PROVIDER_OIDC] = "oidc",
	[PROVIDER_SAML] = "saml",
};

const char *provider_type_name(enum provider_type t)
{
	return provider_names[t];
}

bool provider_type_parse(struct str text, enum provider_type *ret_type)
{
	for (enum provider_type t = PROVIDER_INTERNAL; t < PROVIDER_TYPE_COUNT; t++) {
		if (!str_eq_c(text, provider_names[t]))
			continue;
		*ret_type = t;
		return true;
	}
	return false;
}

/* ---- reading ---- */

/* Order of USER_COLUMNS. */
enum user_column {
	COL_UID,
	COL_DESCRIPTION,
	COL_PROVIDER_TYPE,
	COL_PROVIDER_ID,
	COL_PASSWORD_HASH,
	COL_PUBLIC_KEY,
	COL_ENABLED,
	COL_GEN,
	COL_CREATED_AT_MS,
	COL_LAST_LOGIN_MS,
	COL_RAISED
};

void store_user_row(const struct db_stmt *st, int first, struct user *ret_user)
{
	struct user u = {
		.uid = db_col_str(st, first + COL_UID),
		.description = db_col_str(st, first + COL_DESCRIPTION),
		.provider_type = PROVIDER_INTERNAL,
		.provider_id = db_col_str(st, first + COL_PROVIDER_ID),
		.password_hash = db_col_str(st, first + COL_PASSWORD_HASH),
		.public_key = db_col_str(st, first + COL_PUBLIC_KEY),
		.enabled = db_col_bool(st, first + COL_ENABLED),
		.gen = db_col_i64(st, first + COL_GEN),
		.created_at_ms = db_col_i64(st, first + COL_CREATED_AT_MS),
		.last_login_ms = db_col_i64(st, first + COL_LAST_LOGIN_MS),
		.raised = db_col_bool(st, first + COL_RAISED),
	};
	bool known = provider_type_parse(
		db_col_str(st, first + COL_PROVIDER_TYPE), &u.provider_type);

	assert(known); /* the table's CHECK */
	(void)known;
	*ret_user = u;
}

enum iam_err store_user_rows(struct db_stmt *st, void *sink, struct store_told *told)
{
	const struct user_sink *to = sink;

	while (db_step(st) == DB_ROW) {
		struct user user;

		store_user_row(st, 0, &user);
		told->n++;
		if (!to->row(&user, to->ctx)) {
			told->stopped = true;
			return IAM_OK;
		}
	}
	return db_result(st, IAM_OK);
}

bool store_keep(struct arena *a, struct str *s)
{
	if (s->ptr == NULL)
		return true;
	*s = arena_str(a, *s);
	return s->ptr != NULL;
}

enum iam_err store_user_get(struct db *db, struct arena *a, struct str uid,
	struct user *ret_user)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_USER_GET);
	struct user user;

	db_bind_str(st, uid);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_USER);
	store_user_row(st, 0, &user);
	if (!store_keep(a, &user.uid) || !store_keep(a, &user.description) ||
		!store_keep(a, &user.provider_id) ||
		!store_keep(a, &user.password_hash) || !store_keep(a, &user.public_key))
		return IAM_NO_MEMORY;
	*ret_user = user;
	return IAM_OK;
}

static enum iam_err list_all(struct db *db, const struct user_query *query,
	struct user_sink *sink)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db,
		query->service ? STMT_USER_LIST_SERVICE : STMT_USER_LIST_REGULAR);
	struct store_told told = {0};

	db_bind_str(st, store_or_empty(query->after));
	db_bind_i64(st, query->limit);
	return store_user_rows(st, sink, &told);
}

enum iam_err store_user_list(struct db *db, const struct user_query *query,
	user_row_fn *row, void *ctx)
{
	struct user_sink sink = {.row = row, .ctx = ctx};

	assert(query->limit > 0);
	if (query->q.len == 0)
		return list_all(db, query, &sink);
	return store_search(db,
		query->service ? STORE_SEARCH_SERVICE : STORE_SEARCH_REGULAR,
		&(struct page_query){
			.after = query->after, .limit = query->limit, .q = query->q},
		store_user_rows, &sink);
}

enum iam_err store_user_any_regular(struct db *db, bool *ret_any)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_USER_ANY_REGULAR);
	enum db_step step = db_step(st);

	if (step == DB_FAILED)
		return db_result(st, IAM_STORE);
	*ret_any = step == DB_ROW;
	return IAM_OK;
}

enum iam_err store_user_count(struct db *db, int64_t *ret_count)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_USER_COUNT);

	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_STORE);
	*ret_count = db_col_i64(st, 0);
	return IAM_OK;
}

enum iam_err store_sessions_each(struct db *db, session_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_SESSION_LIST);

	while (db_step(st) == DB_ROW) {
		if (!row(db_col_str(st, 0), db_col_bool(st, 1), db_col_i64(st, 2),
			    db_col_bool(st, 3), db_col_bool(st, 4), ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

/* ---- the change set ---- */

static enum iam_err note_uid(struct db *w, struct change row, struct str uid)
{
	/* The table holds no longer ones. */
	assert(uid.len <= sizeof(row.uid));
	memcpy(row.uid, uid.ptr, uid.len);
	row.uid_len = (uint8_t)uid.len;
	return changes_add(store_changes(w), &row);
}

/* Runs a statement that ends in RETURNING SESSION_COLUMNS, and notes what it says. */
static enum iam_err run_session(struct db *w, struct db_stmt *st, struct str uid)
{
	struct change row = {.kind = CHANGE_SESSION};
	enum iam_err e;

	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_NO_USER);
	row.enabled = db_col_bool(st, 0);
	row.gen = db_col_i64(st, 1);
	row.raised = db_col_bool(st, 2);
	row.is_service = db_col_bool(st, 3);
	e = db_run(st);
	return e != IAM_OK ? e : note_uid(w, row, uid);
}

/* ---- adding ---- */

static enum iam_err insert(struct db *w, const struct user *u)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_USER_ADD);
	struct str description = store_or_empty(u->description);
	STORE_TEXT_AUTO char *folded = store_search_folded_new(description);

	if (folded == NULL)
		return IAM_NO_MEMORY;
	db_bind_i64(st, u->gen);
	db_bind_str(st, u->uid);
	db_bind_str(st, description);
	db_bind_str(st, (struct str){.ptr = folded, .len = description.len});
	db_bind_str(st, str_c(provider_type_name(u->provider_type)));
	db_bind_str(st, store_or_empty(u->provider_id));
	db_bind_str(st, u->password_hash);
	db_bind_str(st, u->public_key);
	db_bind_bool(st, u->enabled);
	db_bind_i64(st, u->created_at_ms);
	db_bind_bool(st, u->raised);
	return db_run_touching(st, IAM_USER_EXISTS);
}

enum iam_err store_user_add(struct db *w, struct user *user)
{
	struct user u = *user;
	enum iam_err e = store_exists(w, STMT_USER_EXISTS, u.uid, IAM_NO_USER);

	if (e != IAM_NO_USER)
		return e == IAM_OK ? IAM_USER_EXISTS : e;
	e = store_exists(w, STMT_DELETED_USER_GET, u.uid, IAM_NO_USER);
	if (e != IAM_OK && e != IAM_NO_USER)
		return e;
	u.raised = e == IAM_OK;
	e = store_gen_next(w, &u.gen);
	if (e != IAM_OK)
		return e;
	u.created_at_ms = clock_now_ms();
	u.last_login_ms = 0;
	e = insert(w, &u);
	if (e == IAM_OK)
		e = store_search_feed(w, STORE_SEARCH_REGULAR, u.uid);
	if (e == IAM_OK)
		e = note_uid(w,
			(struct change){.kind = CHANGE_SESSION,
				.enabled = u.enabled,
				.gen = u.gen,
				.raised = u.raised,
				.is_service = user_is_service(&u)},
			u.uid);
	if (e == IAM_OK)
		*user = u;
	return e;
}

/* ---- changing ---- */

enum iam_err store_user_set_description(struct db *w, struct str uid,
	struct str description)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_USER_SET_DESCRIPTION);
	STORE_TEXT_AUTO char *folded = store_search_folded_new(description);
	enum iam_err e;

	if (folded == NULL)
		return IAM_NO_MEMORY;
	e = store_search_forget(w, STORE_SEARCH_REGULAR, uid);
	if (e != IAM_OK)
		return e;
	db_bind_str(st, description);
	db_bind_str(st, (struct str){.ptr = folded, .len = description.len});
	db_bind_str(st, uid);
	e = db_run_touching(st, IAM_NO_USER);
	return e != IAM_OK ? e : store_search_feed(w, STORE_SEARCH_REGULAR, uid);
}

static enum iam_err set_credential(struct db *w, enum stmt_id id, struct str uid,
	struct str credential)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);
	int64_t gen = 0;
	enum iam_err e = store_gen_next(w, &gen);

	if (e != IAM_OK)
		return e;
	db_bind_str(st, credential);
	db_bind_i64(st, gen);
	db_bind_str(st, uid);
	return run_session(w, st, uid);
}

enum iam_err store_user_set_password(struct db *w, struct str uid, struct str hash)
{
	return set_credential(w, STMT_USER_SET_PASSWORD, uid, hash);
}

enum iam_err store_user_set_public_key(struct db *w, struct str uid, struct str pem)
{
	return set_credential(w, STMT_USER_SET_PUBLIC_KEY, uid, pem);
}

/* USER_DISABLE or USER_RAISE. */
static enum iam_err raise_gen(struct db *w, enum stmt_id id, struct str uid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);
	int64_t gen = 0;
	enum iam_err e = store_gen_next(w, &gen);

	if (e != IAM_OK)
		return e;
	db_bind_i64(st, gen);
	db_bind_str(st, uid);
	return run_session(w, st, uid);
}

static enum iam_err enable(struct db *w, struct str uid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_USER_ENABLE);

	db_bind_str(st, uid);
	return run_session(w, st, uid);
}

enum iam_err store_user_set_enabled(struct db *w, struct str uid, bool enabled)
{
	return enabled ? enable(w, uid) : raise_gen(w, STMT_USER_DISABLE, uid);
}

enum iam_err store_user_end_sessions(struct db *w, struct str uid)
{
	return raise_gen(w, STMT_USER_RAISE, uid);
}

enum iam_err store_user_rehash(struct db *w, struct str uid, struct str old_hash,
	struct str new_hash)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_USER_REHASH);
	enum iam_err e;

	db_bind_str(st, new_hash);
	db_bind_str(st, uid);
	db_bind_str(st, old_hash);
	e = db_run_touching(st, IAM_CONFLICT);
	if (e != IAM_CONFLICT)
		return e;
	e = store_exists(w, STMT_USER_EXISTS, uid, IAM_NO_USER);
	return e == IAM_OK ? IAM_CONFLICT : e;
}

enum iam_err store_user_touch_login(struct db *w, struct str uid, int64_t at_ms)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_USER_TOUCH_LOGIN);

	db_bind_i64(st, at_ms);
	db_bind_str(st, uid);
	return db_run_touching(st, IAM_NO_USER);
}

/* ---- deleting ---- */

static enum iam_err remember_deleted(struct db *w, struct str uid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_DELETED_USER_SET);
	int64_t gen = 0;
	enum iam_err e = store_gen_next(w, &gen);

	if (e != IAM_OK)
		return e;
	db_bind_str(st, uid);
	db_bind_i64(st, gen);
	return db_run(st);
}

static enum iam_err delete_row(struct db *w, struct str uid)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_USER_DELETE);

	db_bind_str(st, uid);
	return db_run_touching(st, IAM_NO_USER);
}

enum iam_err store_user_delete(struct db *w, struct str uid)
{
	enum iam_err linked = store_exists(w, STMT_USER_HAS_LINKS, uid, IAM_NOT_FOUND);
	enum iam_err e;

	if (linked != IAM_OK && linked != IAM_NOT_FOUND)
		return linked;
	e = store_search_forget(w, STORE_SEARCH_REGULAR, uid);
	if (e == IAM_OK)
		e = delete_row(w, uid);
	if (e == IAM_OK)
		e = remember_deleted(w, uid);
	if (e == IAM_OK)
		e = note_uid(w, (struct change){.kind = CHANGE_SESSION_GONE}, uid);
	if (e == IAM_OK && linked == IAM_OK)
		e = store_note(w, CHANGE_USER_LINKS_GONE, uid, STR_NONE);
	return e;
}
