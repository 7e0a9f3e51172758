/*
 * grants - what one user or one group is granted on one resource: read, given, taken away.
 *
 * Reading answers what is stored, and decides nothing: `full` does not show as the other actions,
 * nor what a user's groups hold. The order of checks: the action, the resource, the user or group,
 * then the grant itself. What must hold in the database (the group of superusers keeps its grant,
 * somebody who can log in stays superuser) is checked inside the WRITE lane's transaction.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"
#include "iamd/audit/audit.h"

/* The path's. */
struct grant {
	struct str rid, id;
	enum iam_subject kind;
	enum iam_action action; /* where the path has one */
};

/* "{uid}" or "{gid}" of the path says whose grant it is. */
static struct grant grant_subject(const struct req *r)
{
	struct grant g = {.rid = req_param(r, "rid"), .id = req_param(r, "uid")};

	g.kind = IAM_SUBJECT_USER;
	if (g.id.ptr == NULL) {
		g.kind = IAM_SUBJECT_GROUP;
		g.id = req_param(r, "gid");
	}
	return g;
}

static enum iam_err read_grant(struct req *r, struct grant *ret)
{
	struct grant g = grant_subject(r);
	struct str name = req_param(r, "action");

	if (iam_action_parse(name, &g.action) != IAM_OK)
		return req_fail(r, IAM_BAD_ACTION, "Invalid action: %.*s", STR_FMT(name));
	*ret = g;
	return IAM_OK;
}

static const char *kind_name(const struct grant *g)
{
	return g->kind == IAM_SUBJECT_USER ? "user" : "group";
}

/* The wire's words for what the store found. */
static enum iam_err grant_error(struct req *r, const struct grant *g, enum iam_err e)
{
	if (e == IAM_NO_RESOURCE)
		return api_no_resource(r, g->rid);
	if (e == IAM_NO_USER)
		return api_no_user(r, g->id);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, g->id);
	if (e == IAM_USER_NOT_IN_ACL || e == IAM_GROUP_NOT_IN_ACL)
		return req_fail(r, e, "%s `%.*s` is not part of ACL for resource `%.*s`",
			g->kind == IAM_SUBJECT_USER ? "User" : "Group", STR_FMT(g->id),
			STR_FMT(g->rid));
	if (e == IAM_ACTION_NOT_STORED)
		return req_fail(r, e,
			"Action `%s` unknown for %s `%.*s` in ACL for resource `%.*s`",
			iam_action_name(g->action), kind_name(g), STR_FMT(g->id),
			STR_FMT(g->rid));
	if (e == IAM_PERMISSION_EXISTS)
		return req_fail(r, e,
			"Action `%s` already stored for %s `%.*s` in ACL for resource `%.*s`",
			iam_action_name(g->action), kind_name(g), STR_FMT(g->id),
			STR_FMT(g->rid));
	return e;
}

/* ---- reading ---- */

enum iam_err api_grants_get(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct grant g = grant_subject(r);
	bool is_user = g.kind == IAM_SUBJECT_USER;
	struct json_doc d;
	unsigned actions = 0;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_grants_get(db, g.rid, g.kind, g.id, &actions);
	if (e == IAM_OK && actions == 0)
		e = is_user ? IAM_USER_NOT_IN_ACL : IAM_GROUP_NOT_IN_ACL;
	if (e != IAM_OK)
		return grant_error(r, &g, e);
	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_array_key(&d.w, "array");
	for (unsigned a = 0; a < IAM_ACTION_COUNT; a++)
		if (actions & 1U << a)
			json_action(&d.w, g.rid, is_user ? g.id : STR_NONE,
				is_user ? STR_NONE : g.id, (enum iam_action)a);
	jsonw_array_end(&d.w);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}

enum iam_err api_grant_get(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct json_doc d;
	struct grant g = {0};
	unsigned actions = 0;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = read_grant(r, &g);
	if (e != IAM_OK)
		return e;
	e = store_grants_get(db, g.rid, g.kind, g.id, &actions);
	if (e != IAM_OK)
		return grant_error(r, &g, e);
	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_bool(&d.w, "allowed", (actions & 1U << g.action) != 0);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}

