/*
 * rid - the grammar of identifiers: user ids, group ids, resource ids, actions.
 *
 * uid  1..96 bytes of [a-zA-Z0-9-_@.], not "anonymous", not only dots
 * gid  1..64 bytes of [a-zA-Z0-9-_@.], not only dots
 * rid  1..1024 bytes of printable UTF-8 without control characters, white space, '%', '?', '#',
 *      '\\' or a leading or trailing '/'; '*', ':' and '/' have no meaning to the evaluator
 * Ids are matched whole: a trailing newline is part of the id and makes it invalid.
 * All functions are pure and thread-safe. Input is not trusted.
 */
#ifndef IAM_RID_H
#define IAM_RID_H

#include <stdbool.h>

#include "iam/err.h"
#include "iam/str.h"

#define IAM_UID_MAX_BYTES 96
#define IAM_GID_MAX_BYTES 64
#define IAM_RID_MAX_BYTES 1024

enum iam_action { IAM_CREATE, IAM_READ, IAM_UPDATE, IAM_DELETE, IAM_FULL, IAM_ACTION_COUNT };

/* Whole string against the grammar above; an absent str is not valid. O(length). */
IAM_API bool iam_uid_valid(struct str uid);
IAM_API bool iam_gid_valid(struct str gid);
IAM_API bool iam_rid_valid(struct str rid);

/* "create" ... "full"; IAM_BAD_ACTION otherwise. Case-sensitive. */
IAM_API MUST_CHECK enum iam_err iam_action_parse(struct str text, enum iam_action *ret_action);

/* The name; "unknown" for what is none of the five. Static storage. */
IAM_API const char *iam_action_name(enum iam_action action);

#endif
