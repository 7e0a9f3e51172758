/*
 * paging - lists of any length; see paging.h.
 *
 * Does: the query parameters all lists share, pieces, pages, the link to the next one. Does not:
 * know what is listed. SLOW lane. Invariant: no statement is open between two pieces; where a list
 * has come to is `last`, which a row overwrites while its statement still reads, so each question
 * is asked with a copy.
 */
#include "iamd/api/paging.h"

#include <assert.h>
#include <string.h>

#include "iamd/api/services.h"

/* LIMIT: of `q`, and of a page. */
#define Q_MAX_BYTES 256
#define PAGE_MAX    1000
/*
 * A piece is closed when it holds this much, and so exceeds it by one row (at most some 40 KiB:
 * description and key, escaped). Small ones cost clients who read slowly little memory.
 */
#define PIECE_FULL_BYTES        8192
#define PIECE_FULL_COSTLY_BYTES 131072
/* LIMIT: rows asked of the database at once. */
#define ROWS_AT_ONCE 1000
/* LIMIT: the link: an id of 1024 bytes and a search text, three-fold when all of it is escaped. */
#define LINK_MAX 8192
#define KEPT_MAX 4U

static enum iam_err read_query(struct req *r, struct paging *p)
{
	struct str limit = req_query(r, "limit", NULL);
	struct str after = req_query(r, "after", NULL);
	struct str q = p->form->takes_q ? req_query(r, "q", NULL) : STR_NONE;

	p->left = -1;
	if (limit.ptr != NULL && !str_to_i64(limit, 1, PAGE_MAX, &p->left))
		return req_fail(r, IAM_BAD_DATA, "`limit` must be a number from 1 to %d",
			PAGE_MAX);
	if (after.len > p->form->id_max)
		return req_fail(r, IAM_BAD_DATA, "`after` must be a %s",
			p->form->id_name);
	p->query.after = after;
	if (q.len > Q_MAX_BYTES)
		return req_fail(r, IAM_BAD_DATA, "`q` must be at most %d bytes long",
			Q_MAX_BYTES);
	p->query.q = q.len > 0 ? q : STR_NONE;
	return IAM_OK;
}

enum iam_err paging_new(struct req *r, const struct paging_form *form,
	struct paging **ret)
{
	struct paging *p = arena_alloc(r->arena, sizeof *p);
	enum iam_err e;

	if (p == NULL)
		return IAM_NO_MEMORY;
	if (store_reader(r->svc->store) == NULL)
		return IAM_UNAVAILABLE;
	p->form = form;
	p->last = arena_alloc(r->arena, 2 * form->id_max);
	if (p->last == NULL)
		return IAM_NO_MEMORY;
	p->asked = p->last + form->id_max;
	e = read_query(r, p);
	if (e == IAM_OK)
		*ret = p;
	return e;
}

void paging_keep(struct paging *p, const char *name, const char *value)
{
	assert(p->n_kept < KEPT_MAX);
	p->kept[p->n_kept][0] = name;
	p->kept[p->n_kept][1] = value;
	p->n_kept++;
}

bool paging_row(struct paging *p, struct str id)
{
	size_t full = p->form->is_costly ? PIECE_FULL_COSTLY_BYTES : PIECE_FULL_BYTES;

	assert(id.len <= p->form->id_max);
	if (p->probes && p->n_rows == p->left) {
		p->n_rows++; /* one behind the page: its id is of no interest */
		return false;
	}
	p->n_rows++;
	memcpy(p->last, id.ptr, id.len);
	p->query.after = (struct str){p->last, id.len};
	p->is_full = !p->probes && p->piece->len >= full;
	return !p->is_full;
}

/* Asks for at most `limit` rows behind query.after. */
static enum iam_err ask(struct paging *p, struct db *db, int64_t limit)
{
	struct page_query q = p->query;

	p->n_rows = 0;
	p->is_full = false;
	q.limit = limit;
	if (q.after.ptr == p->last) {
		memcpy(p->asked, q.after.ptr, q.after.len);
		q.after.ptr = p->asked;
	}
	return limit > 0 ? p->rows(p, db, &q) : IAM_OK;
}

static enum iam_err next_piece(struct req *r, void *ctx, struct sb *piece, bool *ret_end)
{
	struct paging *p = ctx;
	struct db *db = store_reader(r->svc->store);
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	p->piece = piece;
	jsonw_set_out(&p->w, piece);
	if (!p->begun) {
		jsonw_object(&p->w);
		jsonw_array_key(&p->w, "array");
		p->begun = true;
	}
	e = ask(p, db, p->left >= 0 && p->left < ROWS_AT_ONCE ? p->left : ROWS_AT_ONCE);
	if (e != IAM_OK)
		return e;
	if (p->left >= 0)
		p->left -= p->n_rows;
	*ret_end = !p->is_full && (p->left == 0 || p->n_rows < ROWS_AT_ONCE);
	if (*ret_end) {
		jsonw_array_end(&p->w);
		jsonw_object_end(&p->w);
		jsonw_end_document(&p->w);
	}
	return piece->failed ? IAM_NO_MEMORY : IAM_OK;
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

static enum iam_err add_link(struct req *r, struct resp *out, struct paging *p)
{
	struct page_query first = p->query;
	struct sb sb;
	enum iam_err e;

	p->probes = true;
	e = ask(p, store_reader(r->svc->store), p->left + 1);
	p->probes = false;
	sb_init(&sb, r->arena, LINK_MAX);
	sb_add_char(&sb, '<');
	sb_add(&sb, p->form->path);
	sb_addf(&sb, "?limit=%lld", (long long)p->left);
	add_query_escaped(&sb, "after", p->query.after);
	p->query = first;
	if (e != IAM_OK || p->n_rows <= p->left)
		return e;
	for (unsigned i = 0; i < p->n_kept; i++)
		sb_addf(&sb, "&%s=%s", p->kept[i][0], p->kept[i][1]);
	if (p->query.q.ptr != NULL)
		add_query_escaped(&sb, "q", p->query.q);
	sb_add_c(&sb, ">; rel=\"next\"");
	return sb.failed ? IAM_NO_MEMORY : resp_header(out, "Link", sb_str(&sb));
}

enum iam_err paging_answer(struct req *r, struct resp *out, struct paging *p,
	paging_rows_fn *rows)
{
	enum iam_err e;

	p->rows = rows;
	e = p->left > 0 ? add_link(r, out, p) : IAM_OK;
	if (e != IAM_OK)
		return e;
	jsonw_init(&p->w, NULL);
	return resp_stream(out, next_piece, p);
}
