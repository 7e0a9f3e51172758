/*
 * ldap_members - the entry of a group read; see ldap_members.h.
 *
 * Which attributes hold members is a setting; memberUid holds login names, all others DNs. A
 * uniqueMember may end in a bit string (`#'0101'B`, RFC 4517 section 3.3.21), which is no part of the
 * DN. Active Directory cuts an attribute of many values (`member;range=0-1499`) whether asked to or
 * not; the rest is asked for range by range.
 */
#include "iamd/idp/ldap_members.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "iamd/idp/ldap_name.h"
#include "iamd/sys/clock.h"

const char *const ldap_group_classes[] = {"group", "groupOfNames", "groupOfUniqueNames",
	"posixGroup", "groupOfMembers", "groupOfEntries", "ipaUserGroup", "nestedGroup",
	NULL};

/* A person may be the own POSIX group as well. */
static const char *const person_classes[] = {"person", "posixAccount", "user", NULL};

static const char *const usual_members[] = {"member", "uniqueMember", "memberUid"};
#define N_USUAL (sizeof usual_members / sizeof usual_members[0])

/* LIMIT: attributes that the filter compares with the name; cn and sAMAccountName follow. */
#define NAMING_MAX 4

struct naming {
	const char *attributes[NAMING_MAX + 2];
	unsigned n;
};

/* ---- small things ---- */

bool ldap_fault_own(struct ldap_fault *fault, enum ldap_state state, const char *text)
{
	*fault = (struct ldap_fault){.state = state,
		.ppolicy_error = -1,
		.ppolicy_expires_s = -1,
		.ppolicy_grace = -1};
	(void)snprintf(fault->text, sizeof fault->text, "%s", text);
	return false;
}

static unsigned n_member_attributes(const struct ldap_settings *s)
{
	return s->n_member_attributes != 0 ? s->n_member_attributes : (unsigned)N_USUAL;
}

static const char *member_attribute(const struct ldap_settings *s, unsigned i)
{
	return s->n_member_attributes != 0 ? s->member_attributes[i].ptr
					   : usual_members[i];
}

static bool has_class(struct ldap_entry *e, const char *const *classes)
{
	unsigned n = ldap_entry_count(e, "objectClass");

	for (unsigned i = 0; i < n; i++) {
		struct str class = ldap_entry_value(e, "objectClass", i);

		for (unsigned k = 0; classes[k] != NULL; k++)
			if (str_ieq_c(class, classes[k]))
				return true;
	}
	return false;
}

bool ldap_entry_is_group(struct ldap_entry *e)
{
	return has_class(e, ldap_group_classes) && !has_class(e, person_classes);
}

/* ---- which attribute is the name ---- */

static bool is_of_a_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* The attribute compared with what stands at `at` in the filter: `(cn=%(groupname)s)`; absent: none. */
static struct str compared_at(struct str filter, size_t at)
{
	size_t from;

	if (at == 0 || filter.ptr[at - 1] != '=')
		return STR_NONE;
	for (from = at - 1; from > 0 && is_of_a_name(filter.ptr[from - 1]); from--)
		;
	return from == at - 1 ? STR_NONE : str_sub(filter, from, at - 1);
}

static bool has_name(const struct naming *n, const char *attribute)
{
	for (unsigned i = 0; i < n->n; i++)
		if (str_ieq(str_c(n->attributes[i]), str_c(attribute)))
			return true;
	return false;
}

/* Those that the search's filter compares, then the usual two. False: no memory. */
static bool naming_of(const struct ldap_settings *s, struct arena *a, struct naming *ret)
{
	struct str f = s->groups.filter;
	size_t len = strlen(LDAP_GROUP_PLACEHOLDER);

	*ret = (struct naming){.n = 0};
	for (size_t at = 0; at + len <= f.len && ret->n < NAMING_MAX; at++) {
		struct str attribute = STR_NONE;
		const char *copy;

		if (str_eq_c(str_sub(f, at, at + len), LDAP_GROUP_PLACEHOLDER))
			attribute = compared_at(f, at);
		if (attribute.ptr == NULL)
			continue;
		copy = arena_cstr(a, attribute);
		if (copy == NULL)
			return false;
		if (!has_name(ret, copy))
			ret->attributes[ret->n++] = copy;
	}
	if (!has_name(ret, "cn"))
		ret->attributes[ret->n++] = "cn";
	if (!has_name(ret, "sAMAccountName"))
		ret->attributes[ret->n++] = "sAMAccountName";
	return true;
}

/* The value that was looked for in the entry's spelling, else the first of the first attribute. */
static struct str name_of(struct ldap_entry *e, const struct naming *n, struct str wanted)
{
	struct str first = STR_NONE;

	for (unsigned i = 0; i < n->n; i++) {
		unsigned count = ldap_entry_count(e, n->attributes[i]);

		for (unsigned k = 0; k < count; k++) {
			struct str v = ldap_entry_value(e, n->attributes[i], k);

			if (wanted.ptr != NULL && str_ieq(v, wanted))
				return v;
			if (first.ptr == NULL && v.len > 0)
				first = v;
		}
	}
	return first;
}

