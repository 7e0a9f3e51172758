/*
 * groups - reading groups: one, lists of any length, and a user's own.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/paging.h"
#include "iamd/api/services.h"

/* ---- GET /groups (SLOW lane) ---- */

static const struct paging_form groups_form = {
	.path = {"/acs/api/v1/groups", sizeof "/acs/api/v1/groups" - 1},
	.id_name = "group ID",
	.id_max = IAM_GID_MAX_BYTES,
	.takes_q = true,
};

static bool group_row(const struct group *g, void *ctx)
{
	struct paging *p = ctx;

	if (paging_writes(p))
		json_group(&p->w, NULL, g);
	return paging_row(p, g->gid);
}

static enum iam_err group_rows(struct paging *p, struct db *db,
	const struct page_query *q)
{
	return store_group_list(db, q, group_row, p);
}

enum iam_err api_groups_list(struct req *r, struct resp *out)
{
	struct paging *p = NULL;
	enum iam_err e = paging_new(r, &groups_form, &p);

	return e == IAM_OK ? paging_answer(r, out, p, group_rows) : e;
}

/* ---- GET /groups/{gid} ---- */

enum iam_err api_group_get(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct str gid = req_param(r, "gid");
	struct json_doc d;
	struct group group;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_group_get(db, r->arena, gid, &group);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, gid);
	if (e != IAM_OK)
		return e;
	json_doc_begin(&d, r);
	json_group(&d.w, NULL, &group);
	return json_doc_end(&d, out, 200);
}

/* ---- GET /users/{uid}/groups (SLOW lane) ---- */

struct memberships {
	struct paging_form form;
	struct str uid;
	bool effective;
};

static bool membership_row(const struct group *g, void *ctx)
{
	struct paging *p = ctx;
	const struct memberships *m = p->ctx;

	if (paging_writes(p)) {
		jsonw_object(&p->w);
		json_membership_url(&p->w, "membershipurl", g->gid, m->uid);
		json_group(&p->w, "group", g);
		jsonw_object_end(&p->w);
	}
	return paging_row(p, g->gid);
}

static enum iam_err membership_rows(struct paging *p, struct db *db,
	const struct page_query *q)
{
	const struct memberships *m = p->ctx;

	return store_user_groups(db, m->uid, m->effective, q, membership_row, p);
}

/* NULL without memory. */
static struct memberships *memberships_new(struct req *r)
{
	struct memberships *m = arena_alloc(r->arena, sizeof *m);
	struct sb path;

	if (m == NULL)
		return NULL;
	m->uid = req_param(r, "uid");
	m->effective = api_query_is(r, "effective", "true");
	sb_init(&path, r->arena, 1024); /* longer than any uid in use */
	sb_addf(&path, "/acs/api/v1/users/%.*s/groups", STR_FMT(m->uid));
	m->form = (struct paging_form){.path = sb_str(&path),
		.id_name = "group ID",
		.id_max = IAM_GID_MAX_BYTES,
		.is_costly = m->effective};
	return m;
}

enum iam_err api_user_groups(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct memberships *m = memberships_new(r);
	struct paging *p = NULL;
	struct user user;
	enum iam_err e;

	if (m == NULL)
		return IAM_NO_MEMORY;
	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_user_get(db, r->arena, m->uid, &user);
	if (e == IAM_NO_USER)
		return api_no_user(r, m->uid);
	if (e == IAM_OK)
		e = paging_new(r, &m->form, &p);
	if (e != IAM_OK)
		return e;
	p->ctx = m;
	if (m->effective)
		paging_keep(p, "effective", "true");
	return paging_answer(r, out, p, membership_rows);
}
