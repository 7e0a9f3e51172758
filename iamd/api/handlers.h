/*
 * handlers - every handler and body schema of the route table, by file.
 *
 * A handler gets a request that has passed its row's checks and fills the answer; see http/req.h for
 * the hand-off to another lane.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "iamd/http/req.h"
#include "iamd/http/resp.h"
#include "iamd/http/schema.h"

/* login.c, logout.c, tokens.c */
req_fn api_login_post, api_login_start, api_logout, api_tokens_end, api_token_revoke;
extern const struct json_schema login_schema, revoke_schema;

/* ldap_test.c */
req_fn api_ldap_test;
extern const struct json_schema ldap_test_schema;

/* keys.c, providers.c, uiconfig.c, openapi.c, health.c, metrics.c */
req_fn api_jwks, api_providers, api_no_providers, api_uiconfig, api_openapi;
req_fn api_health_live, api_health_ready, api_metrics;

/* policyquery.c, auth_check.c */
req_fn api_policyquery, api_auth_check;
/* acls.c (reading), acls_write.c, grants.c, permissions.c */
req_fn api_acls_list, api_acl_get, api_acl_put, api_acl_patch, api_acl_delete;
req_fn api_grants_get, api_grants_delete, api_grant_get, api_grant_put, api_grant_delete;
req_fn api_acl_permissions, api_group_permissions;
extern const struct json_schema acl_schema;

/* authzen_evaluation.c, authzen_evaluations.c, authzen_search.c, authzen_discovery.c */
req_fn api_authzen_evaluation, api_authzen_evaluations, api_authzen_discovery;
req_fn api_authzen_search_subject, api_authzen_search_resource, api_authzen_search_action;

/* directories.c */
req_fn api_ldap_config_get, api_ldap_config_put, api_ldap_config_delete;
req_fn api_directories_list, api_directory_get, api_directory_put, api_directory_delete;

/* users.c (reading), users_write.c, permissions.c */
req_fn api_users_list, api_user_get, api_user_put, api_user_patch, api_user_delete;
req_fn api_user_permissions;
extern const struct json_schema user_put_schema, user_patch_schema;

/* groups.c, members.c (reading), groups_write.c */
req_fn api_groups_list, api_group_get, api_user_groups;
req_fn api_members_list, api_subgroups_list;
req_fn api_group_put, api_group_patch, api_group_delete;
req_fn api_member_put, api_member_delete, api_subgroup_put, api_subgroup_delete;
extern const struct json_schema group_put_schema, group_patch_schema;

/* ldap_sync.c */
req_fn api_ldap_sync_post, api_ldap_sync_get, api_ldap_sync_delete;
extern const struct json_schema ldap_sync_schema;
/* The gauges of synchronisations, for /metrics. */
void api_ldap_sync_metrics(struct services *svc, struct sb *sb);
/* ldap_import.c, ldap_import_group.c */
req_fn api_ldap_import_user, api_ldap_import_group;
extern const struct json_schema ldap_import_user_schema, ldap_import_group_schema;

#endif
