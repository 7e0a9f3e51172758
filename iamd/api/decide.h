/*
 * decide - what policy query, forward-auth and AuthZEN share.
 *
 * A decision is lock-free and inline on the event loop; each is audited (iamd/audit/decisions.h).
 */
#ifndef API_DECIDE_H
#define API_DECIDE_H

#include "iam/acl.h"
#include "iamd/api/services.h"
#include "iamd/authz/publish.h"

struct decision {
	bool allow;
	const char *reason; /* why not, NULL when allowed; a constant: no-grant, unknown-user, disabled-user, unknown-resource, bad-action */
	int64_t revision;   /* of the state that was asked */
};

/*
 * Decides and audits. Unknown or disabled uids, unknown rids, and an action that is none of the
 * five are denials, never errors.
 */
struct decision decide(struct req *r, const struct root *root, struct str uid, struct str rid,
	struct str action);

/*
 * May the caller ask about this uid? `iam:decisions` read, `dcos:adminrouter:acs` full, superusers, or a
 * uid about itself; everybody in gateway mode. IAM_FORBIDDEN otherwise.
 */
MUST_CHECK enum iam_err decide_may_ask(const struct req *r, const struct root *root, struct str uid);

/*
 * A query parameter of a question, decoded once; '+' is an ordinary character, since no id holds
 * white space, so that an unencoded id is read as it stands. *ret_count (may be NULL): how many
 * instances there are. IAM_MISSING_QUERY_DECISION unless there is exactly one that decodes and is
 * not empty; *ret is untouched then. IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err decide_param(struct req *r, const char *name, struct str *ret,
	unsigned *ret_count);

/* X-Iam-At-Least: N, or 0 without it. IAM_BAD_REQUEST when malformed or repeated. */
MUST_CHECK enum iam_err decide_at_least(const struct req *r, int64_t *ret_revision);

/*
 * X-Iam-At-Least: N. IAM_OK with *ret_parked false: go on (absent, or reached already). *ret_parked
 * true: the request is suspended and `then` runs on the loop once the revision is there, or
 * IAM_UNAVAILABLE is answered after 500 ms. LIMIT: 64 waiters, beyond which it is IAM_UNAVAILABLE at
 * once. A malformed or repeated header is IAM_BAD_REQUEST.
 */
MUST_CHECK enum iam_err decide_await(struct req *r, req_fn *then, bool *ret_parked);

/* Adds X-Iam-Revision. */
MUST_CHECK enum iam_err decide_revision_header(struct req *r, struct resp *out, int64_t revision);

#endif
