/*
 * changes - what a transaction changed that the published state must learn.
 *
 * Filled by store functions on the writer, cut back with the savepoint, read by the publication
 * after the last savepoint of a batch. One owner (the WRITE lane's thread).
 */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iam/err.h"
#include "iam/str.h"
#include "iamd/store/store.h"

enum change_kind {
	CHANGE_SESSION,      /* a user is there with this enabled, gen, raised */
	CHANGE_SESSION_GONE, /* a user was deleted */
	CHANGE_REVOKED,      /* a token digest was revoked until expires_at_s */
	CHANGE_REVOKED_GONE, /* ... and has expired */
	CHANGE_ACL /* groups, memberships or grants changed: rebuild the snapshot */
};

struct change {
	enum change_kind kind;
	char uid[IAM_UID_MAX_BYTES];
	uint8_t uid_len;
	bool enabled;
	bool raised;
	int64_t gen;
	unsigned char digest[TOKEN_DIGEST_BYTES];
	int64_t expires_at_s;
};

struct changes {
	struct change *rows;
	size_t len, cap;
};

void changes_init(struct changes *c);
void changes_done(struct changes *c);
MUST_CHECK enum iam_err changes_add(struct changes *c, const struct change *row);
/* Forgets everything behind the first `len` rows. */
void changes_cut(struct changes *c, size_t len);

/* The writer's own. */
struct changes *store_changes(struct db *w);

#endif
