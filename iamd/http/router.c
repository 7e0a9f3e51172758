/*
 * router - a tree of path segments made from the route table.
 *
 * Does: match a raw path to the routes of that path, decoding each segment once.
 * Does not: choose by method (the caller sees which methods there are), check
 * permissions, or resolve "." and "..": those are ordinary segments, and no identifier.
 * Invariants: the tree is immutable after router_new(), so matching takes no lock;
 * literal segments win over captures, and a path that fails below a literal is tried
 * below the capture.
 */
#include "iamd/http/router.h"

#include <stdlib.h>
#include <string.h>

#include "libacl/base/steal.h"

/* LIMIT: segments of a path. */
#define SEGMENTS_MAX 16

enum node_kind { NODE_LITERAL, NODE_CAPTURE, NODE_CAPTURE_RID };

struct node {
	struct node *sibling;
	struct node *child; /* literals first */
	struct str text;    /* the pattern's segment, borrowed */
	enum node_kind kind;
	bool has_routes;
	const struct route *by_method[HTTP_METHOD_COUNT];
};

struct router {
	struct node root;
};

static void free_children(struct node *n)
{
	while (n->child != NULL) {
		struct node *c = n->child;

		n->child = c->sibling;
		free_children(c);
		free(c);
	}
}

static enum node_kind kind_of(struct str segment)
{
	if (segment.len == 0 || segment.ptr[0] != '{')
		return NODE_LITERAL;
	return str_eq_c(segment, "{rid}") ? NODE_CAPTURE_RID : NODE_CAPTURE;
}

static struct node *add_child(struct node *parent, struct str text)
{
	struct node **at = &parent->child;
	struct node *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->text = text;
	c->kind = kind_of(text);
	while (*at != NULL && ((*at)->kind == NODE_LITERAL || c->kind != NODE_LITERAL))
		at = &(*at)->sibling;
	c->sibling = *at;
	*at = c;
	return c;
}

/*
 * The child for this segment of a pattern; made if there is none. NULL sets *ret_clash or
 * is out of memory.
 */
static struct node *get_child(struct node *parent, struct str text, bool *ret_clash)
{
	enum node_kind kind = kind_of(text);

	for (struct node *c = parent->child; c != NULL; c = c->sibling) {
		if (c->kind == NODE_LITERAL ? str_eq(c->text, text) : c->kind == kind)
			return c;
		if (c->kind != NODE_LITERAL && kind != NODE_LITERAL) {
			*ret_clash = true;
			return NULL;
		}
	}
	return add_child(parent, text);
}

static const char *row_defect(const struct route *row)
{
	if (row->auth == AUTH_UNSET)
		return "says nothing about authentication";
	if (row->guard == GUARD_UNSET)
		return "says nothing about who may call it";
	if (row->guard == GUARD_RID && row->guard_rid == NULL)
		return "is guarded by a resource but names none";
	if (row->guard == GUARD_DELEGATED_ACL &&
		(row->pattern == NULL || strstr(row->pattern, "/{rid}") == NULL))
		return "is guarded by the path's {rid} but has none";
	if (row->handler == NULL)
		return "has no handler";
	if (row->pattern == NULL || row->pattern[0] != '/')
		return "has a pattern that does not begin with '/'";
	if (row->pattern[1] != '\0' && str_ends(str_c(row->pattern), STR("/")))
		return "has a pattern that ends in '/'";
	if (row->method >= HTTP_OTHER)
		return "has no method";
	return NULL;
}

static enum iam_err bad_row(const struct route *row, const char *why,
	struct iam_error *err)
{
	return iam_error_set(err, IAM_CONFIG, "route %s %s %s",
		http_method_name(row->method),
		row->pattern == NULL ? "(none)" : row->pattern, why);
}

/* One method of the path, or all of them. */
static enum iam_err take_methods(struct node *n, const struct route *row,
	struct iam_error *err)
{
	bool is_any = (row->flags & ROUTE_ANY) != 0;

	for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++) {
		if (m != row->method && !is_any)
			continue;
		if (n->by_method[m] != NULL)
			return bad_row(row, "is there twice", err);
		n->by_method[m] = row;
	}
	n->has_routes = true;
	return IAM_OK;
}

static enum iam_err add_route(struct router *rt, const struct route *row,
	struct iam_error *err)
{
	const char *defect = row_defect(row);
	struct node *n = &rt->root;
	struct str rest;
	unsigned params = 0;
	unsigned segments = 0;

	if (defect != NULL)
		return bad_row(row, defect, err);
	rest = str_sub(str_c(row->pattern), 1, SIZE_MAX);
	while (rest.len > 0) {
		struct str segment = str_split(&rest, '/');
		bool clash = false;

		if (kind_of(segment) != NODE_LITERAL && ++params > REQ_PARAMS_MAX)
			return bad_row(row, "captures too much", err);
		if (segment.len == 0 || ++segments > SEGMENTS_MAX)
			return bad_row(row, "has an empty segment or too many", err);
		n = get_child(n, segment, &clash);
		if (n == NULL && clash)
			return bad_row(row, "clashes with another capture", err);
		if (n == NULL)
			return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	}
	return take_methods(n, row, err);
}

