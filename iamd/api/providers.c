/* providers - what ways to log in there are, for the command line client and the login page. */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"
#include "iamd/authn/directories.h"

struct provider {
	const char *id, *type, *method, *start_url, *description;
};

static void write_provider(struct jsonw *w, const struct provider *p)
{
	jsonw_object_key(w, p->id);
	jsonw_str(w, "authentication-type", str_c(p->type));
	jsonw_str(w, "description", str_c(p->description));
	jsonw_str(w, "client-method", str_c(p->method));
	jsonw_object_key(w, "config");
	jsonw_str(w, "start_flow_url", str_c(p->start_url));
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static const struct provider users = {
	"dcos-users",
	"dcos-uid-password",
	"dcos-usercredential-post-receive-authtoken",
	"/acs/api/v1/auth/login",
	"Default DC/OS login provider",
};
static const struct provider services = {
	"dcos-services",
	"dcos-uid-servicekey",
	"dcos-servicecredential-post-receive-authtoken",
	"/acs/api/v1/auth/login",
	"Default DC/OS login provider",
};

static const struct provider ldap = {
	"dcos-ldap",
	"dcos-uid-password-ldap",
	"dcos-usercredential-post-receive-authtoken",
	"/acs/api/v1/auth/login",
	"LDAP directory",
};

enum iam_err api_providers(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	const struct config *c = scope.root->config;
	struct json_doc d;

	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	write_provider(&d.w, &users);
	write_provider(&d.w, &services);
	if (directories_any(r->svc->directories))
		write_provider(&d.w, &ldap);
	if (c->id_token_issuer[0] != '\0') {
		const struct provider id_token = {
			c->id_token_provider_key,
			"oidc-implicit-flow",
			"browser-prompt-oidcidtoken-get-authtoken",
			"/login",
			"DC/OS Auth0-based SSO through Google, GitHub, or Microsoft",
		};

		write_provider(&d.w, &id_token);
	}
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}

/* OIDC and SAML providers by id: none can be configured yet, and login pages need the empty answer. */
enum iam_err api_no_providers(struct req *r, struct resp *out)
{
	struct json_doc d;

	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}
