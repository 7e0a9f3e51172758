/*
 * guard - may this caller do this to iamd's own objects?
 *
 * The decision of every route, and the rule that nobody gains by delegation: protected
 * rids are "dcos:superuser", "dcos:adminrouter:acs" and every rid that begins with
 * "iam:". Lock-free; callers are inside publish_enter/leave.
 */
#ifndef AUTHZ_GUARD_H
#define AUTHZ_GUARD_H

#include <stdbool.h>

#include "iam/acl.h"
#include "iamd/authz/publish.h"

/* A decision about anything: unknown and disabled uids are denied, superusers allowed. */
bool authz_allows(const struct root *root, struct str uid, struct str rid,
	enum iam_action action);

/* Known, enabled and effective superuser. */
bool authz_is_superuser(const struct root *root, struct str uid);

/*
 * The guard of management routes: "dcos:adminrouter:acs" full, or the delegated rid (e.g.
 * "iam:users") with the action or full, or superuser.
 */
bool guard_allows(const struct root *root, struct str uid, struct str delegated_rid,
	enum iam_action action);

/* Does this user (enabled or not) effectively hold a grant on a protected rid? Then only
 * a superuser may change it. */
bool guard_user_is_protected(const struct root *root, struct str uid);
bool guard_group_is_protected(const struct root *root, struct str gid);
bool guard_rid_is_protected(struct str rid);

#endif