enum iam_err router_new(const struct route *routes, unsigned n_routes,
	struct router **ret_router, struct iam_error *err)
{
	struct router *rt = calloc(1, sizeof(*rt));

	if (rt == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	for (unsigned i = 0; i < n_routes; i++) {
		enum iam_err e = add_route(rt, &routes[i], err);

		if (e != IAM_OK) {
			router_free(rt);
			return e;
		}
	}
	*ret_router = STEAL(rt);
	return IAM_OK;
}

void router_free(struct router *rt)
{
	if (rt == NULL)
		return;
	free_children(&rt->root);
	free(rt);
}

struct path {
	struct str raw[SEGMENTS_MAX];     /* borrowed */
	struct str decoded[SEGMENTS_MAX]; /* ptr NULL: does not decode */
	unsigned n;
	struct str params[REQ_PARAMS_MAX];
	struct arena *arena;
};

/* False: not a path any route can have. */
static bool split_path(struct str raw, struct path *p)
{
	struct str rest = str_sub(raw, 1, raw.len);

	if (raw.len == 0 || raw.ptr[0] != '/')
		return false;
	if (rest.len > 1 && rest.ptr[rest.len - 1] == '/')
		rest = str_sub(rest, 0, rest.len - 1);
	if (rest.len == 0)
		return true;
	while (rest.ptr != NULL) {
		struct str segment = str_split(&rest, '/');

		if (segment.len == 0 || p->n == SEGMENTS_MAX)
			return false;
		p->raw[p->n] = segment;
		if (req_percent_decode(p->arena, segment, false, &p->decoded[p->n]) !=
			IAM_OK)
			return false;
		p->n++;
	}
	return true;
}

/*
 * In a rid, what is still "%2F" after one decoding stands for '/' too: clients encode it
 * twice.
 */
static struct str decode_slashes(struct str s, struct arena *a)
{
	char *buf;
	size_t len = 0;

	if (s.ptr == NULL || str_find(s, '%') < 0)
		return s;
	buf = arena_alloc(a, s.len + 1);
	if (buf == NULL)
		return STR_NONE;
	for (size_t i = 0; i < s.len; i++) {
		bool slash = s.ptr[i] == '%' && s.len - i > 2 && s.ptr[i + 1] == '2' &&
			(s.ptr[i + 2] == 'F' || s.ptr[i + 2] == 'f');

		buf[len] = s.ptr[i];
		if (slash) {
			buf[len] = '/';
			i += 2;
		}
		len++;
	}
	return (struct str){.ptr = buf, .len = len};
}

/* What the node takes of the segment; absent: it does not match. */
static struct str take(const struct node *n, struct path *p, unsigned at)
{
	struct str segment = p->decoded[at];

	switch (n->kind) {
	case NODE_LITERAL:
		return str_eq(n->text, segment) ? segment : STR_NONE;
	case NODE_CAPTURE:
		return str_find(segment, '/') < 0 ? segment : STR_NONE;
	case NODE_CAPTURE_RID:
		return decode_slashes(segment, p->arena);
	}
	return STR_NONE;
}

/* Depth is bounded by SEGMENTS_MAX. */
static const struct node *walk(const struct node *n, struct path *p, unsigned at,
	unsigned n_params)
{
	if (at == p->n)
		return n->has_routes ? n : NULL;
	for (const struct node *c = n->child; c != NULL; c = c->sibling) {
		struct str taken = take(c, p, at);
		bool captures = c->kind != NODE_LITERAL;
		const struct node *found;

		if (taken.ptr == NULL)
			continue;
		if (captures)
			p->params[n_params] = taken;
		found = walk(c, p, at + 1, n_params + (captures ? 1U : 0U));
		if (found != NULL)
			return found;
		if (captures)
			p->params[n_params] = STR_NONE;
	}
	return NULL;
}

bool router_match(const struct router *rt, struct str raw_path, struct arena *a,
	struct route_match *ret_match)
{
	struct path p = {.arena = a};
	const struct node *n;

	if (!split_path(raw_path, &p))
		return false;
	n = walk(&rt->root, &p, 0, 0);
	if (n == NULL)
		return false;
	memcpy(ret_match->by_method, n->by_method, sizeof(n->by_method));
	memcpy(ret_match->params, p.params, sizeof(p.params));
	return true;
}

/* HEAD is GET without a body, except where the wire contract forbids it. */
static bool serves(const struct route_match *m, enum http_method method,
	bool with_options)
{
	const struct route *get = m->by_method[HTTP_GET];

	if (method == HTTP_OPTIONS)
		return with_options;
	if (method == HTTP_HEAD)
		return get != NULL && (get->flags & ROUTE_JSON) == 0;
	return m->by_method[method] != NULL;
}

struct str router_allow(const struct route_match *m, bool with_options, struct arena *a)
{
	struct sb sb;

	sb_init(&sb, a, 128);
	for (unsigned i = 0; i < HTTP_OTHER; i++) {
		if (!serves(m, (enum http_method)i, with_options))
			continue;
		if (sb.len > 0)
			sb_add(&sb, STR(", "));
		sb_add_c(&sb, http_method_name((enum http_method)i));
	}
	return sb_str(&sb);
}
