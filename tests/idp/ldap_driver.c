/*
 * ldap_driver - iamd/idp's connections and pools for tests: a JSON object a line in, one a line out.
 *
 * The argument is a JSON object of settings (see read_settings). Commands have "op": open, close, bind,
 * external, anonymous, kind, search; take, give, tend, health (of one pool); logins (measures); census.
 * Times are milliseconds. The tests that write the lines judge the answers.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "iamd/idp/ldap_pool.h"
#include "iamd/idp/ldap_status.h"
#include "iamd/sys/clock.h"

#define HANDLES 64

static struct ldap_settings settings;
static struct ldap_pool *pool;
static struct ldap_conn *conn;
static struct ldap_conn *taken[HANDLES];

static struct str text(const json_t *o, const char *name)
{
	const json_t *s = json_object_get(o, name);

	return s == NULL ? STR_NONE
			 : (struct str){json_string_value(s), json_string_length(s)};
}

static int64_t number(const json_t *o, const char *name, int64_t otherwise)
{
	const json_t *n = json_object_get(o, name);

	return n == NULL ? otherwise : json_integer_value(n);
}

/* The document lives as long as the program. */
static void read_settings(const json_t *o)
{
	const json_t *servers = json_object_get(o, "servers");
	struct str tls = text(o, "tls");

	for (size_t i = 0; i < json_array_size(servers) && i < LDAP_SERVERS_MAX; i++) {
		const json_t *pair = json_array_get(servers, i);

		settings.servers[i].host =
			str_c(json_string_value(json_array_get(pair, 0)));
		settings.servers[i].port =
			(uint16_t)json_integer_value(json_array_get(pair, 1));
		settings.n_servers = (unsigned)i + 1;
	}
	settings.tls = str_eq_c(tls, "ldaps") ? LDAP_TLS_LDAPS
		: str_eq_c(tls, "starttls")   ? LDAP_TLS_STARTTLS
					      : LDAP_TLS_TRY;
	settings.allow_cleartext = json_is_true(json_object_get(o, "allow_cleartext"));
	settings.ca_certs = text(o, "ca");
	settings.client_cert = text(o, "client");
	settings.lookup_dn = text(o, "lookup_dn");
	settings.lookup_password = text(o, "lookup_password");
	settings.lookup_external = json_is_true(json_object_get(o, "lookup_external"));
	settings.connect_timeout_ms = number(o, "connect", 2000);
	settings.operation_timeout_ms = number(o, "operation", 2000);
}

static json_t *of_fault(const struct ldap_fault *f, int64_t began_ms)
{
	static const char *const states[] = {
		"ok", "code", "timeout", "unreachable", "tls", "protocol", "memory"};
	const char *why = "";
	enum idp_result result = ldap_status_of_bind(f, &why);

	return json_pack("{ss si ss ss sb sb si si si ss ss sI}", "state",
		states[f->state], "code", f->code, "text", f->text, "diagnostic",
		f->diagnostic, "starttls", f->starttls, "connecting", f->connecting,
		"policy", f->ppolicy_error, "expires", f->ppolicy_expires_s, "grace",
		f->ppolicy_grace, "result", idp_result_name(result), "why", why, "ms",
		(json_int_t)(clock_mono_ms() - began_ms));
}

/* ------------------------------------------------------------------ one connection */

static json_t *do_open(const json_t *o, int64_t began_ms)
{
	struct ldap_fault f;
	json_t *out;

	ldap_conn_close(conn);
	ldap_conn_open(&settings, (unsigned)number(o, "server", 0),
		began_ms + number(o, "within", 2000), &conn, &f);
	out = of_fault(&f, began_ms);
	(void)json_object_set_new(out, "tls",
		json_boolean(conn != NULL && ldap_conn_is_tls(conn)));
	return out;
}

/* The handle that a command names, or the one that was opened. */
static struct ldap_conn *handle(const json_t *o)
{
	int64_t n = number(o, "handle", -1);

	return n < 0 ? conn : taken[n % HANDLES];
}

