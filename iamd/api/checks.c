/*
 * checks - what every request must pass before its handler; see checks.h.
 *
 * The wire contract's JSON rules (Accept, bodies, no HEAD) hold for routes marked ROUTE_JSON and for
 * unknown paths below the prefix; everything else answers in its own media type.
 */
#include "iamd/api/checks.h"

#include <string.h>

#include "iamd/authn/authn.h"
#include "iamd/authz/guard.h"
#include "iamd/http/origin.h"

#define PREFIX "/acs/api/v1"

/* ---- Accept ---- */

static bool is_refused_by_q(struct str params)
{
	while (params.ptr != NULL) {
		struct str p = str_trim(str_split(&params, ';'));

		if (str_ieq_c(p, "q=0") || str_ieq_c(p, "q=0.0") ||
			str_ieq_c(p, "q=0.00") || str_ieq_c(p, "q=0.000"))
			return true;
	}
	return false;
}

bool accept_admits(struct str accept, struct str type, struct str subtype)
{
	if (accept.ptr == NULL || str_trim(accept).len == 0)
		return true;
	while (accept.ptr != NULL) {
		struct str params = str_split(&accept, ',');
		struct str range = str_trim(str_split(&params, ';'));
		struct str major = str_split(&range, '/');
		bool any = str_eq_c(major, "*") && str_eq_c(range, "*");
		bool any_sub = str_ieq(major, type) && str_eq_c(range, "*");
		bool exact = str_ieq(major, type) && range.ptr != NULL &&
			str_ieq(range, subtype);

		if ((any || any_sub || exact) && !is_refused_by_q(params))
			return true;
	}
	return false;
}

static bool has_json_rules(const struct req *r)
{
	if (r->match == NULL)
		return str_starts(r->path, STR(PREFIX "/")) || str_eq_c(r->path, PREFIX);
	for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++)
		if (r->match->by_method[m] != NULL)
			return (r->match->by_method[m]->flags & ROUTE_JSON) != 0;
	return false;
}

enum iam_err checks_accept(const struct req *r)
{
	if (!has_json_rules(r))
		return IAM_OK;
	if (accept_admits(req_header(r, "Accept"), STR("application"), STR("json")))
		return IAM_OK;
	return IAM_NOT_ACCEPTABLE;
}

/* ---- route ---- */

enum iam_err checks_route(struct req *r)
{
	struct route_match *m = arena_alloc(r->arena, sizeof *m);
	enum http_method method = r->method;

	if (m == NULL)
		return IAM_NO_MEMORY;
	if (!router_match(r->svc->router, r->path, r->arena, m))
		return IAM_NO_ROUTE;
	if (r->metrics_listener && !str_eq_c(r->path, "/metrics") &&
		!str_eq_c(r->path, "/metrics/"))
		return IAM_NO_ROUTE;
	r->match = m;
	memcpy(r->params, m->params, sizeof r->params);
	if (method == HTTP_HEAD && !has_json_rules(r))
		method = HTTP_GET;
	r->route = m->by_method[method];
	if (r->route == NULL)
		return IAM_BAD_METHOD;
	if (r->route->flags & ROUTE_SENSITIVE)
		arena_set_sensitive(r->arena);
	return IAM_OK;
}

/* LIMIT: a longer X-Request-ID is not echoed. */
#define ECHOED_ID_MAX 256

void checks_echo_id(struct req *r)
{
	struct str id = req_header(r, "X-Request-ID");

	if (r->route != NULL && (r->route->flags & ROUTE_AUTHZEN) && id.len > 0 &&
		id.len <= ECHOED_ID_MAX)
		r->echoed_id = id;
}

/* What checks_route() found before the body was read. */
static enum iam_err route_again(const struct req *r)
{
	if (r->match == NULL)
		return IAM_NO_ROUTE;
	return r->route == NULL ? IAM_BAD_METHOD : IAM_OK;
}

static enum iam_err answer_options(struct req *r, struct resp *out)
{
	enum iam_err e =
		resp_header(out, "Allow", router_allow(r->match, false, r->arena));

	return e == IAM_OK ? resp_empty(out, 200, false) : e;
}

/* ---- body ---- */

static bool takes_body(const struct req *r)
{
	return r->method == HTTP_POST || r->method == HTTP_PUT || r->method == HTTP_PATCH;
}

static enum iam_err body_decode_authzen(struct req *r)
{
	struct str type = req_header(r, "Content-Type");

	if (r->body.len == 0)
		return IAM_EMPTY_BODY;
	if (type.ptr == NULL ||
		!str_ieq_c(str_trim(str_split(&type, ';')), "application/json"))
		return req_fail(r, IAM_BAD_REQUEST,
			"The Content-Type must be application/json.");
	if (r->body.len > ROUTE_BODY_DEFAULT)
		return IAM_OK;
	return json_parse(r->body, &r->json, &r->error);
}

