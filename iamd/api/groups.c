/* groups - a user's own groups. SLOW lane. */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* LIMIT: of an answer that is made at once. */
#define ANSWER_MAX_BYTES ((size_t)32 << 20)

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
	e = store_user_groups(db, m.uid, false, write_membership, &m);
	if (e != IAM_OK)
		return e;
	jsonw_array_end(&m.w);
	jsonw_object_end(&m.w);
	jsonw_end_document(&m.w);
	if (r->out_heap.failed)
		return IAM_UNAVAILABLE;
	return resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap));
}
