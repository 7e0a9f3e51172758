/*
 * password_form - the written forms of password hashes: kind, parameters, bounds.
 *
 * Pure text work, no hashing. A hash is taken only when it is whole and well-formed and its cost
 * is bounded, because a stored hash decides how much work a stranger's login makes us do.
 * Thread-safe.
 */
#ifndef AUTHN_PASSWORD_FORM_H
#define AUTHN_PASSWORD_FORM_H

#include <stdint.h>

#include "iam/err.h"
#include "iam/str.h"

enum password_kind {
	PASSWORD_ARGON2ID,
	PASSWORD_ARGON2I,
	PASSWORD_SHA512_CRYPT, /* $6$ */
	PASSWORD_SHA256_CRYPT, /* $5$ */
	PASSWORD_BCRYPT,       /* $2a$ $2b$ $2y$ */
	PASSWORD_YESCRYPT,     /* $y$ */
};

struct password_form {
	enum password_kind kind;
	/* argon2 only */
	uint64_t memory_kib;
	uint64_t passes;
	uint64_t lanes;
};

/* Errors: IAM_BAD_DATA with the reason; the text never holds any of the hash. */
MUST_CHECK enum iam_err password_form_parse(struct str hash, struct password_form *ret_form, struct iam_error *err);

#endif
