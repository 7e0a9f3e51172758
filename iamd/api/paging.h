/*
 * paging - lists of any length: whole in pieces, or one page with a link to the next.
 *
 * A list goes out in pieces by key range (SLOW lane), so it costs no memory and holds no read
 * transaction while the client takes its time; what is made or deleted meanwhile may or may not be
 * in it. `?limit=` (1..1000) answers one page in the list's order, `after=` continues behind an id,
 * and `Link: <...>; rel="next"` (RFC 8288) leads on when there is more.
 *
 *	static bool row(const struct group *g, void *ctx)
 *	{
 *		if (paging_writes(ctx))
 *			json_group(&((struct paging *)ctx)->w, NULL, g);
 *		return paging_row(ctx, g->gid);
 *	}
 *	static enum iam_err rows(struct paging *p, struct db *db, const struct page_query *q)
 *	{
 *		return store_group_list(db, q, row, p);
 *	}
 *	e = paging_new(r, &form, &p);
 *	...
 *	return paging_answer(r, out, p, rows);
 */
#ifndef API_PAGING_H
#define API_PAGING_H

#include "iamd/http/jsonw.h"
#include "iamd/http/resp.h"
#include "iamd/store/store.h"

struct paging;
struct paging_form;

/* Tells the rows of one query, each through a function that ends in paging_row(). */
typedef enum iam_err paging_rows_fn(struct paging *p, struct db *db,
	const struct page_query *q);

struct paging {
	struct jsonw w; /* where a row writes its element */
	void *ctx;      /* the list's own */

	/* paging.c's */
	paging_rows_fn *rows;
	const struct paging_form *form;
	const char *kept[4][2]; /* parameters of the link: name and value */
	unsigned n_kept;
	struct sb *piece;
	struct page_query query; /* limit: of one question to the database */
	int64_t left;            /* rows the client still wants; -1: all */
	char *last;              /* form->id_max bytes: the id the list has come to */
	char *asked;             /* as long: the id that is being asked with */
	int64_t n_rows;
	bool probes; /* only looking for the end of the page */
	bool begun;
	bool is_full; /* the piece is; more rows may follow */
};

struct paging_form {
	struct str path;     /* the list's URL */
	const char *id_name; /* "user ID": what `after` must be */
	size_t id_max;       /* LIMIT: bytes of an id */
	bool takes_q;        /* else `q` is ignored like any unknown parameter */
	bool is_costly; /* a question costs more than its rows: fewer and larger pieces */
};

/*
 * Reads `limit`, `after` and `q`. `form` must live as long as the request. Errors: IAM_BAD_DATA
 * (with a text), IAM_NO_MEMORY, IAM_UNAVAILABLE (no reader).
 */
MUST_CHECK enum iam_err paging_new(struct req *r, const struct paging_form *form,
	struct paging **ret);

/* A further parameter of the link: "type", "service". Constants, nothing to escape; at most four. */
void paging_keep(struct paging *p, const char *name, const char *value);

/* In a row: is an element to be written, or does somebody only count? */
static inline bool paging_writes(const struct paging *p)
{
	return !p->probes;
}

/* Ends a row: false when it shall be the last for now. */
bool paging_row(struct paging *p, struct str id);

/* The whole answer: {"array": [...]} streamed, with its link. SLOW lane. */
MUST_CHECK enum iam_err paging_answer(struct req *r, struct resp *out, struct paging *p,
	paging_rows_fn *rows);

#endif
