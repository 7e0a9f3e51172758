/*
 * ldap_users - a person found by the name typed, the password tried; see ldap_users.h.
 *
 * What the search filter's placeholder gets: the name as typed. Only where the server says that it is
 * Active Directory, also: of `DOMAIN\user` the user (the entry must be of that domain where it says
 * its domain), and for `user@suffix` whose template found nobody, the entry with that
 * userPrincipalName, else the user whose domain's DNS name is the suffix. These searches stay within
 * what the template matches at all. A password is tried with the DN of the entry found, never
 * with the name as typed, so that who is bound is who was found.
 * Invariants: no more than one entry is a person; an empty password never reaches a server.
 */
#include "iamd/idp/ldap_users.h"

#include <stdio.h>
#include <string.h>

#include "iamd/idp/ldap_members.h"
#include "iamd/idp/ldap_name.h"
#include "iamd/idp/ldap_status.h"
#include "iamd/sys/clock.h"

/* LIMIT: kept connections that turn out to be dead before a new one is made. */
#define DEAD_KEPT_MAX (LDAP_POOL_KEEP + 1)

#define ATTRIBUTE_PRINCIPAL "msDS-PrincipalName"

#define TEXT_UNKNOWN  "no such user"
#define TEXT_TWO      "two entries have that name"
#define TEXT_NO_ID    "the entry shows no lasting id or no login name"
#define TEXT_LOOKUP   "the lookup failed"
#define TEXT_DISABLED "account disabled"

/* One question to one directory. */
struct ask {
	struct ldap_pool *pool;
	const struct ldap_settings *s;
	struct arena *a;
	int64_t deadline_ms;
	const char *const *attributes;
	struct ldap_fault *fault;
	struct ldap_kind kind;
	/* what a search met */
	struct str domain; /* typed as DOMAIN\user; absent: not */
	unsigned n_found;
	bool usable;
	struct identity who;
};

/* The attributes of a person, and one more to find people by. */
static const char *const *with_principal(const char *const *list, struct arena *a)
{
	size_t n = 0;
	const char **more;

	if (list == NULL)
		return NULL;
	while (list[n] != NULL)
		n++;
	more = arena_alloc_n(a, n + 2, sizeof *more);
	if (more == NULL)
		return NULL;
	memcpy(more, list, n * sizeof *more);
	more[n] = ATTRIBUTE_PRINCIPAL;
	return more;
}

static bool ask_init(struct ask *q, struct ldap_pool *p, const struct ldap_settings *s,
	struct arena *a, int64_t deadline_ms, struct ldap_fault *fault)
{
	memset(fault, 0, sizeof *fault);
	fault->ppolicy_error = fault->ppolicy_expires_s = fault->ppolicy_grace = -1;
	*q = (struct ask){
		.pool = p, .s = s, .a = a, .deadline_ms = deadline_ms, .fault = fault};
	q->attributes = with_principal(ldap_user_attributes(s, a), a);
	if (q->attributes != NULL)
		return true;
	fault->state = LDAP_STATE_NO_MEMORY;
	return false;
}

static int64_t step_deadline(const struct ask *q)
{
	int64_t t = clock_mono_ms() + q->s->operation_timeout_ms;

	return t < q->deadline_ms ? t : q->deadline_ms;
}

/* ---- names of Active Directory ---- */

/* The last RDN of *dn, taken off it; absent: none left. */
static struct str last_part(struct str *dn)
{
	size_t at = dn->len;
	struct str part;

	while (at > 0 && dn->ptr[at - 1] != ',')
		at--;
	part = str_trim(str_sub(*dn, at, dn->len));
	dn->len = at > 0 ? at - 1 : 0;
	return part;
}

static bool is_dc(struct str part)
{
	return part.len > 3 && str_ieq_c(str_sub(part, 0, 3), "DC=");
}

