/*
 * pending - unpublished changes that bear on rights; see pending.h.
 *
 * Why looking at single changes is enough. Protection spreads along a path of membership and
 * nesting up to a grant on a protected rid. A new path holds a change of the batch nearest to its
 * upper end: either that is the grant itself, or what lies above it was on the root already, so the
 * group it leads into is protected there. The other way round, a path on the root has protected
 * groups only, so whatever cuts it names one of them, or its grant, or its user.
 */
#include "iamd/authz/pending.h"

#include "iamd/authz/guard.h"
#include "libacl/base/str.h"

static bool protects(const struct root *root, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_GRANT:
		return guard_rid_is_protected(c->id);
	case CHANGE_MEMBER:
	case CHANGE_SUBGROUP:
		return guard_group_is_protected(root, c->id);
	case CHANGE_SESSION:
	case CHANGE_SESSION_GONE:
	case CHANGE_REVOKED:
	case CHANGE_REVOKED_GONE:
	case CHANGE_GROUP:
	case CHANGE_GROUP_GONE:
	case CHANGE_MEMBER_GONE:
	case CHANGE_SUBGROUP_GONE:
	case CHANGE_RESOURCE:
	case CHANGE_RESOURCE_GONE:
	case CHANGE_GRANT_GONE:
	case CHANGE_USER_LINKS_GONE:
		return false;
	}
	return true;
}

static bool takes(const struct root *root, const struct change *c, struct str uid)
{
	switch (c->kind) {
	case CHANGE_SESSION:
	case CHANGE_SESSION_GONE:
		return str_eq((struct str){c->uid, c->uid_len}, uid);
	case CHANGE_USER_LINKS_GONE:
		return str_eq(c->id, uid);
	case CHANGE_MEMBER_GONE:
		return str_eq(c->other, uid) && guard_group_is_protected(root, c->id);
	case CHANGE_SUBGROUP_GONE:
	case CHANGE_GROUP_GONE:
		return guard_group_is_protected(root, c->id);
	case CHANGE_RESOURCE_GONE:
	case CHANGE_GRANT_GONE:
		return guard_rid_is_protected(c->id);
	case CHANGE_REVOKED:
	case CHANGE_REVOKED_GONE:
	case CHANGE_GROUP:
	case CHANGE_MEMBER:
	case CHANGE_SUBGROUP:
	case CHANGE_RESOURCE:
	case CHANGE_GRANT:
		return false;
	}
	return true;
}

/* The same fact about the same group as just before: bulk changes ask once. */
static bool is_repeated(const struct changes *c, size_t i)
{
	const struct change *now = &c->rows[i];

	return i > 0 && now->kind == c->rows[i - 1].kind && now->kind == CHANGE_MEMBER &&
		str_eq(now->id, c->rows[i - 1].id);
}

bool pending_protects(const struct root *root, const struct changes *c)
{
	for (size_t i = 0; i < c->len; i++)
		if (!is_repeated(c, i) && protects(root, &c->rows[i]))
			return true;
	return false;
}

bool pending_takes(const struct root *root, const struct changes *c, struct str uid)
{
	for (size_t i = 0; i < c->len; i++)
		if (takes(root, &c->rows[i], uid))
			return true;
	return false;
}
