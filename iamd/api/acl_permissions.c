/*
 * acl_permissions - who is granted what on one resource: users, then groups. SLOW lane.
 *
 * Goes out in pieces by id like every list (see paging.h), for half of all users may be granted
 * something on one resource. An entry (one user or group with all its actions) is never divided.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* A piece takes no further entry when it holds this much: the longest one (five URLs) still fits. */
#define PIECE_FULL_BYTES 8192

struct listing {
	struct jsonw w;
	struct sb *piece;
	struct str rid;
	enum iam_subject kind; /* users first */
	bool begun;
	bool in_entry;
	bool is_full;               /* the piece is; more entries may follow */
	char id[IAM_UID_MAX_BYTES]; /* of the last entry; id_len 0: none of this kind yet */
	size_t id_len;
	char asked[IAM_UID_MAX_BYTES]; /* what the running question continues behind */
};

static void end_entry(struct listing *l)
{
	if (!l->in_entry)
		return;
	jsonw_array_end(&l->w);
	jsonw_object_end(&l->w);
	l->in_entry = false;
}

static void begin_entry(struct listing *l, struct str id)
{
	bool is_user = l->kind == IAM_SUBJECT_USER;

	jsonw_object(&l->w);
	jsonw_str(&l->w, is_user ? "uid" : "gid", id);
	if (is_user)
		json_user_url(&l->w, "userurl", id);
	else
		json_group_url(&l->w, "groupurl", id);
	jsonw_array_key(&l->w, "actions");
	memcpy(l->id, id.ptr, id.len);
	l->id_len = id.len;
	l->in_entry = true;
}

static bool write_grant(const struct grant_row *g, void *ctx)
{
	struct listing *l = ctx;
	struct str id = g->gid.ptr != NULL ? g->gid : g->uid;

	if (!l->in_entry || !str_eq(id, (struct str){l->id, l->id_len})) {
		end_entry(l);
		l->is_full = l->piece->len >= PIECE_FULL_BYTES;
		if (l->is_full)
			return false;
		begin_entry(l, id);
	}
	json_action(&l->w, l->rid, g->uid, g->gid, g->action);
	return !l->piece->failed;
}

/* Entries of one kind until they end or the piece is full. */
static enum iam_err write_entries(struct listing *l, struct db *db)
{
	struct str after = {l->asked, l->id_len};
	enum iam_err e;

	memcpy(l->asked, l->id, l->id_len); /* write_grant() overwrites l->id meanwhile */
	l->is_full = false;
	e = store_acl_permissions(db, l->rid, l->kind, after, write_grant, l);
	end_entry(l);
	return e;
}

static void begin_kind(struct listing *l, enum iam_subject kind)
{
	if (kind == IAM_SUBJECT_GROUP)
		jsonw_array_end(&l->w);
	else
		jsonw_object(&l->w);
	jsonw_array_key(&l->w, kind == IAM_SUBJECT_GROUP ? "groups" : "users");
	l->kind = kind;
	l->id_len = 0;
}

static enum iam_err permissions_piece(struct req *r, void *ctx, struct sb *piece,
	bool *ret_end)
{
	struct listing *l = ctx;
	struct db *db = store_reader(r->svc->store);
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	l->piece = piece;
	jsonw_set_out(&l->w, piece);
	if (!l->begun)
		begin_kind(l, IAM_SUBJECT_USER);
	l->begun = true;
	e = write_entries(l, db);
	if (e == IAM_OK && !l->is_full && l->kind == IAM_SUBJECT_USER) {
		begin_kind(l, IAM_SUBJECT_GROUP);
		e = write_entries(l, db);
	}
	if (e != IAM_OK)
		return e;
	*ret_end = !l->is_full;
	if (*ret_end) {
		jsonw_array_end(&l->w);
		jsonw_object_end(&l->w);
		jsonw_end_document(&l->w);
	}
	return piece->failed ? IAM_NO_MEMORY : IAM_OK;
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
	jsonw_init(&l->w, NULL);
	return resp_stream(out, permissions_piece, l);
}
