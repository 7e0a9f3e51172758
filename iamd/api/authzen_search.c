/*
 * authzen_search - who may, on what, and which actions: every result evaluates to true.
 *
 * Subjects and resources are found by walking the stored accounts or ACLs in byte order on the SLOW
 * lane and deciding each; actions by deciding each known name, on the loop. The walk is bounded: a page
 * may hold fewer results than asked for, or none, and still lead on. A search is no decision about a
 * request, so the audit of decisions does not see it.
 * Invariant: a page's token leads behind everything that was looked at or answered, and is "" only
 * when nothing is left.
 */
#include <string.h>

#include "iamd/api/authzen.h"
#include "iamd/api/authzen_actions.h"
#include "iamd/api/handlers.h"
#include "iamd/api/login_record.h"
#include "iamd/authz/guard.h"
#include "iamd/authz/sessions.h"

/* LIMIT: accounts or ACLs looked at for one page. */
#define CANDIDATES_MAX 100000
/* LIMIT: of these, asked of the database at once. */
#define ROWS_AT_ONCE 1000
/* LIMIT: bytes of the ids of one page; it ends early there. */
#define PAGE_IDS_MAX ((size_t)256 << 10)
/* LIMIT: of an answer: the ids, each with its type, escaped. */
#define ANSWER_MAX_BYTES ((size_t)16 << 20)

struct search {
	unsigned searched; /* an enum authzen_part */
	struct authzen_ask ask;
	struct authzen_page page;
	struct req *req;

	/* of a walk */
	bool is_service;   /* kind of accounts searched */
	struct str prefix; /* of the rids searched: type and ':'; "" for type "rid" */
	char seen_text[AUTHZEN_ID_MAX_BYTES];
	struct str seen;    /* the last id looked at; absent: none */
	int64_t candidates; /* looked at */
	int64_t rows;       /* of the present question to the database */
	bool is_complete;   /* nothing is left behind the results */
	bool is_full;       /* there are more results than the page takes */

	struct str found[AUTHZEN_PAGE_MAX];
	size_t n_found, found_bytes;
	enum iam_err error;
	int64_t revision; /* of the state in which the search began */
};

/* ---- reading ---- */

static enum iam_err check(struct search *s)
{
	PUBLISH_SCOPE(s->req->svc->publisher, scope);
	struct authzen_entity subject = s->ask.subject;
	enum iam_err e;

	if (s->searched == AUTHZEN_SUBJECT)
		subject.id = STR_NONE;
	e = authzen_may_ask(s->req, scope.root, &subject);
	if (e == IAM_OK)
		e = authzen_page_read(s->req, scope.root, s->searched, &s->ask, &s->page);
	s->revision = scope.root->revision;
	return e;
}

static enum iam_err search_new(struct req *r, unsigned searched, struct search **ret)
{
	struct search *s = arena_alloc(r->arena, sizeof(*s));
	enum iam_err e;

	if (s == NULL)
		return IAM_NO_MEMORY;
	s->searched = searched;
	s->req = r;
	e = authzen_body(r);
	if (e == IAM_OK)
		e = authzen_read(r->json, searched, &s->ask, &r->error);
	if (e == IAM_OK)
		e = authzen_need(&s->ask,
			searched == AUTHZEN_ACTION ? AUTHZEN_SUBJECT | AUTHZEN_RESOURCE
						   : AUTHZEN_ALL,
			&r->error);
	if (e == IAM_OK)
		e = check(s);
	if (e == IAM_OK)
		*ret = s;
	return e;
}

/* ---- answering ---- */

static enum iam_err next_token(struct search *s, struct str *ret_token)
{
	PUBLISH_SCOPE(s->req->svc->publisher, scope);
	struct str last = s->is_full ? s->found[s->n_found - 1] : s->seen;

	*ret_token = STR("");
	if (s->is_complete || last.ptr == NULL)
		return IAM_OK;
	return authzen_page_token(s->req, scope.root, s->searched, &s->ask, last,
		ret_token);
}

static void write_result(struct jsonw *w, const struct search *s, struct str id)
{
	jsonw_object(w);
	switch ((enum authzen_part)s->searched) {
	case AUTHZEN_SUBJECT:
		jsonw_str(w, "type", s->ask.subject.type);
		jsonw_str(w, "id", id);
		break;
	case AUTHZEN_RESOURCE:
		jsonw_str(w, "type", s->ask.resource.type);
		jsonw_str(w, "id", str_sub(id, s->prefix.len, id.len));
		break;
	case AUTHZEN_ACTION:
		jsonw_str(w, "name", id);
		break;
	}
	jsonw_object_end(w);
}

