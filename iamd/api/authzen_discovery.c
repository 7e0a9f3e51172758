/*
 * authzen_discovery - where the endpoints are, as absolute URLs.
 *
 * From the option public_url alone, never from what the request says about its host: a client would
 * send its questions to whoever forged that. Without the option there is nothing to say: 404.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

static void write_url(struct jsonw *w, struct req *r, const char *key, const char *base,
	const char *path)
{
	struct str url = arena_fmt(r->arena, "%s%s", base, path);

	if (url.ptr == NULL)
		w->out->failed = true;
	else
		jsonw_str(w, key, url);
}

enum iam_err api_authzen_discovery(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	const char *base = scope.root->config->public_url;
	struct json_doc d;

	if (base[0] == '\0')
		return req_fail(r, IAM_NOT_FOUND,
			"The option public_url is not set, so there are no URLs to tell.");
	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_str(&d.w, "policy_decision_point", str_c(base));
	write_url(&d.w, r, "access_evaluation_endpoint", base, "/access/v1/evaluation");
	write_url(&d.w, r, "access_evaluations_endpoint", base, "/access/v1/evaluations");
	write_url(&d.w, r, "search_subject_endpoint", base, "/access/v1/search/subject");
	write_url(&d.w, r, "search_resource_endpoint", base,
		"/access/v1/search/resource");
	write_url(&d.w, r, "search_action_endpoint", base, "/access/v1/search/action");
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}
