/*
 * policyquery - may this uid do this to that resource? What gateways and authorizers ask.
 *
 * 200 with {"allowed": true} or false; a denial is no error, so that who asks needs to read one
 * member only. Inline on the event loop.
 */
#include "iamd/api/decide.h"
#include "iamd/api/handlers.h"

/* The standard form, made once: clients' logs know the 22 bytes. */
#define ALLOWED STR("{\n  \"allowed\": true\n}\n")
#define DENIED  STR("{\n  \"allowed\": false\n}\n")

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
	return resp_body(out, 200, RESP_JSON_TYPE, d.allow ? ALLOWED : DENIED);
}

enum iam_err api_policyquery(struct req *r, struct resp *out)
{
	bool parked;
	enum iam_err e = decide_await(r, answer, &parked);

	return e != IAM_OK || parked ? e : answer(r, out);
}
