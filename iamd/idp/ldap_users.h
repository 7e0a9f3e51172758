/*
 * ldap_users - people in a directory: found by name, their password tried, all of them listed.
 *
 * Blocking, with deadlines: NET lane or the synchronisation's thread only.
 */
#ifndef IDP_LDAP_USERS_H
#define IDP_LDAP_USERS_H

#include "iamd/idp/ldap_pool.h"

/*
 * Looks the name up (search rule, or the DN template read by its DN) without a password. Two entries
 * for one name are IDP_UNKNOWN_USER with that text. Results: ACCEPTED (found), UNKNOWN_USER, UNAVAILABLE.
 */
enum idp_result ldap_user_find(struct ldap_pool *p, const struct ldap_settings *s, struct str name,
	struct arena *a, int64_t deadline_ms, struct identity *ret, struct ldap_fault *fault);

/*
 * The whole login: find, bind as the entry, judge the answer. With a DN template the entry is read
 * after the bind, by that user, or by the lookup account if the user may not. *ret is filled with
 * ACCEPTED only; else ret->dn alone, as whom the bind was tried (absent: it was not).
 * *ret_text: for audit and for "test configuration", a constant. *fault: what failed; with
 * UNKNOWN_USER only its text.
 */
enum idp_result ldap_user_verify(struct ldap_pool *p, const struct ldap_settings *s, struct str name,
	struct str password, struct arena *a, int64_t deadline_ms, struct identity *ret,
	const char **ret_text, struct ldap_fault *fault);

/*
 * What makes an entry, of a user or a group, for ever the same (ldap_identity.c): of Active Directory
 * `objectguid:` and hex, of 389-ds `nsuniqueid:`, of all others `entryuuid:` and the value in lower
 * case (389-ds where it shows no nsUniqueId: `entryuuid:`, else `ipauniqueid:`). In the arena, at
 * most IDP_SUBJECT_MAX bytes. Absent: the entry shows none that can be used, or no memory. The
 * connection's kind must have been asked for before.
 */
struct str ldap_lasting_id(struct ldap_entry *e, struct arena *a);
/* The attributes that may hold it. */
#define LDAP_LASTING_IDS 4
extern const char *const ldap_lasting_ids[LDAP_LASTING_IDS];

/*
 * Fills an identity from an entry. (ldap_identity.c) False: it is a group (Active Directory gives
 * these login names, too), or has no name or no lasting id.
 */
bool ldap_user_from_entry(const struct ldap_settings *s, const struct ldap_kind *kind,
	struct ldap_entry *e, struct arena *a, struct identity *ret);
/* The attributes that needs; NULL-terminated, in the arena. NULL: no memory. */
const char *const *ldap_user_attributes(const struct ldap_settings *s, struct arena *a);

/*
 * Every user of the search rule (filter absent), or of a narrower filter, in pages; return false to
 * stop. Entries that are no user (no name, no lasting id) are passed by. Strings are valid during the
 * call only.
 */
typedef bool ldap_user_fn(const struct identity *who, void *ctx);
bool ldap_users_each(struct ldap_conn *c, const struct ldap_settings *s, const struct ldap_kind *kind,
	struct str filter, int64_t until_ms, ldap_user_fn *each, void *ctx, struct ldap_fault *fault);

#endif
