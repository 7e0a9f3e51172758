/*
 * router - the route table and its matching.
 *
 * Matching works on the raw path: split on '/', one trailing slash ignored, each segment
 * decoded once. A decoded segment that holds '/' matches nothing, except in a {rid}
 * segment, where "%2F" (either case, once or twice encoded) means '/'. NUL or bad UTF-8
 * match nothing.
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <stdbool.h>

#include "iam/rid.h"
#include "iamd/http/req.h"
#include "iamd/http/schema.h"
#include "iamd/sys/lane.h"

enum route_auth {
	AUTH_UNSET,    /* a row that says nothing refuses to start */
	AUTH_PUBLIC,   /* no token looked at */
	AUTH_OPTIONAL, /* a good token is known, a bad one ignored */
	AUTH_REQUIRED  /* 401 without a good token (enforce mode) */
};

enum route_guard {
	GUARD_UNSET,     /* refuses to start */
	GUARD_NONE,      /* public, or the handler decides by what it finds (the text says so) */
	GUARD_DELEGATED, /* dcos:adminrouter:acs full, or `rid` with `action`, or superuser */
	GUARD_SELF_OR_DELEGATED, /* ... or the path's {uid} is the caller */
	GUARD_DELEGATED_ACL, /* ... and superuser alone where the path's {rid} is protected */
	GUARD_RID,       /* `rid` with `action`, or superuser */
	GUARD_SUPERUSER
};

enum {
	ROUTE_JSON = 1,      /* the contract's JSON rules: Accept, body rules, no HEAD */
	ROUTE_STATE = 2,     /* changes state: the cross-site rule applies to cookies */
	ROUTE_SENSITIVE = 4, /* the arena is wiped */
	ROUTE_ANY = 8,       /* every method, OPTIONS and unknown ones too; bodies are neither looked at nor waited for */
	/*
	 * AuthZEN's rules: X-Request-ID is echoed; the body must come as application/json, else 400; one
	 * over ROUTE_BODY_DEFAULT is left to the handler to parse, on a lane.
	 */
	ROUTE_AUTHZEN = 16,
};

struct route {
	enum http_method method;
	const char *pattern;     /* "/acs/api/v1/users/{uid}" */
	enum route_auth auth;
	enum route_guard guard;
	const char *guard_rid;
	enum iam_action guard_action;
	enum lane_id lane;
	unsigned flags;
	const struct json_schema *body; /* NULL: bodies are not decoded */
	size_t body_max;                /* 0: 64 KiB */
	req_fn *handler;
};

#define ROUTE_BODY_DEFAULT 65536

struct router;

/*
 * The table must outlive it. IAM_CONFIG names the row that has no auth or guard, or a
 * pattern that clashes.
 */
MUST_CHECK enum iam_err router_new(const struct route *routes, unsigned n_routes, struct router **ret_router,
	struct iam_error *err);
void router_free(struct router *rt);

struct route_match {
	const struct route *by_method[HTTP_METHOD_COUNT]; /* NULL: not allowed */
	struct str params[REQ_PARAMS_MAX];
};

/* False: no such path. Captures are in the arena. */
bool router_match(const struct router *rt, struct str raw_path, struct arena *a, struct route_match *ret_match);

/*
 * "GET, PUT, OPTIONS" (in the order of enum http_method) of the path. HEAD is listed
 * where it is served.
 */
struct str router_allow(const struct route_match *m, bool with_options, struct arena *a);

#endif
