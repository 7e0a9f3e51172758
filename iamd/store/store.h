/*
 * store - users, groups, ACLs, revocations and audit rows, typed.
 *
 * One function is one statement or one documented transaction. Readers are connections of their
 * own thread and see committed data; the writer belongs to the WRITE lane, which has a
 * transaction and a savepoint open around every call that changes something. Changes are noted
 * in the writer's change set (changes.h) and published after COMMIT.
 * Strings of rows live in the caller's arena. Errors besides the named ones: IAM_STORE,
 * IAM_STORE_FULL, IAM_STORE_BUSY, IAM_NO_MEMORY.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/err.h"
#include "iam/rid.h"
#include "iam/acl.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

struct store; /* the database: path, writer, settings */
struct db;    /* one connection */

struct store_settings {
	const char *path;
	int fail_after; /* tests: the n-th database step fails with IAM_STORE_FULL; 0: never */
};

/*
 * Opens (or creates) the database, takes a lock against a second iamd, migrates, prepares every
 * statement on the writer. *ret_created: store_bootstrap() was never completed on this database;
 * so a crash between the two is harmless.
 * Errors: IAM_CONFIG with a text when the database is newer, altered or not ours.
 */
MUST_CHECK enum iam_err store_open(const struct store_settings *settings, struct store **ret_store,
	bool *ret_created, struct iam_error *err);
/* After the end of every thread that used store_reader(), except the caller. NULL is fine. */
void store_close(struct store *s);

/* The writer: only the WRITE lane's thread (and main() before the lanes start) may use it. */
struct db *store_writer(struct store *s);

/* The calling thread's own reader, opened at first use. NULL when it cannot be opened. */
struct db *store_reader(struct store *s);

/*
 * Checkpoint, statistics, spare memory. WRITE lane, best after a commit (a job's done()): inside a
 * transaction it is put off until just before the next one.
 */
void store_maintain(struct store *s);

/* ---- transactions: WRITE lane only ---- */
MUST_CHECK enum iam_err store_begin(struct db *w); /* empties the change set */
/* On failure the transaction is rolled back. The change set stays until the next store_begin(). */
MUST_CHECK enum iam_err store_commit(struct db *w);
void store_rollback(struct db *w);
/*
 * One level. When the database ended the transaction on its own (a full disk can do that), this and
 * everything after it fails, the commit included.
 */
MUST_CHECK enum iam_err store_savepoint(struct db *w);
MUST_CHECK enum iam_err store_release(struct db *w); /* on failure as store_rollback_to() */
void store_rollback_to(struct db *w); /* ends the savepoint, undoes it and what it noted in the change set */

/* Raises and returns the revision counter; once a transaction, before COMMIT. */
MUST_CHECK enum iam_err store_revision_next(struct db *w, int64_t *ret_revision);
MUST_CHECK enum iam_err store_revision(struct db *db, int64_t *ret_revision);

/* ---- users ---- */
enum provider_type { PROVIDER_INTERNAL, PROVIDER_LDAP, PROVIDER_OIDC, PROVIDER_SAML, PROVIDER_TYPE_COUNT };
const char *provider_type_name(enum provider_type t);
bool provider_type_parse(struct str text, enum provider_type *ret_type);

struct user {
	struct str uid;
	struct str description;
	enum provider_type provider_type;
	struct str provider_id;
	struct str password_hash; /* absent: none; never leaves iamd */
	struct str public_key;    /* PEM as given; absent unless a service account */
	bool enabled;
	int64_t gen;           /* the user's generation: a token is good only with this one */
	int64_t created_at_ms;
	int64_t last_login_ms; /* 0: never */
	bool raised;           /* gen was raised since the user was made, or the uid existed before */
};

static inline bool user_is_service(const struct user *u)
{
	return u->public_key.ptr != NULL;
}

static inline bool user_is_remote(const struct user *u)
{
	return u->provider_type != PROVIDER_INTERNAL;
}

