/*
 * routes - the table of all routes; see routes.h.
 *
 * Columns: method, path, authentication, guard (with the delegated resource and the action that
 * gives it), lane, flags, body schema, body cap, handler. dcos:adminrouter:acs `full` and superuser
 * pass every delegated guard. GUARD_NONE beside AUTH_REQUIRED: the handler decides by what it finds.
 */
#include "iamd/api/routes.h"

#include "iamd/api/handlers.h"
#include "iamd/sys/metrics.h"

#define P  "/acs/api/v1"
#define J  ROUTE_JSON
#define JW (ROUTE_JSON | ROUTE_STATE)
#define S  ROUTE_SENSITIVE
#define Z  ROUTE_AUTHZEN

/* clang-format off */
const struct route routes_table[] = {
/* login and tokens */
{ HTTP_POST,   P "/auth/login",                 AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, J | S, &login_schema, 0, api_login_post },
{ HTTP_GET,    P "/auth/login",                 AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_login_start },
{ HTTP_GET,    P "/auth/logout",                AUTH_OPTIONAL, GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_logout },
{ HTTP_POST,   P "/auth/revoke",                AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, JW | S, &revoke_schema, 0, api_token_revoke },
{ HTTP_GET,    P "/auth/jwks",                  AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_jwks },
{ HTTP_GET,    P "/auth/providers",             AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_providers },
{ HTTP_GET,    P "/auth/oidc/providers",        AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_no_providers },
{ HTTP_GET,    P "/auth/saml/providers",        AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_no_providers },
/* directories */
{ HTTP_POST,   P "/ldap/config/test",           AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, JW | S, &ldap_test_schema, 0, api_ldap_test },
{ HTTP_POST,   P "/ldap/directories/{id}/test", AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, JW | S, &ldap_test_schema, 0, api_ldap_test },
/* users and service accounts */
{ HTTP_GET,    P "/users",                      AUTH_REQUIRED, GUARD_DELEGATED, "iam:users", IAM_READ, LANE_SLOW, J, NULL, 0, api_users_list },
{ HTTP_GET,    P "/users/{uid}",                AUTH_REQUIRED, GUARD_SELF_OR_DELEGATED, "iam:users", IAM_READ, LANE_INLINE, J, NULL, 0, api_user_get },
{ HTTP_PUT,    P "/users/{uid}",                AUTH_REQUIRED, GUARD_DELEGATED, "iam:users", IAM_CREATE, LANE_INLINE, JW | S, &user_put_schema, 0, api_user_put },
{ HTTP_PATCH,  P "/users/{uid}",                AUTH_REQUIRED, GUARD_SELF_OR_DELEGATED, "iam:users", IAM_UPDATE, LANE_INLINE, JW | S, &user_patch_schema, 0, api_user_patch },
{ HTTP_DELETE, P "/users/{uid}",                AUTH_REQUIRED, GUARD_DELEGATED, "iam:users", IAM_DELETE, LANE_WRITE, JW, NULL, 0, api_user_delete },
{ HTTP_DELETE, P "/users/{uid}/tokens",         AUTH_REQUIRED, GUARD_SELF_OR_DELEGATED, "iam:users", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_tokens_end },
{ HTTP_GET,    P "/users/{uid}/groups",         AUTH_REQUIRED, GUARD_SELF_OR_DELEGATED, "iam:groups", IAM_READ, LANE_SLOW, J, NULL, 0, api_user_groups },
{ HTTP_GET,    P "/users/{uid}/permissions",    AUTH_REQUIRED, GUARD_SELF_OR_DELEGATED, "iam:acls", IAM_READ, LANE_SLOW, J, NULL, 0, api_user_permissions },
/* decisions: the handler decides who may ask about whom; of /auth/check the token is the subject */
{ HTTP_GET,    P "/internal/policyquery",       AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, J, NULL, 0, api_policyquery },
{ HTTP_GET,    P "/auth/check",                 AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, ROUTE_ANY, NULL, 0, api_auth_check },
/* groups: users and groups in them */
{ HTTP_GET,    P "/groups",                     AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_READ, LANE_SLOW, J, NULL, 0, api_groups_list },
{ HTTP_GET,    P "/groups/{gid}",               AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_READ, LANE_INLINE, J, NULL, 0, api_group_get },
{ HTTP_PUT,    P "/groups/{gid}",               AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_CREATE, LANE_INLINE, JW, &group_put_schema, 0, api_group_put },
{ HTTP_PATCH,  P "/groups/{gid}",               AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_UPDATE, LANE_WRITE, JW, &group_patch_schema, 0, api_group_patch },
{ HTTP_DELETE, P "/groups/{gid}",               AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_DELETE, LANE_WRITE, JW, NULL, 0, api_group_delete },
{ HTTP_GET,    P "/groups/{gid}/users",         AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_READ, LANE_SLOW, J, NULL, 0, api_members_list },
{ HTTP_PUT,    P "/groups/{gid}/users/{uid}",   AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_member_put },
{ HTTP_DELETE, P "/groups/{gid}/users/{uid}",   AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_member_delete },
{ HTTP_GET,    P "/groups/{gid}/groups",        AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_READ, LANE_SLOW, J, NULL, 0, api_subgroups_list },
{ HTTP_PUT,    P "/groups/{gid}/groups/{sub}",  AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_subgroup_put },
{ HTTP_DELETE, P "/groups/{gid}/groups/{sub}",  AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_subgroup_delete },
/* ACLs and grants */
{ HTTP_GET,    P "/acls",                       AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_SLOW, J, NULL, 0, api_acls_list },
{ HTTP_GET,    P "/acls/{rid}",                 AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_INLINE, J, NULL, 0, api_acl_get },
{ HTTP_PUT,    P "/acls/{rid}",                 AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_CREATE, LANE_WRITE, JW, &acl_schema, 0, api_acl_put },
{ HTTP_PATCH,  P "/acls/{rid}",                 AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, &acl_schema, 0, api_acl_patch },
{ HTTP_DELETE, P "/acls/{rid}",                 AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_DELETE, LANE_WRITE, JW, NULL, 0, api_acl_delete },
{ HTTP_GET,    P "/acls/{rid}/permissions",     AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_SLOW, J, NULL, 0, api_acl_permissions },
{ HTTP_GET,    P "/acls/{rid}/users/{uid}",     AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_INLINE, J, NULL, 0, api_grants_get },
{ HTTP_DELETE, P "/acls/{rid}/users/{uid}",     AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_grants_delete },
{ HTTP_GET,    P "/acls/{rid}/groups/{gid}",    AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_INLINE, J, NULL, 0, api_grants_get },
{ HTTP_DELETE, P "/acls/{rid}/groups/{gid}",    AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_grants_delete },
{ HTTP_GET,    P "/acls/{rid}/users/{uid}/{action}", AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_INLINE, J, NULL, 0, api_grant_get },
{ HTTP_PUT,    P "/acls/{rid}/users/{uid}/{action}", AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_grant_put },
{ HTTP_DELETE, P "/acls/{rid}/users/{uid}/{action}", AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_grant_delete },
{ HTTP_GET,    P "/acls/{rid}/groups/{gid}/{action}", AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_INLINE, J, NULL, 0, api_grant_get },
{ HTTP_PUT,    P "/acls/{rid}/groups/{gid}/{action}", AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_grant_put },
{ HTTP_DELETE, P "/acls/{rid}/groups/{gid}/{action}", AUTH_REQUIRED, GUARD_DELEGATED_ACL, "iam:acls", IAM_UPDATE, LANE_WRITE, JW, NULL, 0, api_grant_delete },
{ HTTP_GET,    P "/groups/{gid}/permissions",   AUTH_REQUIRED, GUARD_DELEGATED, "iam:acls", IAM_READ, LANE_SLOW, J, NULL, 0, api_group_permissions },
/* directories; a configuration holds two PEM texts of 64 KiB */
{ HTTP_GET,    P "/ldap/config",                AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_SLOW, J, NULL, 0, api_ldap_config_get },
{ HTTP_PUT,    P "/ldap/config",                AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_WRITE, JW | S, NULL, 256 << 10, api_ldap_config_put },
{ HTTP_DELETE, P "/ldap/config",                AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_WRITE, JW, NULL, 0, api_ldap_config_delete },
{ HTTP_GET,    P "/ldap/directories",           AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_SLOW, J, NULL, 0, api_directories_list },
{ HTTP_GET,    P "/ldap/directories/{id}",      AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_SLOW, J, NULL, 0, api_directory_get },
{ HTTP_PUT,    P "/ldap/directories/{id}",      AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_WRITE, JW | S, NULL, 256 << 10, api_directory_put },
{ HTTP_DELETE, P "/ldap/directories/{id}",      AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_WRITE, JW, NULL, 0, api_directory_delete },
/* their synchronisation; that below /ldap is of the directory `default` */
{ HTTP_POST,    P "/ldap/sync",                   AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, JW, &ldap_sync_schema, 0, api_ldap_sync_post },
{ HTTP_GET,     P "/ldap/sync",                   AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, J, NULL, 0, api_ldap_sync_get },
{ HTTP_DELETE,  P "/ldap/sync",                   AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, JW, NULL, 0, api_ldap_sync_delete },
{ HTTP_POST,    P "/ldap/directories/{id}/sync",  AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, JW, &ldap_sync_schema, 0, api_ldap_sync_post },
{ HTTP_GET,     P "/ldap/directories/{id}/sync",  AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, J, NULL, 0, api_ldap_sync_get },
{ HTTP_DELETE,  P "/ldap/directories/{id}/sync",  AUTH_REQUIRED, GUARD_SUPERUSER, NULL, 0, LANE_INLINE, JW, NULL, 0, api_ldap_sync_delete },
/* LDAP directories: imports. The same below /ldap is that of the directory `default` */
{ HTTP_POST,   P "/ldap/importuser",            AUTH_REQUIRED, GUARD_DELEGATED, "iam:users", IAM_CREATE, LANE_INLINE, JW, &ldap_import_user_schema, 0, api_ldap_import_user },
{ HTTP_POST,   P "/ldap/importgroup",           AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_CREATE, LANE_INLINE, JW, &ldap_import_group_schema, 0, api_ldap_import_group },
{ HTTP_POST,   P "/ldap/directories/{id}/importuser", AUTH_REQUIRED, GUARD_DELEGATED, "iam:users", IAM_CREATE, LANE_INLINE, JW, &ldap_import_user_schema, 0, api_ldap_import_user },
{ HTTP_POST,   P "/ldap/directories/{id}/importgroup", AUTH_REQUIRED, GUARD_DELEGATED, "iam:groups", IAM_CREATE, LANE_INLINE, JW, &ldap_import_group_schema, 0, api_ldap_import_group },
/* AuthZEN: the handlers ask whether the caller may ask */
{ HTTP_POST,   "/access/v1/evaluation",         AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, J | Z, NULL, 0, api_authzen_evaluation },
{ HTTP_POST,   "/access/v1/evaluations",        AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, J | Z, NULL, 1 << 20, api_authzen_evaluations },
{ HTTP_POST,   "/access/v1/search/subject",     AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, J | Z, NULL, 0, api_authzen_search_subject },
{ HTTP_POST,   "/access/v1/search/resource",    AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, J | Z, NULL, 0, api_authzen_search_resource },
{ HTTP_POST,   "/access/v1/search/action",      AUTH_REQUIRED, GUARD_NONE, NULL, 0, LANE_INLINE, J | Z, NULL, 0, api_authzen_search_action },
{ HTTP_GET,    "/.well-known/authzen-configuration", AUTH_PUBLIC, GUARD_NONE, NULL, 0, LANE_INLINE, J | Z, NULL, 0, api_authzen_discovery },
/* what clients ask about the service */
{ HTTP_GET,    P "/uiconfig",                   AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_SLOW, J, NULL, 0, api_uiconfig },
{ HTTP_GET,    P "/internal/openapispec.yaml",  AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, 0, NULL, 0, api_openapi },
{ HTTP_GET,    "/health/live",                  AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, 0, NULL, 0, api_health_live },
{ HTTP_GET,    "/health/ready",                 AUTH_PUBLIC,   GUARD_NONE, NULL, 0, LANE_INLINE, 0, NULL, 0, api_health_ready },
{ HTTP_GET,    "/metrics",                      AUTH_REQUIRED, GUARD_RID, "iam:metrics", IAM_READ, LANE_INLINE, 0, NULL, 0, api_metrics },
};
/* clang-format on */