static enum iam_err body_decode(struct req *r)
{
	struct str type = req_header(r, "Content-Type");

	if (!takes_body(r) || !has_json_rules(r))
		return IAM_OK;
	if (r->route != NULL && (r->route->flags & ROUTE_AUTHZEN))
		return body_decode_authzen(r);
	if (r->body.len == 0 && !r->has_content_length)
		return IAM_OK;
	if (type.ptr == NULL)
		return IAM_NO_CONTENT_TYPE;
	if (r->body.len == 0)
		return IAM_EMPTY_BODY;
	type = str_trim(str_split(&type, ';'));
	if (str_ieq_c(type, "application/x-www-form-urlencoded"))
		return IAM_OK; /* known, and never used as JSON */
	if (!str_ieq_c(type, "application/json"))
		return IAM_BAD_MEDIA_TYPE;
	return json_parse(r->body, &r->json, &r->error);
}

static enum iam_err body_schema(struct req *r)
{
	if (r->route->body == NULL)
		return IAM_OK;
	if (r->json == NULL || json_is_null(r->json))
		return IAM_NO_JSON;
	return json_decode(r->route->body, r->json, r->arena, &r->input, &r->error);
}

/* ---- who, and may they ---- */

static enum iam_err authenticate(struct req *r, const struct root *root)
{
	enum iam_err e;

	if (r->route->auth == AUTH_PUBLIC)
		return IAM_OK;
	e = authn_request(r, root);
	if (e == IAM_NO_MEMORY)
		return e;
	if (e != IAM_OK && r->route->auth == AUTH_REQUIRED && !r->metrics_listener)
		return e;
	r->error.text[0] = '\0';
	if (r->principal.by_cookie && (r->route->flags & ROUTE_STATE) &&
		!origin_is_own(r))
		return IAM_CROSS_SITE;
	return IAM_OK;
}

bool checks_permitted(const struct req *r, const struct root *root)
{
	const struct route *route = r->route;
	struct str uid = r->principal.uid;
	struct str rid = route->guard_rid != NULL ? str_c(route->guard_rid) : STR_NONE;

	if (r->svc->gateway)
		return true;
	switch (route->guard) {
	case GUARD_UNSET:
		return false;
	case GUARD_NONE:
		return true;
	case GUARD_SELF_OR_DELEGATED:
		if (str_eq(req_param(r, "uid"), uid))
			return true;
		return guard_allows(root, uid, rid, route->guard_action);
	case GUARD_DELEGATED:
		return guard_allows(root, uid, rid, route->guard_action);
	case GUARD_DELEGATED_ACL:
		return guard_allows(root, uid, rid, route->guard_action) &&
			(!guard_rid_is_protected(req_param(r, "rid")) ||
				authz_is_superuser(root, uid));
	case GUARD_RID:
		return r->metrics_listener ||
			authz_allows(root, uid, rid, route->guard_action);
	case GUARD_SUPERUSER:
		return authz_is_superuser(root, uid);
	}
	return false;
}

static enum iam_err authorise(struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	enum iam_err e = authenticate(r, scope.root);

	if (e != IAM_OK)
		return e;
	return checks_permitted(r, scope.root) ? IAM_OK : IAM_FORBIDDEN;
}

/*
 * Gateway mode: no token is asked for, but a forwarded one that verifies names the audit's actor. A
 * gateway that lets the cookie through has authenticated by it, so the cross-site rule holds.
 */
static enum iam_err note_actor(struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	if (authn_request(r, scope.root) != IAM_OK) {
		r->error.text[0] = '\0';
		return IAM_OK;
	}
	return r->principal.by_cookie && !origin_is_own(r) ? IAM_CROSS_SITE : IAM_OK;
}

/* ---- the two orders ---- */

/* OPTIONS of a known path is answered here; else is there a route for the method? */
static enum iam_err route_or_options(struct req *r, struct resp *out)
{
	if (r->match != NULL && r->method == HTTP_OPTIONS && r->route == NULL)
		return answer_options(r, out);
	return route_again(r);
}

enum iam_err checks_enforce(struct req *r, struct resp *out)
{
	enum iam_err e = checks_accept(r);

	if (e == IAM_OK)
		e = route_or_options(r, out);
	if (e != IAM_OK || out->status != 0)
		return e;
	e = authorise(r);
	if (e == IAM_OK)
		e = body_decode(r);
	return e == IAM_OK ? body_schema(r) : e;
}

enum iam_err checks_gateway(struct req *r, struct resp *out)
{
	enum iam_err e = checks_accept(r);

	if (e == IAM_OK)
		e = body_decode(r);
	if (e == IAM_OK)
		e = route_or_options(r, out);
	if (e != IAM_OK || out->status != 0)
		return e;
	if (r->route->flags & ROUTE_STATE)
		e = note_actor(r);
	return e == IAM_OK ? body_schema(r) : e;
}