/* Errors: IAM_NO_USER. */
MUST_CHECK enum iam_err store_user_get(struct db *db, struct arena *a, struct str uid, struct user *ret_user);

/* A page of users in byte order of uid, calling row() for each. */
struct user_query {
	bool service;        /* service accounts, else regular users */
	struct str after;    /* absent: from the start */
	int64_t limit;       /* rows at most, > 0 */
	struct str q;        /* absent: all; else exact, prefix, substring of case-folded uid and description */
};
/*
 * Errors: IAM_BAD_DATA when q is longer than 1024 bytes or malformed UTF-8.
 * Return false to stop. The user's strings are valid during the call only.
 */
typedef bool user_row_fn(const struct user *user, void *ctx);
MUST_CHECK enum iam_err store_user_list(struct db *db, const struct user_query *query, user_row_fn *row, void *ctx);

/*
 * Search with ranking: exact, then prefix, then substring matches; each group in byte order. `after`
 * continues behind a uid of the same search. Used by store_user_list() when q is set.
 */

/* Are there regular (non-service) users? */
MUST_CHECK enum iam_err store_user_any_regular(struct db *db, bool *ret_any);
MUST_CHECK enum iam_err store_user_count(struct db *db, int64_t *ret_count);

/* Assigns gen (from the global counter) and created_at. Errors: IAM_USER_EXISTS. */
MUST_CHECK enum iam_err store_user_add(struct db *w, struct user *user);

/* Each raises nothing unless said. Errors: IAM_NO_USER. */
MUST_CHECK enum iam_err store_user_set_description(struct db *w, struct str uid, struct str description);
MUST_CHECK enum iam_err store_user_set_password(struct db *w, struct str uid, struct str hash);     /* raises gen */
MUST_CHECK enum iam_err store_user_set_public_key(struct db *w, struct str uid, struct str pem);    /* raises gen */
MUST_CHECK enum iam_err store_user_set_enabled(struct db *w, struct str uid, bool enabled);         /* disabling raises gen */
MUST_CHECK enum iam_err store_user_end_sessions(struct db *w, struct str uid);                      /* raises gen */
/* New hash for the same password: only if the stored one still is `old` (IAM_CONFLICT). */
MUST_CHECK enum iam_err store_user_rehash(struct db *w, struct str uid, struct str old_hash, struct str new_hash);
MUST_CHECK enum iam_err store_user_touch_login(struct db *w, struct str uid, int64_t at_ms);
/* Memberships and grants go with it; (uid, last gen) stays, so that a re-created uid counts as raised. */
MUST_CHECK enum iam_err store_user_delete(struct db *w, struct str uid);

/* Everything a session table needs, for start-up. */
typedef bool session_row_fn(struct str uid, bool enabled, int64_t gen, bool raised, bool is_service, void *ctx);
MUST_CHECK enum iam_err store_sessions_each(struct db *db, session_row_fn *row, void *ctx);

/* ---- groups ---- */
struct group {
	struct str gid;
	struct str description;
	enum provider_type provider_type;
};
/* Return false to stop. Strings are valid during the call only. */
typedef bool group_row_fn(const struct group *group, void *ctx);

/* A page of a list in byte order of the id. */
struct page_query {
	struct str after; /* absent: from the start */
	int64_t limit;    /* rows at most, > 0 */
	struct str q;     /* absent: all; else exact, prefix, substring of case-folded id and description */
};

MUST_CHECK enum iam_err store_group_get(struct db *db, struct arena *a, struct str gid, struct group *ret_group); /* IAM_NO_GROUP */
/* Ranked like store_user_list() when q is set. Errors: IAM_BAD_DATA as there. */
MUST_CHECK enum iam_err store_group_list(struct db *db, const struct page_query *query, group_row_fn *row, void *ctx);
MUST_CHECK enum iam_err store_group_add(struct db *w, const struct group *group); /* IAM_GROUP_EXISTS */
MUST_CHECK enum iam_err store_group_set_description(struct db *w, struct str gid, struct str description); /* IAM_NO_GROUP */
/* Memberships, nesting and grants go with it. Errors: IAM_NO_GROUP. */
MUST_CHECK enum iam_err store_group_delete(struct db *w, struct str gid);

