/*
 * json - the wire's objects (User, Group, Action ...) written, and the URLs in them.
 *
 * Pure but for the builder. URLs hold "%252F" for '/' in resource ids and no other escaping.
 */
#ifndef API_JSON_H
#define API_JSON_H

#include "iamd/http/jsonw.h"
#include "iamd/http/resp.h"
#include "iamd/store/store.h"

/* key NULL: as an array element. all: with enabled, created_at, last_login. */
void json_user(struct jsonw *w, const char *key, const struct user *u, bool all);
void json_group(struct jsonw *w, const char *key, const struct group *g);
void json_acl(struct jsonw *w, const char *key, const struct acl *acl);
/* {"name", "url"} of an action granted to a user or (gid present) a group. */
void json_action(struct jsonw *w, struct str rid, struct str uid, struct str gid,
	enum iam_action action);

/* "url"-like members. */
void json_user_url(struct jsonw *w, const char *key, struct str uid);
void json_group_url(struct jsonw *w, const char *key, struct str gid);
void json_membership_url(struct jsonw *w, const char *key, struct str gid,
	struct str uid);
/* Of a group in a group: the membership of `sub` in `gid`. */
void json_nesting_url(struct jsonw *w, const char *key, struct str gid, struct str sub);
void json_acl_url(struct jsonw *w, const char *key, struct str rid);

/* A document made at once: begin, write, end. Bodies live in the arena. LIMIT: 256 KiB. */
struct json_doc {
	struct sb sb;
	struct jsonw w;
};
void json_doc_begin(struct json_doc *d, struct req *r);
enum iam_err json_doc_end(struct json_doc *d, struct resp *out, unsigned status);

/* Is the caller in enforce mode allowed to act on this user's secrets, state or existence? IAM_FORBIDDEN otherwise. */
enum iam_err api_may_change_user(struct req *r, struct str uid);

/*
 * Enforce mode: may the caller change the membership, nesting or existence of this group, known or
 * not? IAM_FORBIDDEN when it is protected and the caller no superuser.
 */
enum iam_err api_may_change_group(struct req *r, struct str gid);

/* Enforce mode: does the caller hold the delegated right itself (not merely as "self")? */
bool api_is_delegated(struct req *r, struct str rid, enum iam_action action);

/* Is the query parameter there exactly once, with this value? */
bool api_query_is(struct req *r, const char *name, const char *value);

/* "User with uid `x` not known." with IAM_NO_USER; IAM_BAD_UID for what could be no uid. */
enum iam_err api_no_user(struct req *r, struct str uid);
/* The same of groups (IAM_NO_GROUP, IAM_BAD_GID) and of resources (IAM_NO_RESOURCE, IAM_BAD_RID). */
enum iam_err api_no_group(struct req *r, struct str gid);
enum iam_err api_no_resource(struct req *r, struct str rid);

#endif
