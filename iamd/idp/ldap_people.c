/*
 * ldap_people - who is in a group, nested groups included; see ldap_groups.h.
 *
 * Level by level: the members of the group, then those of the groups among them, and so on. Of each
 * level few members are looked up one by one; many are found by one paged search of all users, whose
 * DNs are compared with those wanted, so that a group of 100 000 costs some hundred round trips. Each
 * DN and name is met once, each person told once: circles and diamonds end by themselves. Where the
 * server is Active Directory its in-chain rule answers for a nested group in one search; it gives the
 * same people. A user's primary group does not list the user as a member there (`member`, `memberOf`
 * and the in-chain rule leave it out), and so it does not here.
 *
 * Not here: whether an account is made of a person.
 */
#include "iamd/idp/ldap_name.h"
#include "iamd/idp/ldap_walk.h"

#define IN_CHAIN "1.2.840.113556.1.4.1941"

/* LIMIT: more members than that on one level are found by one search of all users. */
#define LOOKUPS_MAX 1000
/* LIMIT: names in one filter; nested groups asked with the in-chain rule, more are walked. */
#define NAMES_AT_ONCE 50
#define CHAINS_MAX    32
/* LIMIT: entries of one page of users. */
#define USERS_PAGE 500

/* ---- what to ask for ---- */

/* `(|(the users)(objectClass=group)…)`: what a look-up of a member may find. */
static bool look_for(struct walk *w)
{
	struct sb sb;

	sb_init(&sb, w->a, 8192);
	sb_add_c(&sb, "(|");
	sb_add(&sb, w->rule.filter);
	for (unsigned i = 0; ldap_group_classes[i] != NULL; i++)
		sb_addf(&sb, "(objectClass=%s)", ldap_group_classes[i]);
	sb_add_c(&sb, ")");
	w->users_or_groups = sb_str(&sb);
	w->user_attributes = ldap_user_attributes(w->s, w->a);
	if (w->user_attributes != NULL)
		w->all_attributes = ldap_group_attributes(w->s, w->user_attributes, w->a);
	return w->users_or_groups.ptr != NULL && w->all_attributes != NULL;
}

/* ---- many: all users of the rule ---- */

/* The attribute that holds login names. */
static const char *name_attribute(const struct walk *w)
{
	if (w->s->uid_attribute.ptr != NULL)
		return w->s->uid_attribute.ptr;
	return w->kind.active_directory ? "sAMAccountName" : "uid";
}

static struct member *wanted(struct walk *w, struct members *m, struct str key)
{
	uint32_t id = map_find(&m->ids, key, map_hash(&w->seed, key));

	return id == MAP_NONE || id < m->level_from ? NULL : &m->rows[id];
}

/* Which of the names that are wanted does the entry have? */
static bool note_names(struct walk *w, struct ldap_entry *e)
{
	unsigned n = ldap_entry_is_group(e) ? 0 : ldap_entry_count(e, name_attribute(w));

	for (unsigned i = 0; i < n; i++) {
		struct str key = walk_folded(w->scratch,
			ldap_entry_value(e, name_attribute(w), i));
		struct member *m = key.ptr == NULL ? NULL : wanted(w, &w->names, key);
		struct identity *who;

		if (key.ptr == NULL)
			return walk_no_memory(w);
		if (m == NULL || m->settled || m->n_entries++ > 0)
			continue;
		who = arena_alloc(w->a, sizeof *who);
		if (who == NULL)
			return walk_no_memory(w);
		if (walk_identify(w, e, w->a, who))
			m->who = who;
	}
	return true;
}

static bool scanned_entry(struct ldap_entry *e, void *ctx)
{
	struct walk *w = ctx;
	struct str key = STR_NONE;
	struct identity who;
	struct member *m;

	if (!walk_goes_on(w) || !walk_fresh_scratch(w))
		return false;
	if (w->names.ids.count > w->names.level_from && !note_names(w, e))
		return false;
	if (ldap_dn_normal(w->scratch, ldap_entry_dn(e), &key) != IAM_OK)
		return true;
	m = wanted(w, &w->dns, key);
	if (m != NULL && !m->settled && walk_identify(w, e, w->scratch, &who)) {
		m->settled = true;
		walk_tell(w, &who);
	}
	return w->state == WALKING;
}

static bool scan(struct walk *w)
{
	const struct ldap_query q = {.base = w->rule.base,
		.where = w->rule.where,
		.filter = w->rule.filter,
		.attributes = w->user_attributes,
		.page = w->kind.paging ? USERS_PAGE : 0};

	return walk_ask(w, &q, scanned_entry, w);
}

