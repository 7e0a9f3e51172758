/*
 * auth_check - forward-auth: a gateway asks, for a request it holds, may this one pass?
 *
 * Does: take the token, find the resource (named in the query, or by the original request and the
 * path map), decide, tell who it is. Only the head of the request is looked at.
 * Does not: set cookies, look at bodies, run SQL, or take locks.
 * Invariant: the answer is 200, 401 or 403 (and a browser's 401 becomes 302 where the gateway asks for
 * that with redirect=1). What cannot be decided is 403 with the reason `unavailable`: a gateway that
 * passes what it does not understand must not be given anything to misunderstand.
 */
#include "iamd/api/await.h"
#include "iamd/api/decide.h"
#include "iamd/api/forward.h"
#include "iamd/api/handlers.h"
#include "iamd/api/login_record.h"
#include "iamd/api/pipeline.h"
#include "iamd/audit/decisions.h"
#include "iamd/authn/authn.h"
#include "iamd/authz/path_map.h"

struct resource {
	struct str rid, action;
};

/* What never got as far as decide(), which writes its own. */
static void note_refusal(struct req *r, const struct resource *res, const char *reason)
{
	audit_decision(r,
		&(struct decision_event){.uid = r->principal.uid,
			.rid = res->rid,
			.action = res->action,
			.reason = str_c(reason)});
}

/* ---- answers ---- */

/* Of this very request: a cache knows neither the token nor when the right to pass ends. */
static enum iam_err begin(struct resp *out, unsigned status)
{
	(void)resp_empty(out, status, false);
	return resp_header(out, "Cache-Control", STR("no-store"));
}

/* Takes no memory. */
static enum iam_err refuse(struct resp *out, const char *reason)
{
	enum iam_err e;

	resp_reset(out);
	e = begin(out, 403);
	return e == IAM_OK ? resp_header(out, "X-Iam-Reason", str_c(reason)) : e;
}

static enum iam_err refuse_by(struct req *r, struct resp *out, const struct root *root,
	const char *reason)
{
	enum iam_err e = refuse(out, reason);

	return e == IAM_OK ? decide_revision_header(r, out, root->revision) : e;
}

static enum iam_err challenge(struct req *r, struct resp *out, const struct root *root)
{
	struct str login = STR_NONE;
	enum iam_err e = forward_login_page(r, root->config, &login);

	if (e != IAM_OK)
		return e;
	e = begin(out, login.ptr != NULL ? 302 : 401);
	if (e != IAM_OK)
		return e;
	if (login.ptr != NULL)
		e = resp_header(out, "Location", login);
	else
		e = resp_header(out, "WWW-Authenticate", STR("acsjwt"));
	return e == IAM_OK ? decide_revision_header(r, out, root->revision) : e;
}

static enum iam_err let_pass(struct req *r, struct resp *out, const struct root *root)
{
	struct str groups = STR_NONE;
	bool fits = false;
	enum iam_err e = forward_groups(r, root, &groups, &fits);

	if (e != IAM_OK)
		return e;
	e = begin(out, 200);
	resp_repeats(out); /* to the requests of this user, until the next revision */
	if (e == IAM_OK)
		e = resp_header(out, "X-Iam-User", r->principal.uid);
	if (e == IAM_OK && !fits)
		e = resp_header(out, "X-Iam-Groups-Omitted", STR("1"));
	else if (e == IAM_OK && groups.len > 0)
		e = resp_header(out, "X-Iam-Groups", groups);
	return e == IAM_OK ? decide_revision_header(r, out, root->revision) : e;
}

/* ---- the resource ---- */

static bool knows(struct str rid, void *ctx)
{
	const struct root *root = ctx;

	return iam_knows_resource(root->acl, rid);
}

static const char *path_reason(enum path_result result)
{
	switch (result) {
	case PATH_OK:
		return NULL;
	case PATH_AMBIGUOUS:
		return "ambiguous-path";
	case PATH_TOO_LONG:
		return "path-too-long";
	case PATH_UNMAPPED:
		return "no-mapping";
	case PATH_NO_MEMORY:
		break;
	}
	return "unavailable";
}