/* Errors: IAM_NO_GROUP, IAM_NO_USER, IAM_IN_GROUP; IAM_NOT_IN_GROUP. */
MUST_CHECK enum iam_err store_member_add(struct db *w, struct str gid, struct str uid);
MUST_CHECK enum iam_err store_member_remove(struct db *w, struct str gid, struct str uid);
/* Members of `sub` are effective members of `gid`. Errors: IAM_NO_GROUP, IAM_IN_GROUP (also for sub = gid); IAM_NOT_IN_GROUP. */
MUST_CHECK enum iam_err store_subgroup_add(struct db *w, struct str gid, struct str sub);
MUST_CHECK enum iam_err store_subgroup_remove(struct db *w, struct str gid, struct str sub);

/*
 * Pages (q is ignored) in byte order; `effective`: through nesting at any depth. Unknown ids have no
 * rows. A group is never its own effective subgroup, cycles or not.
 */
MUST_CHECK enum iam_err store_group_members(struct db *db, struct str gid, bool service, bool effective,
	const struct page_query *query, user_row_fn *row, void *ctx);
MUST_CHECK enum iam_err store_subgroups(struct db *db, struct str gid, bool effective,
	const struct page_query *query, group_row_fn *row, void *ctx);
/* What contains the user. */
MUST_CHECK enum iam_err store_user_groups(struct db *db, struct str uid, bool effective,
	const struct page_query *query, group_row_fn *row, void *ctx);

/* ---- ACLs and grants ---- */
struct acl {
	struct str rid;
	struct str description;
};
typedef bool acl_row_fn(const struct acl *acl, void *ctx);

MUST_CHECK enum iam_err store_acl_get(struct db *db, struct arena *a, struct str rid, struct acl *ret_acl); /* IAM_NO_RESOURCE */
MUST_CHECK enum iam_err store_acl_list(struct db *db, const struct page_query *query, acl_row_fn *row, void *ctx);
MUST_CHECK enum iam_err store_acl_add(struct db *w, struct str rid, struct str description); /* IAM_ACL_EXISTS */
MUST_CHECK enum iam_err store_acl_set_description(struct db *w, struct str rid, struct str description); /* IAM_NO_RESOURCE */
MUST_CHECK enum iam_err store_acl_delete(struct db *w, struct str rid); /* its grants go with it. IAM_NO_RESOURCE */

struct grant_row {
	struct str rid;
	struct str description; /* the ACL's; absent in the listing of one ACL */
	struct str gid;         /* absent: a user's */
	struct str uid;         /* absent: a group's */
	enum iam_action action;
};
typedef bool grant_row_fn(const struct grant_row *row, void *ctx);
/* A user's direct grants, or a group's own, by rid and action; behind the rid `after` (absent: all). */
MUST_CHECK enum iam_err store_user_permissions(struct db *db, struct str uid, struct str after,
	grant_row_fn *row, void *ctx);
MUST_CHECK enum iam_err store_group_permissions(struct db *db, struct str gid, struct str after,
	grant_row_fn *row, void *ctx);
/* Those of users, or of groups, on one ACL, by id and action; behind the id `after` (absent: all). */
MUST_CHECK enum iam_err store_acl_permissions(struct db *db, struct str rid, enum iam_subject kind,
	struct str after, grant_row_fn *row, void *ctx);

/*
 * The stored grants of a subject on a resource, bit 1 << action each; 0: none.
 * Errors: IAM_NO_RESOURCE, IAM_NO_USER, IAM_NO_GROUP (checked in this order).
 */
