/*
 * ldap_import - what the import of a user and that of a group share.
 */
#ifndef API_LDAP_IMPORT_H
#define API_LDAP_IMPORT_H

#include "iamd/api/services.h"
#include "iamd/authn/directories.h"
#include "iamd/idp/ldap_groups.h"

/* The directory of the path, or `default`. */
struct str import_directory_id(struct req *r);

/* It, in use until directories_give(); NULL: there is none, and the error is set. */
struct directory *import_directory(struct req *r, enum iam_err *ret_error);

/* When an import that began with this request must have ended (monotonic). */
int64_t import_until_ms(const struct req *r);

/*
 * Goes on in the NET lane. All imports share places there of their own: they may run for minutes, and
 * logins through the same directory must not wait for them.
 */
enum iam_err import_hand_off(struct req *r, req_fn *fn);

/* What could not be found, or not be asked. */
enum iam_err import_fail(struct req *r, enum idp_result result, enum iam_err not_found,
	struct str name, const struct ldap_fault *fault);

/* "directory default": the reason of an audit row. Absent without memory. */
struct str import_reason(struct arena *a, struct str directory);

/* ldap_import_known.c */
enum iam_err import_group_exists(struct req *r, struct str gid);

/*
 * NET lane: takes those members out of the group that are groups here; their gids are *ret_nested, in
 * the arena. Errors: IAM_GROUP_EXISTS (the entry, or its name, is a group here), as the store's.
 */
enum iam_err import_look_around(struct req *r, struct str directory, struct ldap_group *g,
	struct arena *a, struct str **ret_nested, size_t *ret_n);

#endif
