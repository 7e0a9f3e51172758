/*
 * members - who and what is in a group: users, service accounts, nested groups. SLOW lane.
 *
 * `?effective=true` lists through nesting at any depth, each user and group once. Changes are made
 * in groups_write.c.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/paging.h"
#include "iamd/api/services.h"

struct listing {
	struct paging_form form;
	struct str gid;
	bool service; /* of users: service accounts, else regular ones */
	bool effective;
};

static bool user_row(const struct user *u, void *ctx)
{
	struct paging *p = ctx;
	const struct listing *l = p->ctx;

	if (paging_writes(p)) {
		jsonw_object(&p->w);
		json_membership_url(&p->w, "membershipurl", l->gid, u->uid);
		json_user(&p->w, "user", u, false);
		jsonw_object_end(&p->w);
	}
	return paging_row(p, u->uid);
}

static enum iam_err user_rows(struct paging *p, struct db *db, const struct page_query *q)
{
	const struct listing *l = p->ctx;

	return store_group_members(db, l->gid, l->service, l->effective, q, user_row, p);
}

static bool subgroup_row(const struct group *g, void *ctx)
{
	struct paging *p = ctx;
	const struct listing *l = p->ctx;

	if (paging_writes(p)) {
		jsonw_object(&p->w);
		json_nesting_url(&p->w, "membershipurl", l->gid, g->gid);
		json_group(&p->w, "group", g);
		jsonw_object_end(&p->w);
	}
	return paging_row(p, g->gid);
}

static enum iam_err subgroup_rows(struct paging *p, struct db *db,
	const struct page_query *q)
{
	const struct listing *l = p->ctx;

	return store_subgroups(db, l->gid, l->effective, q, subgroup_row, p);
}

/* The paging of a list below /groups/{gid}, or the error that answers. */
static enum iam_err begin(struct req *r, const char *folder, const char *id_name,
	size_t id_max, struct paging **ret)
{
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	struct db *db = store_reader(r->svc->store);
	struct group group;
	struct sb path;
	enum iam_err e;

	if (l == NULL)
		return IAM_NO_MEMORY;
	if (db == NULL)
		return IAM_UNAVAILABLE;
	l->gid = req_param(r, "gid");
	e = store_group_get(db, r->arena, l->gid, &group);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, l->gid);
	if (e != IAM_OK)
		return e;
	sb_init(&path, r->arena, 256);
	sb_addf(&path, "/acs/api/v1/groups/%.*s/%s", STR_FMT(l->gid), folder);
	l->effective = api_query_is(r, "effective", "true");
	l->form = (struct paging_form){.path = sb_str(&path),
		.id_name = id_name,
		.id_max = id_max,
		.is_costly = l->effective};
	e = path.failed ? IAM_NO_MEMORY : paging_new(r, &l->form, ret);
	if (e != IAM_OK)
		return e;
	(*ret)->ctx = l;
	if (l->effective)
		paging_keep(*ret, "effective", "true");
	return IAM_OK;
}

enum iam_err api_members_list(struct req *r, struct resp *out)
{
	struct paging *p = NULL;
	struct listing *l;
	enum iam_err e = begin(r, "users", "user ID", IAM_UID_MAX_BYTES, &p);

	if (e != IAM_OK)
		return e;
	l = p->ctx;
	l->service = api_query_is(r, "type", "service");
	l->form.is_costly = l->effective || l->service;
	if (l->service)
		paging_keep(p, "type", "service");
	return paging_answer(r, out, p, user_rows);
}

enum iam_err api_subgroups_list(struct req *r, struct resp *out)
{
	struct paging *p = NULL;
	enum iam_err e = begin(r, "groups", "group ID", IAM_GID_MAX_BYTES, &p);

	return e == IAM_OK ? paging_answer(r, out, p, subgroup_rows) : e;
}
