/*
 * ldap_settings_read - one member of a directory's configuration after the other, by table.
 *
 * Does: types, lengths, ranges, forms; secrets that stand for themselves (the marker). Does not:
 * what members say together (ldap_settings.c). Invariants: every text names its member and what to
 * give instead; none quotes a value, which may be a secret in the wrong place.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "iamd/idp/ldap_settings_impl.h"
#include "libacl/base/str.h"

enum kind {
	KIND_HOST,
	KIND_PORT,
	KIND_TEXT,      /* one line */
	KIND_ATTRIBUTE, /* a name of RFC 4512 section 2.5 */
	KIND_BOOL,
	KIND_INT,     /* min..max */
	KIND_SECONDS, /* min..max, kept in milliseconds */
	KIND_SECRET,
	KIND_PEM,
	KIND_PEM_SECRET,
	KIND_SEARCH, /* struct ldap_search_rule and, for groups, the attributes */
	KIND_SERVERS,
	KIND_TIMEOUTS,
	KIND_SCOPE,
	KIND_MECHANISM,
	KIND_ID
};

struct member {
	const char *name;
	enum kind kind;
	bool contract; /* of the old interface as well */
	bool required;
	size_t offset;
	int64_t min, max;
};

#define AT(field) offsetof(struct ldap_settings, field)

/* clang-format off */
static const struct member members[] = {
	{"host",                  KIND_HOST,       true,  true,  0, 0, 0},
	{"port",                  KIND_PORT,       true,  true,  0, 0, 0},
	{"enforce-starttls",      KIND_BOOL,       true,  true,  0, 0, 0},
	{"use-ldaps",             KIND_BOOL,       true,  true,  0, 0, 0},
	{"dntemplate",            KIND_TEXT,       true,  false, AT(dn_template), 0, 0},
	{"user-search",           KIND_SEARCH,     true,  false, AT(users), 0, 0},
	{"group-search",          KIND_SEARCH,     true,  false, AT(groups), 0, 0},
	{"lookup-dn",             KIND_TEXT,       true,  false, AT(lookup_dn), 0, 0},
	{"lookup-password",       KIND_SECRET,     true,  false, AT(lookup_password), 0, 0},
	{"ca-certs",              KIND_PEM,        true,  false, AT(ca_certs), 0, 0},
	{"client-cert",           KIND_PEM_SECRET, true,  false, AT(client_cert), 0, 0},
	{"id",                    KIND_ID,         false, false, 0, 0, 0},
	{"servers",               KIND_SERVERS,    false, false, 0, 0, 0},
	{"allow-cleartext",       KIND_BOOL,       false, false, 0, 0, 0},
	{"lookup-mechanism",      KIND_MECHANISM,  false, false, 0, 0, 0},
	{"uid-attribute",         KIND_ATTRIBUTE,  false, false, AT(uid_attribute), 0, 0},
	{"description-attribute", KIND_ATTRIBUTE,  false, false, AT(description_attribute), 0, 0},
	{"email-attribute",       KIND_ATTRIBUTE,  false, false, AT(email_attribute), 0, 0},
	{"timeouts",              KIND_TIMEOUTS,   false, false, 0, 0, 0},
	{"sync-interval",         KIND_INT,        false, false, AT(sync_interval_s), 0, 2592000},
	{"sync-scope",            KIND_SCOPE,      false, false, 0, 0, 0},
	{"sync-max-vanished",     KIND_INT,        false, false, AT(sync_max_vanished), 0, 100},
	{"grace-period",          KIND_INT,        false, false, AT(grace_period_s), 0, 31536000},
	{"nested-groups",         KIND_BOOL,       false, false, 0, 0, 0},
	{"login-order",           KIND_INT,        false, false, AT(login_order), 0, 1000},
};
static const struct member timeouts[] = {
	{"timeouts.connect",      KIND_SECONDS,    false, false, AT(connect_timeout_ms), 1, 60},
	{"timeouts.operation",    KIND_SECONDS,    false, false, AT(operation_timeout_ms), 1, 60},
	{"timeouts.search",       KIND_SECONDS,    false, false, AT(search_timeout_ms), 1, 600},
};
/* clang-format on */
#define N_MEMBERS (sizeof(members) / sizeof(*members))

