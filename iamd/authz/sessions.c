/*
 * sessions - what the published state knows of users and revoked tokens.
 *
 * Two persistent maps (pmap.h): uid -> enabled, raised, kind, gen, and the set of revoked token
 * digests. Whether a token is good is decided by the caller; this file only answers what
 * is known.
 *
 * Invariants: a record never changes once it is in a map. Hashes are SipHash with a key
 * of the process, so that nobody can choose uids that fall on one page.
 */
#include "iamd/authz/sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "libacl/base/str.h"

static_assert(TABLE_KEY_BYTES == crypto_shorthash_KEYBYTES,
	"the tables' key is SipHash's");

struct session_record {
	int64_t gen;
	bool enabled;
	bool raised;
	bool is_service;
	uint8_t uid_len;
	char uid[]; /* not NUL-terminated */
};

struct revoked_record {
	unsigned char digest[TOKEN_DIGEST_BYTES];
};

static uint64_t hash_bytes(const unsigned char *key, const void *bytes, size_t len)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	static_assert(sizeof(out) == sizeof(hash), "SipHash-2-4 gives 64 bits");
	crypto_shorthash(out, bytes, len, key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

static bool match_uid(const void *record, const void *key)
{
	const struct session_record *r = record;
	const struct str *uid = key;

	return r->uid_len == uid->len && memcmp(r->uid, uid->ptr, uid->len) == 0;
}

/* Digests are no secrets: an attacker who knows one holds the token. */
static bool match_digest(const void *record, const void *key)
{
	const struct revoked_record *r = record;

	return memcmp(r->digest, key, sizeof(r->digest)) == 0;
}

bool sessions_find(const struct root *root, struct str uid, struct session *ret_session)
{
	const struct session_record *r;

	if (uid.ptr == NULL || uid.len == 0 || uid.len > IAM_UID_MAX_BYTES)
		return false;
	r = pmap_find(root->sessions, hash_bytes(root->hash_key, uid.ptr, uid.len),
		match_uid, &uid);
	if (r == NULL)
		return false;
	*ret_session = (struct session){.enabled = r->enabled,
		.raised = r->raised,
		.is_service = r->is_service,
		.gen = r->gen};
	return true;
}

bool revoked_find(const struct root *root, const unsigned char digest[TOKEN_DIGEST_BYTES])
{
	uint64_t hash;

	if (pmap_count(root->revoked) == 0) /* the usual case */
		return false;
	hash = hash_bytes(root->hash_key, digest, TOKEN_DIGEST_BYTES);
	return pmap_find(root->revoked, hash, match_digest, digest) != NULL;
}

size_t sessions_count(const struct root *root)
{
	return pmap_count(root->sessions);
}

void sessions_record_free(void *record, void *ctx)
{
	(void)ctx;
	free(record);
}

enum iam_err sessions_put(struct pmap_edit *e, const unsigned char *key, struct str uid,
	const struct session *session)
{
	struct session_record *r;
	enum iam_err err;

	assert(uid.len > 0 && uid.len <= IAM_UID_MAX_BYTES);
	r = malloc(sizeof(*r) + uid.len);
	if (r == NULL)
		return IAM_NO_MEMORY;
	r->gen = session->gen;
	r->enabled = session->enabled;
	r->raised = session->raised;
	r->is_service = session->is_service;
	r->uid_len = (uint8_t)uid.len;
	memcpy(r->uid, uid.ptr, uid.len);

	err = pmap_edit_put(e, hash_bytes(key, uid.ptr, uid.len), r, match_uid, &uid);
	if (err != IAM_OK)
		free(r);
	return err;
}

enum iam_err sessions_remove(struct pmap_edit *e, const unsigned char *key,
	struct str uid)
{
	enum iam_err err;

	err = pmap_edit_remove(e, hash_bytes(key, uid.ptr, uid.len), match_uid, &uid);
	return err == IAM_NOT_FOUND ? IAM_OK : err;
}

enum iam_err revoked_put(struct pmap_edit *e, const unsigned char *key,
	const unsigned char digest[TOKEN_DIGEST_BYTES])
{
	struct revoked_record *r = malloc(sizeof(*r));
	enum iam_err err;

	if (r == NULL)
		return IAM_NO_MEMORY;
	memcpy(r->digest, digest, sizeof(r->digest));

	err = pmap_edit_put(e, hash_bytes(key, digest, TOKEN_DIGEST_BYTES), r,
		match_digest, digest);
	if (err != IAM_OK)
		free(r);
	return err;
}

enum iam_err revoked_remove(struct pmap_edit *e, const unsigned char *key,
	const unsigned char digest[TOKEN_DIGEST_BYTES])
{
	enum iam_err err;

	err = pmap_edit_remove(e, hash_bytes(key, digest, TOKEN_DIGEST_BYTES),
		match_digest, digest);
	return err == IAM_NOT_FOUND ? IAM_OK : err;
}
