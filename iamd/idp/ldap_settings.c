/*
 * ldap_settings - what a directory's configuration says as a whole; its forms for people and store.
 *
 * Does: defaults, members kept from what is stored, rules between members, JSON without secrets.
 * Does not: single members (ldap_settings_read.c), PEM (ldap_pem.c).
 * Invariants: no secret is in a JSON object made here; what is stored was judged by this file, and
 * is read back without being judged again, so that a stricter version starts with it.
 */
#include "iamd/idp/ldap_settings.h"

#include <stdlib.h>
#include <string.h>

#include "iamd/idp/ldap_name.h"
#include "iamd/idp/ldap_pem.h"
#include "iamd/idp/ldap_settings_impl.h"
#include "libacl/base/str.h"

/* LIMIT: 8 servers, two PEM texts and some strings, escaped. */
#define CONFIG_MAX ((size_t)256 << 10)

/* ---- rules between members ---- */

static enum iam_err check_template(struct settings_read *r, const char *name,
	struct str template, const char *placeholder)
{
	const char *at = template.ptr;
	bool found = false;

	while ((at = strstr(at, "%(")) != NULL) {
		if (strncmp(at, placeholder, strlen(placeholder)) != 0)
			return settings_invalid(r,
				"`%s` has a placeholder that is not known: write %s",
				name, placeholder);
		found = true;
		at += strlen(placeholder);
	}
	return found
		? IAM_OK
		: settings_invalid(r,
			  "`%s` lacks the placeholder %s: put it where the name belongs",
			  name, placeholder);
}

/* In a filter a parenthesis that is meant as such is escaped (RFC 4515 section 3). */
static enum iam_err check_filter(struct settings_read *r, const char *name,
	struct str filter, const char *placeholder)
{
	int depth = 0;

	for (size_t i = 0; i < filter.len && depth >= 0; i++)
		depth += filter.ptr[i] == '(' ? 1 : filter.ptr[i] == ')' ? -1 : 0;
	if (depth != 0)
		return settings_invalid(r,
			"`%s` has a parenthesis without its other one: such as (uid=%s)",
			name, placeholder);
	return check_template(r, name, filter, placeholder);
}

static enum iam_err check_method(struct settings_read *r)
{
	const struct ldap_settings *s = r->s;

	if (s->dn_template.ptr == NULL && s->users.base.ptr == NULL)
		return settings_invalid(r,
			"no way to find users: give `dntemplate` or `user-search`");
	if (s->dn_template.ptr != NULL && s->users.base.ptr != NULL)
		return settings_invalid(r,
			"two ways to find users: leave out `dntemplate` or `user-search`");
	if (s->sync_scope == LDAP_SYNC_ALL && s->users.base.ptr == NULL)
		return settings_invalid(r,
			"`sync-scope` \"all\" needs `user-search`: a `dntemplate` lists nobody");
	return IAM_OK;
}

static enum iam_err check_templates(struct settings_read *r)
{
	const struct ldap_settings *s = r->s;
	enum iam_err e = IAM_OK;

	if (s->dn_template.ptr != NULL)
		e = check_template(r, "dntemplate", s->dn_template,
			LDAP_USER_PLACEHOLDER);
	if (e == IAM_OK && s->users.base.ptr != NULL)
		e = check_filter(r, "user-search.search-filter-template", s->users.filter,
			LDAP_USER_PLACEHOLDER);
	if (e == IAM_OK && s->groups.base.ptr != NULL)
		e = check_filter(r, "group-search.search-filter-template",
			s->groups.filter, LDAP_GROUP_PLACEHOLDER);
	return e;
}

static enum iam_err check_lookup(struct settings_read *r)
{
	const struct ldap_settings *s = r->s;
	bool dn = s->lookup_dn.ptr != NULL, password = s->lookup_password.ptr != NULL;

