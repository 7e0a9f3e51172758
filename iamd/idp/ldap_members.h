/*
 * ldap_members - the entry of a group read: its name, its lasting id, all its members.
 *
 * Inner header of ldap_groups.c and ldap_people.c. A server may give a long attribute in ranges,
 * asked for or not; the rest is fetched before anybody sees the group.
 */
#ifndef IDP_LDAP_MEMBERS_H
#define IDP_LDAP_MEMBERS_H

#include "iamd/idp/ldap_groups.h"

/* A group whose entry was read, and where the next range of each of its attributes begins (0: all is there). */
struct ldap_group_draft {
	struct ldap_group group;
	size_t cap;
	unsigned next[LDAP_MEMBER_ATTRS_MAX];
	bool too_many, no_memory, unnamed; /* unnamed: without a name or a lasting id */
};

/*
 * A lookup connection that was alive a moment ago, and what its server says of itself; NULL with a
 * fault. Back with ldap_pool_give().
 */
struct ldap_conn *ldap_lookup_take(struct ldap_pool *p, const struct ldap_settings *s,
	int64_t until_ms, struct ldap_kind *ret_kind, struct ldap_fault *fault);

/* What to ask for: a group's attributes, and a user's (NULL: none). In the arena; NULL: no memory. */
const char *const *ldap_group_attributes(const struct ldap_settings *s,
	const char *const *also, struct arena *a);

/* Object classes of groups, NULL-terminated; whether an entry has one and is no person. */
extern const char *const ldap_group_classes[];
bool ldap_entry_is_group(struct ldap_entry *e);

/*
 * Fills a zeroed draft from an entry. wanted: the name that was looked for (absent: none). Check the
 * draft's flags with ldap_group_complete(), which must follow, outside of the search.
 */
void ldap_group_begin(const struct ldap_settings *s, struct ldap_entry *e,
	struct str wanted, struct arena *a, struct ldap_group_draft *ret);

/* Fetches what ranges left out. */
bool ldap_group_complete(const struct ldap_settings *s, struct ldap_conn *c,
	struct ldap_group_draft *d, struct arena *a, int64_t until_ms,
	struct ldap_fault *fault);

/* A fault of our own making; returns false. */
bool ldap_fault_own(struct ldap_fault *fault, enum ldap_state state, const char *text);

#endif