/* Are the DC= parts at the end of a DN exactly this DNS name? */
static bool is_of_dns_domain(struct str dn, struct str domain)
{
	while (domain.len > 0) {
		size_t at = domain.len;
		struct str part = last_part(&dn);

		while (at > 0 && domain.ptr[at - 1] != '.')
			at--;
		if (!is_dc(part) ||
			!str_ieq(str_sub(part, 3, part.len),
				str_sub(domain, at, domain.len)))
			return false;
		domain.len = at > 0 ? at - 1 : 0;
	}
	return !is_dc(last_part(&dn));
}

/* Active Directory can tell `DOMAIN\user` of an entry: then the typed domain must be that. */
static bool is_of_netbios_domain(struct ldap_entry *e, struct str domain)
{
	struct str rest = ldap_entry_value(e, ATTRIBUTE_PRINCIPAL, 0);
	struct str own = str_split(&rest, '\\');

	return rest.ptr == NULL || str_ieq(own, domain);
}

/* ---- reading entries ---- */

static bool note_entry(struct ldap_entry *e, void *ctx)
{
	struct ask *q = ctx;

	if (ldap_entry_is_group(e) ||
		(q->domain.ptr != NULL && !is_of_netbios_domain(e, q->domain)))
		return true;
	if (q->n_found++ == 0)
		q->usable = ldap_user_from_entry(q->s, &q->kind, e, q->a, &q->who);
	return true;
}

/* False with a fault: the connection or the server failed. What was met is in q. */
static bool search(struct ask *q, struct ldap_conn *c, struct str base,
	enum ldap_where where, struct str filter)
{
	struct ldap_query query = {
		.base = base,
		.where = where,
		.filter = filter,
		.attributes = q->attributes,
		.limit = 2,
	};

	q->n_found = 0;
	q->usable = false;
	return ldap_conn_search(c, &query, q->s->operation_timeout_ms, q->deadline_ms,
		note_entry, q, q->fault);
}

static bool learn_kind(struct ask *q, struct ldap_conn *c)
{
	return ldap_conn_kind(c, step_deadline(q), &q->kind, q->fault);
}

/*
 * The n-th way to read a typed name as one of Active Directory; false: there is no such one.
 * *ret_suffix: the DNS name the entry must be of.
 */
static bool ad_filter(struct ask *q, struct str typed, unsigned n, struct str *ret_filter,
	struct str *ret_suffix)
{
	struct str rest = typed;
	struct str user = str_split(&rest, '@');
	struct str any, upn;

	*ret_suffix = STR_NONE;
	if (rest.len == 0 || user.len == 0)
		return false;
	if (n == 1) {
		*ret_suffix = rest;
		return ldap_filter_expand(q->a, q->s->users.filter, LDAP_USER_PLACEHOLDER,
			       user, ret_filter) == IAM_OK;
	}
	if (n > 1 ||
		ldap_filter_any(q->a, q->s->users.filter, LDAP_USER_PLACEHOLDER, &any) !=
			IAM_OK ||
		ldap_filter_equal(q->a, "userPrincipalName", typed, &upn) != IAM_OK)
		return false;
	*ret_filter = arena_fmt(q->a, "(&%.*s%.*s)", STR_FMT(any), STR_FMT(upn));
	return ret_filter->ptr != NULL;
}

static bool search_name(struct ask *q, struct ldap_conn *c, struct str typed)
{
	struct str rest = typed;
	struct str filter, suffix = STR_NONE;
	struct str domain = str_split(&rest, '\\');

	if (q->kind.active_directory && domain.len > 0 && rest.len > 0) {
		typed = rest;
		q->domain = domain;
	}
	if (ldap_filter_expand(q->a, q->s->users.filter, LDAP_USER_PLACEHOLDER, typed,
		    &filter) != IAM_OK) {
		q->n_found = 0; /* a name that no entry can have */
		return true;
	}
	if (!search(q, c, q->s->users.base, LDAP_WHERE_SUBTREE, filter))
		return false;
	for (unsigned n = 0; q->n_found == 0 && q->kind.active_directory &&
		ad_filter(q, typed, n, &filter, &suffix);
		n++) {
		if (!search(q, c, q->s->users.base, LDAP_WHERE_SUBTREE, filter))
			return false;
		if (q->usable && suffix.ptr != NULL &&
			!is_of_dns_domain(q->who.dn, suffix))
			q->n_found = 0;
	}
	return true;
}