static enum iam_err write_answer(struct search *s, struct resp *out)
{
	struct req *r = s->req;
	struct str token;
	struct jsonw w;
	enum iam_err e = next_token(s, &token);

	if (e == IAM_OK)
		e = decide_revision_header(r, out, s->revision);
	if (e != IAM_OK)
		return e;
	sb_init_heap(&r->out_heap, ANSWER_MAX_BYTES);
	jsonw_init(&w, &r->out_heap);
	jsonw_object(&w);
	jsonw_object_key(&w, "page");
	jsonw_str(&w, "next_token", token);
	jsonw_int(&w, "count", (int64_t)s->n_found);
	jsonw_object_end(&w);
	jsonw_array_key(&w, "results");
	for (size_t i = 0; i < s->n_found; i++)
		write_result(&w, s, s->found[i]);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	jsonw_end_document(&w);
	if (r->out_heap.failed)
		return IAM_NO_MEMORY;
	return resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap));
}

/* ---- walking ---- */

/* The question with the candidate in the place of what is searched. */
static bool is_result(const struct search *s, struct str id)
{
	PUBLISH_SCOPE(s->req->svc->publisher, scope);
	struct authzen_ask ask = s->ask;
	struct authzen_meaning m;
	enum iam_action action;

	if (s->searched == AUTHZEN_SUBJECT)
		ask.subject.id = id;
	else
		ask.resource = (struct authzen_entity){STR("rid"), id};
	authzen_meaning(scope.root, &ask, &m);
	return iam_action_parse(m.action, &action) == IAM_OK &&
		authz_allows(scope.root, m.uid, m.rid, action);
}

/* Keeps a result. False: the page is full, and this one stands on the next. */
static bool keep(struct search *s, struct str id)
{
	struct str copy;

	if ((int64_t)s->n_found == s->page.limit ||
		s->found_bytes + id.len > PAGE_IDS_MAX) {
		s->is_full = true;
		return false;
	}
	copy = arena_str(s->req->arena, id);
	if (copy.ptr == NULL) {
		s->error = IAM_NO_MEMORY;
		return false;
	}
	s->found[s->n_found++] = copy;
	s->found_bytes += id.len;
	return true;
}

/* One candidate; false ends the walk. */
static bool look_at(struct search *s, struct str id)
{
	s->rows++;
	s->candidates++;
	if (is_result(s, id) && !keep(s, id))
		return false;
	memcpy(s->seen_text, id.ptr, id.len);
	s->seen = (struct str){s->seen_text, id.len};
	return s->candidates < CANDIDATES_MAX;
}

static bool user_row(const struct user *u, void *ctx)
{
	return look_at(ctx, u->uid);
}

static bool acl_row(const struct acl *acl, void *ctx)
{
	struct search *s = ctx;

	if (!str_starts(acl->rid, s->prefix)) {
		s->is_complete = true;
		return false;
	}
	return look_at(s, acl->rid);
}

static enum iam_err ask_rows(struct search *s, struct db *db, struct str after)
{
	struct user_query users = {
		.service = s->is_service, .after = after, .limit = ROWS_AT_ONCE};
	struct page_query acls = {.after = after, .limit = ROWS_AT_ONCE};

	if (s->searched == AUTHZEN_SUBJECT)
		return store_user_list(db, &users, user_row, s);
	return store_acl_list(db, &acls, acl_row, s);
}

static enum iam_err walk(struct search *s, struct db *db)
{
	char asked[AUTHZEN_ID_MAX_BYTES];
	bool goes_on = true;

	while (goes_on) {
		struct str after = {asked, s->seen.len};
		enum iam_err e;

		/* look_at() notes each id in s->seen while the statement still reads the one asked for. */
		memcpy(asked, s->seen_text, s->seen.len);
		s->rows = 0;
		e = ask_rows(s, db, after);
		if (e == IAM_OK)
			e = s->error;
		if (e != IAM_OK)
			return e;
		if (s->rows < ROWS_AT_ONCE && !s->is_full &&
			s->candidates < CANDIDATES_MAX)
			s->is_complete = true;
		goes_on =
			!s->is_complete && !s->is_full && s->candidates < CANDIDATES_MAX;
	}
	return IAM_OK;
}

/* Where the walk begins: behind the last page, or where the prefix does. */
static enum iam_err begin_walk(struct search *s, struct db *db)
{
	struct str from = s->page.after.ptr != NULL ? s->page.after : s->prefix;
	struct acl exact;
	enum iam_err e;

