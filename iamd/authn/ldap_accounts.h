/*
 * ldap_accounts - makes accounts and groups of what a directory says: at login, at import, at
 * synchronisation. WRITE lane only; audit rows are the caller's.
 */
#ifndef AUTHN_LDAP_ACCOUNTS_H
#define AUTHN_LDAP_ACCOUNTS_H

#include "iamd/idp/ldap_groups.h"
#include "iamd/store/directories.h"

/*
 * The account of an entry, made or bound if need be. By (directory, subject); else an account of that
 * name made in advance (type ldap, not bound); else a new one. tried: the name typed at login (absent
 * at import): it is the uid where it equals the entry's name but for case and the entry's own breaks
 * the rule, or the directory has no name attribute. *ret_created: it is new.
 * Errors: IAM_CANNOT_IMPORT_USER with a text (a local account or one of another source or entry has that name; the
 * name breaks the id rule).
 */
MUST_CHECK enum iam_err ldap_account_ensure(struct db *w, struct arena *a, const struct identity *who,
	struct str tried, struct user *ret_user, bool *ret_created, struct iam_error *err);

#endif
