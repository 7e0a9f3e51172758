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
	int64_t gen;
};

/* False when the uid is unknown. */
bool sessions_find(const struct root *root, struct str uid, struct session *ret_session);
bool revoked_find(const struct root *root, const unsigned char digest[TOKEN_DIGEST_BYTES]);
size_t sessions_count(const struct root *root);

#endif
