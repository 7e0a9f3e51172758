/*
 * fuzz_router - percent-decoding and the route tree, on raw paths and queries.
 *
 * Properties: the tree finds a path exactly when one of the patterns, tried one by one the slow way,
 * fits it; captures are UTF-8 without NUL, and hold '/' only where a {rid} stands; decoding what
 * was encoded gives it back; a query parameter is what a search from the left finds.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/http/router.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum iam_err handle(struct req *r, struct resp *out)
{
	(void)r;
	(void)out;
	return IAM_OK;
}

#define ROW(method_, pattern_) {.method = (method_), .pattern = (pattern_), \
	.auth = AUTH_PUBLIC, .guard = GUARD_NONE, .handler = handle}

static const struct route table[] = {
	ROW(HTTP_GET, "/"),
	ROW(HTTP_GET, "/u"),
	ROW(HTTP_PUT, "/u/{uid}"),
	ROW(HTTP_GET, "/u/{uid}/groups"),
	ROW(HTTP_GET, "/u/special/list"),
	ROW(HTTP_GET, "/u/{uid}/{gid}/{action}/x"),
	ROW(HTTP_GET, "/a/{rid}"),
	ROW(HTTP_GET, "/a/{rid}/users/{uid}/{action}"),
	ROW(HTTP_GET, "/a/literal/users/{uid}"),
};
#define ROWS (sizeof(table) / sizeof(table[0]))

/* One segment of a pattern against one raw segment. */
static bool segment_fits(struct str pattern, struct str raw, struct arena *a)
{
	struct str text;

	if (raw.len == 0 || req_percent_decode(a, raw, false, &text) != IAM_OK)
		return false;
	if (str_eq_c(pattern, "{rid}"))
		return true;
	if (pattern.len > 0 && pattern.ptr[0] == '{')
		return str_find(text, '/') < 0;
	return str_eq(pattern, text);
}

static bool fits(struct str pattern, struct str path, struct arena *a)
{
	if (path.len == 0 || path.ptr[0] != '/')
		return false;
	path = str_sub(path, 1, path.len);
	if (path.len > 1 && path.ptr[path.len - 1] == '/')
		path = str_sub(path, 0, path.len - 1);
	pattern = str_sub(pattern, 1, pattern.len);
	if (pattern.len == 0 || path.len == 0)
		return pattern.len == path.len;
	while (pattern.ptr != NULL && path.ptr != NULL)
		if (!segment_fits(str_split(&pattern, '/'), str_split(&path, '/'), a))
			return false;
	return pattern.ptr == NULL && path.ptr == NULL;
}

static void check_captures(const struct route *row, const struct route_match *m)
{
	struct str rest = str_c(row->pattern);
	unsigned n = 0;

	while (rest.ptr != NULL) {
		struct str segment = str_split(&rest, '/');

		if (segment.len == 0 || segment.ptr[0] != '{')
			continue;
		assert(m->params[n].ptr != NULL && m->params[n].len > 0);
		assert(str_is_utf8(m->params[n]) && str_find(m->params[n], '\0') < 0);
		assert(str_eq_c(segment, "{rid}") || str_find(m->params[n], '/') < 0);
		n++;
	}
	for (; n < REQ_PARAMS_MAX; n++)
		assert(m->params[n].ptr == NULL);
}

static void check_match(const struct router *rt, struct str path, struct arena *a)
{
	struct route_match m = {.by_method = {NULL}};
	bool matched = router_match(rt, path, a, &m);
	bool fits_any = false;

	for (size_t i = 0; i < ROWS; i++)
		fits_any = fits_any || fits(str_c(table[i].pattern), path, a);
	assert(matched == fits_any);
	for (unsigned i = 0; i < HTTP_METHOD_COUNT; i++) {
		if (m.by_method[i] == NULL)
			continue;
		assert(fits(str_c(m.by_method[i]->pattern), path, a));
		check_captures(m.by_method[i], &m);
	}
}

static void check_round_trip(struct str text, struct arena *a)
{
	static const char hex[] = "0123456789abcdef";
	char *buf = arena_alloc(a, text.len * 3 + 1);
	struct str back;
	enum iam_err e;

	if (buf == NULL)
		return;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		buf[3 * i] = '%';
		buf[3 * i + 1] = hex[c >> 4];
		buf[3 * i + 2] = hex[c & 15];
	}
	e = req_percent_decode(a, (struct str){buf, text.len * 3}, true, &back);
	if (e == IAM_NO_MEMORY)
		return;
	assert((e == IAM_OK) == (str_is_utf8(text) && str_find(text, '\0') < 0));
	assert(e != IAM_OK || str_eq(back, (struct str){text.ptr, text.len}) || text.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
	struct router *rt;
	struct req *r;
	unsigned count;

	if (router_new(table, ROWS, &rt, NULL) != IAM_OK)
		return 0;
	r = req_new(HTTP_GET, STR("GET"), text);
	if (r != NULL) {
		struct str value = req_query(r, "q", &count);

		assert(value.ptr == NULL || count > 0);
		assert(value.ptr == NULL || str_is_utf8(value));
		check_match(rt, r->path, r->arena);
		check_round_trip(text, r->arena);
	}
	req_free(r);
	router_free(rt);
	return 0;
}
