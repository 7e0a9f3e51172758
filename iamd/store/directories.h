/*
 * directories - stored configurations of directories, and which account is which entry of them.
 *
 * An account of provider type ldap is bound to (directory, subject) at its first login or at its
 * import, and to nothing else ever after; so a rename there changes nothing here. Secrets come sealed
 * (sys/seal.h) and stay so. Contract of the functions: store.h.
 */
#ifndef STORE_DIRECTORIES_H
#define STORE_DIRECTORIES_H

#include "iamd/store/store.h"

struct directory_row {
	struct str id;
	struct str config; /* JSON without secrets */
	struct str sealed; /* secrets, sealed with "directories|sealed|<id>"; absent: none */
};
typedef bool directory_row_fn(const struct directory_row *row, void *ctx);

MUST_CHECK enum iam_err store_directory_each(struct db *db, directory_row_fn *row, void *ctx); /* by id */
/*
 * New or replaced. Where its synchronisation stood is forgotten (the report stays), so that the next
 * one reads everything.
 */
MUST_CHECK enum iam_err store_directory_put(struct db *w, const struct directory_row *row);
/*
 * Its accounts stay, and cannot log in. The bindings stay too: the directory may come back; but its
 * next synchronisation reads everything. Errors: IAM_NO_DIRECTORY.
 */
MUST_CHECK enum iam_err store_directory_delete(struct db *w, struct str id);

/* ---- accounts of directories ---- */
struct directory_user {
	struct str directory; /* absent: not bound yet (made in advance) */
	struct str subject; /* the entry's lasting id with its attribute's name, `entryuuid:...` */
	struct str uid;
	struct str dn;    /* where it was last seen; for people */
	struct str email; /* "" */
	bool disabled_there;      /* the account was disabled because the directory said so, or lost the entry */
	int64_t missing_since_ms; /* 0: seen at the last synchronisation */
};
/* By entry, and by account. Errors: IAM_NO_USER (no such binding). */
MUST_CHECK enum iam_err store_directory_user_find(struct db *db, struct arena *a, struct str directory,
	struct str subject, struct directory_user *ret);
MUST_CHECK enum iam_err store_directory_user_get(struct db *db, struct arena *a, struct str uid,
	struct directory_user *ret);
/*
 * Binds an existing account of type ldap; bound to this very entry already, it is as
 * store_directory_user_update(). Errors: IAM_NO_USER; IAM_CANNOT_IMPORT_USER (the account is
 * of another kind, or bound to another entry, or the entry to another account).
 */
MUST_CHECK enum iam_err store_directory_user_bind(struct db *w, const struct directory_user *row);
/* Everything but the key: dn, email, disabled_there, missing_since_ms. Errors: IAM_NO_USER (no such binding). */
MUST_CHECK enum iam_err store_directory_user_update(struct db *w, const struct directory_user *row);
typedef bool directory_user_fn(const struct directory_user *row, const struct user *user, void *ctx);
/* The accounts of a directory in byte order of subject, behind `after`. */
MUST_CHECK enum iam_err store_directory_users(struct db *db, struct str directory, struct str after,
	int64_t limit, directory_user_fn *row, void *ctx);

/* ---- groups of directories ---- */
struct directory_group {
	struct str directory;
	struct str subject; /* as a user's */
	struct str gid;
	struct str dn;
	int64_t missing_since_ms;
	bool partial; /* the import ran out of time: the next synchronisation goes on */
};
/* By entry, and by group. Errors: IAM_NO_GROUP (no such binding). */
MUST_CHECK enum iam_err store_directory_group_find(struct db *db, struct arena *a, struct str directory,
	struct str subject, struct directory_group *ret);
MUST_CHECK enum iam_err store_directory_group_get(struct db *db, struct arena *a, struct str gid,
	struct directory_group *ret);
/*
 * Binds an existing group; bound to this very entry already, changes everything but the key. Errors:
 * IAM_NO_GROUP; IAM_CONFLICT (the entry is another group); IAM_GROUP_EXISTS (the group is another entry).
 */
MUST_CHECK enum iam_err store_directory_group_put(struct db *w, const struct directory_group *row);
typedef bool directory_group_fn(const struct directory_group *row, void *ctx);
MUST_CHECK enum iam_err store_directory_groups(struct db *db, struct str directory, struct str after,
	int64_t limit, directory_group_fn *row, void *ctx); /* in byte order of gid */
/* Those of them that hold a grant on a protected rid, themselves or by being nested; in no order. */
MUST_CHECK enum iam_err store_directory_groups_protected(struct db *db, struct str directory,
	bool (*row)(struct str gid, void *ctx), void *ctx);

/*
 * Memberships that came from a directory: a member that somebody put in by hand is not taken out by
 * a synchronisation. (gid, uid) as in group_members; nested: (gid, sub_gid).
 * add: makes the membership and marks it; one that is there already stays as it is, which is fine.
 * remove: only what is marked (else IAM_NOT_IN_GROUP). Errors: IAM_NO_GROUP, IAM_NO_USER as in store.h.
 */
MUST_CHECK enum iam_err store_directory_member_add(struct db *w, struct str gid, struct str uid);
MUST_CHECK enum iam_err store_directory_member_remove(struct db *w, struct str gid, struct str uid);
MUST_CHECK enum iam_err store_directory_members(struct db *db, struct str gid, struct str after,
	int64_t limit, bool (*row)(struct str uid, void *ctx), void *ctx);
MUST_CHECK enum iam_err store_directory_subgroup_add(struct db *w, struct str gid, struct str sub);
MUST_CHECK enum iam_err store_directory_subgroup_remove(struct db *w, struct str gid, struct str sub);
MUST_CHECK enum iam_err store_directory_subgroups(struct db *db, struct str gid, struct str after,
	int64_t limit, bool (*row)(struct str sub, void *ctx), void *ctx);

/*
 * All members (sub: groups in them) of a directory's groups in byte order of (gid, member), behind the
 * given pair; `ours`: marked as the directory's. For comparing everything: a page is one statement.
 */
struct directory_link {
	struct str gid, member;
	bool ours;
};
typedef bool directory_link_fn(const struct directory_link *row, void *ctx);
MUST_CHECK enum iam_err store_directory_links(struct db *db, struct str directory, bool sub,
	const struct directory_link *after, int64_t limit, directory_link_fn *row, void *ctx);

/* ---- where the last synchronisation of a directory stands ---- */
struct directory_sync {
	struct str cookie;      /* RFC 4533 cookie, modifyTimestamp or uSNChanged, by `kind`; opaque here */
	struct str kind;        /* "", "content-sync", "timestamp", "usn" */
	struct str server;      /* uSNChanged counts for one server only */
	int64_t finished_ms;    /* 0: never */
	int64_t full_ms;        /* when everything was last compared */
	struct str report;      /* JSON of the last run */
};
MUST_CHECK enum iam_err store_directory_sync_get(struct db *db, struct arena *a, struct str directory,
	struct directory_sync *ret); /* zeroes if never */
MUST_CHECK enum iam_err store_directory_sync_put(struct db *w, struct str directory,
	const struct directory_sync *row);

#endif