/* ---- taking connections ---- */

typedef bool ask_fn(struct ask *q, struct ldap_conn *c, void *ctx);

/*
 * fn on a connection of that use; again on another one where a kept one turned out to be dead.
 * False: fn failed, or there was no connection, with a fault.
 */
static bool on_connection(struct ask *q, enum ldap_use use, ask_fn *fn, void *ctx)
{
	for (unsigned i = 0; i <= DEAD_KEPT_MAX; i++) {
		bool kept = false, fine;
		struct ldap_conn *c =
			ldap_pool_take(q->pool, use, q->deadline_ms, &kept, q->fault);

		if (c == NULL)
			return false;
		memset(q->fault, 0, sizeof *q->fault);
		fine = fn(q, c, ctx);
		ldap_pool_give(q->pool, use, c, fine ? NULL : q->fault);
		if (fine)
			return true;
		if (!kept || q->fault->state != LDAP_STATE_UNREACHABLE)
			return false;
	}
	return false;
}

/* ---- find ---- */

static bool find_by_rule(struct ask *q, struct ldap_conn *c, void *ctx)
{
	const struct str *typed = ctx;

	return learn_kind(q, c) && search_name(q, c, *typed);
}

/* RFC 4511: noSuchObject, invalidDNSyntax: nobody has that DN. */
static bool is_no_such_entry(const struct ldap_fault *f)
{
	return f->state == LDAP_STATE_CODE && (f->code == 32 || f->code == 34);
}

static bool read_dn(struct ask *q, struct ldap_conn *c, void *ctx)
{
	const struct str *dn = ctx;

	if (!learn_kind(q, c))
		return false;
	if (search(q, c, *dn, LDAP_WHERE_BASE, STR_NONE))
		return true;
	if (!is_no_such_entry(q->fault))
		return false;
	q->n_found = 0;
	return true;
}

/* What a search that worked has met. */
static enum idp_result judge_found(struct ask *q, const char **ret_text)
{
	if (q->n_found == 1 && q->usable)
		return IDP_ACCEPTED;
	if (q->n_found == 1) {
		*ret_text = TEXT_NO_ID;
		(void)snprintf(q->fault->text, sizeof q->fault->text,
			"the entry has no login name, or no lasting id (objectGUID of Active "
			"Directory, nsUniqueId of 389-ds, else entryUUID) that the lookup "
			"account may read");
		return IDP_UNAVAILABLE;
	}
	*ret_text = q->n_found == 0 ? TEXT_UNKNOWN : TEXT_TWO;
	(void)snprintf(q->fault->text, sizeof q->fault->text, "search yielded %u entries",
		q->n_found);
	return IDP_UNKNOWN_USER;
}

/* A code is about the lookup account or the search, never about the person. */
static enum idp_result cannot_tell(const struct ldap_fault *f, const char **ret_text)
{
	if (f->state == LDAP_STATE_CODE)
		*ret_text = TEXT_LOOKUP;
	else
		(void)ldap_status_of_bind(f, ret_text);
	return IDP_UNAVAILABLE;
}

static enum idp_result find(struct ask *q, struct str name, const char **ret_text)
{
	struct str dn;
	bool fine;

	if (q->s->dn_template.ptr == NULL) {
		fine = on_connection(q, LDAP_USE_LOOKUP, find_by_rule, &name);
	} else if (ldap_dn_expand(q->a, q->s->dn_template, LDAP_USER_PLACEHOLDER, name,
			   &dn) != IAM_OK) {
		*ret_text = TEXT_UNKNOWN;
		return IDP_UNKNOWN_USER;
	} else {
		fine = on_connection(q, LDAP_USE_LOOKUP, read_dn, &dn);
	}
	return fine ? judge_found(q, ret_text) : cannot_tell(q->fault, ret_text);
}

