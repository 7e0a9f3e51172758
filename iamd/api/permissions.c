/*
 * permissions - what a user is granted, directly and through the user's groups, and what a group is.
 * SLOW lane.
 *
 * Goes out in pieces by key (see paging.h): direct grants by rid, then group by group. An entry (one
 * rid with all its actions) is never divided. `?effective=true` asks for what the user's groups are
 * nested in, too. In a group's listing all are the group's, and no entry names it.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* A piece takes no further entry when it holds this much: the longest one still fits. */
#define PIECE_FULL_BYTES 8192
/* Groups asked for at once: finding the effective ones costs the same for one as for all. */
#define GROUPS_AT_ONCE 256

struct gid {
	char text[IAM_GID_MAX_BYTES];
	size_t len;
};

struct listing {
	struct jsonw w;
	struct sb *piece;
	struct str uid; /* absent: a group's own listing */
	bool effective;
	bool begun;
	bool in_groups; /* "direct" is closed */
	bool in_entry;
	bool is_full;                /* the piece is; more entries may follow */
	struct gid *groups;          /* those that were asked for last */
	size_t n_groups, at;         /* groups[at] is being listed */
	bool no_more_groups;         /* behind these */
	char rid[IAM_RID_MAX_BYTES]; /* of the last entry; rid_len 0: none yet of this subject */
	size_t rid_len;
	char asked[IAM_RID_MAX_BYTES]; /* what the running question continues behind */
};

static void end_entry(struct listing *l)
{
	if (!l->in_entry)
		return;
	jsonw_array_end(&l->w);
	jsonw_object_end(&l->w);
	l->in_entry = false;
}

static void begin_entry(struct listing *l, const struct grant_row *g)
{
	bool through_group = l->uid.ptr != NULL && g->gid.ptr != NULL;

	jsonw_object(&l->w);
	jsonw_str(&l->w, "rid", g->rid);
	if (through_group)
		jsonw_str(&l->w, "gid", g->gid);
	jsonw_str(&l->w, "description", g->description);
	json_acl_url(&l->w, "aclurl", g->rid);
	if (through_group)
		json_membership_url(&l->w, "membershipurl", g->gid, l->uid);
	jsonw_array_key(&l->w, "actions");
	memcpy(l->rid, g->rid.ptr, g->rid.len);
	l->rid_len = g->rid.len;
	l->in_entry = true;
}

static bool write_grant(const struct grant_row *g, void *ctx)
{
	struct listing *l = ctx;

	if (!l->in_entry || !str_eq(g->rid, (struct str){l->rid, l->rid_len})) {
		end_entry(l);
		l->is_full = l->piece->len >= PIECE_FULL_BYTES;
		if (l->is_full)
			return false;
		begin_entry(l, g);
	}
	json_action(&l->w, g->rid, l->uid, g->gid, g->action);
	return !l->piece->failed;
}

/* Entries of one subject until they end or the piece is full. */
static enum iam_err write_entries(struct listing *l, struct db *db, struct str gid)
{
	struct str after = {l->asked, l->rid_len};
	enum iam_err e;

	memcpy(l->asked, l->rid,
		l->rid_len); /* write_grant() overwrites l->rid meanwhile */
	l->is_full = false;
	e = gid.ptr != NULL ? store_group_permissions(db, gid, after, write_grant, l)
			    : store_user_permissions(db, l->uid, after, write_grant, l);
	end_entry(l);
	return e;
}

/* ---- a user's groups ---- */

static bool keep_group(const struct group *g, void *ctx)
{
	struct listing *l = ctx;
	struct gid *to = &l->groups[l->n_groups++];

	memcpy(to->text, g->gid.ptr, g->gid.len);
	to->len = g->gid.len;
	return true;
}

static enum iam_err ask_groups(struct listing *l, struct db *db)
{
	struct gid last = {"", 0};
	enum iam_err e;

