/*
 * ldap_groups - a group found by its name, and all of them listed; see ldap_groups.h.
 *
 * Who is in a group, nested ones included, is ldap_people.c's; how the entry is read, ldap_members.c's.
 */
#include "iamd/idp/ldap_groups.h"

#include "iamd/idp/ldap_members.h"
#include "iamd/idp/ldap_name.h"

/* LIMIT: entries of one page: a group's entry may be megabytes. */
#define GROUPS_PAGE 100
/* LIMIT: memory of one group while it is listed; of the names of those that came in ranges. */
#define GROUP_BYTES_MAX  ((size_t)256 << 20)
#define RANGED_BYTES_MAX ((size_t)16 << 20)

/* ---- one, by name ---- */

struct finding {
	const struct ldap_settings *s;
	struct arena *a;
	struct str wanted;
	struct ldap_group_draft draft;
	unsigned n;
};

static bool found_entry(struct ldap_entry *e, void *ctx)
{
	struct finding *f = ctx;

	if (f->n++ > 0)
		return false;
	ldap_group_begin(f->s, e, f->wanted, f->a, &f->draft);
	return true;
}

static enum idp_result judge(const struct finding *f, struct ldap_group *ret,
	struct ldap_fault *fault)
{
	if (f->n == 1 && !f->draft.unnamed) {
		*ret = f->draft.group;
		return IDP_ACCEPTED;
	}
	if (f->n == 1)
		(void)ldap_fault_own(fault, LDAP_STATE_OK,
			"the entry has no name or no lasting id");
	else
		(void)ldap_fault_own(fault, LDAP_STATE_OK,
			f->n == 0 ? "search yielded 0 entries"
				  : "search yielded more than one entry");
	return IDP_UNKNOWN_USER;
}

static enum idp_result find_on(struct ldap_conn *c, struct finding *f,
	const struct ldap_query *q, int64_t deadline_ms, struct ldap_group *ret,
	struct ldap_fault *fault)
{
	if (!ldap_conn_search(c, q, f->s->search_timeout_ms, deadline_ms, found_entry, f,
		    fault))
		return IDP_UNAVAILABLE;
	if (f->n == 1 &&
		!ldap_group_complete(f->s, c, &f->draft, f->a, deadline_ms, fault))
		return IDP_UNAVAILABLE;
	return judge(f, ret, fault);
}

enum idp_result ldap_group_find(struct ldap_pool *p, const struct ldap_settings *s,
	struct str name, struct arena *a, int64_t deadline_ms, struct ldap_group *ret,
	struct ldap_fault *fault)
{
	struct finding f = {.s = s, .a = a, .wanted = name};
	struct ldap_query q = {
		.base = s->groups.base, .where = LDAP_WHERE_SUBTREE, .limit = 2};
	struct ldap_kind kind;
	struct ldap_conn *c;
	enum idp_result result;
	enum iam_err e;

	if (s->groups.base.ptr == NULL) {
		(void)ldap_fault_own(fault, LDAP_STATE_PROTOCOL,
			"the directory's configuration has no `group-search`");
		return IDP_UNAVAILABLE;
	}
	e = ldap_filter_expand(a, s->groups.filter, LDAP_GROUP_PLACEHOLDER, name,
		&q.filter);
	if (e == IAM_BAD_DATA) {
		(void)ldap_fault_own(fault, LDAP_STATE_OK,
			"no directory can have that name");
		return IDP_UNKNOWN_USER;
	}
	q.attributes = ldap_group_attributes(s, NULL, a);
	if (e != IAM_OK || q.attributes == NULL) {
		(void)ldap_fault_own(fault, LDAP_STATE_NO_MEMORY, "no memory");
		return IDP_UNAVAILABLE;
	}
	c = ldap_lookup_take(p, s, deadline_ms, &kind, fault);
	if (c == NULL)
		return IDP_UNAVAILABLE;
	result = find_on(c, &f, &q, deadline_ms, ret, fault);
	ldap_pool_give(p, LDAP_USE_LOOKUP, c, result == IDP_UNAVAILABLE ? fault : NULL);
	return result;
}

/* ---- all of them ---- */

struct listing {
	const struct ldap_settings *s;
	struct ldap_conn *c;
	ldap_group_fn *each;
	void *ctx;
	int64_t until_ms;
	struct ldap_fault *fault;
	struct arena *names; /* of `ranged` */
	struct ranged {
		struct str dn;
		struct ranged *next;
	} * ranged; /* groups that came in ranges: read once more when the list has ended */
	bool stopped, failed;
};

static bool has_ranges(const struct ldap_group_draft *d)
{
	for (unsigned i = 0; i < LDAP_MEMBER_ATTRS_MAX; i++)
		if (d->next[i] != 0)
			return true;
	return false;
}

static bool put_off(struct listing *l, struct str dn)
{
	struct ranged *r = arena_alloc(l->names, sizeof *r);

	if (r != NULL)
		r->dn = arena_str(l->names, dn);
	if (r == NULL || r->dn.ptr == NULL) {
		l->failed = true;
		return ldap_fault_own(l->fault, LDAP_STATE_NO_MEMORY,
			"no memory for the names of the groups");
	}
	r->next = l->ranged;
	l->ranged = r;
	return true;
}

