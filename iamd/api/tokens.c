/*
 * tokens - ending tokens before they expire: one, or all of a user.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/revoke.h"
#include "iamd/sys/clock.h"

struct revoke_body {
	struct str token;
};

static const struct json_field revoke_fields[] = {
	{"token", JSON_FIELD_SECRET, offsetof(struct revoke_body, token),
		JOSE_TOKEN_MAX_BYTES, false},
};
const struct json_schema revoke_schema = {
	revoke_fields, 1, sizeof(struct revoke_body), false};

struct revocation *revocation_of(struct req *r, struct str token,
	const struct token_facts *facts)
{
	struct revocation *rv = arena_alloc(r->arena, sizeof *rv);

	if (rv == NULL)
		return NULL;
	jose_digest(token, rv->digest);
	rv->expires_at_s = facts->expires_at_s;
	rv->uid = arena_str(r->arena, (struct str){facts->uid, facts->uid_len});
	return rv->uid.ptr != NULL ? rv : NULL;
}

enum iam_err revoke_write(struct req *r, const struct revocation *rv,
	enum audit_action action)
{
	struct db *w = store_writer(r->svc->store);
	struct audit_event ev = {
		.action = action,
		.actor = r->principal.uid.ptr != NULL ? r->principal.uid : rv->uid,
		.object = rv->uid,
		.allow = true,
		.reason = STR("token revoked"),
	};
	enum iam_err e = store_revocation_add(w, rv->digest, rv->expires_at_s);

	return e == IAM_OK ? audit_change(r, w, &ev) : e;
}

/* For oneself, or with iam:users update under the protection of other administrators. */
static enum iam_err may_end_tokens_of(struct req *r, struct str uid)
{
	if (r->svc->gateway || str_eq(r->principal.uid, uid))
		return IAM_OK;
	if (!api_is_delegated(r, STR("iam:users"), IAM_UPDATE))
		return IAM_FORBIDDEN;
	return api_may_change_user(r, uid);
}

/* WRITE lane; who may is asked again, for it may have changed while the request waited. */
static enum iam_err revoke_step(struct req *r, struct resp *out)
{
	const struct revocation *rv = r->state;
	enum iam_err e = may_end_tokens_of(r, rv->uid);

	if (e == IAM_OK)
		e = revoke_write(r, rv, AUDIT_TOKEN_REVOKE);
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}

enum iam_err api_token_revoke(struct req *r, struct resp *out)
{
	const struct revoke_body *b = r->input;
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct token_facts facts;
	struct revocation *rv;
	enum iam_err e;

	{
		PUBLISH_SCOPE(r->svc->publisher, scope);
		e = authn_verify(scope.root, b->token, r->arena, clock_now_ms() / 1000,
			&facts, digest);
	}
	if (e == IAM_TOKEN_EXPIRED)
		return resp_empty(out, 204, false); /* it has ended by itself */
	if (e == IAM_BAD_TOKEN)
		return req_fail(r, IAM_BAD_DATA,
			"`token` is not a token of this service");
	if (e != IAM_OK)
		return e;
	rv = revocation_of(r, b->token, &facts);
	if (rv == NULL)
		return IAM_NO_MEMORY;
	e = may_end_tokens_of(r, rv->uid);
	if (e != IAM_OK)
		return e;
	r->state = rv;
	return req_hand_off(r, LANE_WRITE, revoke_step);
}

/* WRITE lane. */
enum iam_err api_tokens_end(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str uid = req_param(r, "uid");
	struct audit_event ev = {
		.action = AUDIT_TOKENS_END,
		.actor = r->principal.uid,
		.object = uid,
		.allow = true,
		.reason = STR("all tokens ended"),
	};
	enum iam_err e = api_may_change_user(r, uid);

	if (e == IAM_OK)
		e = store_user_end_sessions(w, uid);
	if (e == IAM_NO_USER)
		return api_no_user(r, uid);
	if (e == IAM_OK)
		e = audit_change(r, w, &ev);
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}
