/*
 * facts - single facts, by numbers, into and out of an edit.
 *
 * Does: keep the tables, the rows in both directions, sieves and counts in step; note which groups
 * need their effective sets worked out anew. Does not: know ids, or work those sets out.
 * Invariants: no page that the base can reach is written; a change that changes nothing touches
 * nothing; after a failure the edit can only be aborted.
 */
#include "libacl/facts.h"

#include <stdlib.h>

#include "libacl/names.h"

/* ---- rows ---- */

static bool row_add(struct iam_edit *e, enum relation relation, uint32_t row,
	uint32_t value)
{
	return tree_add(&e->cow, &e->next->rows, row_key(relation, row, value));
}

static bool row_remove(struct iam_edit *e, enum relation relation, uint32_t row,
	uint32_t value)
{
	return tree_remove(&e->cow, &e->next->rows, row_key(relation, row, value));
}

static bool row_has(const struct iam_edit *e, enum relation relation, uint32_t row,
	uint32_t value)
{
	return tree_has(&e->next->rows, row_key(relation, row, value));
}

/* Any value of the row. */
static bool row_first(const struct iam_edit *e, enum relation relation, uint32_t row,
	uint32_t *ret)
{
	struct tree_run run;

	if (!row_seek(e->next, relation, row, &run))
		return false;
	*ret = row_value(run.keys[0]);
	return true;
}

/* The closure of this group and of those below it is to be worked out anew. */
static bool note_changed(struct iam_edit *e, uint32_t group)
{
	if (e->n_changed == e->changed_cap) {
		size_t cap = e->changed_cap == 0 ? 16 : e->changed_cap * 2;
		uint32_t *changed = reallocarray(e->changed, cap, sizeof(*changed));

		if (changed == NULL)
			return false;
		e->changed = changed;
		e->changed_cap = cap;
	}
	e->changed[e->n_changed++] = group;
	return true;
}

/* ---- memberships ---- */

static bool is_member(const struct iam_edit *e, uint32_t group, uint32_t user)
{
	return row_has(e, REL_GROUP_USER, group, user);
}

/* All groups of a user from its record to the rows. */
static bool spill_groups(struct iam_edit *e, uint32_t user, const struct user *u)
{
	for (uint32_t i = 0; i < u->n_groups; i++)
		if (!row_add(e, REL_USER_GROUP, user, u->groups[i]))
			return false;
	return true;
}

bool fact_add_member(struct iam_edit *e, uint32_t group, uint32_t user)
{
	struct user *u;

	if (is_member(e, group, user))
		return true;
	u = user_touch(&e->cow, e->next, user);
	if (u == NULL || !row_add(e, REL_GROUP_USER, group, user))
		return false;
	if (u->n_groups == USER_GROUPS && !spill_groups(e, user, u))
		return false;
	if (u->n_groups < USER_GROUPS)
		u->groups[u->n_groups] = group;
	else if (!row_add(e, REL_USER_GROUP, user, group))
		return false;
	u->n_groups++;
	e->next->stats.memberships++;
	return true;
}

/* The groups that are left in the rows, which fit the record again, back into it. */
static bool unspill_groups(struct iam_edit *e, uint32_t user, struct user *u)
{
	for (uint32_t i = 0; i < u->n_groups; i++)
		if (!row_first(e, REL_USER_GROUP, user, &u->groups[i]) ||
			!row_remove(e, REL_USER_GROUP, user, u->groups[i]))
			return false;
	return true;
}

bool fact_remove_member(struct iam_edit *e, uint32_t group, uint32_t user)
{
	struct user *u;
	uint32_t at = 0;

	if (!is_member(e, group, user))
		return true;
	u = user_touch(&e->cow, e->next, user);
	if (u == NULL || !row_remove(e, REL_GROUP_USER, group, user))
		return false;
	e->next->stats.memberships--;
	u->n_groups--;
	if (u->n_groups >= USER_GROUPS) {
		if (!row_remove(e, REL_USER_GROUP, user, group))
			return false;
		return u->n_groups > USER_GROUPS || unspill_groups(e, user, u);
	}
	while (u->groups[at] != group)
		at++;
	u->groups[at] = u->groups[u->n_groups];
	return true;
}

/* ---- nesting ---- */

bool fact_add_subgroup(struct iam_edit *e, uint32_t group, uint32_t sub)
{
	if (row_has(e, REL_CONTAINER, sub, group))
		return true;
	return row_add(e, REL_CONTAINER, sub, group) &&
		row_add(e, REL_SUBGROUP, group, sub) && note_changed(e, sub);
}

bool fact_remove_subgroup(struct iam_edit *e, uint32_t group, uint32_t sub)
{
	if (!row_has(e, REL_CONTAINER, sub, group))
		return true;
	return row_remove(e, REL_CONTAINER, sub, group) &&
		row_remove(e, REL_SUBGROUP, group, sub) && note_changed(e, sub);
}

/* ---- grants ---- */

/* The subject gets its first, or loses its last, grant on the superuser resource. */
static bool set_super(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	bool on)
{
	struct user *u;
	struct group *g;

	if (kind == IAM_SUBJECT_USER) {
		u = user_touch(&e->cow, e->next, subject);
		if (u != NULL)
			u->is_super = on;
		return u != NULL;
	}
	g = group_touch(&e->cow, e->next, subject);
	if (g == NULL)
		return false;
	g->super_grant = on;
	return note_changed(e, subject);
}

static uint32_t subject_value(enum iam_subject kind, uint32_t subject)
{
	return kind == IAM_SUBJECT_GROUP ? subject | SUBJECT_GROUP : subject;
}