	if (password && !dn)
		return settings_invalid(r,
			"`lookup-password` without `lookup-dn`: give both, or neither");
	if (dn && !password)
		return settings_invalid(r,
			"`lookup-dn` without `lookup-password`: give both, or neither");
	if (!s->lookup_external)
		return IAM_OK;
	if (dn)
		return settings_invalid(r,
			"`lookup-mechanism` \"external\" with `lookup-dn`: leave one out");
	if (s->client_cert.ptr == NULL)
		return settings_invalid(r,
			"`lookup-mechanism` \"external\" needs `client-cert`");
	return IAM_OK;
}

static enum iam_err check_pem(struct settings_read *r, const char *name, struct str pem,
	enum iam_err (*check)(struct str pem, struct iam_error *err))
{
	struct iam_error why = {IAM_OK, ""};

	if (pem.ptr == NULL || check(pem, &why) == IAM_OK)
		return IAM_OK;
	return settings_invalid(r, "`%s` %s", name, why.text);
}

static enum iam_err check_tls(struct settings_read *r)
{
	const struct ldap_settings *s = r->s;
	enum iam_err e;

	if (r->use_ldaps && r->enforce_starttls)
		return settings_invalid(r,
			"both `use-ldaps` and `enforce-starttls` are true: set one to false");
	if (s->client_cert.ptr != NULL && s->ca_certs.ptr == NULL)
		return settings_invalid(r,
			"`client-cert` without `ca-certs`: give the authority of the server as well");
	e = check_pem(r, "ca-certs", s->ca_certs, ldap_pem_check_certs);
	return e != IAM_OK
		? e
		: check_pem(r, "client-cert", s->client_cert, ldap_pem_check_pair);
}

/* ---- from JSON ---- */

static bool keep(struct arena *a, struct str *s)
{
	if (s->ptr == NULL)
		return true;
	*s = arena_str(a, *s);
	return s->ptr != NULL;
}

/* The members beyond the old interface as they are stored; the rest as if nothing were. */
static bool keep_further(struct arena *a, const struct ldap_settings *stored,
	struct ldap_settings *s)
{
	bool ok = true;

	*s = *stored;
	s->dn_template = s->lookup_dn = s->ca_certs = STR_NONE;
	s->lookup_password = s->client_cert = STR_NONE;
	s->users = s->groups = (struct ldap_search_rule){.base = STR_NONE};
	s->n_member_attributes = 0;
	for (unsigned i = 0; i < LDAP_MEMBER_ATTRS_MAX; i++)
		s->member_attributes[i] = STR_NONE;
	for (unsigned i = 1; i < s->n_servers; i++)
		ok = ok && keep(a, &s->servers[i].host);
	return ok && keep(a, &s->uid_attribute) && keep(a, &s->description_attribute) &&
		keep(a, &s->email_attribute);
}