void ldap_settings_defaults(struct ldap_settings *s)
{
	*s = (struct ldap_settings){
		.description_attribute = STR("cn"),
		.email_attribute = STR("mail"),
		.connect_timeout_ms = 3000,
		.operation_timeout_ms = 5000,
		.search_timeout_ms = 30000,
		.sync_interval_s = 1800,
		.sync_max_vanished = 20,
		.grace_period_s = (int64_t)7 * 24 * 3600,
		.nested_groups = true,
		.login_order = 100,
	};
}

/* ---- texts ---- */

static enum iam_err read_text(struct settings_read *r, const struct member *m,
	const json_t *v, void *to)
{
	struct str s;
	enum iam_err e = settings_text(r, m->name, v, LDAP_TEXT_MAX, false, &s);

	return e != IAM_OK ? e : settings_keep(r, s, to);
}

static enum iam_err read_pem(struct settings_read *r, const struct member *m,
	const json_t *v, void *to)
{
	struct str s;
	enum iam_err e = settings_text(r, m->name, v, LDAP_PEM_MAX, true, &s);

	return e != IAM_OK ? e : settings_keep(r, s, to);
}

static enum iam_err read_secret(struct settings_read *r, const struct member *m,
	const json_t *v, void *to)
{
	bool pem = m->kind == KIND_PEM_SECRET;
	struct str s, none = STR_NONE;
	const struct str *before = &none;
	enum iam_err e =
		settings_text(r, m->name, v, pem ? LDAP_PEM_MAX : LDAP_TEXT_MAX, pem, &s);

	if (e != IAM_OK)
		return e;
	arena_set_sensitive(r->a);
	if (!str_eq_c(s, LDAP_SECRET_MARKER))
		return settings_keep(r, s, to);
	if (r->stored != NULL)
		before = pem ? &r->stored->client_cert : &r->stored->lookup_password;
	if (before->ptr == NULL)
		return settings_invalid(r,
			"`%s` is the marker " LDAP_SECRET_MARKER
			", but none is stored: give the value itself",
			m->name);
	return settings_keep(r, *before, to);
}

/* ---- numbers and choices ---- */

static enum iam_err read_number(struct settings_read *r, const struct member *m,
	const json_t *v, int64_t *to)
{
	int64_t n = (int64_t)json_integer_value(v);
	const char *unit = m->kind == KIND_SECONDS ? " of seconds" : "";

	if (!json_is_integer(v) || n < m->min || n > m->max)
		return settings_invalid(r,
			"`%s` must be a whole number%s from %lld to %lld", m->name, unit,
			(long long)m->min, (long long)m->max);
	*to = m->kind == KIND_SECONDS ? n * 1000 : n;
	return IAM_OK;
}

static enum iam_err read_bool(struct settings_read *r, const struct member *m,
	const json_t *v)
{
	bool *to = strcmp(m->name, "enforce-starttls") == 0 ? &r->enforce_starttls
		: strcmp(m->name, "use-ldaps") == 0         ? &r->use_ldaps
		: strcmp(m->name, "allow-cleartext") == 0   ? &r->s->allow_cleartext
							    : &r->s->nested_groups;

	if (!json_is_boolean(v))
		return settings_invalid(r, "`%s` must be true or false", m->name);
	*to = json_is_true(v);
	return IAM_OK;
}

/* *ret_second: it is the second of the two words. */
static enum iam_err read_choice(struct settings_read *r, const struct member *m,
	const json_t *v, const char *const words[2], bool *ret_second)
{
	const char *s = json_string_value(v);
	bool first = s != NULL && strcmp(s, words[0]) == 0;

	if (!first && (s == NULL || strcmp(s, words[1]) != 0))
		return settings_invalid(r, "`%s` must be \"%s\" or \"%s\"", m->name,
			words[0], words[1]);
	*ret_second = !first;
	return IAM_OK;
}

static enum iam_err read_scope(struct settings_read *r, const struct member *m,
	const json_t *v)
{
	bool all = false;
	enum iam_err e =
		read_choice(r, m, v, (const char *const[]){"imported", "all"}, &all);

	if (e == IAM_OK)
		r->s->sync_scope = all ? LDAP_SYNC_ALL : LDAP_SYNC_IMPORTED;
	return e;
}

