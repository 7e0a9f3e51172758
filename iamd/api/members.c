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

/* What both lists begin with; NULL without memory. */
static struct listing *listing_new(struct req *r, const char *folder, const char *id_name,
	size_t id_max)
{
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	struct sb path;

	if (l == NULL)
		return NULL;
	l->gid = req_param(r, "gid");
	l->effective = api_query_is(r, "effective", "true");
	sb_init(&path, r->arena, 1024); /* longer than any gid in use */
	sb_addf(&path, "/acs/api/v1/groups/%.*s/%s", STR_FMT(l->gid), folder);
	l->form = (struct paging_form){.path = sb_str(&path),
		.id_name = id_name,
		.id_max = id_max,
		.is_costly = l->effective};
	return l;
}

static enum iam_err answer(struct req *r, struct resp *out, struct listing *l,
	paging_rows_fn *rows)
{
	struct db *db = store_reader(r->svc->store);
	struct paging *p = NULL;
	struct group group;
	enum iam_err e;

	if (l == NULL)
		return IAM_NO_MEMORY;
	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_group_get(db, r->arena, l->gid, &group);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, l->gid);
	if (e == IAM_OK)
		e = paging_new(r, &l->form, &p);
	if (e != IAM_OK)
		return e;
	p->ctx = l;
	if (l->service)
		paging_keep(p, "type", "service");
	if (l->effective)
		paging_keep(p, "effective", "true");
	return paging_answer(r, out, p, rows);
}

enum iam_err api_members_list(struct req *r, struct resp *out)
{
	struct listing *l = listing_new(r, "users", "user ID", IAM_UID_MAX_BYTES);

	if (l != NULL && api_query_is(r, "type", "service"))
		l->service = l->form.is_costly = true;
	return answer(r, out, l, user_rows);
}

enum iam_err api_subgroups_list(struct req *r, struct resp *out)
{
	return answer(r, out, listing_new(r, "groups", "group ID", IAM_GID_MAX_BYTES),
		subgroup_rows);
}
