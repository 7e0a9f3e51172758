/*
 * ldap_rule - where a directory's users are, as its settings say: a base, a scope, a filter.
 *
 * Of `user-search` these are its base, everything below, and the filter with `*` for the name; of a
 * DN template the entries right below its parent that have the attribute. Pure.
 */
#ifndef IDP_LDAP_RULE_H
#define IDP_LDAP_RULE_H

#include "iamd/idp/ldap_conn.h"

struct ldap_rule {
	struct str
		base; /* absent: a template that is no DN (user@domain); there is nothing to search */
	struct str base_normal;
	enum ldap_where where;
	struct str filter; /* in brackets */
};

/* Strings are the settings' and the arena's. Errors: IAM_NO_MEMORY, IAM_BAD_DATA (the base is no DN). */
MUST_CHECK enum iam_err ldap_rule_of(const struct ldap_settings *s, struct arena *a,
	struct ldap_rule *ret);

/* Is the entry of that DN (as ldap_dn_normal() makes it) where the rule has its users? */
bool ldap_rule_has_place(const struct ldap_rule *r, struct str normal_dn);

#endif
