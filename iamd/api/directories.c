/*
 * directories - the configurations of directories: /ldap/config and /ldap/directories.
 *
 * Reading shows what runs, from memory. A change is judged, stored with its secrets sealed, and made
 * ready inside its transaction; it runs once that is committed, before its answer. /ldap/config is the
 * directory `default` with the members of the old interface. No server is contacted here.
 * Invariant: secrets are in no answer, error text, log line or audit row.
 */
#include "iamd/authn/directories.h"

#include <stdlib.h>

#include <jansson.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"
#include "iamd/api/url.h"
#include "iamd/audit/audit.h"
#include "iamd/store/directories.h"

/* LIMIT: memory of one change beside the body: two PEM texts in four forms. */
#define CHANGE_MAX ((size_t)2 << 20)

#define DEFAULT_ID STR("default")

/* "No LDAP configuration stored yet." for the old interface. */
static enum iam_err unknown(struct req *r, struct str id, bool contract_only)
{
	return contract_only
		? IAM_LDAP_NOT_CONFIGURED
		: req_fail(r, IAM_NO_DIRECTORY, "Directory with id `%.*s` not known.",
			  STR_FMT(id));
}

/* ---- reading ---- */

static enum iam_err show(struct req *r, struct resp *out, const struct ldap_settings *s,
	bool contract_only)
{
	json_t *json = ldap_settings_json(s, contract_only);
	char *text = json_dumps(json, JSON_INDENT(2));
	struct str body = text == NULL ? STR_NONE : arena_fmt(r->arena, "%s\n", text);

	free(text);
	json_decref(json);
	return body.ptr == NULL ? IAM_NO_MEMORY
				: resp_body(out, 200, RESP_JSON_TYPE, body);
}

static enum iam_err get_directory(struct req *r, struct resp *out, struct str id,
	bool contract_only)
{
	struct directory *dir = directories_take(r->svc->directories, id);
	enum iam_err e = dir == NULL ? unknown(r, id, contract_only)
				     : show(r, out, dir->settings, contract_only);

	directories_give(dir);
	return e;
}

enum iam_err api_ldap_config_get(struct req *r, struct resp *out)
{
	return get_directory(r, out, DEFAULT_ID, true);
}

enum iam_err api_directory_get(struct req *r, struct resp *out)
{
	return get_directory(r, out, req_param(r, "id"), false);
}

static void write_directory(struct jsonw *w, const struct ldap_settings *s)
{
	struct url u;

	url_begin(&u, STR("/ldap/directories/"), s->id);
	jsonw_object(w);
	jsonw_str(w, "id", s->id);
	jsonw_str(w, "url", url_str(&u));
	jsonw_str(w, "host", s->servers[0].host);
	jsonw_int(w, "port", s->servers[0].port);
	jsonw_int(w, "login-order", s->login_order);
	jsonw_object_end(w);
}

/* In login order. */
enum iam_err api_directories_list(struct req *r, struct resp *out)
{
	struct json_doc d;
	struct directory *dir;

	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_array_key(&d.w, "array");
	for (unsigned i = 0;
		(dir = directories_login_order(r->svc->directories, i)) != NULL; i++) {
		write_directory(&d.w, dir->settings);
		directories_give(dir);
	}
	jsonw_array_end(&d.w);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}

/* ---- changing ---- */

/* A change until it is settled. */
struct dir_change {
	struct str id;
	bool contract_only;
	struct arena *arena;     /* of the writing; gone with it */
	struct directory *fresh; /* NULL: deleted */
	/* what the store has */
	unsigned n_others;
	struct ldap_settings stored;
	bool is_stored;
	const struct seal_key *seal;
	enum iam_err result;
};

static enum iam_err unseal(struct dir_change *c, const struct directory_row *row)
{
	struct str where = directory_seal_place(c->arena, c->id);
	struct str secrets = STR_NONE;
	enum iam_err e = IAM_OK;

	if (where.ptr == NULL)
		return IAM_NO_MEMORY;
	if (row->sealed.ptr != NULL)
		e = seal_open(c->seal, where, row->sealed, c->arena, &secrets);
	return e != IAM_OK
		? e
		: ldap_settings_load(c->arena, c->id, row->config, secrets, &c->stored);
}

static bool look_at(const struct directory_row *row, void *ctx)
{
	struct dir_change *c = ctx;

	if (!str_eq(row->id, c->id)) {
		c->n_others++;
		return true;
	}
	c->is_stored = true;
	c->result = unseal(c, row);
	return c->result == IAM_OK;
}

/* What the transaction sees, which the running directories may not show yet. */
static enum iam_err read_stored(struct db *w, struct dir_change *c)
{
	enum iam_err e = store_directory_each(w, look_at, c);

	return e != IAM_OK ? e : c->result;
}

static enum iam_err store_row(struct db *w, struct dir_change *c,
	const struct ldap_settings *s)
{
	struct directory_row row = {.id = c->id};
	struct str secrets, where = directory_seal_place(c->arena, c->id);
	enum iam_err e = where.ptr == NULL
		? IAM_NO_MEMORY
		: ldap_settings_save(c->arena, s, &row.config, &secrets);

	if (e == IAM_OK && secrets.ptr != NULL)
		e = seal_close(c->seal, where, secrets, c->arena, &row.sealed);
	return e != IAM_OK ? e : store_directory_put(w, &row);
}

