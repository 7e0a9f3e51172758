/*
 * ldap_status - what a refused bind means: wrong password, disabled, expired, or nothing of the kind.
 *
 * Pure. Knows result codes (RFC 4511), Active Directory's sub-codes in the diagnostic text (`data 52e`,
 * 530-533, 701, 773, 775), the password policy control, 389-ds's answers (locked is 19).
 */
#ifndef IDP_LDAP_STATUS_H
#define IDP_LDAP_STATUS_H

#include "iamd/idp/ldap_conn.h"

/*
 * Of a failed (or, for warnings such as "must be changed", a successful) bind of a user. *ret_text: a
 * short constant for audit and tests ("account locked", "password expired", ...), never NULL.
 */
enum idp_result ldap_status_of_bind(const struct ldap_fault *f, const char **ret_text);

/* Does an entry's userAccountControl, nsAccountLock, pwdAccountLockedTime ... say disabled? */
bool ldap_status_entry_disabled(struct ldap_entry *e);
/* Those attributes, for searches. NULL-terminated. */
extern const char *const ldap_status_attributes[];

#endif
