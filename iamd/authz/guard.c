/*
 * guard - may this caller do this to iamd's own objects?
 *
 * Joins what libacl does not know (does the user exist, is it enabled) with what it does
 * (grants, groups, superusers). Takes no lock, allocates nothing, and does no I/O; it
 * never answers on behalf of a request (401, 403 and their texts belong to the caller).
 *
 * Invariants: an unknown or disabled user is denied everything, superusers included;
 * whether an object is protected does not depend on the user being enabled, because a
 * disabled superuser is one change away from being an enabled one.
 */
#include "iamd/authz/guard.h"

#include "iamd/authz/sessions.h"
#include "libacl/base/str.h"

#define ADMINROUTER_ACS_RID "dcos:adminrouter:acs"
#define OWN_RID_PREFIX      "iam:"

static bool is_known_and_enabled(const struct root *root, struct str uid)
{
	struct session session;

	return sessions_find(root, uid, &session) && session.enabled;
}

bool authz_allows(const struct root *root, struct str uid, struct str rid,
	enum iam_action action)
{
	return is_known_and_enabled(root, uid) &&
		iam_check(root->acl, uid, rid, action) == IAM_ALLOW;
}

bool authz_is_superuser(const struct root *root, struct str uid)
{
	return is_known_and_enabled(root, uid) && iam_is_superuser(root->acl, uid);
}

bool guard_allows(const struct root *root, struct str uid, struct str delegated_rid,
	enum iam_action action)
{
	if (!is_known_and_enabled(root, uid))
		return false;
	/* Either check also answers for superusers. */
	if (iam_check(root->acl, uid, STR(ADMINROUTER_ACS_RID), IAM_FULL) == IAM_ALLOW)
		return true;
	return delegated_rid.ptr != NULL &&
		iam_check(root->acl, uid, delegated_rid, action) == IAM_ALLOW;
}

bool guard_rid_is_protected(struct str rid)
{
	return str_eq_c(rid, IAM_SUPERUSER_RID) || str_eq_c(rid, ADMINROUTER_ACS_RID) ||
		str_starts(rid, STR(OWN_RID_PREFIX));
}

static bool pick_protected(struct str rid, void *ctx)
{
	(void)ctx;
	return guard_rid_is_protected(rid);
}

bool guard_user_is_protected(const struct root *root, struct str uid)
{
	return iam_user_reaches_any(root->acl, uid, pick_protected, NULL);
}

bool guard_group_is_protected(const struct root *root, struct str gid)
{
	return iam_group_reaches_any(root->acl, gid, pick_protected, NULL);
}
