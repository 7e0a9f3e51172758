/*
 * groups - reading groups: one, lists of any length, and a user's own.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/paging.h"
#include "iamd/api/services.h"

/* LIMIT: of an answer that is made at once. */
#define ANSWER_MAX_BYTES ((size_t)32 << 20)

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
	struct jsonw w;
	struct str uid;
};

static bool write_membership(const struct group *g, void *ctx)
{
	struct memberships *m = ctx;

	jsonw_object(&m->w);
	json_membership_url(&m->w, "membershipurl", g->gid, m->uid);
	json_group(&m->w, "group", g);
	jsonw_object_end(&m->w);
	return !m->w.out->failed;
}

enum iam_err api_user_groups(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct memberships m = {.uid = req_param(r, "uid")};
	bool effective = api_query_is(r, "effective", "true");
	struct user user;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_user_get(db, r->arena, m.uid, &user);
	if (e == IAM_NO_USER)
		return api_no_user(r, m.uid);
	if (e != IAM_OK)
		return e;
	sb_init_heap(&r->out_heap, ANSWER_MAX_BYTES);
	jsonw_init(&m.w, &r->out_heap);
	jsonw_object(&m.w);
	jsonw_array_key(&m.w, "array");
	e = store_user_groups(db, m.uid, effective, write_membership, &m);
	if (e != IAM_OK)
		return e;
	jsonw_array_end(&m.w);
	jsonw_object_end(&m.w);
	jsonw_end_document(&m.w);
	if (r->out_heap.failed)
		return IAM_UNAVAILABLE;
	return resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap));
}
