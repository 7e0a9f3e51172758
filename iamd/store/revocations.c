/*
 * revocations - digests of tokens that are dead before their time.
 *
 * Does not: know tokens. Invariants: of two revocations of one token the later expiry stays, and 0
 * (never) is the latest; what is added or expires is noted in the change set.
 */
#include <string.h>

#include "iamd/store/store_impl.h"

/* LIMIT: rows removed by one store_revocations_expire(), so that no transaction grows without bound. */
#define EXPIRE_MAX 10000

static enum iam_err note(struct db *w, enum change_kind kind, const unsigned char *digest,
	int64_t expires_at_s)
{
	struct change row = {.kind = kind, .expires_at_s = expires_at_s};

	memcpy(row.digest, digest, sizeof(row.digest));
	return changes_add(store_changes(w), &row);
}

enum iam_err store_revocation_add(struct db *w,
	const unsigned char digest[TOKEN_DIGEST_BYTES], int64_t expires_at_s)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_REVOCATION_ADD);
	int64_t stored;
	enum iam_err e;

	db_bind_blob(st, digest, TOKEN_DIGEST_BYTES);
	db_bind_i64(st, expires_at_s);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_STORE);
	stored = db_col_i64(st, 0);
	e = db_run(st);
	return e != IAM_OK ? e : note(w, CHANGE_REVOKED, digest, stored);
}

/* The table's CHECK holds the length; a shorter one would be read past its end. */
static const unsigned char *col_digest(const struct db_stmt *st, int column)
{
	struct str blob = db_col_blob(st, column);

	return blob.len == TOKEN_DIGEST_BYTES ? (const unsigned char *)blob.ptr : NULL;
}

enum iam_err store_revocations_each(struct db *db, revocation_row_fn *row, void *ctx)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(db, STMT_REVOCATION_LIST);

	while (db_step(st) == DB_ROW) {
		const unsigned char *digest = col_digest(st, 0);

		if (digest == NULL)
			return IAM_STORE;
		if (!row(digest, db_col_i64(st, 1), ctx))
			return IAM_OK;
	}
	return db_result(st, IAM_OK);
}

enum iam_err store_revocations_expire(struct db *w, int64_t now_s)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, STMT_REVOCATION_EXPIRE);

	db_bind_i64(st, now_s);
	db_bind_i64(st, EXPIRE_MAX);
	while (db_step(st) == DB_ROW) {
		const unsigned char *digest = col_digest(st, 0);
		enum iam_err e = digest == NULL
			? IAM_STORE
			: note(w, CHANGE_REVOKED_GONE, digest, db_col_i64(st, 1));

		if (e != IAM_OK)
			return e;
	}
	return db_result(st, IAM_OK);
}