static bool is_id(struct str id)
{
	if (id.ptr == NULL || id.len == 0 || id.len > 64)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

static enum iam_err prepare(struct settings_read *r, struct str id)
{
	bool ok = true;

	ldap_settings_defaults(r->s);
	if (r->contract_only && r->stored != NULL)
		ok = keep_further(r->a, r->stored, r->s);
	r->s->n_servers = r->s->n_servers == 0 ? 1 : r->s->n_servers;
	r->s->id = id;
	if (!is_id(id))
		return settings_invalid(r,
			"the id must be 1 to 64 letters, digits or '-'");
	return ok && keep(r->a, &r->s->id)
		? IAM_OK
		: iam_error_set(r->err, IAM_NO_MEMORY, "out of memory");
}

static enum iam_err read_whole(struct settings_read *r, const json_t *object,
	struct str id)
{
	enum iam_err e = prepare(r, id);

	if (e == IAM_OK)
		e = ldap_settings_read(r, object);
	if (e == IAM_OK)
		r->s->tls = r->use_ldaps      ? LDAP_TLS_LDAPS
			: r->enforce_starttls ? LDAP_TLS_STARTTLS
					      : LDAP_TLS_TRY;
	return e;
}

enum iam_err ldap_settings_parse(struct arena *a, const json_t *object, struct str id,
	const struct ldap_settings *stored, bool contract_only, struct ldap_settings *ret,
	struct iam_error *err)
{
	struct ldap_settings s = {.n_servers = 0};
	struct settings_read r = {.a = a,
		.stored = stored,
		.s = &s,
		.contract_only = contract_only,
		.err = err};
	enum iam_err e = read_whole(&r, object, id);

	if (e == IAM_OK)
		e = check_method(&r);
	if (e == IAM_OK)
		e = check_templates(&r);
	if (e == IAM_OK)
		e = check_lookup(&r);
	if (e == IAM_OK)
		e = check_tls(&r);
	if (e == IAM_OK)
		*ret = s;
	return e;
}

/* ---- to JSON ---- */

static bool set(json_t *o, const char *name, json_t *value)
{
	return json_object_set_new(o, name, value) == 0; /* takes the value; NULL fails */
}

static bool set_text(json_t *o, const char *name, struct str s)
{
	return s.ptr == NULL || set(o, name, json_stringn(s.ptr, s.len));
}

static bool set_secret(json_t *o, const char *name, struct str s)
{
	return s.ptr == NULL || set(o, name, json_string(LDAP_SECRET_MARKER));
}

static bool set_rule(json_t *o, const char *name, const struct ldap_search_rule *rule)
{
	json_t *json;

	if (rule->base.ptr == NULL)
		return true;
	json = json_object();
	return set(o, name, json) && set_text(json, "search-base", rule->base) &&
		set_text(json, "search-filter-template", rule->filter);
}

static bool set_member_attributes(json_t *o, const struct ldap_settings *s)
{
	json_t *list;

	if (s->groups.base.ptr == NULL || s->n_member_attributes == 0)
		return true;
	list = json_array();
	if (!set(json_object_get(o, "group-search"), "member-attributes", list))
		return false;
	for (unsigned i = 0; i < s->n_member_attributes; i++)
		if (json_array_append_new(list,
			    json_stringn(s->member_attributes[i].ptr,
				    s->member_attributes[i].len)) != 0)
			return false;
	return true;
}

static bool set_server(json_t *o, const struct ldap_server *server)
{
	return set_text(o, "host", server->host) &&
		set(o, "port", json_integer(server->port));
}

static bool set_contract(json_t *o, const struct ldap_settings *s, bool secrets)
{
	return set_server(o, &s->servers[0]) &&
		set(o, "enforce-starttls", json_boolean(s->tls == LDAP_TLS_STARTTLS)) &&
		set(o, "use-ldaps", json_boolean(s->tls == LDAP_TLS_LDAPS)) &&
		set_text(o, "dntemplate", s->dn_template) &&
		set_rule(o, "user-search", &s->users) &&
		set_rule(o, "group-search", &s->groups) && set_member_attributes(o, s) &&
		set_text(o, "lookup-dn", s->lookup_dn) &&
		(!secrets || set_secret(o, "lookup-password", s->lookup_password)) &&
		set_text(o, "ca-certs", s->ca_certs) &&
		(!secrets || set_secret(o, "client-cert", s->client_cert));
}

static bool set_servers(json_t *o, const struct ldap_settings *s)
{
	json_t *list;

	if (s->n_servers < 2)
		return true;
	list = json_array();
	if (!set(o, "servers", list))
		return false;
	for (unsigned i = 1; i < s->n_servers; i++) {
		json_t *server = json_object();

		if (json_array_append_new(list, server) != 0 ||
			!set_server(server, &s->servers[i]))
			return false;
	}
	return true;
}

static bool set_timeouts(json_t *o, const struct ldap_settings *s)
{
	json_t *t = json_object();

	return set(o, "timeouts", t) &&
		set(t, "connect", json_integer(s->connect_timeout_ms / 1000)) &&
		set(t, "operation", json_integer(s->operation_timeout_ms / 1000)) &&
		set(t, "search", json_integer(s->search_timeout_ms / 1000));
}

static bool set_further(json_t *o, const struct ldap_settings *s)
{
	return set_servers(o, s) &&
		set(o, "allow-cleartext", json_boolean(s->allow_cleartext)) &&
		(!s->lookup_external ||
			set(o, "lookup-mechanism", json_string("external"))) &&
		set_text(o, "uid-attribute", s->uid_attribute) &&
		set_text(o, "description-attribute", s->description_attribute) &&
		set_text(o, "email-attribute", s->email_attribute) &&
		set_timeouts(o, s) &&
		set(o, "sync-interval", json_integer(s->sync_interval_s)) &&
		set(o, "sync-scope",
			json_string(s->sync_scope == LDAP_SYNC_ALL ? "all"
								   : "imported")) &&
		set(o, "sync-max-vanished", json_integer(s->sync_max_vanished)) &&
		set(o, "grace-period", json_integer(s->grace_period_s)) &&
		set(o, "nested-groups", json_boolean(s->nested_groups)) &&
		set(o, "login-order", json_integer(s->login_order));
}

static json_t *object_of(const struct ldap_settings *s, bool contract_only, bool secrets)
{
	json_t *o = json_object();
	bool ok = o != NULL && (contract_only || set_text(o, "id", s->id)) &&
		set_contract(o, s, secrets) && (contract_only || set_further(o, s));

	if (!ok) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *ldap_settings_json(const struct ldap_settings *s, bool contract_only)
{
	return object_of(s, contract_only, true);
}

/* ---- for the store ---- */

/* Neither has a NUL: "password NUL certificate"; absent without either. */
static bool secrets_of(struct arena *a, const struct ldap_settings *s, struct str *ret)
{
	size_t len = s->lookup_password.len + 1 + s->client_cert.len;
	char *text;

	*ret = STR_NONE;
	if (s->lookup_password.ptr == NULL && s->client_cert.ptr == NULL)
		return true;
	arena_set_sensitive(a);
	text = arena_alloc(a, len + 1);
	if (text == NULL)
		return false;
	if (s->lookup_password.len > 0)
		memcpy(text, s->lookup_password.ptr, s->lookup_password.len);
	if (s->client_cert.len > 0)
		memcpy(text + s->lookup_password.len + 1, s->client_cert.ptr,
			s->client_cert.len);
	*ret = (struct str){.ptr = text, .len = len};
	return true;
}

enum iam_err ldap_settings_save(struct arena *a, const struct ldap_settings *s,
	struct str *ret_config, struct str *ret_secrets)
{
	json_t *o = object_of(s, false, false);
	char *text = json_dumps(o, JSON_COMPACT);
	struct str config = text == NULL ? STR_NONE : arena_str(a, str_c(text));
	struct str secrets = STR_NONE;
	bool ok = config.ptr != NULL && secrets_of(a, s, &secrets);

	free(text);
	json_decref(o);
	if (!ok)
		return IAM_NO_MEMORY;
	*ret_config = config;
	*ret_secrets = secrets;
	return IAM_OK;
}

/* Empty is absent: an empty secret is never taken. */
static bool keep_secret(struct arena *a, struct str secret, struct str *ret)
{
	*ret = secret.len == 0 ? STR_NONE : secret;
	return keep(a, ret);
}

enum iam_err ldap_settings_load(struct arena *a, struct str id, struct str config,
	struct str secrets, struct ldap_settings *ret)
{
	struct ldap_settings s = {.n_servers = 0};
	struct settings_read r = {.a = a, .s = &s};
	json_t *object = config.len > CONFIG_MAX
		? NULL
		: json_loadb(config.ptr, config.len, JSON_REJECT_DUPLICATES, NULL);
	struct str rest = secrets;
	enum iam_err e = object == NULL ? IAM_CONFIG : read_whole(&r, object, id);

	json_decref(object);
	if (e != IAM_OK)
		return e == IAM_NO_MEMORY ? e : IAM_CONFIG;
	if (secrets.ptr != NULL) {
		arena_set_sensitive(a);
		if (!keep_secret(a, str_split(&rest, '\0'), &s.lookup_password) ||
			!keep_secret(a, rest, &s.client_cert))
			return IAM_NO_MEMORY;
	}
	*ret = s;
	return IAM_OK;
}
