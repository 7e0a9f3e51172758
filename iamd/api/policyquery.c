/*
 * policyquery - may this uid do this to that resource? What gateways and authorizers ask.
 *
 * 200 with {"allowed": true} or false; a denial is no error, so that who asks needs to read one
 * member only. Inline on the event loop, but for explanations.
 */
#include "iamd/api/decide.h"
#include "iamd/api/explain.h"
#include "iamd/api/handlers.h"

/* The standard form, made once: clients' logs know the 22 bytes. */
#define ALLOWED STR("{\n  \"allowed\": true\n}\n")
#define DENIED  STR("{\n  \"allowed\": false\n}\n")

/* LIMIT: an answer with its explanation: a sentence, 64 groups, and URLs of ids. */
#define EXPLAINED_MAX_BYTES 131072

struct question {
	struct str uid, rid, action;
};

/* The uid comes first: without a right to ask about others nothing else is looked at. */
static enum iam_err read_question(struct req *r, const struct root *root,
	struct question *q)
{
	enum iam_err bad_uid = decide_param(r, "uid", &q->uid, NULL);
	enum iam_err e;

	if (bad_uid == IAM_NO_MEMORY)
		return bad_uid;
	e = decide_may_ask(r, root, q->uid);
	if (e == IAM_OK)
		e = bad_uid;
	if (e == IAM_OK)
		e = decide_param(r, "rid", &q->rid, NULL);
	return e == IAM_OK ? decide_param(r, "action", &q->action, NULL) : e;
}

/* explain=true, once. */
static bool wants_why(struct req *r)
{
	unsigned count = 0;

	return str_eq_c(req_query(r, "explain", &count), "true") && count == 1;
}

static enum iam_err explain(struct req *r, struct resp *out, const struct root *root,
	const struct question *q, bool allow)
{
	struct jsonw w;
	enum iam_err e;

	sb_init_heap(&r->out_heap, EXPLAINED_MAX_BYTES);
	jsonw_init(&w, &r->out_heap);
	jsonw_object(&w);
	jsonw_bool(&w, "allowed", allow);
	e = explain_write(&w, "explanation", root, q->uid, q->rid, q->action);
	if (e != IAM_OK)
		return e;
	jsonw_object_end(&w);
	jsonw_end_document(&w);
	if (r->out_heap.failed)
		return IAM_NO_MEMORY;
	return resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap));
}

static enum iam_err answer(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct question q = {STR_NONE, STR_NONE, STR_NONE};
	struct decision d;
	enum iam_err e = read_question(r, scope.root, &q);

	if (e != IAM_OK)
		return e;
	d = decide(r, scope.root, q.uid, q.rid, q.action);
	e = decide_revision_header(r, out, d.revision);
	if (e != IAM_OK)
		return e;
	if (wants_why(r))
		return explain(r, out, scope.root, &q, d.allow);
	return resp_body(out, 200, RESP_JSON_TYPE, d.allow ? ALLOWED : DENIED);
}

/* An explanation looks at all groups of the user: not on the loop. */
static enum iam_err start(struct req *r, struct resp *out)
{
	return wants_why(r) ? req_hand_off(r, LANE_SLOW, answer) : answer(r, out);
}

enum iam_err api_policyquery(struct req *r, struct resp *out)
{
	bool parked;
	enum iam_err e = decide_await(r, start, &parked);

	return e != IAM_OK || parked ? e : start(r, out);
}
