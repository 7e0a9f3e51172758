/*
 * req - one request: made from a request line, asked for headers, captures and query
 * parameters.
 *
 * Does: percent-decoding, look-ups, the error text, the hand-off to a lane.
 * Does not: read sockets, know what routes mean, or decide anything.
 * Invariants: the struct itself lives in its own arena; views point into the arena, the
 * body buffer or the server's header copies, all of which live until req_free().
 */
#include "iamd/http/req.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "iamd/http/router.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/thread.h"

/*
 * One chunk holds the struct (3.2 KiB of it are header views) and a usual request's
 * strings.
 */
#define FIRST_CHUNK_BYTES 8192

static const char *const method_names[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
	[HTTP_OTHER] = "other",
};

const char *http_method_name(enum http_method m)
{
	return method_names[m];
}

enum http_method http_method_parse(struct str text)
{
	for (unsigned m = 0; m < HTTP_OTHER; m++)
		if (str_eq_c(text, method_names[m]))
			return (enum http_method)m;
	return HTTP_OTHER;
}

#define ID_BYTES 16

/* A thread's supply: the generator is asked once for many requests, not at each of them. */
struct id_supply {
	unsigned char bits[64 * ID_BYTES];
	size_t used;
};

static struct id_supply *id_supply_mine(void)
{
	struct id_supply *ids = thread_get(THREAD_REQUEST_IDS);

	if (ids != NULL)
		return ids;
	ids = malloc(sizeof(*ids));
	if (ids == NULL)
		return NULL;
	ids->used = sizeof(ids->bits);
	thread_set(THREAD_REQUEST_IDS, ids, free);
	return ids;
}

/* 128 random bits in hex: enough that ids of all nodes never meet. */
static void set_random_id(struct req *r)
{
	struct id_supply *ids = id_supply_mine();
	unsigned char bits[ID_BYTES];

	if (ids == NULL) {
		randombytes_buf(bits, sizeof(bits));
		sodium_bin2hex(r->id, sizeof(r->id), bits, sizeof(bits));
		return;
	}
	if (ids->used == sizeof(ids->bits)) {
		randombytes_buf(ids->bits, sizeof(ids->bits));
		ids->used = 0;
	}
	sodium_bin2hex(r->id, sizeof(r->id), ids->bits + ids->used, ID_BYTES);
	ids->used += ID_BYTES;
}

struct req *req_new(enum http_method method, struct str method_text, struct str target)
{
	struct arena *a = arena_new(FIRST_CHUNK_BYTES, REQ_ARENA_MAX);
	struct req *r = a == NULL ? NULL : arena_alloc(a, sizeof(*r));
	struct str rest;

	if (r == NULL)
		goto out;
	r->arena = a;
	r->method = method;
	r->method_text = arena_str(a, method_text);
	rest = arena_str(a, target);
	if (r->method_text.ptr == NULL || rest.ptr == NULL)
		goto out;
	r->path = str_split(&rest, '?');
	r->query = rest;
	r->body_max = ROUTE_BODY_DEFAULT;
	r->started_us = clock_mono_us();
	set_random_id(r);
	return r;
out:
	arena_free(a);
	return NULL;
}

void req_free(struct req *r)
{
	if (r == NULL)
		return;
	json_decref(r->json);
	sb_done(&r->out_heap);
	if (r->route != NULL && (r->route->flags & ROUTE_SENSITIVE) != 0)
		arena_set_sensitive(r->arena);
	arena_free(r->arena);
}

static bool name_is(struct str have, const char *name, size_t len)
{
	return have.len == len && strncasecmp(have.ptr, name, len) == 0;
}

struct str req_header(const struct req *r, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < r->n_headers; i++)
		if (name_is(r->headers[i].name, name, len))
			return r->headers[i].value;
	return STR_NONE;
}

unsigned req_header_count(const struct req *r, const char *name)
{
	size_t len = strlen(name);
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_headers; i++)
		if (name_is(r->headers[i].name, name, len))
			n++;
	return n;
}

/* LIMIT: a proxy's request id is 8 to 32 letters, digits, '-' or '_'. */
void req_adopt_id(struct req *r)
{
	struct str id = req_header(r, "X-Request-Id");

	if (!r->peer_is_trusted || id.len < 8 || id.len >= sizeof(r->id))
		return;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && c != '-' && c != '_')
			return;
	}
	memcpy(r->id, id.ptr, id.len);
	r->id[id.len] = '\0';
}

struct str req_param(const struct req *r, const char *name)
{
	struct str rest = r->route == NULL ? STR_NONE : str_c(r->route->pattern);
	unsigned n = 0;

	while (rest.ptr != NULL) {
		struct str seg = str_split(&rest, '/');

		if (seg.len < 2 || seg.ptr[0] != '{')
			continue;
		if (n == REQ_PARAMS_MAX)
			break;
		if (str_eq_c(str_sub(seg, 1, seg.len - 1), name))
			return r->params[n];
		n++;
	}
	return STR_NONE;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes into buf (at least s.len bytes). False: bad escape. */
static bool decode_into(char *buf, struct str s, bool plus_is_space, size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '+' && plus_is_space) {
			c = ' ';
		} else if (c == '%') {
			int high = s.len - i > 2 ? hex_value(s.ptr[i + 1]) : -1;
			int low = s.len - i > 2 ? hex_value(s.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(unsigned char)(high * 16 + low);
			i += 2;
		}
		buf[len++] = c;
	}
	*ret_len = len;
	return true;
}

enum iam_err req_percent_decode(struct arena *a, struct str s, bool plus_is_space,
	struct str *ret)
{
	struct str text = s;

	if (str_find(s, '%') >= 0 || (plus_is_space && str_find(s, '+') >= 0)) {
		char *buf = arena_alloc(a, s.len + 1);

		if (buf == NULL)
			return IAM_NO_MEMORY;
		text.ptr = buf;
		if (!decode_into(buf, s, plus_is_space, &text.len))
			return IAM_BAD_REQUEST;
	}
	if (str_find(text, '\0') >= 0 || !str_is_utf8(text))
		return IAM_BAD_REQUEST;
	*ret = text;
	return IAM_OK;
}

struct str req_query(struct req *r, const char *name, unsigned *ret_count)
{
	struct str rest = r->query;
	struct str found = STR_NONE;
	unsigned count = 0;

	while (rest.ptr != NULL) {
		struct str value = str_split(&rest, '&');
		struct str key = str_split(&value, '=');
		struct str decoded;

		if (req_percent_decode(r->arena, key, true, &decoded) != IAM_OK ||
			!str_eq_c(decoded, name))
			continue;
		if (value.ptr == NULL)
			value = STR("");
		if (count++ == 0 &&
			req_percent_decode(r->arena, value, true, &decoded) == IAM_OK)
			found = decoded;
	}
	if (ret_count != NULL)
		*ret_count = count;
	return found;
}

enum iam_err req_fail(struct req *r, enum iam_err e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(r->error.text, sizeof(r->error.text), fmt, args);
	va_end(args);
	r->error.code = e;
	return e;
}

enum iam_err req_hand_off(struct req *r, enum lane_id lane, req_fn *fn)
{
	r->next_lane = lane;
	r->lane_fn = fn;
	return IAM_OK;
}
