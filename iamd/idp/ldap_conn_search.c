/*
 * ldap_conn_search - searches on a connection: pages, entries and their values, the root DSE.
 *
 * Does: hand out entries one at a time, as they arrive, without copies. Does not: collect them, follow
 * referrals (continuation references are left out), fetch further ranges.
 * Invariants: an operation is over, or abandoned, or its connection dead when a function returns; no
 * entry has more than ATTRIBUTES_MAX attributes looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "iamd/idp/ldap_ber.h"
#include "iamd/idp/ldap_conn_inner.h"
#include "iamd/sys/clock.h"

/* LIMIT: attributes of an entry (more are not seen), entries of one search. */
#define ATTRIBUTES_MAX 256
#define ENTRIES_MAX    10000000

/* LIMIT: bytes of a search base or filter, and of a page's cookie. */
#define TEXT_MAX_BYTES   ((size_t)256 * 1024)
#define COOKIE_MAX_BYTES ((size_t)64 * 1024)

/* ------------------------------------------------------------------ entries */

struct attribute {
	struct str name; /* with its options */
	BerVarray values;
	unsigned n;
};

struct ldap_entry {
	const struct ldap_kind *kind;
	BerElement *ber;
	struct str dn;
	struct attribute attributes[ATTRIBUTES_MAX];
	unsigned n;
};

static void entry_done(struct ldap_entry *e)
{
	for (unsigned i = 0; i < e->n; i++)
		ldap_memfree(e->attributes[i].values);
	if (e->ber != NULL)
		ber_free(e->ber, 0);
}

/* The entry's strings stay in the message. False: malformed. */
static bool entry_read(LDAP *ld, LDAPMessage *m, struct ldap_entry *e)
{
	struct berval name;

	e->ber = NULL;
	e->n = 0;
	if (ldap_get_dn_ber(ld, m, &e->ber, &name) != LDAP_SUCCESS)
		return false;
	e->dn = (struct str){name.bv_val, name.bv_len};
	while (e->n < ATTRIBUTES_MAX) {
		struct attribute *at = &e->attributes[e->n];

		at->values = NULL;
		at->n = 0;
		if (ldap_get_attribute_ber(ld, m, e->ber, &name, &at->values) !=
			LDAP_SUCCESS)
			return false;
		if (name.bv_val == NULL)
			break;
		at->name = (struct str){name.bv_val, name.bv_len};
		while (at->values != NULL && at->values[at->n].bv_val != NULL)
			at->n++;
		e->n++;
	}
	return true;
}

struct str ldap_entry_dn(const struct ldap_entry *e)
{
	return e->dn;
}

const struct ldap_kind *ldap_entry_kind(const struct ldap_entry *e)
{
	return e->kind;
}

/* Is it that attribute, whatever its options? */
static bool is_named(const struct attribute *at, struct str name)
{
	ptrdiff_t options = str_find(at->name, ';');
	size_t len = options < 0 ? at->name.len : (size_t)options;

	return str_ieq(str_sub(at->name, 0, len), name);
}

struct str ldap_entry_value(struct ldap_entry *e, const char *attribute, unsigned n)
{
	struct str name = str_c(attribute);

	for (unsigned i = 0; i < e->n; i++) {
		const struct attribute *at = &e->attributes[i];

		if (!is_named(at, name))
			continue;
		if (n < at->n)
			return (struct str){at->values[n].bv_val, at->values[n].bv_len};
		n -= at->n;
	}
	return STR_NONE;
}

unsigned ldap_entry_count(struct ldap_entry *e, const char *attribute)
{
	struct str name = str_c(attribute);
	unsigned count = 0;

	for (unsigned i = 0; i < e->n; i++)
		if (is_named(&e->attributes[i], name))
			count += e->attributes[i].n;
	return count;
}

/* `range=0-1499` among the options: where the next one begins. */
static bool range_of(struct str options, unsigned *ret_next)
{
	while (options.ptr != NULL) {
		struct str option = str_split(&options, ';');
		int64_t last;

		if (option.len < 6 || !str_ieq(str_sub(option, 0, 6), STR("range=")))
			continue;
		(void)str_split(&option, '-');
		if (option.ptr == NULL || !str_to_i64(option, 0, 100000000, &last))
			return false;
		*ret_next = (unsigned)last + 1;
		return true;
	}
	return false;
}