/* ---- few: names in batches ---- */

static bool named_entry(struct ldap_entry *e, void *ctx)
{
	struct walk *w = ctx;

	return walk_goes_on(w) && walk_fresh_scratch(w) && note_names(w, e);
}

/* `(&users(|(uid=a)(uid=b)…))` for the names [from, to). */
static bool ask_names(struct walk *w, size_t from, size_t to)
{
	struct ldap_query q = {.base = w->rule.base,
		.where = w->rule.where,
		.attributes = w->user_attributes,
		.limit = 4 * NAMES_AT_ONCE};
	struct sb sb;

	sb_init(&sb, w->a,
		(size_t)1 << 20); /* scratch memory may go while the answer comes */
	sb_addf(&sb, "(&%.*s(|", STR_FMT(w->rule.filter));
	for (size_t i = from; i < to; i++) {
		struct str one = STR_NONE;

		if (ldap_filter_equal(w->scratch, name_attribute(w),
			    w->names.rows[i].value, &one) != IAM_OK)
			return walk_no_memory(w);
		sb_add(&sb, one);
	}
	sb_add_c(&sb, "))");
	q.filter = sb_str(&sb);
	return q.filter.ptr == NULL ? walk_no_memory(w) : walk_ask(w, &q, named_entry, w);
}

static bool look_up_names(struct walk *w)
{
	size_t n = w->names.ids.count;

	for (size_t i = w->names.level_from; i < n; i += NAMES_AT_ONCE)
		if (!walk_fresh_scratch(w) ||
			!ask_names(w, i, i + NAMES_AT_ONCE < n ? i + NAMES_AT_ONCE : n))
			return false;
	return true;
}

/* A name of two entries is nobody's, as at login. */
static bool tell_names(struct walk *w)
{
	for (size_t i = w->names.level_from; i < w->names.ids.count; i++) {
		struct member *m = &w->names.rows[i];

		m->settled = true;
		if (m->n_entries == 1 && m->who != NULL)
			walk_tell(w, m->who);
		else
			w->n_skipped++;
		if (w->state != WALKING)
			return false;
	}
	return true;
}

/* ---- few: one DN after the other, and what may be a group ---- */

struct look_up {
	struct walk *w;
	struct str key;
	enum { NOTHING, PERSON, GROUP } kind;
	struct identity who;
	struct ldap_group_draft draft;
};

static bool looked_up_entry(struct ldap_entry *e, void *ctx)
{
	struct look_up *l = ctx;
	struct walk *w = l->w;

	if (ldap_entry_is_group(e)) {
		l->kind = GROUP;
		if (w->s->nested_groups)
			ldap_group_begin(w->s, e, STR_NONE, w->a, &l->draft);
	} else if (ldap_rule_has_place(&w->rule, l->key) &&
		walk_identify(w, e, w->scratch, &l->who)) {
		l->kind = PERSON;
	}
	return true;
}

static bool chained_entry(struct ldap_entry *e, void *ctx)
{
	struct walk *w = ctx;
	struct identity who;

	if (!walk_goes_on(w) || !walk_fresh_scratch(w))
		return false;
	if (walk_identify(w, e, w->scratch, &who))
		walk_tell(w, &who);
	return w->state == WALKING;
}

/* All people of a nested group at any depth, in the server's own words. */
static bool ask_chain(struct walk *w, struct str dn)
{
	struct ldap_query q = {.base = w->rule.base,
		.where = w->rule.where,
		.attributes = w->user_attributes,
		.page = w->kind.paging ? USERS_PAGE : 0};
	struct str value = STR_NONE;

	if (ldap_filter_equal(w->a, "memberOf", dn, &value) != IAM_OK)
		return walk_no_memory(w);
	(void)str_split(&value, '=');
	q.filter = arena_fmt(w->a, "(&%.*s(memberOf:" IN_CHAIN ":=%.*s)",
		STR_FMT(w->rule.filter), STR_FMT(value));
	return q.filter.ptr == NULL ? walk_no_memory(w)
				    : walk_ask(w, &q, chained_entry, w);
}