static enum iam_err read_id(struct settings_read *r, const struct member *m,
	const json_t *v)
{
	struct str s = {.ptr = json_string_value(v), .len = json_string_length(v)};

	if (s.ptr == NULL || !str_eq(s, r->s->id))
		return settings_invalid(r,
			"`%s` must be that of the path, `%.*s`: leave it out", m->name,
			STR_FMT(r->s->id));
	return IAM_OK;
}

/* ---- servers ---- */

static enum iam_err read_port(struct settings_read *r, const char *name, const json_t *v,
	uint16_t *to)
{
	const struct member port = {
		.name = name, .kind = KIND_INT, .min = 1, .max = 65535};
	int64_t n = 0;
	enum iam_err e = read_number(r, &port, v, &n);

	if (e == IAM_OK)
		*to = (uint16_t)n;
	return e;
}

static enum iam_err read_server(struct settings_read *r, const json_t *v,
	struct ldap_server *to)
{
	enum iam_err e;

	if (!json_is_object(v) || json_object_size(v) != 2 ||
		json_object_get(v, "host") == NULL || json_object_get(v, "port") == NULL)
		return settings_invalid(r,
			"each of `servers` must be {\"host\": name, \"port\": number}");
	e = settings_host(r, "servers.host", json_object_get(v, "host"), &to->host);
	return e != IAM_OK
		? e
		: read_port(r, "servers.port", json_object_get(v, "port"), &to->port);
}

static enum iam_err read_servers(struct settings_read *r, const json_t *v)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v))
		return settings_invalid(r,
			"`servers` must be a list of {\"host\": name, \"port\": number}");
	if (n > LDAP_SERVERS_MAX - 1)
		return settings_invalid(r,
			"`servers` has %zu entries: at most %d beside `host` and `port`",
			n, LDAP_SERVERS_MAX - 1);
	for (size_t i = 0; i < n; i++) {
		enum iam_err e =
			read_server(r, json_array_get(v, i), &r->s->servers[i + 1]);

		if (e != IAM_OK)
			return e;
	}
	r->s->n_servers = 1 + (unsigned)n;
	return IAM_OK;
}

/* ---- objects in the object ---- */

/* Every key of the object is one of `names`. */
static enum iam_err check_keys(struct settings_read *r, const char *member,
	const json_t *v, const char *const names[])
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)v, key, value)
	{
		unsigned i = 0;

		while (names[i] != NULL && strcmp(names[i], key) != 0)
			i++;
		if (names[i] == NULL)
			return settings_invalid(r,
				"`%s` has a member that is not known: it takes %s, %s%s%s",
				member, names[0], names[1], names[2] == NULL ? "" : ", ",
				names[2] == NULL ? "" : names[2]);
	}
	return IAM_OK;
}

static enum iam_err read_member_attributes(struct settings_read *r, const json_t *v)
{
	size_t n = json_array_size(v);

	if (v == NULL)
		return IAM_OK;
	if (!json_is_array(v) || n > LDAP_MEMBER_ATTRS_MAX)
		return settings_invalid(r,
			"`group-search.member-attributes` must be a list of at most %d names",
			LDAP_MEMBER_ATTRS_MAX);
	for (size_t i = 0; i < n; i++) {
		enum iam_err e = settings_attribute(r, "group-search.member-attributes",
			json_array_get(v, i), &r->s->member_attributes[i]);

		if (e != IAM_OK)
			return e;
	}
	r->s->n_member_attributes = (unsigned)n;
	return IAM_OK;
}

static enum iam_err read_rule_text(struct settings_read *r, const char *member,
	const char *key, const json_t *v, struct str *to)
{
	char name[64];
	struct str s;
	enum iam_err e;

	(void)snprintf(name, sizeof(name), "%s.%s", member, key);
	if (json_object_get(v, key) == NULL)
		return settings_invalid(r, "`%s` is missing", name);
	e = settings_text(r, name, json_object_get(v, key), LDAP_TEXT_MAX, false, &s);
	return e != IAM_OK ? e : settings_keep(r, s, to);
}

static enum iam_err read_search(struct settings_read *r, const struct member *m,
	const json_t *v, struct ldap_search_rule *to)
{
	bool groups = m->offset == AT(groups);
	const char *const names[] = {"search-base", "search-filter-template",
		groups ? "member-attributes" : NULL, NULL};
	enum iam_err e;

	if (!json_is_object(v))
		return settings_invalid(r,
			"`%s` must be an object with search-base and search-filter-template",
			m->name);
	e = check_keys(r, m->name, v, names);
	if (e == IAM_OK)
		e = read_rule_text(r, m->name, names[0], v, &to->base);
	if (e == IAM_OK)
		e = read_rule_text(r, m->name, names[1], v, &to->filter);
	if (e == IAM_OK && groups)
		e = read_member_attributes(r, json_object_get(v, names[2]));
	return e;
}