	memcpy(s->seen_text, from.ptr, from.len);
	s->seen = (struct str){s->seen_text, from.len};
	if (s->page.after.ptr != NULL || from.len == 0)
		return IAM_OK;
	/* the walk begins behind the prefix, which may be a rid itself */
	e = store_acl_get(db, s->req->arena, s->prefix, &exact);
	if (e == IAM_OK)
		(void)look_at(s, s->prefix);
	return e == IAM_NO_RESOURCE ? s->error : e;
}

static enum iam_err run_walk(struct req *r, struct resp *out)
{
	struct search *s = r->state;
	struct db *db = store_reader(r->svc->store);
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = begin_walk(s, db);
	if (e == IAM_OK)
		e = walk(s, db);
	return e == IAM_OK ? write_answer(s, out) : e;
}

/* In the caller's share: walks are long, and who else needs the lane shall find it free. */
static enum iam_err start_walk(struct search *s)
{
	struct req *r = s->req;

	r->state = s;
	r->job.share = login_share_of(r->principal.uid);
	return req_hand_off(r, LANE_SLOW, run_walk);
}

/* ---- the three ---- */

static enum iam_err search_subjects(struct req *r, struct resp *out)
{
	struct search *s;
	enum iam_err e = search_new(r, AUTHZEN_SUBJECT, &s);

	if (e != IAM_OK)
		return e;
	s->prefix = STR("");
	s->is_complete = !authzen_is_account_type(s->ask.subject.type, &s->is_service);
	if (s->is_complete)
		return write_answer(s, out);
	return start_walk(s);
}

static enum iam_err search_resources(struct req *r, struct resp *out)
{
	struct search *s;
	enum iam_err e = search_new(r, AUTHZEN_RESOURCE, &s);
	struct str type;

	if (e != IAM_OK)
		return e;
	type = s->ask.resource.type;
	s->is_complete = type.len >= IAM_RID_MAX_BYTES; /* no rid begins like that */
	if (s->is_complete)
		return write_answer(s, out);
	s->prefix = str_eq_c(type, "rid") ? STR("")
					  : arena_fmt(r->arena, "%.*s:", STR_FMT(type));
	if (s->prefix.ptr == NULL)
		return IAM_NO_MEMORY;
	return start_walk(s);
}

/* The five and the mapped ones, in byte order. Borrowed from the root's configuration. */
static size_t known_actions(const struct root *root,
	struct str names[IAM_ACTION_COUNT + AUTHZEN_ACTIONS_MAX])
{
	struct str rest = str_c(root->config->authzen_actions), name;
	enum iam_action action;
	size_t n = 0;

	for (action = IAM_CREATE; action < IAM_ACTION_COUNT; action++)
		names[n++] = str_c(iam_action_name(action));
	while (n < IAM_ACTION_COUNT + AUTHZEN_ACTIONS_MAX &&
		authzen_actions_next(&rest, &name, &action))
		names[n++] = name;
	for (size_t i = 1; i < n; i++) {
		struct str moved = names[i];
		size_t at = i;

		for (; at > 0 && str_cmp(names[at - 1], moved) > 0; at--)
			names[at] = names[at - 1];
		names[at] = moved;
	}
	return n;
}

static enum iam_err search_actions(struct req *r, struct resp *out)
{
	struct str names[IAM_ACTION_COUNT + AUTHZEN_ACTIONS_MAX];
	struct search *s;
	enum iam_err e = search_new(r, AUTHZEN_ACTION, &s);

	if (e != IAM_OK)
		return e;
	PUBLISH_SCOPE(r->svc->publisher, scope);
	size_t n = known_actions(scope.root, names);

	s->revision = scope.root->revision;
	for (size_t i = 0; i < n && !s->is_full && s->error == IAM_OK; i++) {
		struct authzen_meaning m;
		enum iam_action action;

		if (s->page.after.ptr != NULL && str_cmp(names[i], s->page.after) <= 0)
			continue;
		s->ask.action = names[i];
		authzen_meaning(scope.root, &s->ask, &m);
		if (iam_action_parse(m.action, &action) == IAM_OK &&
			authz_allows(scope.root, m.uid, m.rid, action))
			(void)keep(s, names[i]);
	}
	s->ask.action = STR_NONE;
	s->is_complete = !s->is_full;
	return s->error == IAM_OK ? write_answer(s, out) : s->error;
}

enum iam_err api_authzen_search_subject(struct req *r, struct resp *out)
{
	return authzen_start(r, out, search_subjects);
}

enum iam_err api_authzen_search_resource(struct req *r, struct resp *out)
{
	return authzen_start(r, out, search_resources);
}

enum iam_err api_authzen_search_action(struct req *r, struct resp *out)
{
	return authzen_start(r, out, search_actions);
}
