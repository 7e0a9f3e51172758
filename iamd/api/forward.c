/*
 * forward - what forward-auth takes from a gateway's headers, and tells back; see forward.h.
 *
 * Does not decide. Invariants: a header of an untrusted peer is never used; what is sent back as a
 * place to return to is a path, never an address.
 */
#include "iamd/api/forward.h"

#include <string.h>

#include "iamd/api/services.h"

struct family {
	const char *method, *uri;
};

static const struct family families[] = {
	[FORWARD_X_ORIGINAL] = {"X-Original-Method", "X-Original-URI"},
	[FORWARD_X_FORWARDED] = {"X-Forwarded-Method", "X-Forwarded-Uri"},
};

/* ---- the original request ---- */

const char *forward_original(const struct req *r, const struct config *config,
	struct str *ret_uri)
{
	const struct family *f = &families[config->forward_auth_headers];
	unsigned methods = req_header_count(r, f->method);
	unsigned uris = req_header_count(r, f->uri);

	if (!r->peer_is_trusted)
		return "untrusted-peer";
	if (methods > 1 || uris > 1)
		return "repeated-header";
	if (methods == 0 || uris == 0 || req_header(r, f->method).len == 0)
		return "no-original-request";
	*ret_uri = req_header(r, f->uri);
	return NULL;
}

bool forward_has_method(const struct req *r, const struct config *config)
{
	return req_header_count(r, families[config->forward_auth_headers].method) > 0;
}

/* ---- back to the login page ---- */

/* The only instance from a trusted peer; else absent. */
static struct str believed(const struct req *r, const char *name)
{
	if (!r->peer_is_trusted || req_header_count(r, name) != 1)
		return STR_NONE;
	return req_header(r, name);
}

static bool names_html(struct str accept)
{
	while (accept.ptr != NULL) {
		struct str params = str_split(&accept, ',');

		if (str_ieq_c(str_trim(str_split(&params, ';')), "text/html"))
			return true;
	}
	return false;
}

/* A browser that goes to a page, and so can be sent to another. */
static bool is_navigation(const struct req *r, const struct family *f)
{
	struct str method = believed(r, f->method);
	struct str mode = req_header(r, "Sec-Fetch-Mode");

	if (!str_eq_c(method.ptr != NULL ? method : r->method_text, "GET"))
		return false;
	if (mode.ptr != NULL)
		return str_eq_c(mode, "navigate");
	return names_html(req_header(r, "Accept"));
}

/* "/x", not "//host" or "/\host", which a browser takes for another origin (RFC 3986 section 4.2). */
static bool is_own_path(struct str uri)
{
	if (uri.len == 0 || uri.len > FORWARD_RETURN_MAX || uri.ptr[0] != '/')
		return false;
	if (uri.len > 1 && uri.ptr[1] == '/')
		return false;
	for (size_t i = 0; i < uri.len; i++)
		if ((unsigned char)uri.ptr[i] <= ' ' || uri.ptr[i] == 0x7f ||
			uri.ptr[i] == '\\')
			return false;
	return true;
}

/* RFC 3986 section 2.3. */
static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct sb *sb, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_unreserved(s.ptr[i]))
			sb_add_char(sb, s.ptr[i]);
		else
			sb_addf(sb, "%%%02X", (unsigned char)s.ptr[i]);
	}
}

/* The first counts: a gateway may add the client's query, with a parameter of that name, to its own. */
static bool wants_redirect(struct req *r)
{
	return r->query.ptr != NULL && str_eq_c(req_query(r, "redirect", NULL), "1");
}

enum iam_err forward_login_page(struct req *r, const struct config *config,
	struct str *ret_location)
{
	const struct family *f = &families[config->forward_auth_headers];
	struct str uri;
	struct sb sb;

	if (!wants_redirect(r) || !is_navigation(r, f))
		return IAM_OK;
	sb_init(&sb, r->arena, 1024 + 16 + 3 * FORWARD_RETURN_MAX);
	sb_add_c(&sb, config->login_page);
	uri = believed(r, f->uri);
	if (is_own_path(uri)) {
		sb_add_char(&sb, strchr(config->login_page, '?') != NULL ? '&' : '?');
		sb_add_c(&sb, "redirect=");
		add_encoded(&sb, uri);
	}
	if (sb.failed)
		return IAM_NO_MEMORY;
	*ret_location = sb_str(&sb);
	return IAM_OK;
}

/* ---- groups ---- */

/* LIMIT: so many gids of one byte, with commas, fill the header; one more does not fit. */
#define GIDS_MAX (FORWARD_GROUPS_MAX / 2 + 1)

struct gids {
	struct str *sorted;
	size_t n, cap;
	size_t bytes; /* with a comma each */
};

static bool count_gid(struct str gid, void *ctx)
{
	size_t *n = ctx;

	(void)gid;
	return ++*n < GIDS_MAX;
}

/* Where gid stands or would stand. */
static size_t place_of(const struct gids *g, struct str gid)
{
	size_t low = 0, high = g->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(g->sorted[mid], gid) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* False: it does not fit any more. */
static bool add_gid(struct str gid, void *ctx)
{
	struct gids *g = ctx;
	size_t at = place_of(g, gid);

	if (at < g->n && str_eq(g->sorted[at], gid))
		return true; /* told twice */
	g->bytes += gid.len + 1;
	if (g->n == g->cap || g->bytes - 1 > FORWARD_GROUPS_MAX)
		return false;
	memmove(&g->sorted[at + 1], &g->sorted[at], (g->n - at) * sizeof(*g->sorted));
	g->sorted[at] = gid;
	g->n++;
	return true;
}

enum iam_err forward_groups(struct req *r, const struct root *root,
	struct str *ret_groups, bool *ret_fits)
{
	struct gids g = {.cap = 0};
	struct sb sb;

	/* first how many, so that the usual few need the usual few bytes */
	(void)iam_user_groups_each(root->acl, r->principal.uid, count_gid, &g.cap);
	if (g.cap == 0) {
		*ret_fits = true;
		return IAM_OK;
	}
	g.sorted = arena_alloc_n(r->arena, g.cap, sizeof(*g.sorted));
	if (g.sorted == NULL)
		return IAM_NO_MEMORY;
	*ret_fits = iam_user_groups_each(root->acl, r->principal.uid, add_gid, &g);
	if (!*ret_fits)
		return IAM_OK;
	sb_init(&sb, r->arena, FORWARD_GROUPS_MAX + 1);
	for (size_t i = 0; i < g.n; i++) {
		if (i > 0)
			sb_add_char(&sb, ',');
		sb_add(&sb, g.sorted[i]);
	}
	if (sb.failed)
		return IAM_NO_MEMORY;
	*ret_groups = sb_str(&sb);
	return IAM_OK;
}
