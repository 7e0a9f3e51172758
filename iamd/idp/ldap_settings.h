/*
 * ldap_settings - the configuration of one directory: read from JSON, judged, written as JSON.
 *
 * Pure: no network, no store. The member names are those of the wire (README.md of this folder has
 * the list with defaults). Secrets (`lookup-password`, `client-cert`) are kept apart from the rest,
 * so that nothing that prints a configuration can print them.
 */
#ifndef IDP_LDAP_SETTINGS_H
#define IDP_LDAP_SETTINGS_H

#include <jansson.h>

#include "iamd/idp/idp.h"

/* What GET shows in place of a secret, and what a PUT sends to keep it. */
#define LDAP_SECRET_MARKER "********"

/* LIMIT: servers of one directory, directories, and bytes of a PEM text or any other string. */
#define LDAP_SERVERS_MAX     8
#define LDAP_DIRECTORIES_MAX 32
#define LDAP_PEM_MAX         65536
#define LDAP_TEXT_MAX        1024
#define LDAP_MEMBER_ATTRS_MAX 8

enum ldap_tls {
	LDAP_TLS_TRY,      /* neither flag: StartTLS; without it only with allow_cleartext */
	LDAP_TLS_STARTTLS, /* enforce-starttls */
	LDAP_TLS_LDAPS     /* use-ldaps */
};

enum ldap_scope { LDAP_SYNC_IMPORTED, LDAP_SYNC_ALL };

struct ldap_server {
	struct str host; /* NUL-terminated, as all strings here */
	uint16_t port;
};

struct ldap_search_rule {
	struct str base, filter; /* base absent: no such search; filter has the placeholder */
};

/* All strings are NUL-terminated and live in the arena given to the parser; absent: not set. */
struct ldap_settings {
	struct str id; /* [a-zA-Z0-9-]{1,64}; "default" is the one of /ldap/config */
	struct ldap_server servers[LDAP_SERVERS_MAX]; /* host and port first, then `servers` */
	unsigned n_servers;
	enum ldap_tls tls;
	bool allow_cleartext;           /* default no */
	struct str dn_template;         /* absent: search bind */
	struct ldap_search_rule users;  /* `user-search` */
	struct ldap_search_rule groups; /* `group-search` */
	struct str member_attributes[LDAP_MEMBER_ATTRS_MAX]; /* `member-attributes` */
	unsigned n_member_attributes;   /* 0: member, uniqueMember, memberUid */
	struct str lookup_dn;           /* absent: anonymous, or SASL EXTERNAL */
	bool lookup_external;           /* `lookup-mechanism`: "external", by client certificate */
	struct str ca_certs;            /* absent: the server's certificate is not verified */
	struct str uid_attribute;       /* absent: sAMAccountName of Active Directory, else uid */
	struct str description_attribute; /* default "cn" */
	struct str email_attribute;     /* default "mail" */
	int64_t connect_timeout_ms;     /* `timeouts`.connect, default 3 s, 1..60 */
	int64_t operation_timeout_ms;   /* `timeouts`.operation, default 5 s, 1..60 */
	int64_t search_timeout_ms;      /* `timeouts`.search: one page or group, default 30 s, 1..600 */
	int64_t sync_interval_s;        /* default 1800; 0: never by itself */
	enum ldap_scope sync_scope;     /* `sync-scope`: "imported" (default) or "all" */
	int64_t sync_max_vanished;      /* `sync-max-vanished`: percent of users, default 20 */
	int64_t grace_period_s;         /* `grace-period`: from vanished to deleted, default 7 days; 0: at once */
	bool nested_groups;             /* default yes */
	int64_t login_order;            /* 0..1000, default 100; smaller is asked first, then by id */
	/* secrets */
	struct str lookup_password;
	struct str client_cert; /* PEM key and certificate in one text */
};

/*
 * Reads and judges a JSON object. `id`: of the path. `stored` (may be NULL): what is there now; a
 * secret given as the marker is taken from it (without one: invalid), and with `contract_only` (PUT
 * /ldap/config) the members beyond the old interface are kept from it, too, and refused in the body.
 * Errors: IAM_LDAP_CONFIG_INVALID with a text that names the member and the next step, IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err ldap_settings_parse(struct arena *a, const json_t *object, struct str id,
	const struct ldap_settings *stored, bool contract_only, struct ldap_settings *ret,
	struct iam_error *err);

/*
 * The JSON object (new reference; NULL: no memory) as GET shows it: secrets as the marker, members
 * that are not set left out. contract_only: exactly the old interface's members, without `id`.
 */
json_t *ldap_settings_json(const struct ldap_settings *s, bool contract_only);

/* For the store: everything but the secrets, and the secrets alone. ldap_settings_load() joins them. */
MUST_CHECK enum iam_err ldap_settings_save(struct arena *a, const struct ldap_settings *s,
	struct str *ret_config, struct str *ret_secrets);
MUST_CHECK enum iam_err ldap_settings_load(struct arena *a, struct str id, struct str config,
	struct str secrets, struct ldap_settings *ret);

#endif
