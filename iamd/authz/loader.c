/*
 * loader - from the stored rows to a snapshot and tables.
 *
 * Reads through whatever connection it is given: at start any, for a publication the
 * writer, whose uncommitted rows are the ones to be published. It holds nothing
 * afterwards and publishes nothing.
 *
 * Invariant: a table or snapshot comes out whole or not at all.
 */
#include "iamd/authz/loader.h"

#include "iamd/authz/sessions.h"

enum iam_err loader_snapshot(struct db *db, struct iam_snapshot **ret_snapshot)
{
	struct iam_model *model = iam_model_new();
	enum iam_err e;

	if (model == NULL)
		return IAM_NO_MEMORY;
	e = store_model_load(db, model);
	if (e == IAM_OK)
		e = iam_snapshot_build(model, ret_snapshot);
	iam_model_free(model);
	return e;
}

/* One table being filled. */
struct filling {
	struct pmap_edit edit;
	const unsigned char *key;
	enum iam_err result; /* of the first row that failed */
};

static bool add_session(struct str uid, bool enabled, int64_t gen, bool raised,
	bool is_service, void *ctx)
{
	struct filling *f = ctx;
	struct session session = {.enabled = enabled,
		.raised = raised,
		.is_service = is_service,
		.gen = gen};

	f->result = sessions_put(&f->edit, f->key, uid, &session);
	return f->result == IAM_OK;
}

/* The expiry is not kept: an expired token is refused before anyone asks whether it was
 * revoked. */
static bool add_revoked(const unsigned char digest[TOKEN_DIGEST_BYTES],
	int64_t expires_at_s, void *ctx)
{
	struct filling *f = ctx;

	(void)expires_at_s;
	f->result = revoked_put(&f->edit, f->key, digest);
	return f->result == IAM_OK;
}

/* Ends the filling: the table, or nothing left behind. */
static enum iam_err filling_end(struct filling *f, struct pmap *empty, enum iam_err e,
	struct pmap **ret_table)
{
	struct pmap_retired retired = {0};

	if (e == IAM_OK)
		e = f->result;
	if (e != IAM_OK) {
		pmap_edit_abort(&f->edit, sessions_record_free, NULL);
		pmap_free(empty, NULL, NULL);
		return e;
	}
	*ret_table = pmap_edit_finish(&f->edit, &retired);
	/* Nobody has seen the empty version: no grace period. */
	pmap_retired_free(&retired, sessions_record_free, NULL);
	return IAM_OK;
}

enum iam_err loader_sessions(struct db *db, const unsigned char *key,
	struct pmap **ret_sessions)
{
	struct filling f = {.key = key, .result = IAM_OK};
	struct pmap *empty = pmap_new();

	if (empty == NULL)
		return IAM_NO_MEMORY;
	pmap_edit_begin(&f.edit, empty);
	return filling_end(&f, empty, store_sessions_each(db, add_session, &f),
		ret_sessions);
}

enum iam_err loader_revoked(struct db *db, const unsigned char *key,
	struct pmap **ret_revoked)
{
	struct filling f = {.key = key, .result = IAM_OK};
	struct pmap *empty = pmap_new();

	if (empty == NULL)
		return IAM_NO_MEMORY;
	pmap_edit_begin(&f.edit, empty);
	return filling_end(&f, empty, store_revocations_each(db, add_revoked, &f),
		ret_revoked);
}
