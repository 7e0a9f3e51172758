/* loader - from the stored rows to a snapshot and tables; called by publish.c only. */
#ifndef AUTHZ_LOADER_H
#define AUTHZ_LOADER_H

#include "iam/acl.h"
#include "iam/err.h"
#include "iamd/authz/pmap.h"
#include "iamd/store/store.h"

/* The whole stored model, frozen. Errors: IAM_NO_MEMORY, store errors. */
MUST_CHECK enum iam_err loader_snapshot(struct db *db,
	struct iam_snapshot **ret_snapshot);

/*
 * The whole session table, and all revoked digests. `key` is the hash key of the tables
 * (see sessions.h). Records are released by sessions_record_free(). Errors:
 * IAM_NO_MEMORY, store errors.
 */
MUST_CHECK enum iam_err loader_sessions(struct db *db, const unsigned char *key,
	struct pmap **ret_sessions);
MUST_CHECK enum iam_err loader_revoked(struct db *db, const unsigned char *key,
	struct pmap **ret_revoked);

#endif