const unsigned routes_count = sizeof routes_table / sizeof routes_table[0];

unsigned routes_index(const struct route *route)
{
	return route == NULL ? 0 : 1U + (unsigned)(route - routes_table);
}

void routes_name_metrics(void)
{
	metrics_route_name(0, "other", "none");
	for (unsigned i = 0; i < routes_count; i++)
		metrics_route_name(1 + i, http_method_name(routes_table[i].method),
			routes_table[i].pattern);
}

static const char *auth_name(enum route_auth a)
{
	static const char *const names[] = {"UNSET", "public", "optional", "required"};

	return names[a];
}

static const char *guard_name(enum route_guard g)
{
	static const char *const names[] = {
		"UNSET", "none", "delegated", "self-or-delegated",
		"delegated-acl", "rid", "superuser"};

	return names[g];
}

void routes_print(FILE *out)
{
	for (unsigned i = 0; i < routes_count; i++) {
		const struct route *t = &routes_table[i];

		(void)fprintf(out, "%s %s %s %s", http_method_name(t->method), t->pattern,
			auth_name(t->auth), guard_name(t->guard));
		if (t->guard_rid != NULL)
			(void)fprintf(out, " %s %s", t->guard_rid,
				iam_action_name(t->guard_action));
		(void)fputc('\n', out);
	}
}
