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
	CHANGE_SESSION,      /* a user is there with this enabled, gen, raised, is_service */
	CHANGE_SESSION_GONE, /* a user was deleted */
	CHANGE_REVOKED,      /* a token digest was revoked until expires_at_s */
	CHANGE_REVOKED_GONE, /* ... and has expired */
	/* facts of the model: `id` is the group's or resource's, `other` what it is related to */
	CHANGE_GROUP,
	CHANGE_GROUP_GONE, /* with its memberships, nesting and grants */
	CHANGE_MEMBER,     /* group, user */
	CHANGE_MEMBER_GONE,
	CHANGE_SUBGROUP, /* group, member group */
	CHANGE_SUBGROUP_GONE,
	CHANGE_RESOURCE,
	CHANGE_RESOURCE_GONE, /* with its grants */
	CHANGE_GRANT,         /* resource, subject; `subject` and `action` say which */
	CHANGE_GRANT_GONE,
	CHANGE_USER_LINKS_GONE /* user: all memberships and grants */
};

struct change {
	enum change_kind kind;
	char uid[IAM_UID_MAX_BYTES];
	uint8_t uid_len;
	bool enabled;
	bool raised;
	bool is_service;
	int64_t gen;
	unsigned char digest[TOKEN_DIGEST_BYTES];
	int64_t expires_at_s;
	struct str id, other; /* copies, valid as long as the row is in the list */
	enum iam_subject subject;
	enum iam_action action;
};

struct changes {
	struct change *rows;
	size_t len, cap;
	struct arena *names; /* of the rows' strings; emptied with the list */
};

void changes_init(struct changes *c);
void changes_done(struct changes *c);
/* Strings are copied. Errors: IAM_NO_MEMORY; then the list is as it was. */
MUST_CHECK enum iam_err changes_add(struct changes *c, const struct change *row);
/* Forgets everything behind the first `len` rows. */
void changes_cut(struct changes *c, size_t len);

/* The writer's own. */
struct changes *store_changes(struct db *w);

#endif