static enum relation relation_of(enum iam_subject kind)
{
	return kind == IAM_SUBJECT_GROUP ? REL_GROUP_RESOURCE : REL_USER_RESOURCE;
}

/* The first grant of a subject on a resource. */
static bool link_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	uint32_t resource)
{
	struct resource *r = resource_touch(&e->cow, e->next, resource);

	if (r == NULL)
		return false;
	sieve_add(r->sieve, kind, subject);
	return row_add(e, relation_of(kind), subject, resource) &&
		row_add(e, REL_RESOURCE_SUBJECT, resource,
			subject_value(kind, subject)) &&
		(resource != e->next->super || set_super(e, kind, subject, true));
}

bool fact_add_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	uint32_t resource, uint64_t action)
{
	struct iam_snapshot *s = e->next;
	uint64_t key = grant_key(kind, subject, resource);
	uint64_t before = granted(s, kind, subject, resource);
	uint64_t *word;

	if ((before & action) != 0)
		return true;
	word = table_put(&e->cow, &s->grants, grant_hash(s->grants.seed, key),
		key | action, ~(uint64_t)GRANT_ACTIONS);
	if (word == NULL)
		return false;
	*word |= action;
	s->stats.grants++;
	return before != 0 || link_grant(e, kind, subject, resource);
}

/* LIMIT: subjects up to which a sieve is made anew when one goes; above it is full anyway. */
#define SIEVE_ROW 2048U

/* Without the bits of those who have no grant any more. */
static bool renew_sieve(struct iam_edit *e, uint32_t resource)
{
	struct resource *r = resource_touch(&e->cow, e->next, resource);
	uint64_t sieve[SIEVE_WORDS] = {0};
	size_t seen = 0;
	struct tree_run run;

	if (r == NULL)
		return false;
	for (bool ok = row_seek(e->next, REL_RESOURCE_SUBJECT, resource, &run); ok;
		ok = row_next(e->next, &run)) {
		seen += run.count;
		if (seen > SIEVE_ROW)
			return true;
		for (size_t i = 0; i < run.count; i++) {
			uint32_t value = row_value(run.keys[i]);

			sieve_add(sieve,
				(value & SUBJECT_GROUP) != 0 ? IAM_SUBJECT_GROUP
							     : IAM_SUBJECT_USER,
				value & ~SUBJECT_GROUP);
		}
	}
	memcpy(r->sieve, sieve, sizeof(r->sieve));
	return true;
}

static bool unlink_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	uint32_t resource)
{
	return row_remove(e, relation_of(kind), subject, resource) &&
		row_remove(e, REL_RESOURCE_SUBJECT, resource,
			subject_value(kind, subject)) &&
		renew_sieve(e, resource) &&
		(resource != e->next->super || set_super(e, kind, subject, false));
}

/* Removes those of the actions that are granted. */
bool fact_remove_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	uint32_t resource, uint64_t actions)
{
	struct iam_snapshot *s = e->next;
	uint64_t key = grant_key(kind, subject, resource);
	uint64_t hash = grant_hash(s->grants.seed, key);
	uint64_t before = granted(s, kind, subject, resource);
	uint64_t *word;

	if ((before & actions) == 0)
		return true;
	s->stats.grants -= (size_t)__builtin_popcountll(before & actions);
	if ((before & ~actions) == 0)
		return table_remove(&e->cow, &s->grants, hash, key,
			       ~(uint64_t)GRANT_ACTIONS) &&
			unlink_grant(e, kind, subject, resource);
	word = table_put(&e->cow, &s->grants, hash, key | before,
		~(uint64_t)GRANT_ACTIONS);
	if (word == NULL)
		return false;
	*word &= ~actions;
	return true;
}

/* ---- removing a user, group or resource ---- */

static bool remove_grants_of(struct iam_edit *e, enum iam_subject kind, uint32_t subject)
{
	uint32_t resource;

	while (row_first(e, relation_of(kind), subject, &resource))
		if (!fact_remove_grant(e, kind, subject, resource, GRANT_ACTIONS))
			return false;
	return true;
}

bool fact_remove_user(struct iam_edit *e, uint32_t user)
{
	while (user_at(e->next, user)->n_groups > 0) {
		uint32_t group = user_at(e->next, user)->groups[0];

		if (user_at(e->next, user)->n_groups > USER_GROUPS &&
			!row_first(e, REL_USER_GROUP, user, &group))
			return false;
		if (!fact_remove_member(e, group, user))
			return false;
	}
	return remove_grants_of(e, IAM_SUBJECT_USER, user) &&
		user_forget(&e->cow, e->next, user);
}

bool fact_remove_group(struct iam_edit *e, uint32_t group)
{
	uint32_t other;

	while (row_first(e, REL_GROUP_USER, group, &other))
		if (!fact_remove_member(e, group, other))
			return false;
	while (row_first(e, REL_CONTAINER, group, &other))
		if (!fact_remove_subgroup(e, other, group))
			return false;
	while (row_first(e, REL_SUBGROUP, group, &other))
		if (!fact_remove_subgroup(e, group, other))
			return false;
	return remove_grants_of(e, IAM_SUBJECT_GROUP, group) &&
		group_forget(&e->cow, e->next, group);
}

bool fact_remove_resource(struct iam_edit *e, uint32_t resource)
{
	uint32_t value;

	while (row_first(e, REL_RESOURCE_SUBJECT, resource, &value)) {
		enum iam_subject kind = (value & SUBJECT_GROUP) != 0 ? IAM_SUBJECT_GROUP
								     : IAM_SUBJECT_USER;

		if (!fact_remove_grant(e, kind, value & ~SUBJECT_GROUP, resource,
			    GRANT_ACTIONS))
			return false;
	}
	return resource_forget(&e->cow, e->next, resource);
}