static json_t *do_bind(const json_t *o, int64_t began_ms)
{
	struct str op = text(o, "op");
	int64_t end_ms = began_ms + number(o, "within", 2000);
	struct ldap_fault f;

	if (str_eq_c(op, "external"))
		(void)ldap_conn_bind_external(handle(o), end_ms, &f);
	else if (str_eq_c(op, "anonymous"))
		(void)ldap_conn_bind_anonymous(handle(o), end_ms, &f);
	else
		(void)ldap_conn_bind(handle(o), text(o, "dn"), text(o, "password"), true,
			end_ms, &f);
	return of_fault(&f, began_ms);
}

static json_t *do_kind(const json_t *o, int64_t began_ms)
{
	struct ldap_kind k = {0};
	struct ldap_fault f;
	json_t *out;

	(void)ldap_conn_kind(handle(o), began_ms + number(o, "within", 2000), &k, &f);
	out = of_fault(&f, began_ms);
	(void)json_object_update_new(out,
		json_pack("{sb sb sb sb sb ss}", "active_directory", k.active_directory,
			"in_chain", k.in_chain, "paging", k.paging, "content_sync",
			k.content_sync, "password_policy", k.password_policy, "vendor",
			k.vendor));
	return out;
}

struct found {
	json_t *entries;
	const char *const *names;
	int64_t count, stop, pause_ms;
};

static json_t *hex(struct str s)
{
	char buf[256];
	size_t n = 0;

	for (size_t i = 0; i < s.len && n + 3 < sizeof(buf); i++)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%02x",
			(unsigned char)s.ptr[i]);
	return json_stringn(buf, n);
}

static json_t *value_json(struct str s)
{
	return str_is_utf8(s) ? json_stringn(s.ptr, s.len) : hex(s);
}

static bool each(struct ldap_entry *e, void *ctx)
{
	struct found *found = ctx;
	struct str dn = ldap_entry_dn(e);
	json_t *values = json_object();
	json_t *entry = json_pack("{so sb so}", "dn", value_json(dn), "disabled",
		ldap_status_entry_disabled(e), "values", values);

	for (size_t i = 0; found->names != NULL && found->names[i] != NULL; i++) {
		unsigned n = ldap_entry_count(e, found->names[i]);
		unsigned next = 0;
		json_t *list = json_array();

		for (unsigned v = 0; v < n && v < 5000; v++)
			(void)json_array_append_new(list,
				value_json(ldap_entry_value(e, found->names[i], v)));
		(void)json_object_set_new(values, found->names[i], list);
		if (ldap_entry_range(e, found->names[i], &next))
			(void)json_object_set_new(entry, "next", json_integer(next));
	}
	if (json_array_size(found->entries) < 3000)
		(void)json_array_append(found->entries, entry);
	json_decref(entry);
	found->count++;
	return found->count != found->stop;
}

static json_t *do_search(const json_t *o, int64_t began_ms)
{
	const char *names[17] = {0};
	const json_t *list = json_object_get(o, "attributes");
	struct found found = {.entries = json_array(), .stop = number(o, "stop", -1)};
	struct ldap_query q = {.base = text(o, "base"),
		.where = (enum ldap_where)number(o, "where", LDAP_WHERE_SUBTREE),
		.filter = text(o, "filter"),
		.limit = (unsigned)number(o, "limit", 0),
		.page = (unsigned)number(o, "page", 0)};
	struct ldap_fault f;
	json_t *out;

	for (size_t i = 0; i < json_array_size(list) && i < 16; i++)
		names[i] = json_string_value(json_array_get(list, i));
	q.attributes = found.names = list == NULL ? NULL : names;
	(void)ldap_conn_search(handle(o), &q, number(o, "page_within", 2000),
		began_ms + number(o, "within", 2000), each, &found, &f);
	out = of_fault(&f, began_ms);
	(void)json_object_set_new(out, "count", json_integer(found.count));
	(void)json_object_set_new(out, "entries", found.entries);
	return out;
}

/* ------------------------------------------------------------------ the pool */

static json_t *do_take(const json_t *o, int64_t began_ms)
{
	int64_t n = number(o, "handle", 0) % HANDLES;
	bool kept = false;
	struct ldap_fault f;
	json_t *out;

	taken[n] = ldap_pool_take(pool, (enum ldap_use)number(o, "use", 0),
		began_ms + number(o, "within", 4000), &kept, &f);
	out = of_fault(&f, began_ms);
	(void)json_object_set_new(out, "kept", json_boolean(kept));
	(void)json_object_set_new(out, "server",
		json_integer(taken[n] == NULL ? -1 : (int)ldap_conn_server(taken[n])));
	return out;
}