/* ---- changing (WRITE lane) ---- */

/* action: its name; NULL where the change is about all of them. */
static enum iam_err audit_grant(struct req *r, struct db *w, enum audit_action what,
	const struct grant *g, const char *action)
{
	struct audit_event ev = {
		.action = what,
		.actor = r->principal.uid,
		.object = g->rid,
		.allow = true,
	};
	struct sb sb;

	sb_init(&sb, r->arena, 256);
	sb_addf(&sb, "%s:%.*s%s%s", kind_name(g), STR_FMT(g->id),
		action != NULL ? " " : "", action != NULL ? action : "");
	ev.reason = sb_str(&sb);
	return audit_change(r, w, &ev);
}

enum iam_err api_grant_put(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct grant g = {0};
	enum iam_err e = read_grant(r, &g);

	if (e != IAM_OK)
		return e;
	e = store_grant_add(w, g.rid, g.kind, g.id, g.action);
	if (e == IAM_OK)
		e = audit_grant(r, w, AUDIT_GRANT_ADD, &g, iam_action_name(g.action));
	return e == IAM_OK ? resp_empty(out, 204, false) : grant_error(r, &g, e);
}

/* Is it what makes members of the group superusers what they are? */
static bool is_superusers_own(const struct grant *g)
{
	return g->kind == IAM_SUBJECT_GROUP && str_eq_c(g->id, IAM_SUPERUSERS_GID) &&
		str_eq_c(g->rid, IAM_SUPERUSER_RID);
}

static enum iam_err superusers_keep_it(struct req *r)
{
	return req_fail(r, IAM_SUPERUSER_GROUP,
		"The `" IAM_SUPERUSERS_GID
		"` group must have `full` permission on the `" IAM_SUPERUSER_RID
		"` resource.");
}

typedef enum iam_err grant_fn(struct db *w, const struct grant *g);

static enum iam_err remove_one(struct db *w, const struct grant *g)
{
	return store_grant_remove(w, g->rid, g->kind, g->id, g->action);
}

static enum iam_err remove_all(struct db *w, const struct grant *g)
{
	return store_grants_remove(w, g->rid, g->kind, g->id);
}

/* The savepoint undoes what took the last superuser away. */
static enum iam_err take_away(struct req *r, struct db *w, const struct grant *g,
	grant_fn *remove)
{
	bool makes_superusers = str_eq_c(g->rid, IAM_SUPERUSER_RID);
	enum superuser_rank before = SUPERUSER_NONE, after = SUPERUSER_OWN;
	enum iam_err e = IAM_OK;

	if (makes_superusers)
		e = store_superuser_rank(w, &before);
	if (e == IAM_OK)
		e = remove(w, g);
	if (e == IAM_OK && before != SUPERUSER_NONE)
		e = store_superuser_rank(w, &after);
	if (e != IAM_OK)
		return grant_error(r, g, e);
	return after >= before
		? IAM_OK
		: req_fail(r, IAM_LAST_SUPERUSER, "%s", iam_err_text(IAM_LAST_SUPERUSER));
}

enum iam_err api_grant_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct grant g = {0};
	enum iam_err e = read_grant(r, &g);

	if (e != IAM_OK)
		return e;
	if (is_superusers_own(&g) && g.action == IAM_FULL)
		return superusers_keep_it(r);
	e = take_away(r, w, &g, remove_one);
	if (e == IAM_OK)
		e = audit_grant(r, w, AUDIT_GRANT_REMOVE, &g, iam_action_name(g.action));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}

enum iam_err api_grants_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct grant g = grant_subject(r);
	enum iam_err e;

	if (is_superusers_own(&g))
		return superusers_keep_it(r);
	e = take_away(r, w, &g, remove_all);
	if (e == IAM_OK)
		e = audit_grant(r, w, AUDIT_GRANTS_REMOVE, &g, NULL);
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}
