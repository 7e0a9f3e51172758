/*
 * users - reading users: one, and lists of any length.
 *
 * A list goes out in pieces by key range, so it costs no memory and holds no read transaction while
 * the client takes its time; a user made or deleted meanwhile may or may not be in it.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* LIMIT: of `q`, and of a page. */
#define Q_MAX_BYTES 256
#define PAGE_MAX    1000
/* A piece is closed when it holds this much: the longest row (description and key, escaped) still fits. */
#define PIECE_FULL_BYTES 8192
/* LIMIT: rows asked of the database at once. */
#define ROWS_AT_ONCE 1000

struct listing {
	struct user_query query;
	struct jsonw w;
	struct sb *piece;
	bool all; /* fields=all */
	bool begun;
	bool full;    /* the piece is; more rows may follow */
	int64_t left; /* rows the client still wants; -1: all */
	char after[IAM_UID_MAX_BYTES];
	int64_t rows; /* of this call */
};

static bool write_row(const struct user *u, void *ctx)
{
	struct listing *l = ctx;

	json_user(&l->w, NULL, u, l->all);
	memcpy(l->after, u->uid.ptr, u->uid.len);
	l->query.after = (struct str){l->after, u->uid.len};
	l->rows++;
	l->full = l->piece->len >= PIECE_FULL_BYTES;
	return !l->full;
}

static enum iam_err users_piece(struct req *r, void *ctx, struct sb *piece, bool *ret_end)
{
	struct listing *l = ctx;
	struct db *db = store_reader(r->svc->store);
	char asked[IAM_UID_MAX_BYTES];
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	/* write_row() notes each uid in l->after while the statement still reads the one asked for. */
	if (l->query.after.len > 0)
		memcpy(asked, l->query.after.ptr, l->query.after.len);
	l->piece = piece;
	jsonw_set_out(&l->w, piece);
	if (!l->begun) {
		jsonw_object(&l->w);
		jsonw_array_key(&l->w, "array");
		l->begun = true;
	}
	l->full = false;
	l->rows = 0;
	l->query.limit = l->left >= 0 && l->left < ROWS_AT_ONCE ? l->left : ROWS_AT_ONCE;
	if (l->query.limit > 0) {
		struct user_query q = l->query;

		if (q.after.len > 0)
			q.after.ptr = asked;
		e = store_user_list(db, &q, write_row, l);
		if (e != IAM_OK)
			return e;
	}
	if (l->left >= 0)
		l->left -= l->rows;
	*ret_end = !l->full && (l->left == 0 || l->rows < ROWS_AT_ONCE);
	if (*ret_end) {
		jsonw_array_end(&l->w);
		jsonw_object_end(&l->w);
		jsonw_end_document(&l->w);
	}
	return piece->failed ? IAM_NO_MEMORY : IAM_OK;
}

/* Finds the last uid of a page, and whether there is more behind it. */
struct page_probe {
	int64_t limit, rows;
	char last[IAM_UID_MAX_BYTES];
	size_t last_len;
};

static bool probe_row(const struct user *u, void *ctx)
{
	struct page_probe *p = ctx;

	p->rows++;
	if (p->rows > p->limit)
		return false;
	memcpy(p->last, u->uid.ptr, u->uid.len);
	p->last_len = u->uid.len;
	return true;
}

static void add_query_escaped(struct sb *sb, const char *name, struct str value)
{
	sb_addf(sb, "&%s=", name);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
			c == '~' || c == '@';

		if (plain)
			sb_add_char(sb, (char)c);
		else
			sb_addf(sb, "%%%02X", c);
	}
}

/* Link: <...>; rel="next" when the page is not the last (RFC 8288). */
static enum iam_err add_link(struct req *r, struct resp *out, struct listing *l)
{
	struct db *db = store_reader(r->svc->store);
	struct page_probe p = {.limit = l->left};
	struct user_query q = l->query;
	struct sb sb;
	enum iam_err e;

	q.limit = l->left + 1;
	e = store_user_list(db, &q, probe_row, &p);
	if (e != IAM_OK || p.rows <= p.limit)
		return e;
	sb_init(&sb, r->arena, 4096);
	sb_addf(&sb, "</acs/api/v1/users?limit=%lld", (long long)p.limit);
	add_query_escaped(&sb, "after", (struct str){p.last, p.last_len});
	if (l->query.service)
		sb_add_c(&sb, "&type=service");
	if (l->all)
		sb_add_c(&sb, "&fields=all");
	if (l->query.q.ptr != NULL)
		add_query_escaped(&sb, "q", l->query.q);
	sb_add_c(&sb, ">; rel=\"next\"");
	return resp_header(out, "Link", sb_str(&sb));
}

static enum iam_err read_query(struct req *r, struct listing *l)
{
	unsigned n_types = 0;
	struct str type = req_query(r, "type", &n_types);
	struct str limit = req_query(r, "limit", NULL);
	struct str after = req_query(r, "after", NULL);
	struct str q = req_query(r, "q", NULL);

	l->query.service = n_types == 1 && str_eq_c(type, "service");
	l->all = str_eq_c(req_query(r, "fields", NULL), "all");
	l->left = -1;
	if (limit.ptr != NULL && !str_to_i64(limit, 1, PAGE_MAX, &l->left))
		return req_fail(r, IAM_BAD_DATA, "`limit` must be a number from 1 to %d",
			PAGE_MAX);
	if (after.len > IAM_UID_MAX_BYTES)
		return req_fail(r, IAM_BAD_DATA, "`after` must be a user ID");
	l->query.after = after;
	if (q.len > Q_MAX_BYTES)
		return req_fail(r, IAM_BAD_DATA, "`q` must be at most %d bytes long",
			Q_MAX_BYTES);
	l->query.q = q.len > 0 ? q : STR_NONE;
	return IAM_OK;
}

enum iam_err api_users_list(struct req *r, struct resp *out)
{
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	enum iam_err e;

	if (l == NULL)
		return IAM_NO_MEMORY;
	if (store_reader(r->svc->store) == NULL)
		return IAM_UNAVAILABLE;
	e = read_query(r, l);
	if (e == IAM_OK && l->left > 0)
		e = add_link(r, out, l);
	if (e != IAM_OK)
		return e;
	jsonw_init(&l->w, NULL);
	return resp_stream(out, users_piece, l);
}

enum iam_err api_user_get(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct str uid = req_param(r, "uid");
	struct json_doc d;
	struct user user;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_user_get(db, r->arena, uid, &user);
	if (e == IAM_NO_USER)
		return api_no_user(r, uid);
	if (e != IAM_OK)
		return e;
	json_doc_begin(&d, r);
	json_user(&d.w, NULL, &user, str_eq_c(req_query(r, "fields", NULL), "all"));
	return json_doc_end(&d, out, 200);
}
