/*
 * password - hashing and verifying, argon2id and what other systems left behind.
 *
 * Slow (16 ms and 19 MiB with the defaults): only on the HASH lane or before the lanes start.
 * Thread-safe. Every computation counts METRIC_PASSWORD_HASHES.
 */
#ifndef AUTHN_PASSWORD_H
#define AUTHN_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/err.h"
#include "iam/str.h"

/* LIMIT: longer passwords are refused before any hashing. */
#define PASSWORD_MAX_BYTES 1024
/* LIMIT: an encoded hash, of any kind, with its NUL. */
#define PASSWORD_HASH_MAX 512

struct password_params {
	uint64_t opslimit;
	uint64_t memory_bytes;
};

/* argon2id string into buf. Errors: IAM_NO_MEMORY, IAM_BAD_DATA (too long). */
MUST_CHECK enum iam_err password_hash(const struct password_params *params, struct str password,
	char buf[PASSWORD_HASH_MAX]);

struct password_verdict {
	bool ok;
	bool rehash; /* ok, and the hash is of another kind or of other parameters than `params` */
};

/*
 * Does the password match the stored hash (argon2id/argon2i, $6$, $5$, $2a/b/y$, $y$)? An absent or
 * unusable hash costs one computation with today's parameters against a dummy and is not ok, so that
 * unknown, disabled and wrong take the same work.
 */
MUST_CHECK enum iam_err password_verify(const struct password_params *params, struct str password, struct str hash,
	struct password_verdict *ret_verdict);

/*
 * May this hash be stored? Known kind, well-formed, cost within bounds (LIMIT: $6$/$5$ 5 000 000
 * rounds, bcrypt 14, yescrypt j-z parameters up to 1 GiB, argon2 up to 10 passes and 1 GiB).
 * Errors: IAM_BAD_DATA.
 */
MUST_CHECK enum iam_err password_hash_check(struct str hash, struct iam_error *err);

#endif
