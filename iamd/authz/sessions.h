/*
 * sessions - what the published state knows of users and revoked tokens.
 *
 * Pure functions over a root; callers are inside publish_enter/leave.
 */
#ifndef AUTHZ_SESSIONS_H
#define AUTHZ_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/str.h"
#include "iamd/authz/publish.h"

struct session {
	bool enabled;
	bool raised;
	bool is_service; /* a service account; never changes while the account lives */
	int64_t gen;
};

/* False when the uid is unknown. */
bool sessions_find(const struct root *root, struct str uid, struct session *ret_session);
bool revoked_find(const struct root *root,
	const unsigned char digest[TOKEN_DIGEST_BYTES]);
size_t sessions_count(const struct root *root);

/*
 * Making the next version of a table: publish.c and loader.c only. `key` is the
 * publisher's hash key (TABLE_KEY_BYTES). Removing what is not there is fine. Errors:
 * IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err sessions_put(struct pmap_edit *e, const unsigned char *key,
	struct str uid, const struct session *session);
MUST_CHECK enum iam_err sessions_remove(struct pmap_edit *e, const unsigned char *key,
	struct str uid);
MUST_CHECK enum iam_err revoked_put(struct pmap_edit *e, const unsigned char *key,
	const unsigned char digest[TOKEN_DIGEST_BYTES]);
MUST_CHECK enum iam_err revoked_remove(struct pmap_edit *e, const unsigned char *key,
	const unsigned char digest[TOKEN_DIGEST_BYTES]);

/* The pmap_record_fn of both tables. */
void sessions_record_free(void *record, void *ctx);

#endif
