/*
 * ldap_groups - groups in a directory and who is in them.
 *
 * Knows groupOfNames, groupOfUniqueNames, posixGroup (memberUid holds names, not DNs), RFC 2307bis,
 * FreeIPA, Active Directory (ranged values asked for or not, in-chain rule). Nested groups are walked
 * with a visited set and bounds. Blocking, with deadlines.
 */
#ifndef IDP_LDAP_GROUPS_H
#define IDP_LDAP_GROUPS_H

#include "iamd/idp/ldap_users.h"

/* LIMIT: members of one group, groups met in one walk, depth. More: a fault that says so. */
#define LDAP_GROUP_MEMBERS_MAX 1000000
#define LDAP_GROUP_WALK_MAX    10000
#define LDAP_GROUP_DEPTH_MAX   64

struct ldap_group {
	struct str name;    /* cn (or sAMAccountName), the entry's spelling; may break our id rule */
	struct str subject; /* as an identity's */
	struct str dn;
	struct str description;
	struct str *members; /* raw values: DNs, or names where by_name says so */
	bool *by_name;
	size_t n_members;
};

/* ACCEPTED (found), UNKNOWN_USER (none or several), UNAVAILABLE. Members complete, ranges fetched. */
enum idp_result ldap_group_find(struct ldap_pool *p, const struct ldap_settings *s, struct str name,
	struct arena *a, int64_t deadline_ms, struct ldap_group *ret, struct ldap_fault *fault);

/*
 * The people of a group: each member entry that is a user of the directory's rule, those of nested
 * groups too where the settings say so, everybody once. Members that are neither are counted in
 * *ret_skipped. Stops at until_ms with *ret_partial.
 */
bool ldap_group_people(struct ldap_pool *p, const struct ldap_settings *s, const struct ldap_group *g,
	struct arena *a, int64_t until_ms, ldap_user_fn *each, void *ctx, size_t *ret_skipped,
	bool *ret_partial, struct ldap_fault *fault);

/* Every group of the search rule, in pages, members complete; return false to stop. Strings valid during the call. */
typedef bool ldap_group_fn(const struct ldap_group *g, void *ctx);
bool ldap_groups_each(struct ldap_conn *c, const struct ldap_settings *s, const struct ldap_kind *kind,
	struct str filter, int64_t until_ms, ldap_group_fn *each, void *ctx, struct ldap_fault *fault);

#endif