/* How the directory is reached, for the audit: what somebody who wants to listen would change. */
static struct str summary(struct req *r, const struct dir_change *c,
	const struct ldap_settings *s)
{
	static const char *const tls[] = {
		[LDAP_TLS_TRY] = "StartTLS tried",
		[LDAP_TLS_STARTTLS] = "StartTLS",
		[LDAP_TLS_LDAPS] = "ldaps",
	};

	return arena_fmt(r->arena, "%s; %.*s port %u; %s%s%s",
		c->is_stored ? "replaced" : "new", STR_FMT(s->servers[0].host),
		(unsigned)s->servers[0].port, tls[s->tls],
		s->tls == LDAP_TLS_TRY && s->allow_cleartext ? ", cleartext allowed" : "",
		s->ca_certs.ptr == NULL ? ", certificate not verified" : "");
}

static enum iam_err audit_directory(struct req *r, struct db *w, enum audit_action action,
	struct str reason)
{
	struct audit_event ev = {
		.action = action,
		.actor = r->principal.uid,
		.object = ((struct dir_change *)r->state)->id,
		.allow = true,
		.reason = reason,
	};

	return reason.ptr == NULL ? IAM_NO_MEMORY : audit_change(r, w, &ev);
}

static enum iam_err write_put(struct req *r, struct db *w, struct dir_change *c)
{
	struct ldap_settings s;
	enum iam_err e = read_stored(w, c);

	if (e == IAM_OK)
		e = ldap_settings_parse(c->arena, r->json, c->id,
			c->is_stored ? &c->stored : NULL, c->contract_only, &s,
			&r->error);
	if (e == IAM_OK && !c->is_stored && c->n_others >= LDAP_DIRECTORIES_MAX)
		return req_fail(r, IAM_CONFLICT,
			"There are %d directories, the most there may be: delete one first.",
			LDAP_DIRECTORIES_MAX);
	if (e == IAM_OK)
		e = store_row(w, c, &s);
	if (e == IAM_OK)
		e = audit_directory(r, w, AUDIT_DIRECTORY_PUT, summary(r, c, &s));
	if (e != IAM_OK)
		return e;
	c->fresh = directories_prepare(r->svc->directories, &s);
	return c->fresh == NULL ? IAM_NO_MEMORY : IAM_OK;
}

/* On the WRITE lane's thread, in the order of commits. */
static void settle(struct req *r)
{
	struct dir_change *c = r->state;

	if (r->result == IAM_OK)
		directories_install(r->svc->directories, c->id, c->fresh);
	else
		directories_discard(c->fresh);
}

static struct dir_change *change_new(struct req *r, struct str id, bool contract_only)
{
	struct dir_change *c = arena_alloc(r->arena, sizeof *c);

	if (c == NULL)
		return NULL;
	c->id = id;
	c->contract_only = contract_only;
	c->seal = r->svc->seal;
	r->state = c;
	return c;
}

static enum iam_err put_directory(struct req *r, struct resp *out, struct str id,
	bool contract_only)
{
	struct dir_change *c = change_new(r, id, contract_only);
	enum iam_err e;

	if (r->json == NULL || json_is_null(r->json))
		return IAM_NO_JSON;
	if (c != NULL)
		c->arena = arena_new(4096, CHANGE_MAX);
	if (c == NULL || c->arena == NULL)
		return IAM_NO_MEMORY;
	arena_set_sensitive(c->arena);
	e = write_put(r, store_writer(r->svc->store), c);
	arena_free(c->arena);
	if (e != IAM_OK)
		return e;
	r->settled = settle;
	return resp_empty(out, 200, true);
}

enum iam_err api_ldap_config_put(struct req *r, struct resp *out)
{
	return put_directory(r, out, DEFAULT_ID, true);
}

enum iam_err api_directory_put(struct req *r, struct resp *out)
{
	return put_directory(r, out, req_param(r, "id"), false);
}

/* Where only a directory lets the superusers in, the last such one stays; the savepoint undoes it. */
static enum iam_err delete_keeping_a_superuser(struct req *r, struct db *w, struct str id)
{
	enum superuser_rank before, after;
	enum iam_err e = store_superuser_rank(w, &before);

	if (e == IAM_OK)
		e = store_directory_delete(w, id);
	if (e == IAM_OK)
		e = store_superuser_rank(w, &after);
	if (e != IAM_OK || after >= before)
		return e;
	return req_fail(r, IAM_LAST_SUPERUSER,
		"The only superusers are people of this directory: make another one first");
}

static enum iam_err delete_directory(struct req *r, struct resp *out, struct str id,
	bool contract_only)
{
	struct db *w = store_writer(r->svc->store);
	enum iam_err e = change_new(r, id, contract_only) == NULL
		? IAM_NO_MEMORY
		: delete_keeping_a_superuser(r, w, id);

	if (e == IAM_NO_DIRECTORY)
		return unknown(r, id, contract_only);
	if (e == IAM_OK)
		e = audit_directory(r, w, AUDIT_DIRECTORY_DELETE, STR("accounts stay"));
	if (e != IAM_OK)
		return e;
	r->settled = settle;
	return resp_empty(out, 204, false);
}

enum iam_err api_ldap_config_delete(struct req *r, struct resp *out)
{
	return delete_directory(r, out, DEFAULT_ID, true);
}

enum iam_err api_directory_delete(struct req *r, struct resp *out)
{
	return delete_directory(r, out, req_param(r, "id"), false);
}
