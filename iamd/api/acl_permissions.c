/*
 * acl_permissions - who is granted what on one resource: users, then groups. SLOW lane.
 *
 * The store gives rows ordered by (users first, id, action); equal ids make one entry with several
 * actions.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* LIMIT: of an answer that is made at once. */
#define ANSWER_MAX_BYTES ((size_t)32 << 20)

struct listing {
	struct jsonw w;
	struct str rid;
	bool in_groups; /* "users" is closed */
	bool in_entry;
	char id[IAM_UID_MAX_BYTES]; /* of the open entry */
	size_t id_len;
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

static void begin_entry(struct listing *l, struct str id)
{
	end_entry(l);
	jsonw_object(&l->w);
	jsonw_str(&l->w, l->in_groups ? "gid" : "uid", id);
	if (l->in_groups)
		json_group_url(&l->w, "groupurl", id);
	else
		json_user_url(&l->w, "userurl", id);
	jsonw_array_key(&l->w, "actions");
	memcpy(l->id, id.ptr, id.len);
	l->id_len = id.len;
	l->in_entry = true;
}

static bool write_grant(const struct grant_row *g, void *ctx)
{
	struct listing *l = ctx;
	struct str id = g->gid.ptr != NULL ? g->gid : g->uid;

	if (g->gid.ptr != NULL)
		begin_groups(l);
	if (!l->in_entry || !str_eq(id, (struct str){l->id, l->id_len}))
		begin_entry(l, id);
	json_action(&l->w, l->rid, g->uid, g->gid, g->action);
	return !l->w.out->failed;
}

static enum iam_err write_all(struct req *r, struct db *db, struct listing *l)
{
	enum iam_err e;

	jsonw_object(&l->w);
	jsonw_array_key(&l->w, "users");
	e = store_acl_permissions(db, l->rid, write_grant, l);
	if (e != IAM_OK)
		return e;
	begin_groups(l);
	end_entry(l);
	jsonw_array_end(&l->w);
	jsonw_object_end(&l->w);
	jsonw_end_document(&l->w);
	return r->out_heap.failed ? IAM_UNAVAILABLE : IAM_OK;
}

enum iam_err api_acl_permissions(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct listing *l = arena_alloc(r->arena, sizeof *l);
	struct acl acl;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	if (l == NULL)
		return IAM_NO_MEMORY;
	l->rid = req_param(r, "rid");
	e = store_acl_get(db, r->arena, l->rid, &acl);
	if (e == IAM_NO_RESOURCE)
		return api_no_resource(r, l->rid);
	if (e != IAM_OK)
		return e;
	sb_init_heap(&r->out_heap, ANSWER_MAX_BYTES);
	jsonw_init(&l->w, &r->out_heap);
	e = write_all(r, db, l);
	return e == IAM_OK ? resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap))
			   : e;
}
