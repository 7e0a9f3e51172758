/*
 * keyring - the signing key, and the former keys whose tokens are still good.
 *
 * A keyring is immutable; a reload makes a new one, which the publication root then carries.
 * The private key lives in OpenSSL's secure heap. Files must be readable by the owner only.
 */
#ifndef AUTHN_KEYRING_H
#define AUTHN_KEYRING_H

#include "iam/err.h"
#include "iamd/authn/jose.h"
#include "libacl/base/str.h"

struct keyring;
struct jose_signer;

struct keyring_settings {
	const char *signing_key_file;       /* made (PKCS#8 PEM, 0600) when it is missing and may_create */
	bool may_create;
	unsigned bits;                      /* of a key that is made */
	const char *verification_key_files; /* comma-separated; may be "" */
	const char *former_keys_dir;        /* previous-*.pem here are former keys too; may be NULL */
	bool imported;                      /* signing_key_file was configured: tokens without kid are tried with it */
};

/* Once, before any key is read: OpenSSL's secure heap. */
MUST_CHECK enum iam_err keyring_init(struct iam_error *err);

/* Errors: IAM_CONFIG (permissions, not RSA, < 2048 bits, not a key), IAM_IO; the text names the file. */
MUST_CHECK enum iam_err keyring_load(const struct keyring_settings *settings, struct keyring **ret_keyring,
	struct iam_error *err);
void keyring_free(struct keyring *k);

/*
 * Rotation: the public half of the signing key becomes former_keys_dir/previous-<kid>.pem and a new
 * key takes its place (both durable before the name changes; a crash in between loses no key that
 * a token needs). Errors: IAM_CONFLICT (another rotation runs), IAM_CONFIG, IAM_NOT_FOUND, IAM_IO.
 */
MUST_CHECK enum iam_err keyring_rotate(const struct keyring_settings *settings, struct iam_error *err);

/* LIMIT: 16 keys. The current signing key is number 0. */
#define KEYRING_MAX 16
unsigned keyring_count(const struct keyring *k);
const struct jose_key *keyring_key(const struct keyring *k, unsigned i);
/* The key of this kid, or NULL. Absent kid: the imported signing key, or NULL when iamd made it itself. */
const struct jose_key *keyring_find(const struct keyring *k, struct str kid);

/* The JWKS document, pretty-printed with a final newline, built once. Borrowed. */
struct str keyring_jwks(const struct keyring *k);

/* What signs our tokens: the private half of key 0. Borrowed. */
const struct jose_signer *keyring_signer(const struct keyring *k);

#endif