static bool enter_group(struct walk *w, struct ldap_group_draft *d)
{
	if (!w->s->nested_groups) {
		w->n_skipped++;
		return true;
	}
	if (++w->n_groups > LDAP_GROUP_WALK_MAX)
		return walk_fail(w, LDAP_STATE_PROTOCOL,
			"the group holds more than 10000 nested groups");
	if (w->kind.in_chain && w->kind.active_directory && w->rule.base.ptr != NULL &&
		w->depth == 0 && w->n_chains++ < CHAINS_MAX)
		return ask_chain(w, d->group.dn);
	if (!ldap_group_complete(w->s, w->c, d, w->a,
		    w->until_ms + w->s->operation_timeout_ms, w->fault)) {
		w->state = FAILED;
		return false;
	}
	return walk_meet_members(w, &d->group);
}

static bool look_up(struct walk *w, size_t i)
{
	struct look_up l = {.w = w, .key = w->dns.ids.keys[i]};
	const struct ldap_query q = {.base = w->dns.rows[i].value,
		.where = LDAP_WHERE_BASE,
		.filter = w->users_or_groups,
		.attributes = w->all_attributes};

	w->dns.rows[i].settled = true;
	if (!walk_fresh_scratch(w) || !walk_ask(w, &q, looked_up_entry, &l))
		return false;
	if (l.kind == GROUP)
		return enter_group(w, &l.draft);
	if (l.kind == PERSON)
		walk_tell(w, &l.who);
	else
		w->n_skipped++;
	return w->state == WALKING;
}

/* ---- the walk ---- */

/* Settles all members of a level; the members of groups among them are the next. */
static bool walk_level(struct walk *w)
{
	size_t dns_to = w->dns.ids.count;
	size_t names_to = w->names.ids.count;
	size_t n = dns_to - w->dns.level_from + names_to - w->names.level_from;
	bool is_long = n > LOOKUPS_MAX && w->rule.base.ptr != NULL;

	if (is_long && !scan(w))
		return false;
	if (!is_long && w->rule.base.ptr != NULL && !look_up_names(w))
		return false;
	if (!tell_names(w))
		return false;
	w->names.level_from = names_to;
	for (size_t i = w->dns.level_from; i < dns_to; i++)
		if (!w->dns.rows[i].settled && !look_up(w, i))
			return false;
	w->dns.level_from = dns_to;
	return true;
}

static void walk(struct walk *w, const struct ldap_group *g)
{
	struct str key = STR_NONE;

	if (ldap_dn_normal(w->a, g->dn, &key) == IAM_OK) {
		if (!walk_meet(w, &w->dns, key, g->dn))
			return;
		w->dns.rows[0].settled = true;
		w->dns.level_from = 1;
	}
	if (!walk_meet_members(w, g))
		return;
	while (w->dns.ids.count > w->dns.level_from ||
		w->names.ids.count > w->names.level_from) {
		if (w->depth > LDAP_GROUP_DEPTH_MAX) {
			(void)walk_fail(w, LDAP_STATE_PROTOCOL,
				"groups are nested more than 64 deep");
			return;
		}
		if (!walk_level(w))
			return;
		w->depth++;
	}
}

static bool prepare(struct walk *w)
{
	enum iam_err e = ldap_rule_of(w->s, w->a, &w->rule);

	if (e == IAM_BAD_DATA)
		return walk_fail(w, LDAP_STATE_PROTOCOL,
			"the search base of users is no DN");
	if (e != IAM_OK || !map_seed_random(&w->seed) || !look_for(w) ||
		!walk_fresh_scratch(w))
		return walk_no_memory(w);
	map_init(&w->dns.ids, w->seed);
	map_init(&w->names.ids, w->seed);
	map_init(&w->told, w->seed);
	return true;
}

bool ldap_group_people(struct ldap_pool *p, const struct ldap_settings *s,
	const struct ldap_group *g, struct arena *a, int64_t until_ms, ldap_user_fn *each,
	void *ctx, size_t *ret_skipped, bool *ret_partial, struct ldap_fault *fault)
{
	struct walk w = {.s = s,
		.a = a,
		.until_ms = until_ms,
		.each = each,
		.ctx = ctx,
		.fault = fault};

	if (prepare(&w)) {
		w.c = ldap_lookup_take(p, s, until_ms, &w.kind, fault);
		if (w.c == NULL)
			w.state = FAILED;
		else
			walk(&w, g);
		if (w.c != NULL)
			ldap_pool_give(p, LDAP_USE_LOOKUP, w.c,
				w.state == FAILED ? fault : NULL);
	}
	map_done(&w.dns.ids);
	map_done(&w.names.ids);
	map_done(&w.told);
	arena_free(w.scratch);
	*ret_skipped = w.n_skipped;
	*ret_partial = w.state == OUT_OF_TIME;
	return w.state != FAILED;
}