MUST_CHECK enum iam_err store_grants_get(struct db *db, struct str rid, enum iam_subject kind, struct str id,
	unsigned *ret_actions);
/* Errors: as above, and IAM_PERMISSION_EXISTS; IAM_ACTION_NOT_STORED; IAM_USER_NOT_IN_ACL, IAM_GROUP_NOT_IN_ACL. */
MUST_CHECK enum iam_err store_grant_add(struct db *w, struct str rid, enum iam_subject kind, struct str id,
	enum iam_action action);
MUST_CHECK enum iam_err store_grant_remove(struct db *w, struct str rid, enum iam_subject kind, struct str id,
	enum iam_action action);
MUST_CHECK enum iam_err store_grants_remove(struct db *w, struct str rid, enum iam_subject kind, struct str id);

/* Tells the whole stored model (groups, ACLs, nesting, memberships, grants) to `m`. */
MUST_CHECK enum iam_err store_model_load(struct db *db, struct iam_model *m);

/*
 * Who of the effective, enabled superusers is able to log in? Somebody with a password or a key here;
 * else somebody whose directory is configured (it may be down, and then nobody is). Users of other
 * providers cannot log in yet. Reads the open transaction, nested groups included. For the rule that
 * no change may lower it: ask before and after.
 */
enum superuser_rank { SUPERUSER_NONE, SUPERUSER_BY_DIRECTORY, SUPERUSER_OWN };
MUST_CHECK enum iam_err store_superuser_rank(struct db *w, enum superuser_rank *ret_rank);
/* *ret_left: without `uid` it would not be lower. */
MUST_CHECK enum iam_err store_superuser_left_without(struct db *w, struct str uid, bool *ret_left);

/* ---- revocations: SHA-256 of a token until its expiry (0: for ever) ---- */
#define TOKEN_DIGEST_BYTES 32
MUST_CHECK enum iam_err store_revocation_add(struct db *w, const unsigned char digest[TOKEN_DIGEST_BYTES],
	int64_t expires_at_s); /* twice is fine */
typedef bool revocation_row_fn(const unsigned char digest[TOKEN_DIGEST_BYTES], int64_t expires_at_s, void *ctx);
MUST_CHECK enum iam_err store_revocations_each(struct db *db, revocation_row_fn *row, void *ctx);
/* Removes those that expired before now; notes each in the change set. */
MUST_CHECK enum iam_err store_revocations_expire(struct db *w, int64_t now_s);

/* ---- audit rows ---- */
struct audit_row {
	int64_t at_us;
	struct str action;     /* "user.create", "password-login" ... */
	struct str actor;      /* uid or "unauthenticated" */
	struct str object;     /* what it was done to */
	struct str result;     /* allow | deny | error */
	struct str reason;
	struct str source_ip;
	struct str request_id;
};
MUST_CHECK enum iam_err store_audit_add(struct db *w, const struct audit_row *row);
/*
 * Removes denials older than the latest `keep`, at most `limit` of them: anybody can make them, and
 * nobody shall fill the disk with them. Other rows stay for ever.
 */
MUST_CHECK enum iam_err store_audit_trim_denied(struct db *w, int64_t keep, int64_t limit,
	int64_t *ret_removed);

/* ---- bootstrap: once, in the transaction that creates the store ---- */
struct bootstrap {
	struct str superuser_uid, superuser_password_hash;         /* absent: none */
	struct str service_uid, service_public_key;                /* absent: none */
};
/*
 * Group superusers, ACL dcos:superuser ("Superuser ACL"), the grant full, the accounts as members,
 * audit rows, revision; opens and commits its own transaction. The change set is left filled: load
 * everything afterwards. Errors: IAM_CONFIG (an account given by halves or with a bad id), IAM_EXISTS
 * (done before).
 */
MUST_CHECK enum iam_err store_bootstrap(struct store *s, const struct bootstrap *b, struct iam_error *err);

#endif