static enum iam_err read_timeouts(struct settings_read *r, const json_t *v)
{
	enum iam_err e = json_is_object(v)
		? IAM_OK
		: settings_invalid(r, "`timeouts` must be an object of seconds");

	if (e == IAM_OK)
		e = check_keys(r, "timeouts", v,
			(const char *const[]){"connect", "operation", "search", NULL});
	for (unsigned i = 0; e == IAM_OK && i < 3; i++) {
		const json_t *n = json_object_get(v, strchr(timeouts[i].name, '.') + 1);
		char *to = (char *)r->s + timeouts[i].offset;

		if (n != NULL)
			e = read_number(r, &timeouts[i], n, (int64_t *)(void *)to);
	}
	return e;
}

/* ---- the object ---- */

static enum iam_err read_member(struct settings_read *r, const struct member *m,
	const json_t *v)
{
	void *to = (char *)r->s + m->offset;

	switch (m->kind) {
	case KIND_HOST:
		return settings_host(r, m->name, v, &r->s->servers[0].host);
	case KIND_PORT:
		return read_port(r, m->name, v, &r->s->servers[0].port);
	case KIND_TEXT:
		return read_text(r, m, v, to);
	case KIND_ATTRIBUTE:
		return settings_attribute(r, m->name, v, to);
	case KIND_BOOL:
		return read_bool(r, m, v);
	case KIND_INT:
	case KIND_SECONDS:
		return read_number(r, m, v, to);
	case KIND_SECRET:
	case KIND_PEM_SECRET:
		return read_secret(r, m, v, to);
	case KIND_PEM:
		return read_pem(r, m, v, to);
	case KIND_SEARCH:
		return read_search(r, m, v, to);
	case KIND_SERVERS:
		return read_servers(r, v);
	case KIND_TIMEOUTS:
		return read_timeouts(r, v);
	case KIND_SCOPE:
		return read_scope(r, m, v);
	case KIND_MECHANISM:
		return read_choice(r, m, v, (const char *const[]){"simple", "external"},
			&r->s->lookup_external);
	case KIND_ID:
		return read_id(r, m, v);
	}
	return IAM_OK;
}

static const struct member *member_of(const char *key)
{
	for (size_t i = 0; i < N_MEMBERS; i++)
		if (strcmp(members[i].name, key) == 0)
			return &members[i];
	return NULL;
}

/* The key, if it is a word that may be shown; a value in its place may be a secret. */
static enum iam_err unknown(struct settings_read *r, const char *key)
{
	bool word = strlen(key) <= 32 &&
		strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") ==
			strlen(key);

	return settings_invalid(r,
		"unknown member%s%s%s: known are host, port, enforce-starttls, use-ldaps,"
		" dntemplate or user-search, group-search, lookup-dn, lookup-password, ca-certs,"
		" client-cert%s",
		word ? " `" : "", word ? key : "", word ? "`" : "",
		r->contract_only ? "" : ", and those beyond the old interface");
}

static enum iam_err check_known(struct settings_read *r, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		const struct member *m = member_of(key);

		if (m == NULL)
			return unknown(r, key);
		if (r->contract_only && !m->contract)
			return settings_invalid(r,
				"`%s` is no member here: set it with PUT /ldap/directories/%.*s",
				m->name, STR_FMT(r->s->id));
	}
	return IAM_OK;
}

enum iam_err ldap_settings_read(struct settings_read *r, const json_t *object)
{
	enum iam_err e;

	if (!json_is_object(object))
		return settings_invalid(r, "the configuration must be a JSON object");
	e = check_known(r, object);
	for (size_t i = 0; e == IAM_OK && i < N_MEMBERS; i++) {
		const json_t *v = json_object_get(object, members[i].name);

		if (v != NULL)
			e = read_member(r, &members[i], v);
		else if (members[i].required)
			e = settings_invalid(r, "`%s` is missing", members[i].name);
	}
	return e;
}
