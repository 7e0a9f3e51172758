/*
 * json - the wire's objects and their URLs, and the small rules handlers share; see json.h.
 */
#include "iamd/api/json.h"

#include "iamd/api/services.h"
#include "iamd/api/url.h"
#include "iamd/authz/guard.h"
#include "iamd/sys/clock.h"

static void url_write(struct jsonw *w, const char *key, const struct url *u)
{
	jsonw_str(w, key, url_str(u));
}

void json_user_url(struct jsonw *w, const char *key, struct str uid)
{
	struct url u;

	url_begin(&u, STR("/users/"), uid);
	url_write(w, key, &u);
}

void json_group_url(struct jsonw *w, const char *key, struct str gid)
{
	struct url u;

	url_begin(&u, STR("/groups/"), gid);
	url_write(w, key, &u);
}

void json_membership_url(struct jsonw *w, const char *key, struct str gid, struct str uid)
{
	struct url u;

	url_begin(&u, STR("/groups/"), gid);
	url_add(&u, STR("/users/"));
	url_add(&u, uid);
	url_write(w, key, &u);
}

void json_nesting_url(struct jsonw *w, const char *key, struct str gid, struct str sub)
{
	struct url u;

	url_begin(&u, STR("/groups/"), gid);
	url_add(&u, STR("/groups/"));
	url_add(&u, sub);
	url_write(w, key, &u);
}

void json_acl_url(struct jsonw *w, const char *key, struct str rid)
{
	struct url u;

	url_begin_acl(&u, rid);
	url_write(w, key, &u);
}

void json_action(struct jsonw *w, struct str rid, struct str uid, struct str gid,
	enum iam_action action)
{
	struct url u;

	url_begin_action(&u, rid, uid, gid, action);
	jsonw_object(w);
	jsonw_str(w, "name", str_c(iam_action_name(action)));
	url_write(w, "url", &u);
	jsonw_object_end(w);
}

static void write_time(struct jsonw *w, const char *key, int64_t at_ms)
{
	char when[32];

	if (at_ms == 0) {
		jsonw_null(w, key);
		return;
	}
	clock_iso_us(at_ms * 1000, when, sizeof when);
	/* "2026-11-22T13:51:56.261800Z": milliseconds are what is stored. */
	when[23] = 'Z';
	when[24] = '\0';
	jsonw_str(w, key, str_c(when));
}

static void object_begin(struct jsonw *w, const char *key)
{
	if (key == NULL)
		jsonw_object(w);
	else
		jsonw_object_key(w, key);
}

void json_user(struct jsonw *w, const char *key, const struct user *u, bool all)
{
	object_begin(w, key);
	jsonw_str(w, "uid", u->uid);
	jsonw_str(w, "description", u->description);
	json_user_url(w, "url", u->uid);
	jsonw_bool(w, "is_remote", user_is_remote(u));
	jsonw_bool(w, "is_service", user_is_service(u));
	jsonw_str(w, "provider_type", str_c(provider_type_name(u->provider_type)));
	jsonw_str(w, "provider_id", u->provider_id);
	if (user_is_service(u))
		jsonw_str(w, "public_key", u->public_key);
	if (all) {
		jsonw_bool(w, "enabled", u->enabled);
		write_time(w, "created_at", u->created_at_ms);
		write_time(w, "last_login", u->last_login_ms);
	}
	jsonw_object_end(w);
}

void json_group(struct jsonw *w, const char *key, const struct group *g)
{
	object_begin(w, key);
	jsonw_str(w, "gid", g->gid);
	json_group_url(w, "url", g->gid);
	jsonw_str(w, "description", g->description);
	jsonw_str(w, "provider_type", str_c(provider_type_name(g->provider_type)));
	jsonw_object_end(w);
}

void json_acl(struct jsonw *w, const char *key, const struct acl *acl)
{
	object_begin(w, key);
	jsonw_str(w, "rid", acl->rid);
	json_acl_url(w, "url", acl->rid);
	jsonw_str(w, "description", acl->description);
	jsonw_object_end(w);
}

void json_doc_begin(struct json_doc *d, struct req *r)
{
	sb_init(&d->sb, r->arena, (size_t)256 << 10);
	jsonw_init(&d->w, &d->sb);
}

enum iam_err json_doc_end(struct json_doc *d, struct resp *out, unsigned status)
{
	jsonw_end_document(&d->w);
	if (d->sb.failed)
		return IAM_NO_MEMORY;
	return resp_body(out, status, RESP_JSON_TYPE, sb_str(&d->sb));
}

enum iam_err api_may_change_user(struct req *r, struct str uid)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	if (r->svc->gateway || str_eq(r->principal.uid, uid))
		return IAM_OK;
	if (!guard_user_is_protected(scope.root, uid) ||
		authz_is_superuser(scope.root, r->principal.uid))
		return IAM_OK;
	return req_fail(r, IAM_FORBIDDEN,
		"Only a superuser may change a user who holds administrative permissions.");
}

enum iam_err api_may_change_group(struct req *r, struct str gid)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	if (r->svc->gateway || !guard_group_is_protected(scope.root, gid) ||
		authz_is_superuser(scope.root, r->principal.uid))
		return IAM_OK;
	return req_fail(r, IAM_FORBIDDEN,
		"Only a superuser may change a group that holds administrative permissions.");
}

bool api_is_delegated(struct req *r, struct str rid, enum iam_action action)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return r->svc->gateway || guard_allows(scope.root, r->principal.uid, rid, action);
}

bool api_query_is(struct req *r, const char *name, const char *value)
{
	unsigned n = 0;
	struct str given = req_query(r, name, &n);

	return n == 1 && str_eq_c(given, value);
}

enum iam_err api_no_user(struct req *r, struct str uid)
{
	if (!iam_uid_valid(uid))
		return req_fail(r, IAM_BAD_UID, "Invalid user ID: %.*s", STR_FMT(uid));
	return req_fail(r, IAM_NO_USER, "User with uid `%.*s` not known.", STR_FMT(uid));
}

enum iam_err api_no_group(struct req *r, struct str gid)
{
	if (!iam_gid_valid(gid))
		return req_fail(r, IAM_BAD_GID, "Invalid group ID: %.*s", STR_FMT(gid));
	return req_fail(r, IAM_NO_GROUP, "Group with gid `%.*s` not known.",
		STR_FMT(gid));
}

enum iam_err api_no_resource(struct req *r, struct str rid)
{
	if (!iam_rid_valid(rid))
		return req_fail(r, IAM_BAD_RID, "Invalid resource ID: %.*s",
			STR_FMT(rid));
	return req_fail(r, IAM_NO_RESOURCE,
		"Protected resource with rid `%.*s` not known.", STR_FMT(rid));
}