/* ---- members ---- */

static bool make_room(struct ldap_group_draft *d, struct arena *a, size_t n)
{
	struct ldap_group *g = &d->group;
	size_t cap = d->cap;
	struct str *members;
	bool *by_name;

	if (g->n_members + n > LDAP_GROUP_MEMBERS_MAX) {
		d->too_many = true;
		return false;
	}
	if (g->n_members + n <= cap)
		return true;
	while (cap < g->n_members + n)
		cap = cap == 0 ? 16 : 2 * cap;
	members = arena_alloc_n(a, cap, sizeof *members);
	by_name = arena_alloc_n(a, cap, sizeof *by_name);
	if (members == NULL || by_name == NULL) {
		d->no_memory = true;
		return false;
	}
	if (g->n_members > 0) {
		memcpy(members, g->members, g->n_members * sizeof *members);
		memcpy(by_name, g->by_name, g->n_members * sizeof *by_name);
	}
	g->members = members;
	g->by_name = by_name;
	d->cap = cap;
	return true;
}

/* A DN without the bit string that a uniqueMember may end in. */
static struct str without_bits(struct str v)
{
	size_t i;

	if (!str_ends(v, STR("'B")))
		return v;
	for (i = v.len - 2; i > 0 && (v.ptr[i - 1] == '0' || v.ptr[i - 1] == '1'); i--)
		;
	if (i < 2 || v.ptr[i - 1] != '\'' || v.ptr[i - 2] != '#')
		return v;
	return str_sub(v, 0, i - 2);
}

/* The values of one attribute, all or a range of them. */
static void add_values(struct ldap_group_draft *d, struct ldap_entry *e,
	const char *attribute, struct arena *a)
{
	bool is_names = str_ieq_c(str_c(attribute), "memberUid");
	unsigned n = ldap_entry_count(e, attribute);
	struct ldap_group *g = &d->group;

	if (!make_room(d, a, n))
		return;
	for (unsigned i = 0; i < n; i++) {
		struct str v = ldap_entry_value(e, attribute, i);
		/* An attribute of a site's own may hold either. */
		bool by_name = is_names || str_find(v, '=') < 0;

		v = arena_str(a, by_name ? v : without_bits(v));
		if (v.ptr == NULL) {
			d->no_memory = true;
			return;
		}
		g->members[g->n_members] = v;
		g->by_name[g->n_members] = by_name;
		g->n_members++;
	}
}

void ldap_group_begin(const struct ldap_settings *s, struct ldap_entry *e,
	struct str wanted, struct arena *a, struct ldap_group_draft *ret)
{
	struct ldap_group *g = &ret->group;
	struct naming naming;
	struct str name;

	g->dn = arena_str(a, ldap_entry_dn(e));
	g->description = arena_str(a, ldap_entry_value(e, "description", 0));
	if (g->description.ptr == NULL)
		g->description = STR("");
	g->subject = ldap_lasting_id(e, a);
	if (g->dn.ptr == NULL || !naming_of(s, a, &naming)) {
		ret->no_memory = true;
		return;
	}
	name = name_of(e, &naming, wanted);
	g->name = arena_str(a, name);
	ret->unnamed = g->name.ptr == NULL || g->subject.ptr == NULL;
	for (unsigned i = 0; i < n_member_attributes(s); i++) {
		add_values(ret, e, member_attribute(s, i), a);
		if (!ldap_entry_range(e, member_attribute(s, i), &ret->next[i]))
			ret->next[i] = 0;
	}
}

struct range_answer {
	const char *attribute;
	struct arena *a;
	struct ldap_group_draft *d;
	unsigned next;
	bool is_there;
};

static bool range_entry(struct ldap_entry *e, void *ctx)
{
	struct range_answer *r = ctx;

	r->is_there = true;
	add_values(r->d, e, r->attribute, r->a);
	if (!ldap_entry_range(e, r->attribute, &r->next))
		r->next = 0;
	return true;
}

/* The rest of one attribute. */
static bool fetch_ranges(const struct ldap_settings *s, struct ldap_conn *c,
	struct ldap_group_draft *d, unsigned i, const struct range_answer *blank,
	int64_t until_ms, struct ldap_fault *fault)
{
	while (d->next[i] != 0 && !d->too_many && !d->no_memory) {
		struct range_answer r = *blank;
		char wanted[LDAP_TEXT_MAX + 32];
		const char *attributes[] = {wanted, NULL};
		struct ldap_query q = {.base = d->group.dn,
			.where = LDAP_WHERE_BASE,
			.attributes = attributes};

		r.attribute = member_attribute(s, i);
		(void)snprintf(wanted, sizeof wanted, "%s;range=%u-*", r.attribute,
			d->next[i]);
		if (!ldap_conn_search(c, &q, s->search_timeout_ms, until_ms, range_entry,
			    &r, fault))
			return false;
		if (!r.is_there) /* what came so far is not the whole group */
			return ldap_fault_own(fault, LDAP_STATE_PROTOCOL,
				"the rest of a group's members is not shown");
		if (r.next != 0 && r.next <= d->next[i])
			return ldap_fault_own(fault, LDAP_STATE_PROTOCOL,
				"the server's ranges of a group's members do not go on");
		d->next[i] = r.next;
	}
	return true;
}

