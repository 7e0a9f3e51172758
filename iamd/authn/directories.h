/*
 * directories - the configured directories as the running daemon has them: settings and connections.
 *
 * Loaded from the store at start and after each change of a configuration (the WRITE lane's done()).
 * A directory that is in use while it is replaced or deleted lives until the last user gives it back.
 * Thread-safe: one lock, held for look-ups only. Event loops may call directories_any() and
 * directories_login_order().
 */
#ifndef AUTHN_DIRECTORIES_H
#define AUTHN_DIRECTORIES_H

#include "iamd/idp/ldap_pool.h"
#include "iamd/store/store.h"
#include "iamd/sys/seal.h"

struct directories;
struct directory {
	const struct ldap_settings *settings;
	struct ldap_pool *pool;
	uint64_t share; /* of the NET lane: a silent directory keeps its own callers waiting only */
	/* private */
	struct directories *owner;
	struct arena *arena;
	unsigned users;
	bool gone;
};

/* Reads all of them. Errors: as the store's; IAM_CONFIG (a secret cannot be unsealed) with a text. */
MUST_CHECK enum iam_err directories_new(struct db *db, const struct seal_key *key,
	struct directories **ret, struct iam_error *err);
void directories_free(struct directories *d); /* nobody holds one; NULL is fine */

/*
 * A change in two steps, so that what can fail is before COMMIT: a directory ready for use (settings
 * copied; NULL: no memory), then put in place, or thrown away if the change was undone. fresh NULL:
 * the directory was deleted.
 */
struct directory *directories_prepare(struct directories *d, const struct ldap_settings *settings);
void directories_install(struct directories *d, struct str id, struct directory *fresh);
void directories_discard(struct directory *fresh); /* NULL is fine */

/* Both at once. settings NULL: deleted. Errors: IAM_NO_MEMORY (the old stays). */
MUST_CHECK enum iam_err directories_set(struct directories *d, struct str id,
	const struct ldap_settings *settings);

bool directories_any(struct directories *d);

/* By id; NULL: none. directories_give() when done. */
struct directory *directories_take(struct directories *d, struct str id);
void directories_give(struct directory *dir); /* NULL is fine */

/* The n-th in login order, for a login name that no account has; NULL: no more. */
struct directory *directories_login_order(struct directories *d, unsigned n);

/* Closes idle connections; from the maintenance thread. */
void directories_tend(struct directories *d);

/* Where a directory's secrets are sealed to stand: "directories|sealed|<id>". Absent: no memory. */
struct str directory_seal_place(struct arena *a, struct str id);

#endif