/* NULL, or why there is no resource. */
static const char *map_original(struct req *r, const struct root *root,
	struct resource *res)
{
	struct str uri;
	struct str path = STR_NONE;
	struct path_target target = {STR_NONE, IAM_FULL};
	const char *reason = forward_original(r, root->config, &uri);
	enum path_result result;

	if (reason != NULL)
		return reason;
	result = path_decode(uri, r->arena, &path);
	if (result == PATH_OK)
		result = path_map_find(root->config->path_map, path, r->arena, knows,
			(void *)(uintptr_t)root, &target);
	if (result != PATH_OK)
		return path_reason(result);
	*res = (struct resource){target.rid, str_c(iam_action_name(target.action))};
	return NULL;
}

/*
 * Named in the query, or mapped. Both at once is refused: a gateway that maps paths but passes on the
 * client's query would otherwise let the client choose what it is judged by.
 */
static const char *find_resource(struct req *r, const struct root *root,
	struct resource *res)
{
	unsigned rids, actions;
	enum iam_err bad_rid, bad_action;

	if (r->query.ptr == NULL)
		return map_original(r, root, res);
	bad_rid = decide_param(r, "rid", &res->rid, &rids);
	bad_action = decide_param(r, "action", &res->action, &actions);
	if (bad_rid == IAM_NO_MEMORY || bad_action == IAM_NO_MEMORY)
		return "unavailable";
	if (rids == 0 && actions == 0)
		return map_original(r, root, res);
	if (forward_has_method(r, root->config))
		return "ambiguous-resource";
	return bad_rid == IAM_OK && bad_action == IAM_OK ? NULL : "bad-query";
}

/* ---- the handler ---- */

static enum iam_err judge(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct resource res = {STR_NONE, STR_NONE};
	const char *reason;
	struct decision d;
	enum iam_err e = authn_request(r, scope.root);

	if (e == IAM_UNAUTHENTICATED) {
		note_refusal(r, &res, "unauthenticated");
		return challenge(r, out, scope.root);
	}
	if (e != IAM_OK)
		return e;
	reason = find_resource(r, scope.root, &res);
	if (reason != NULL) {
		note_refusal(r, &res, reason);
		return refuse_by(r, out, scope.root, reason);
	}
	d = decide(r, scope.root, r->principal.uid, res.rid, res.action);
	if (!d.allow)
		return refuse_by(r, out, scope.root, d.reason);
	return let_pass(r, out, scope.root);
}

/* Before anything was decided, or in spite of it. */
static enum iam_err refuse_all(struct req *r, struct resp *out, const char *reason)
{
	const struct resource none = {STR_NONE, STR_NONE};

	note_refusal(r, &none, reason);
	return refuse(out, reason);
}

static enum iam_err answer(struct req *r, struct resp *out)
{
	return judge(r, out) == IAM_OK ? IAM_OK : refuse_all(r, out, "unavailable");
}

static enum iam_err answer_too_late(struct req *r, struct resp *out)
{
	return refuse_all(r, out, "unavailable");
}

static void go_on(struct req *r)
{
	pipeline_come_back(r, r->result == IAM_OK ? answer : answer_too_late);
}

/* Waiting has few places: they are for those whose token is good now, and judged again later. */
static bool may_wait(struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return authn_request(r, scope.root) == IAM_OK;
}

enum iam_err api_auth_check(struct req *r, struct resp *out)
{
	int64_t revision;

	if (decide_at_least(r, &revision) != IAM_OK)
		return refuse_all(r, out, "bad-at-least");
	if (revision == 0 || !may_wait(r))
		return answer(r, out);
	switch (await_revision(r->svc->await, r, revision,
		login_share_of(r->principal.uid), go_on)) {
	case AWAIT_REACHED:
		return answer(r, out);
	case AWAIT_PARKED:
		return IAM_OK;
	case AWAIT_REFUSED:
		break;
	}
	return answer_too_late(r, out);
}