/* Between two questions: that is no failure. Any other code says nothing about the entry. */
static bool is_gone(const struct ldap_fault *f)
{
	return f->state == LDAP_STATE_CODE && f->code == 32; /* noSuchObject */
}

/* Ranges first, then the caller. An entry without name or id is none of ours. */
static void tell_group(struct listing *l, struct ldap_group_draft *d, struct arena *a)
{
	if (d->unnamed)
		return;
	if (!ldap_group_complete(l->s, l->c, d, a, l->until_ms, l->fault))
		l->failed = !is_gone(l->fault);
	else if (!l->each(&d->group, l->ctx))
		l->stopped = true;
}

static bool listed_entry(struct ldap_entry *e, void *ctx)
{
	struct listing *l = ctx;
	struct ldap_group_draft d = {.cap = 0};
	struct arena *a = arena_new(8192, GROUP_BYTES_MAX);

	if (a == NULL) {
		l->failed = true;
		return ldap_fault_own(l->fault, LDAP_STATE_NO_MEMORY, "no memory");
	}
	ldap_group_begin(l->s, e, STR_NONE, a, &d);
	if (has_ranges(&d))
		(void)put_off(l, d.group.dn); /* the connection is busy */
	else
		tell_group(l, &d, a);
	arena_free(a);
	return !l->failed && !l->stopped;
}

struct reading {
	const struct ldap_settings *s;
	struct arena *a;
	struct ldap_group_draft draft;
	unsigned n;
};

static bool read_entry(struct ldap_entry *e, void *ctx)
{
	struct reading *r = ctx;

	if (r->n++ == 0)
		ldap_group_begin(r->s, e, STR_NONE, r->a, &r->draft);
	return true;
}

/*
 * One that came in ranges, anew and whole. It may be gone by now; but one left out for another reason
 * would look like it to the caller.
 */
static void tell_ranged(struct listing *l, const char *const *attributes, struct str dn)
{
	struct reading r = {.s = l->s, .a = arena_new(65536, GROUP_BYTES_MAX)};
	const struct ldap_query q = {
		.base = dn, .where = LDAP_WHERE_BASE, .attributes = attributes};

	if (r.a == NULL) {
		l->failed = true;
		(void)ldap_fault_own(l->fault, LDAP_STATE_NO_MEMORY, "no memory");
		return;
	}
	if (!ldap_conn_search(l->c, &q, l->s->search_timeout_ms, l->until_ms, read_entry,
		    &r, l->fault))
		l->failed = !is_gone(l->fault);
	else if (r.n == 1)
		tell_group(l, &r.draft, r.a);
	else
		l->failed = !ldap_fault_own(l->fault, LDAP_STATE_PROTOCOL,
			"a group of the list is not shown when it is read by its name");
	arena_free(r.a);
}

/* The rule's groups that pass the caller's filter (absent: all). */
static enum iam_err filter_of(const struct ldap_settings *s, struct str filter,
	struct arena *a, struct str *ret)
{
	struct str any = STR_NONE;
	enum iam_err e =
		ldap_filter_any(a, s->groups.filter, LDAP_GROUP_PLACEHOLDER, &any);

	if (e == IAM_OK && filter.ptr != NULL)
		any = arena_fmt(a, "(&%.*s%.*s)", STR_FMT(any), STR_FMT(filter));
	*ret = any;
	return e == IAM_OK && any.ptr == NULL ? IAM_NO_MEMORY : e;
}

bool ldap_groups_each(struct ldap_conn *c, const struct ldap_settings *s,
	const struct ldap_kind *kind, struct str filter, int64_t until_ms,
	ldap_group_fn *each, void *ctx, struct ldap_fault *fault)
{
	struct listing l = {.s = s,
		.c = c,
		.each = each,
		.ctx = ctx,
		.until_ms = until_ms,
		.fault = fault,
		.names = arena_new(4096, RANGED_BYTES_MAX)};
	struct ldap_query q = {.base = s->groups.base,
		.where = LDAP_WHERE_SUBTREE,
		.page = kind->paging ? GROUPS_PAGE : 0};

	if (l.names != NULL && filter_of(s, filter, l.names, &q.filter) == IAM_OK)
		q.attributes = ldap_group_attributes(s, NULL, l.names);
	if (q.attributes == NULL) {
		arena_free(l.names);
		return ldap_fault_own(fault, LDAP_STATE_NO_MEMORY, "no memory");
	}
	if (!ldap_conn_search(c, &q, s->search_timeout_ms, until_ms, listed_entry, &l,
		    fault))
		l.failed = true;
	for (struct ranged *r = l.ranged; r != NULL && !l.failed && !l.stopped;
		r = r->next)
		tell_ranged(&l, q.attributes, r->dn);
	arena_free(l.names);
	return !l.failed;
}