/* With "state": the fault that the caller saw. */
static json_t *do_give(const json_t *o)
{
	struct ldap_fault f = {.state = (enum ldap_state)number(o, "state", 0),
		.code = (int)number(o, "code", 0)};
	int64_t n = number(o, "handle", 0) % HANDLES;

	ldap_pool_give(pool, (enum ldap_use)number(o, "use", 0), taken[n], &f);
	taken[n] = NULL;
	return json_object();
}

static json_t *do_health(void)
{
	struct ldap_server_health h[LDAP_SERVERS_MAX];
	json_t *list = json_array();

	ldap_pool_health(pool, h);
	for (unsigned i = 0; i < settings.n_servers; i++)
		(void)json_array_append_new(list,
			json_pack("{sb si sI}", "up", h[i].up, "failures",
				(int)h[i].failures, "in",
				(json_int_t)(h[i].failures == 0
						? 0
						: h[i].down_until_ms - clock_mono_ms())));
	return json_pack("{so}", "servers", list);
}

/* "count" binds one after the other: of connections of the pool, as logins do it. */
static json_t *do_logins(const json_t *o, int64_t began_ms)
{
	int64_t count = number(o, "count", 1000);
	int64_t began_us = clock_mono_us();
	int64_t good = 0;

	for (int64_t i = 0; i < count; i++) {
		bool kept;
		struct ldap_fault f;
		struct ldap_conn *c = ldap_pool_take(pool, LDAP_USE_BIND,
			clock_mono_ms() + 2000, &kept, &f);

		if (c == NULL)
			continue;
		good += ldap_conn_bind(c, text(o, "dn"), text(o, "password"), true,
			clock_mono_ms() + 2000, &f);
		ldap_pool_give(pool, LDAP_USE_BIND, c, &f);
	}
	return json_pack("{sI sI sf}", "good", (json_int_t)good, "ms",
		(json_int_t)(clock_mono_ms() - began_ms), "us_each",
		(double)(clock_mono_us() - began_us) / (double)count);
}

/* ------------------------------------------------------------------ the program */

static int count_files(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static json_t *obey(const json_t *o)
{
	struct str op = text(o, "op");
	int64_t began_ms = clock_mono_ms();

	if (str_eq_c(op, "open"))
		return do_open(o, began_ms);
	if (str_eq_c(op, "bind") || str_eq_c(op, "external") || str_eq_c(op, "anonymous"))
		return do_bind(o, began_ms);
	if (str_eq_c(op, "kind"))
		return do_kind(o, began_ms);
	if (str_eq_c(op, "search"))
		return do_search(o, began_ms);
	if (str_eq_c(op, "take"))
		return do_take(o, began_ms);
	if (str_eq_c(op, "give"))
		return do_give(o);
	if (str_eq_c(op, "health"))
		return do_health();
	if (str_eq_c(op, "logins"))
		return do_logins(o, began_ms);
	if (str_eq_c(op, "census"))
		return json_pack("{si si}", "files", count_files("/proc/self/fd"),
			"threads", count_files("/proc/self/task"));
	if (str_eq_c(op, "tend"))
		ldap_pool_tend(pool);
	if (str_eq_c(op, "close")) {
		ldap_conn_close(conn);
		conn = NULL;
	}
	return json_object();
}

int main(int argc, char **argv)
{
	json_t *options = argc == 2 ? json_loads(argv[1], 0, NULL) : NULL;
	char *line = NULL;
	size_t size = 0;

	if (options == NULL)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* the daemon's threads have it blocked */
	read_settings(options);
	pool = ldap_pool_new(&settings);
	while (getline(&line, &size, stdin) > 0) {
		json_t *command = json_loads(line, JSON_ALLOW_NUL, NULL);
		json_t *answer = obey(command);
		char *dump = json_dumps(answer, JSON_COMPACT);

		(void)puts(dump);
		(void)fflush(stdout);
		free(dump);
		json_decref(answer);
		json_decref(command);
	}
	free(line);
	ldap_conn_close(conn);
	for (int i = 0; i < HANDLES; i++)
		ldap_pool_give(pool, LDAP_USE_LOOKUP, taken[i], NULL);
	ldap_pool_free(pool);
	json_decref(options);
	return 0;
}
