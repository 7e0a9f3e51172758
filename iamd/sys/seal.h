/*
 * seal - secrets at rest: XChaCha20-Poly1305 under a master key that is not in the database.
 *
 * The key is 32 bytes in a file of mode 0600 (state_dir/keys/master.key, made at the first start; or
 * the file that the option master_key_file names, such as a service manager's credential). A sealed
 * text is bound to where it stands: the additional data names table, column and row, so that nobody
 * who can write to the database can move one secret to another's place.
 */
#ifndef SYS_SEAL_H
#define SYS_SEAL_H

#include "iam/err.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

struct seal_key; /* in guarded memory */

/* may_create: makes the file if it is missing. Errors: IAM_CONFIG with a text (readable by others, wrong length, missing). */
MUST_CHECK enum iam_err seal_key_load(const char *path, bool may_create, struct seal_key **ret,
	struct iam_error *err);
void seal_key_free(struct seal_key *k); /* NULL is fine */

/* where: "table|column|row". */
MUST_CHECK enum iam_err seal_close(const struct seal_key *k, struct str where, struct str plain,
	struct arena *a, struct str *ret_sealed);
/* Errors: IAM_CONFIG: another key, another place, or altered. The plain text is the caller's to wipe. */
MUST_CHECK enum iam_err seal_open(const struct seal_key *k, struct str where, struct str sealed,
	struct arena *a, struct str *ret_plain);

#endif
