/*
 * ldap_settings_impl - what the files of ldap_settings share: members read into the struct.
 */
#ifndef IDP_LDAP_SETTINGS_IMPL_H
#define IDP_LDAP_SETTINGS_IMPL_H

#include "iamd/idp/ldap_settings.h"

/* A configuration while it is read. */
struct settings_read {
	struct arena *a;
	const struct ldap_settings *stored; /* where a marker's secret comes from; NULL: nothing stored */
	struct ldap_settings *s;
	bool contract_only;
	bool use_ldaps, enforce_starttls;
	struct iam_error *err;
};

/* Everything that a body need not say. */
void ldap_settings_defaults(struct ldap_settings *s);

/*
 * The members of the object into r->s, each judged for itself; what they say together is
 * ldap_settings.c's. Errors: IAM_LDAP_CONFIG_INVALID with a text, IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err ldap_settings_read(struct settings_read *r, const json_t *object);

/* ---- ldap_settings_text.c; name: the member, for the text ---- */

/* Sets r->err to IAM_LDAP_CONFIG_INVALID and the text. */
enum iam_err settings_invalid(struct settings_read *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A copy in the arena. IAM_NO_MEMORY. */
MUST_CHECK enum iam_err settings_keep(struct settings_read *r, struct str s, struct str *ret);
/* A string of 1..max bytes, not copied, without control characters but, where `lines`, line ends and tabs. */
MUST_CHECK enum iam_err settings_text(struct settings_read *r, const char *name, const json_t *v,
	size_t max, bool lines, struct str *ret);
/* A copy of an attribute's name, or of a host's name or address. */
MUST_CHECK enum iam_err settings_attribute(struct settings_read *r, const char *name,
	const json_t *v, struct str *to);
MUST_CHECK enum iam_err settings_host(struct settings_read *r, const char *name, const json_t *v,
	struct str *to);

#endif
