/*
 * authzen_evaluation - one question, one decision.
 *
 * Inline on the loop, but for a question that wants reasons: to explain costs in proportion to the
 * subject's groups, so that runs on the SLOW lane. A denial is 200 like any other decision.
 */
#include "iamd/api/authzen.h"
#include "iamd/api/explain.h"
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"

enum iam_err authzen_write_decision(struct req *r, struct jsonw *w,
	const struct root *root, const struct authzen_ask *ask, bool reasons,
	bool *ret_allow)
{
	struct authzen_meaning m;
	struct decision d;
	enum iam_err e = IAM_OK;

	authzen_meaning(root, ask, &m);
	d = decide(r, root, m.uid, m.rid, m.action);
	jsonw_object(w);
	jsonw_bool(w, "decision", d.allow);
	jsonw_object_key(w, "context");
	jsonw_int(w, "revision", d.revision);
	if (reasons && ask->explain)
		e = explain_write(w, "reason", root, m.uid, m.rid, m.action);
	jsonw_object_end(w);
	jsonw_object_end(w);
	*ret_allow = d.allow;
	return e;
}

static enum iam_err answer(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	const struct authzen_ask *ask = r->state;
	struct json_doc d;
	bool is_allowed;
	enum iam_err e;

	json_doc_begin(&d, r);
	e = authzen_write_decision(r, &d.w, scope.root, ask, true, &is_allowed);
	if (e == IAM_OK)
		e = decide_revision_header(r, out, scope.root->revision);
	return e == IAM_OK ? json_doc_end(&d, out, 200) : e;
}

static enum iam_err may_ask(const struct req *r, const struct authzen_ask *ask)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return authzen_may_ask(r, scope.root, &ask->subject);
}

enum iam_err authzen_evaluate(struct req *r, struct resp *out)
{
	struct authzen_ask *ask = arena_alloc(r->arena, sizeof(*ask));
	enum iam_err e;

	if (ask == NULL)
		return IAM_NO_MEMORY;
	e = authzen_body(r);
	if (e == IAM_OK)
		e = authzen_read(r->json, 0, ask, &r->error);
	if (e == IAM_OK)
		e = authzen_need(ask, AUTHZEN_ALL, &r->error);
	if (e == IAM_OK)
		e = may_ask(r, ask);
	if (e != IAM_OK)
		return e;
	r->state = ask;
	return ask->explain ? req_hand_off(r, LANE_SLOW, answer) : answer(r, out);
}

enum iam_err api_authzen_evaluation(struct req *r, struct resp *out)
{
	return authzen_start(r, out, authzen_evaluate);
}
