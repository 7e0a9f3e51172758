/*
 * permissions - what a user is granted, directly and through the user's groups, and what a group is.
 * SLOW lane.
 *
 * The store gives rows ordered by (gid, rid, action), direct ones first; equal (gid, rid) make one
 * entry with several actions. `?effective=true` asks for what the user's groups are nested in, too. In
 * a group's listing all are the group's, and no entry names it.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* LIMIT: of an answer that is made at once. */
#define ANSWER_MAX_BYTES ((size_t)32 << 20)

struct listing {
	struct jsonw w;
	struct str uid;
	struct str owner; /* the group whose listing it is; absent: a user's */
	bool in_groups;   /* "direct" is closed */
	bool in_entry;
	char gid[IAM_GID_MAX_BYTES];
	size_t gid_len;
	char rid[IAM_RID_MAX_BYTES];
	size_t rid_len;
};

static void end_entry(struct listing *l)
{
	if (!l->in_entry)
		return;
	jsonw_array_end(&l->w);
	jsonw_object_end(&l->w);
	l->in_entry = false;
}

static void begin_groups(struct listing *l)
{
	if (l->in_groups)
		return;
	end_entry(l);
	jsonw_array_end(&l->w);
	jsonw_array_key(&l->w, "groups");
	l->in_groups = true;
}

static void begin_entry(struct listing *l, const struct grant_row *g)
{
	end_entry(l);
	jsonw_object(&l->w);
	jsonw_str(&l->w, "rid", g->rid);
	if (g->gid.ptr != NULL)
		jsonw_str(&l->w, "gid", g->gid);
	jsonw_str(&l->w, "description", g->description);
	json_acl_url(&l->w, "aclurl", g->rid);
	if (g->gid.ptr != NULL)
		json_membership_url(&l->w, "membershipurl", g->gid, l->uid);
	jsonw_array_key(&l->w, "actions");
	if (g->rid.ptr != NULL)
		memcpy(l->rid, g->rid.ptr, g->rid.len);
	l->rid_len = g->rid.len;
	if (g->gid.ptr != NULL)
		memcpy(l->gid, g->gid.ptr, g->gid.len);
	l->gid_len = g->gid.len;
	l->in_entry = true;
}

static bool is_same_entry(const struct listing *l, const struct grant_row *g)
{
	return l->in_entry && g->rid.len == l->rid_len && g->gid.len == l->gid_len &&
		str_eq(g->rid, (struct str){l->rid, l->rid_len}) &&
		(l->gid_len == 0 || str_eq(g->gid, (struct str){l->gid, l->gid_len}));
}

static bool write_grant(const struct grant_row *g, void *ctx)
{
	struct listing *l = ctx;

	if (g->gid.ptr != NULL)
		begin_groups(l);
	if (!is_same_entry(l, g))
		begin_entry(l, g);
	json_action(&l->w, g->rid, l->uid, g->gid, g->action);
	return !l->w.out->failed;
}

static bool write_group_grant(const struct grant_row *g, void *ctx)
{
	struct listing *l = ctx;
	struct grant_row row = *g;

	row.gid = STR_NONE;
	if (!is_same_entry(l, &row))
		begin_entry(l, &row);
	json_action(&l->w, g->rid, STR_NONE, l->owner, g->action);
	return !l->w.out->failed;
}

static enum iam_err write_all(struct req *r, struct db *db, struct listing *l)
{
	enum iam_err e;

	jsonw_object(&l->w);
	jsonw_array_key(&l->w, "direct");
	e = api_query_is(r, "effective", "true")
		? store_user_permissions_effective(db, l->uid, write_grant, l)
		: store_user_permissions(db, l->uid, write_grant, l);
	if (e != IAM_OK)
		return e;
	begin_groups(l);
	end_entry(l);
	jsonw_array_end(&l->w);
	jsonw_object_end(&l->w);
	jsonw_end_document(&l->w);
	return r->out_heap.failed ? IAM_UNAVAILABLE : IAM_OK;
}

enum iam_err api_user_permissions(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	struct user user;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	if (l == NULL)
		return IAM_NO_MEMORY;
	l->uid = req_param(r, "uid");
	e = store_user_get(db, r->arena, l->uid, &user);
	if (e == IAM_NO_USER)
		return api_no_user(r, l->uid);
	if (e != IAM_OK)
		return e;
	sb_init_heap(&r->out_heap, ANSWER_MAX_BYTES);
	jsonw_init(&l->w, &r->out_heap);
	e = write_all(r, db, l);
	if (e == IAM_OK)
		e = resp_header(out, "Cache-Control", STR("private, max-age=5"));
	return e == IAM_OK ? resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap))
			   : e;
}

static enum iam_err write_group(struct req *r, struct db *db, struct listing *l)
{
	enum iam_err e;

	jsonw_object(&l->w);
	jsonw_array_key(&l->w, "array");
	e = store_group_permissions(db, l->owner, write_group_grant, l);
	if (e != IAM_OK)
		return e;
	end_entry(l);
	jsonw_array_end(&l->w);
	jsonw_object_end(&l->w);
	jsonw_end_document(&l->w);
	return r->out_heap.failed ? IAM_UNAVAILABLE : IAM_OK;
}

enum iam_err api_group_permissions(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	struct group group;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	if (l == NULL)
		return IAM_NO_MEMORY;
	l->owner = req_param(r, "gid");
	e = store_group_get(db, r->arena, l->owner, &group);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, l->owner);
	if (e != IAM_OK)
		return e;
	sb_init_heap(&r->out_heap, ANSWER_MAX_BYTES);
	jsonw_init(&l->w, &r->out_heap);
	e = write_group(r, db, l);
	return e == IAM_OK ? resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap))
			   : e;
}
