/*
 * explain - an explanation as a JSON object, the same for policy query and AuthZEN.
 *
 *	{"decision": "allow" | "deny",
 *	 "why": "grant", "superuser", "no-grant", "unknown-resource", "unknown-user",
 *	        "disabled-user" or "bad-action",
 *	 "text": one sentence for people}
 *
 * where allowed, also the grant that the decision rests on and how the user comes by it:
 *
 *	 "grant": {"rid", "action", "uid" | "gid", "aclurl", "url"},
 *	 "groups": ["ops", "staff"]   the user is in ops, ops is in staff, which holds the grant
 *	 "groups_total": 2            LIMIT: of more than 64 groups the first 63 and the last are told
 *
 * where denied, what would allow it:
 *
 *	 "needed": [{"method", "url"}]   in this order; [] if nothing can
 *
 * `why` and the decision are those of decide(), of which this is the long form.
 */
#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H

#include "iamd/authz/publish.h"
#include "iamd/http/jsonw.h"

/*
 * Writes the member `key`. Any strings: what could be no id or action is explained as such. The
 * caller is inside publish_enter/leave. Errors: IAM_NO_MEMORY; then the document is unusable.
 */
MUST_CHECK enum iam_err explain_write(struct jsonw *w, const char *key,
	const struct root *root, struct str uid, struct str rid, struct str action);

#endif
