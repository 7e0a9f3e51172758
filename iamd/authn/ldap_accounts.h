/*
 * ldap_accounts - makes accounts and groups of what a directory says: at login, at import, at
 * synchronisation. WRITE lane only; audit rows are the caller's.
 */
#ifndef AUTHN_LDAP_ACCOUNTS_H
#define AUTHN_LDAP_ACCOUNTS_H

#include "iamd/idp/ldap_groups.h"
#include "iamd/store/directories.h"

/*
 * The account of an entry, made or bound if need be. By (directory, subject); else an account made in
 * advance (type ldap, not bound) whose name is the entry's, typed in any case (`tried`; absent at
 * import): a filter may find entries by what people write themselves, such as mail, and that gives
 * nobody a prepared account; else one of the entry's name, bound if it was made in advance, new if there
 * is none. Where the entry's name breaks the id rule, a new account has the name that was typed.
 * *ret_created: it is new. The account may be disabled.
 * Errors: IAM_CANNOT_IMPORT_USER with a text (a local account or one of another source or entry has that name; the
 * name breaks the id rule).
 */
MUST_CHECK enum iam_err ldap_account_ensure(struct db *w, struct arena *a, const struct identity *who,
	struct str tried, struct user *ret_user, bool *ret_created, struct iam_error *err);

#endif
