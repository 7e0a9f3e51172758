/*
 * ldap_name - names put into filters and DNs, and DNs compared. Pure; no libldap.
 *
 * Whatever bytes a login name has, the result means exactly that value: RFC 4515 section 3 for
 * filters, RFC 4514 section 2.4 for DNs. Fuzzed.
 */
#ifndef IDP_LDAP_NAME_H
#define IDP_LDAP_NAME_H

#include "iam/err.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

#define LDAP_USER_PLACEHOLDER  "%(username)s"
#define LDAP_GROUP_PLACEHOLDER "%(groupname)s"

/*
 * The template with each placeholder replaced by the escaped value, NUL-terminated. A value that is
 * empty, has a NUL, is longer than 512 bytes or no UTF-8: IAM_BAD_DATA.
 */
MUST_CHECK enum iam_err ldap_filter_expand(struct arena *a, struct str template, const char *placeholder,
	struct str value, struct str *ret);
MUST_CHECK enum iam_err ldap_dn_expand(struct arena *a, struct str template, const char *placeholder,
	struct str value, struct str *ret);
/* The template with `*` for each placeholder: all entries of that kind. */
MUST_CHECK enum iam_err ldap_filter_any(struct arena *a, struct str template, const char *placeholder,
	struct str *ret);

/* `(attr=value)` with the value escaped; every byte that is no plain ASCII becomes \XX, so binary is fine. */
MUST_CHECK enum iam_err ldap_filter_equal(struct arena *a, const char *attribute, struct str value,
	struct str *ret);

/*
 * One spelling for DNs that mean the same: lower-case types and (ASCII and the simple letters beyond)
 * values, escapes undone and made anew, blanks around separators gone, the parts of a multi-valued RDN
 * sorted. To compare DNs of one server with each other, never to send. Errors: IAM_BAD_DATA (no DN).
 */
MUST_CHECK enum iam_err ldap_dn_normal(struct arena *a, struct str dn, struct str *ret);

#endif
