/*
 * decide - what policy query, forward-auth and AuthZEN share; see decide.h.
 *
 * Joins what libacl does not know (is there such a user, is it enabled) with what it decides, and
 * names the reason. No lock, no SQL; memory from the request's arena only.
 */
#include "iamd/api/decide.h"

#include "iamd/api/await.h"
#include "iamd/api/login_record.h"
#include "iamd/api/pipeline.h"
#include "iamd/authz/guard.h"
#include "iamd/authz/sessions.h"

#define DECISIONS_RID "iam:decisions"

/* NULL, or why not. */
static const char *judge(const struct root *root, struct str uid, struct str rid,
	struct str action_text)
{
	struct session session;
	enum iam_action action;

	if (!sessions_find(root, uid, &session))
		return "unknown-user";
	if (!session.enabled)
		return "disabled-user";
	if (iam_action_parse(action_text, &action) != IAM_OK)
		return "bad-action";
	if (iam_check(root->acl, uid, rid, action) == IAM_ALLOW)
		return NULL;
	return iam_knows_resource(root->acl, rid) ? "no-grant" : "unknown-resource";
}

/* Which kind of allow it was costs another look-up, so only who keeps a record of it asks. */
static void audit(struct req *r, const struct root *root, const struct decision *d,
	struct decision_event *ev)
{
	if (!audit_wants(r, d->allow))
		return;
	ev->allow = d->allow;
	if (!d->allow)
		ev->reason = str_c(d->reason);
	else
		ev->reason = iam_is_superuser(root->acl, ev->uid) ? STR("superuser")
								  : STR("grant");
	audit_decision(r, ev);
}

struct decision decide(struct req *r, const struct root *root, struct str uid,
	struct str rid, struct str action)
{
	const char *why_not = judge(root, uid, rid, action);
	struct decision d = {
		.allow = why_not == NULL, .reason = why_not, .revision = root->revision};

	audit(r, root, &d,
		&(struct decision_event){.uid = uid, .rid = rid, .action = action});
	return d;
}

enum iam_err decide_may_ask(const struct req *r, const struct root *root, struct str uid)
{
	struct str caller = r->principal.uid;

	if (r->svc->gateway)
		return IAM_OK;
	if (caller.ptr == NULL)
		return IAM_FORBIDDEN;
	if (uid.ptr != NULL && str_eq(caller, uid))
		return IAM_OK;
	return guard_allows(root, caller, STR(DECISIONS_RID), IAM_READ) ? IAM_OK
									: IAM_FORBIDDEN;
}

enum iam_err decide_revision_header(struct req *r, struct resp *out, int64_t revision)
{
	struct sb sb;

	sb_init(&sb, r->arena, 24);
	sb_add_int(&sb, revision);
	if (sb.failed)
		return IAM_NO_MEMORY;
	return resp_header(out, "X-Iam-Revision", sb_str(&sb));
}

enum iam_err decide_param(struct req *r, const char *name, struct str *ret,
	unsigned *ret_count)
{
	struct str rest = r->query;
	struct str found = STR_NONE;
	unsigned count = 0;
	enum iam_err e = IAM_OK;

	while (rest.ptr != NULL) {
		struct str value = str_split(&rest, '&');
		struct str key = str_split(&value, '=');

		if (req_percent_decode(r->arena, key, false, &key) != IAM_OK ||
			!str_eq_c(key, name))
			continue;
		if (count++ == 0)
			e = req_percent_decode(r->arena, value, false, &found);
	}
	if (ret_count != NULL)
		*ret_count = count;
	if (e == IAM_NO_MEMORY)
		return e;
	if (count != 1 || e != IAM_OK || found.len == 0)
		return IAM_MISSING_QUERY_DECISION;
	*ret = found;
	return IAM_OK;
}

enum iam_err decide_at_least(const struct req *r, int64_t *ret_revision)
{
	struct str text = req_header(r, "X-Iam-At-Least");
	int64_t revision = 0;

	if (text.ptr != NULL &&
		(req_header_count(r, "X-Iam-At-Least") > 1 ||
			!str_to_i64(text, 0, INT64_MAX, &revision)))
		return IAM_BAD_REQUEST;
	*ret_revision = revision;
	return IAM_OK;
}

static enum iam_err is_too_late(struct req *r, struct resp *out)
{
	(void)out;
	return req_fail(r, IAM_UNAVAILABLE,
		"The revision asked for is not here yet; try again.");
}

static void go_on(struct req *r)
{
	pipeline_come_back(r, r->result == IAM_OK ? r->lane_fn : is_too_late);
}

/* For its share of the places: none for who may ask about everybody. */
static uint64_t caller_of(const struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return decide_may_ask(r, scope.root, STR_NONE) == IAM_OK
		? 0
		: login_share_of(r->principal.uid);
}

enum iam_err decide_await(struct req *r, req_fn *then, bool *ret_parked)
{
	int64_t revision;

	*ret_parked = false;
	if (decide_at_least(r, &revision) != IAM_OK)
		return req_fail(r, IAM_BAD_REQUEST,
			"X-Iam-At-Least must be one whole number.");
	if (revision == 0)
		return IAM_OK;
	r->lane_fn = then;
	switch (await_revision(r->svc->await, r, revision, caller_of(r), go_on)) {
	case AWAIT_REACHED:
		return IAM_OK;
	case AWAIT_PARKED:
		*ret_parked = true;
		return IAM_OK;
	case AWAIT_REFUSED:
		break;
	}
	return is_too_late(r, NULL);
}
