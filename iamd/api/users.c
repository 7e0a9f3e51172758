/*
 * users - reading users: one, and lists of any length.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/paging.h"
#include "iamd/api/services.h"

static const struct paging_form users_form = {
	.path = {"/acs/api/v1/users", sizeof "/acs/api/v1/users" - 1},
	.id_name = "user ID",
	.id_max = IAM_UID_MAX_BYTES,
	.takes_q = true,
};

struct listing {
	bool service; /* service accounts, else regular users */
	bool all;     /* fields=all */
};

static bool user_row(const struct user *u, void *ctx)
{
	struct paging *p = ctx;
	const struct listing *l = p->ctx;

	if (paging_writes(p))
		json_user(&p->w, NULL, u, l->all);
	return paging_row(p, u->uid);
}

static enum iam_err user_rows(struct paging *p, struct db *db, const struct page_query *q)
{
	const struct listing *l = p->ctx;
	struct user_query query = {
		.service = l->service, .after = q->after, .limit = q->limit, .q = q->q};

	return store_user_list(db, &query, user_row, p);
}

enum iam_err api_users_list(struct req *r, struct resp *out)
{
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	struct paging *p = NULL;
	enum iam_err e;

	if (l == NULL)
		return IAM_NO_MEMORY;
	e = paging_new(r, &users_form, &p);
	if (e != IAM_OK)
		return e;
	p->ctx = l;
	l->service = api_query_is(r, "type", "service");
	l->all = str_eq_c(req_query(r, "fields", NULL), "all");
	if (l->service)
		paging_keep(p, "type", "service");
	if (l->all)
		paging_keep(p, "fields", "all");
	return paging_answer(r, out, p, user_rows);
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
