/* keys - the public keys that verify our tokens; the current signing key stands first. */
#include "iamd/api/handlers.h"
#include "iamd/api/services.h"

enum iam_err api_jwks(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct str body = arena_str(r->arena, keyring_jwks(scope.root->keyring));
	enum iam_err e;

	if (body.ptr == NULL)
		return IAM_NO_MEMORY;
	/* A minute: short beside any overlap of two keys, long enough to spare verifiers. */
	e = resp_header(out, "Cache-Control", STR("public, max-age=60"));
	if (e != IAM_OK)
		return e;
	resp_repeats(out);
	return resp_body(out, 200, RESP_JSON_TYPE, body);
}