enum idp_result ldap_user_find(struct ldap_pool *p, const struct ldap_settings *s,
	struct str name, struct arena *a, int64_t deadline_ms, struct identity *ret,
	struct ldap_fault *fault)
{
	const char *text;
	struct ask q;
	enum idp_result r;

	if (!ask_init(&q, p, s, a, deadline_ms, fault))
		return IDP_UNAVAILABLE;
	r = find(&q, name, &text);
	if (r == IDP_ACCEPTED)
		*ret = q.who;
	return r;
}

/* ---- verify ---- */

struct attempt {
	struct str dn, password;
	bool reads; /* the entry is read as the user, behind the bind */
	enum idp_result result;
	const char *text;
	struct ldap_fault bind; /* what the bind said, whatever comes after it */
};

/* A code is the answer, not a failure of the connection. */
static bool try_password(struct ask *q, struct ldap_conn *c, void *ctx)
{
	struct attempt *t = ctx;

	(void)ldap_conn_bind(c, t->dn, t->password, true, step_deadline(q), q->fault);
	t->bind = *q->fault;
	t->result = ldap_status_of_bind(&t->bind, &t->text);
	if (q->fault->state != LDAP_STATE_OK && q->fault->state != LDAP_STATE_CODE)
		return false;
	memset(q->fault, 0, sizeof *q->fault);
	if (t->result != IDP_ACCEPTED || !t->reads)
		return true;
	q->n_found = 0;
	/* Whoever may not read the own entry is read by the lookup account, below. */
	return read_dn(q, c, &t->dn) || q->fault->state == LDAP_STATE_CODE;
}

static enum idp_result verify_by_rule(struct ask *q, struct str name, struct attempt *t)
{
	enum idp_result r = find(q, name, &t->text);

	if (r != IDP_ACCEPTED)
		return r;
	t->dn = q->who.dn;
	return on_connection(q, LDAP_USE_BIND, try_password, t)
		? t->result
		: cannot_tell(q->fault, &t->text);
}

static enum idp_result verify_by_template(struct ask *q, struct str name,
	struct attempt *t)
{
	if (ldap_dn_expand(q->a, q->s->dn_template, LDAP_USER_PLACEHOLDER, name,
		    &t->dn) != IAM_OK) {
		t->text = TEXT_UNKNOWN;
		return IDP_UNKNOWN_USER;
	}
	t->reads = true;
	if (!on_connection(q, LDAP_USE_BIND, try_password, t))
		return cannot_tell(q->fault, &t->text);
	if (t->result != IDP_ACCEPTED)
		return t->result;
	if ((q->n_found != 1 || !q->usable) &&
		!on_connection(q, LDAP_USE_LOOKUP, read_dn, &t->dn))
		return cannot_tell(q->fault, &t->text);
	return judge_found(q, &t->text);
}

enum idp_result ldap_user_verify(struct ldap_pool *p, const struct ldap_settings *s,
	struct str name, struct str password, struct arena *a, int64_t deadline_ms,
	struct identity *ret, const char **ret_text, struct ldap_fault *fault)
{
	struct attempt t = {.password = password,
		.result = IDP_UNAVAILABLE,
		.text = TEXT_LOOKUP,
		.bind = {.ppolicy_error = -1}};
	struct ask q;
	enum idp_result r;

	*ret_text = TEXT_LOOKUP;
	if (!ask_init(&q, p, s, a, deadline_ms, fault))
		return IDP_UNAVAILABLE;
	if (password.len ==
		0) { /* RFC 4513 section 5.1.2: it would be an anonymous bind */
		*ret_text = "empty password";
		return IDP_REJECTED;
	}
	r = s->dn_template.ptr == NULL ? verify_by_rule(&q, name, &t)
				       : verify_by_template(&q, name, &t);
	if (r == IDP_ACCEPTED && q.who.disabled) {
		r = IDP_DISABLED;
		t.text = TEXT_DISABLED;
	}
	*ret_text = t.text;
	if (t.bind.state != LDAP_STATE_OK)
		*fault = t.bind;
	if (r == IDP_ACCEPTED)
		*ret = q.who;
	else
		ret->dn = t.dn;
	return r;
}