bool ldap_entry_range(struct ldap_entry *e, const char *attribute, unsigned *ret_next)
{
	struct str name = str_c(attribute);

	for (unsigned i = 0; i < e->n; i++) {
		struct str options = e->attributes[i].name;

		if (!is_named(&e->attributes[i], name))
			continue;
		(void)str_split(&options, ';');
		if (range_of(options, ret_next))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ one page */

/* A search on its way. */
struct run {
	struct ldap_conn *c;
	const struct ldap_query *q;
	char *base, *filter;
	struct berval cookie; /* ours, freed at the end */
	unsigned told;
	bool stopped;
	ldap_entry_fn *each;
	void *ctx;
	struct ldap_fault *fault;
};

static bool malformed(struct run *r)
{
	return ldap_fault_local(r->c, r->fault, LDAP_DECODING_ERROR);
}

static bool tell(struct run *r, LDAPMessage *m)
{
	struct ldap_entry *e = malloc(sizeof(*e));
	bool fine;

	if (e == NULL)
		return ldap_fault_local(r->c, r->fault, LDAP_NO_MEMORY);
	e->kind = &r->c->kind;
	fine = entry_read(r->c->ld, m, e) || malformed(r);
	if (fine) {
		r->told++;
		r->stopped = !r->each(e, r->ctx);
	}
	entry_done(e);
	free(e);
	return fine;
}

/* The cookie for the next page out of the answer's controls; none: it was the last. */
static bool keep_cookie(struct run *r, LDAPControl *const *controls)
{
	struct str cookie = STR("");

	ber_memfree(r->cookie.bv_val);
	r->cookie = (struct berval){0, NULL};
	for (; controls != NULL && *controls != NULL; controls++) {
		const struct berval *value = &(*controls)->ldctl_value;

		if (strcmp((*controls)->ldctl_oid, LDAP_CONTROL_PAGEDRESULTS) == 0 &&
			!ldap_ber_page((struct str){value->bv_val, value->bv_len},
				&cookie))
			return malformed(r);
	}
	if (cookie.len == 0)
		return true;
	if (cookie.len > COOKIE_MAX_BYTES)
		return malformed(r);
	r->cookie.bv_val = ber_memalloc(cookie.len);
	if (r->cookie.bv_val == NULL)
		return ldap_fault_local(r->c, r->fault, LDAP_NO_MEMORY);
	memcpy(r->cookie.bv_val, cookie.ptr, cookie.len);
	r->cookie.bv_len = cookie.len;
	return true;
}

static bool final(struct run *r, LDAPMessage *m)
{
	struct ldap_answer answer = {0};
	bool fine;

	if (!ldap_conn_parse(r->c, m, &answer, r->fault))
		return false;
	fine = keep_cookie(r, answer.controls);
	ldap_controls_free(answer.controls);
	if (!fine)
		return false;
	if (answer.code == LDAP_SUCCESS)
		return true;
	if (answer.code == LDAP_SIZELIMIT_EXCEEDED && r->q->limit > 0 &&
		r->told >= r->q->limit)
		return true;
	return ldap_fault_code(r->fault, answer.code);
}

/* Takes the messages of operation `id` until it is over. */
static bool collect(struct run *r, int id, int64_t deadline_ms)
{
	for (;;) {
		LDAPMessage *m =
			ldap_conn_next(r->c, id, LDAP_MSG_ONE, deadline_ms, r->fault);
		int type = m == NULL ? 0 : ldap_msgtype(m);
		bool fine = m != NULL;

		if (type == LDAP_RES_SEARCH_RESULT)
			return final(r, m);
		if (type == LDAP_RES_SEARCH_ENTRY)
			fine = r->told < ENTRIES_MAX ? tell(r, m) : malformed(r);
		else if (m != NULL && type != LDAP_RES_SEARCH_REFERENCE &&
			type != LDAP_RES_INTERMEDIATE)
			fine = malformed(r);
		(void)ldap_msgfree(m);
		if (!fine)
			return false;
		if (r->stopped) {
			(void)ldap_abandon_ext(r->c->ld, id, NULL, NULL);
			return true;
		}
		/* The clock also stops a server that never runs out of entries. */
		if (clock_mono_ms() >= deadline_ms) {
			(void)ldap_abandon_ext(r->c->ld, id, NULL, NULL);
			return ldap_fault_local(r->c, r->fault, LDAP_TIMEOUT);
		}
	}
}

static int scope_of(enum ldap_where where)
{
	switch (where) {
	case LDAP_WHERE_BASE:
		return LDAP_SCOPE_BASE;
	case LDAP_WHERE_ONE:
		return LDAP_SCOPE_ONELEVEL;
	case LDAP_WHERE_SUBTREE:
		break;
	}
	return LDAP_SCOPE_SUBTREE;
}

/* libldap reads the names only, but its type says otherwise. */
static char **names_of(const char *const *names)
{
	char **copy;

	memcpy(&copy, &names, sizeof(copy));
	return copy;
}

static bool page_run(struct run *r, int64_t deadline_ms)
{
	const struct ldap_query *q = r->q;
	LDAPControl *controls[2] = {NULL, NULL};
	int size = q->page > 0 ? 0 : (int)q->limit;
	int rc = LDAP_SUCCESS;
	int id;

	if (q->page > 0) {
		unsigned page = q->page > 1000 ? 1000 : q->page;

		if (q->limit > 0 && q->limit - r->told < page)
			page = q->limit - r->told;
		rc = ldap_create_page_control(r->c->ld, (ber_int_t)page, &r->cookie, 0,
			&controls[0]);
	}
	if (rc == LDAP_SUCCESS)
		rc = ldap_search_ext(r->c->ld, r->base, scope_of(q->where), r->filter,
			names_of(q->attributes), 0, controls, NULL, NULL, size, &id);
	if (controls[0] != NULL)
		ldap_control_free(controls[0]);
	if (rc != LDAP_SUCCESS)
		return ldap_fault_local(r->c, r->fault, rc);
	return collect(r, id, deadline_ms);
}

static char *copy_of(struct str s)
{
	return s.len > TEXT_MAX_BYTES || str_find(s, '\0') >= 0 ? NULL
								: strndup(s.ptr, s.len);
}

bool ldap_conn_search(struct ldap_conn *c, const struct ldap_query *q,
	int64_t page_timeout_ms, int64_t until_ms, ldap_entry_fn *each, void *ctx,
	struct ldap_fault *fault)
{
	struct run r = {.c = c, .q = q, .each = each, .ctx = ctx, .fault = fault};
	bool fine;

	ldap_fault_init(fault);
	r.base = copy_of(q->base.ptr == NULL ? STR("") : q->base);
	r.filter = copy_of(q->filter.ptr == NULL ? STR("(objectClass=*)") : q->filter);
	/* An empty filter would be one for everything. */
	fine = r.base != NULL && r.filter != NULL && r.filter[0] != '\0';
	if (!fine)
		(void)ldap_fault_local(c, fault, LDAP_FILTER_ERROR);
	while (fine) {
		int64_t page_end_ms = clock_mono_ms() + page_timeout_ms;

		fine = page_run(&r, page_end_ms < until_ms ? page_end_ms : until_ms);
		if (r.stopped || r.cookie.bv_len == 0 ||
			(q->limit > 0 && r.told >= q->limit))
			break;
	}
	ber_memfree(r.cookie.bv_val);
	free(r.base);
	free(r.filter);
	return fine;
}

/* ------------------------------------------------------------------ root DSE */

static bool has_value(struct ldap_entry *e, const char *attribute, const char *value)
{
	for (unsigned i = 0; i < ldap_entry_count(e, attribute); i++)
		if (str_eq_c(ldap_entry_value(e, attribute, i), value))
			return true;
	return false;
}

static bool read_kind(struct ldap_entry *e, void *ctx)
{
	struct ldap_kind *k = ctx;
	struct str vendor = ldap_entry_value(e, "vendorName", 0);
	size_t len = vendor.len < sizeof(k->vendor) ? vendor.len : sizeof(k->vendor) - 1;

	for (size_t i = 0; i < len; i++) {
		char c = vendor.ptr[i];

		k->vendor[i] = (char)(c >= 0x20 && c < 0x7F ? c : '?');
	}
	k->vendor[len] = '\0';
	k->active_directory =
		has_value(e, "supportedCapabilities", "1.2.840.113556.1.4.800");
	k->in_chain = k->active_directory;
	k->paging = has_value(e, "supportedControl", LDAP_CONTROL_PAGEDRESULTS);
	k->content_sync = has_value(e, "supportedControl", LDAP_CONTROL_SYNC);
	k->password_policy =
		has_value(e, "supportedControl", LDAP_CONTROL_PASSWORDPOLICYREQUEST);
	return true;
}

/* Does the server say that its root DSE is not for this reader? */
static bool is_not_shown(const struct ldap_fault *f)
{
	return f->state == LDAP_STATE_CODE &&
		(f->code == LDAP_NO_SUCH_OBJECT || f->code == LDAP_INSUFFICIENT_ACCESS ||
			f->code == LDAP_OPERATIONS_ERROR);
}

bool ldap_conn_kind(struct ldap_conn *c, int64_t deadline_ms, struct ldap_kind *ret,
	struct ldap_fault *fault)
{
	static const char *const names[] = {
		"supportedCapabilities", "supportedControl", "vendorName", NULL};
	const struct ldap_query q = {
		.base = STR(""), .where = LDAP_WHERE_BASE, .attributes = names};
	struct ldap_kind kind = {0};

	ldap_fault_init(fault);
	if (!c->kind_known) {
		if (!ldap_conn_search(c, &q, deadline_ms - clock_mono_ms(), deadline_ms,
			    read_kind, &kind, fault)) {
			if (!is_not_shown(fault))
				return false;
			ldap_fault_init(fault);
			*ret = kind; /* not kept: the next who binds may see it */
			return true;
		}
		c->kind = kind;
		c->kind_known = true;
	}
	*ret = c->kind;
	return true;
}
