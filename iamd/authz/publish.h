/*
 * publish - the one root that every request reads without a lock.
 *
 * A root is immutable: the ACL snapshot, the session table (uid -> enabled, gen), the
 * revoked token digests, the keyring and its number, the configuration, the revision.
 * Readers enter an epoch, load the root, and leave; a replaced root and what only it used
 * are freed when no reader can still see them. One writer at a time (the WRITE lane, or
 * the thread that reloads: they share a mutex).
 *
 * A publication is prepared before COMMIT (everything that can fail happens there) and
 * installed after it (which cannot fail), or aborted.
 */
#ifndef AUTHZ_PUBLISH_H
#define AUTHZ_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/acl.h"
#include "iam/err.h"
#include "iamd/authn/keyring.h"
#include "iamd/authz/pmap.h"
#include "iamd/config.h"
#include "iamd/store/changes.h"

struct publisher;

struct root {
	const struct iam_snapshot *acl;
	const struct pmap *sessions;
	const struct pmap *revoked;
	const struct keyring *keyring;
	uint64_t keyset; /* changes with the keyring */
	const struct config *config;
	int64_t revision;
	const unsigned char *hash_key; /* of both tables; TABLE_KEY_BYTES, secret */
};

#define TABLE_KEY_BYTES 16

/*
 * LIMIT: what replaced roots may hold while a reader still sees them. Past it (a reader
 * must have stalled inside its scope, which is a bug) a publication is refused with
 * IAM_NO_MEMORY before its COMMIT: writers never wait for readers, and memory stays
 * bounded.
 */
#define PUBLISH_RETIRED_MAX_BYTES (64u << 20)

/*
 * Loads everything from the store through `db`. Takes over keyring and config when it
 * succeeds; they stay the caller's on error. `max_threads` epoch slots (LIMIT: threads
 * that read at the same time). Errors: IAM_NO_MEMORY, store errors.
 */
MUST_CHECK enum iam_err publisher_new(struct db *db, struct keyring *keyring,
	struct config *config, unsigned max_threads, struct publisher **ret_publisher);
/* After all other reader threads have ended. Frees keyring and config too. NULL is fine.
 */
void publisher_free(struct publisher *p);

/*
 * Readers. Nesting is allowed. The root is valid until the matching leave. Never wait in
 * between. A thread gets its slot at its first enter and gives it back when it ends.
 * Without a free slot the process aborts: slots are sized for all threads at start.
 */
const struct root *publish_enter(struct publisher *p);
void publish_leave(struct publisher *p);
#define PUBLISH_SCOPE(p, name) \
	__attribute__((cleanup(publish_scope_leave))) struct publish_scope name = { \
		(p), publish_enter(p)}
struct publish_scope {
	struct publisher *publisher;
	const struct root *root;
};
void publish_scope_leave(struct publish_scope *s);

/*
 * WRITE lane: prepare inside the transaction, then install after COMMIT or abort, all on
 * one thread. Costs what the changes touch, not what there is. Between prepare and
 * install/abort the publisher is held. install and abort take no memory and cannot fail.
 * Errors of prepare: IAM_NO_MEMORY; then nothing is held and nothing changed.
 */
MUST_CHECK enum iam_err publish_prepare(struct publisher *p,
	const struct changes *changes, int64_t revision);
void publish_install(struct publisher *p);
void publish_abort(struct publisher *p);

/*
 * Reload: a new keyring and/or configuration (NULL: keep). Takes them over when it
 * succeeds; on error they stay the caller's. The old ones are freed when no reader sees
 * them. The revision stays. Not between prepare and install of the same thread. Errors:
 * IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err publish_reload(struct publisher *p, struct keyring *keyring,
	struct config *config);

/* Frees what no reader sees any more (also done at each install). Any thread. Replaced
 * roots left. */
size_t publish_reclaim(struct publisher *p);

#endif