	if (l->n_groups > 0)
		last = l->groups[l->n_groups - 1];
	l->n_groups = l->at = 0;
	e = store_user_groups(db, l->uid, l->effective,
		&(struct page_query){
			.after = {last.text, last.len}, .limit = GROUPS_AT_ONCE},
		keep_group, l);
	l->no_more_groups = l->n_groups < GROUPS_AT_ONCE;
	return e;
}

static enum iam_err write_groups(struct listing *l, struct db *db)
{
	enum iam_err e = IAM_OK;

	for (;;) {
		if (l->at == l->n_groups) {
			if (l->no_more_groups)
				return IAM_OK;
			e = ask_groups(l, db);
			if (e != IAM_OK || l->n_groups == 0)
				return e;
		}
		e = write_entries(l, db,
			(struct str){l->groups[l->at].text, l->groups[l->at].len});
		if (e != IAM_OK || l->is_full)
			return e;
		l->at++;
		l->rid_len = 0;
	}
}

/* ---- the answers ---- */

static enum iam_err end_piece(struct listing *l, struct sb *piece, enum iam_err e,
	bool *ret_end)
{
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

/* The database and the writer of a piece; `key` names the array that the first one opens. */
static struct db *begin_piece(struct req *r, struct listing *l, struct sb *piece,
	const char *key)
{
	l->piece = piece;
	jsonw_set_out(&l->w, piece);
	if (!l->begun) {
		jsonw_object(&l->w);
		jsonw_array_key(&l->w, key);
	}
	l->begun = true;
	return store_reader(r->svc->store);
}

static enum iam_err user_piece(struct req *r, void *ctx, struct sb *piece, bool *ret_end)
{
	struct listing *l = ctx;
	struct db *db = begin_piece(r, l, piece, "direct");
	enum iam_err e = IAM_OK;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	if (!l->in_groups) {
		e = write_entries(l, db, STR_NONE);
		if (e == IAM_OK && !l->is_full) {
			jsonw_array_end(&l->w);
			jsonw_array_key(&l->w, "groups");
			l->in_groups = true;
			l->rid_len = 0;
		}
	}
	if (e == IAM_OK && l->in_groups) {
		l->is_full = false;
		e = write_groups(l, db);
	}
	return end_piece(l, piece, e, ret_end);
}

static enum iam_err group_piece(struct req *r, void *ctx, struct sb *piece, bool *ret_end)
{
	struct listing *l = ctx;
	struct db *db = begin_piece(r, l, piece, "array");
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = write_entries(l, db, (struct str){l->groups->text, l->groups->len});
	return end_piece(l, piece, e, ret_end);
}

static struct listing *listing_new(struct req *r, size_t n_groups)
{
	struct listing *l = arena_alloc(r->arena, sizeof *l);

	if (l != NULL)
		l->groups = arena_alloc(r->arena, n_groups * sizeof *l->groups);
	if (l == NULL || l->groups == NULL)
		return NULL;
	jsonw_init(&l->w, NULL);
	return l;
}

enum iam_err api_user_permissions(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct listing *l = listing_new(r, GROUPS_AT_ONCE);
	struct user user;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	if (l == NULL)
		return IAM_NO_MEMORY;
	l->uid = req_param(r, "uid");
	l->effective = api_query_is(r, "effective", "true");
	e = store_user_get(db, r->arena, l->uid, &user);
	if (e == IAM_NO_USER)
		return api_no_user(r, l->uid);
	if (e == IAM_OK)
		e = resp_header(out, "Cache-Control", STR("private, max-age=5"));
	return e == IAM_OK ? resp_stream(out, user_piece, l) : e;
}

enum iam_err api_group_permissions(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct listing *l = listing_new(r, 1);
	struct group group;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	if (l == NULL)
		return IAM_NO_MEMORY;
	e = store_group_get(db, r->arena, req_param(r, "gid"), &group);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, req_param(r, "gid"));
	if (e != IAM_OK)
		return e;
	(void)keep_group(&group, l);
	return resp_stream(out, group_piece, l);
}
