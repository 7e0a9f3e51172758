/* explain - an explanation as a JSON object, the same for policy query and AuthZEN. */
#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H

#include "iamd/authz/publish.h"
#include "iamd/http/jsonw.h"

/*
 * Writes the member `key`: {"decision": "allow"|"deny", "why": …, "text": one sentence for people, and
 * where allowed "grant": {"rid", "action", "uid"|"gid", "aclurl"…}, "groups": [chain]; where denied
 * "needed": what would allow it}. A user who is unknown or disabled is told as such.
 */
MUST_CHECK enum iam_err explain_write(struct jsonw *w, const char *key, const struct root *root, struct str uid,
	struct str rid, struct str action);

#endif
