/*
 * logout - clears the login cookie and revokes the presented token.
 *
 * A GET, so that any page can link to it; one that another site makes the browser send clears the
 * cookie but revokes nothing. Where the revocation cannot be stored the answer is 503, not a logout
 * that did not happen.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/revoke.h"
#include "iamd/authn/authn.h"
#include "iamd/http/cookie.h"
#include "iamd/http/origin.h"
#include "iamd/sys/clock.h"

static bool has_info_cookie(const struct req *r)
{
	for (unsigned i = 0; i < r->n_headers; i++)
		if (str_ieq_c(r->headers[i].name, "Cookie") &&
			cookie_find(r->headers[i].value, COOKIE_INFO).ptr != NULL)
			return true;
	return false;
}

static enum iam_err answer(struct req *r, struct resp *out)
{
	enum iam_err e = resp_header(out, "Set-Cookie", cookie_auth_cleared());

	if (e == IAM_OK && has_info_cookie(r))
		e = resp_header(out, "Set-Cookie", cookie_info_cleared());
	return e == IAM_OK ? resp_empty(out, 200, true) : e;
}

static enum iam_err revoke_step(struct req *r, struct resp *out)
{
	enum iam_err e = revoke_write(r, r->state, AUDIT_LOGOUT);

	return e == IAM_OK ? answer(r, out) : e;
}

enum iam_err api_logout(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct revocation *rv;
	struct token_facts facts;
	bool by_cookie;
	struct str token = authn_presented(r, &by_cookie);

	if (token.ptr == NULL || origin_says_foreign(r) ||
		authn_token(scope.root, token, r->arena, clock_now_ms() / 1000, &facts,
			NULL) != IAM_OK)
		return answer(r, out);
	rv = revocation_of(r, token, &facts);
	if (rv == NULL)
		return IAM_NO_MEMORY;
	r->state = rv;
	return req_hand_off(r, LANE_WRITE, revoke_step);
}