bool ldap_group_complete(const struct ldap_settings *s, struct ldap_conn *c,
	struct ldap_group_draft *d, struct arena *a, int64_t until_ms,
	struct ldap_fault *fault)
{
	const struct range_answer blank = {.a = a, .d = d};

	for (unsigned i = 0; i < n_member_attributes(s); i++)
		if (!fetch_ranges(s, c, d, i, &blank, until_ms, fault))
			return false;
	if (d->no_memory)
		return ldap_fault_own(fault, LDAP_STATE_NO_MEMORY,
			"no memory for the members of a group");
	if (d->too_many)
		return ldap_fault_own(fault, LDAP_STATE_PROTOCOL,
			"a group has more than 1000000 members");
	return true;
}

/* ---- what to ask for ---- */

struct wish_list {
	const char **names;
	size_t n;
};

/* Once, whatever its case. */
static void wish(struct wish_list *w, const char *attribute)
{
	for (size_t i = 0; i < w->n; i++)
		if (str_ieq(str_c(w->names[i]), str_c(attribute)))
			return;
	w->names[w->n++] = attribute;
}

const char *const *ldap_group_attributes(const struct ldap_settings *s,
	const char *const *also, struct arena *a)
{
	struct wish_list w = {.n = 0};
	struct naming naming;
	size_t n_also = 0;

	while (also != NULL && also[n_also] != NULL)
		n_also++;
	w.names = arena_alloc_n(a,
		n_also + LDAP_LASTING_IDS + LDAP_MEMBER_ATTRS_MAX + NAMING_MAX + 8,
		sizeof *w.names);
	if (w.names == NULL || !naming_of(s, a, &naming))
		return NULL;
	for (size_t i = 0; i < n_also; i++)
		wish(&w, also[i]);
	for (unsigned i = 0; i < naming.n; i++)
		wish(&w, naming.attributes[i]);
	for (unsigned i = 0; i < n_member_attributes(s); i++)
		wish(&w, member_attribute(s, i));
	for (size_t i = 0; i < LDAP_LASTING_IDS; i++)
		wish(&w, ldap_lasting_ids[i]);
	wish(&w, "description");
	wish(&w, "objectClass");
	return w.names;
}

/* ---- connections ---- */

static bool ignore_entry(struct ldap_entry *e, void *ctx)
{
	(void)e;
	(void)ctx;
	return true;
}

/* Does the server still answer on a connection that was kept? A result code is an answer. */
static bool is_alive(struct ldap_conn *c, int64_t timeout_ms, int64_t deadline_ms,
	struct ldap_fault *fault)
{
	static const char *const nothing[] = {"1.1", NULL};
	const struct ldap_query q = {
		.base = STR(""), .where = LDAP_WHERE_BASE, .attributes = nothing};
	return ldap_conn_search(c, &q, timeout_ms, deadline_ms, ignore_entry, NULL,
		       fault) ||
		fault->state == LDAP_STATE_CODE;
}

/* When a connection must be there: each server may take its time, then bind and the first answers. */
static int64_t lookup_deadline(const struct ldap_settings *s, int64_t until_ms)
{
	int64_t end = clock_mono_ms() + s->n_servers * s->connect_timeout_ms +
		2 * s->operation_timeout_ms;

	return end < until_ms ? end : until_ms;
}

struct ldap_conn *ldap_lookup_take(struct ldap_pool *p, const struct ldap_settings *s,
	int64_t until_ms, struct ldap_kind *ret_kind, struct ldap_fault *fault)
{
	int64_t deadline_ms = lookup_deadline(s, until_ms);

	for (unsigned i = 0; i <= LDAP_POOL_KEEP; i++) {
		bool kept = false;
		struct ldap_conn *c =
			ldap_pool_take(p, LDAP_USE_LOOKUP, deadline_ms, &kept, fault);

		if (c == NULL)
			return NULL;
		*ret_kind = (struct ldap_kind){.active_directory = false};
		if ((!kept || is_alive(c, s->operation_timeout_ms, deadline_ms, fault)) &&
			ldap_conn_kind(c, deadline_ms, ret_kind, fault)) {
			*fault = (struct ldap_fault){.state = LDAP_STATE_OK};
			return c;
		}
		ldap_pool_give(p, LDAP_USE_LOOKUP, c, fault);
		if (!kept || fault->state != LDAP_STATE_UNREACHABLE)
			return NULL;
	}
	return NULL;
}
