/*
 * edit - the next snapshot: facts are added to and taken from pages that are copied first.
 *
 * Does: keep the tables, the rows in both directions, sieves and counts in step; note which groups
 * need their effective sets worked out anew, which is done once, at the end. Does not: publish,
 * lock, or wait for readers.
 * Invariants: no page that the base can reach is written; a change that changes nothing touches
 * nothing; after IAM_NO_MEMORY the edit can only be aborted.
 */
#include <assert.h>
#include <stdlib.h>

#include "libacl/closure.h"
#include "libacl/names.h"

struct iam_edit {
	struct iam_snapshot *base;
	struct iam_snapshot *next;
	struct cow cow;
	uint32_t
		*changed; /* groups whose containers or grants on the superuser changed */
	size_t n_changed;
	size_t changed_cap;
};

struct iam_retired {
	struct iam_snapshot *base;
	struct page_list taken; /* what only `next` and later ones use: for undoing */
	struct page_list gone;  /* what only `base` and older ones use */
};

enum iam_err iam_edit_begin(struct iam_snapshot *base, struct iam_edit **ret_edit)
{
	struct iam_edit *e = calloc(1, sizeof(*e));
	struct iam_snapshot *next = malloc(sizeof(*next));

	if (e == NULL || next == NULL) {
		free(e);
		free(next);
		return IAM_NO_MEMORY;
	}
	*next = *base;
	next->version++;
	e->base = base;
	e->next = next;
	e->cow = (struct cow){.pool = base->pool, .version = next->version};
	*ret_edit = e;
	return IAM_OK;
}

/* ---- ids ---- */

static enum iam_err as_err(bool ok)
{
	return ok ? IAM_OK : IAM_NO_MEMORY;
}

static enum iam_err intern_user(struct iam_edit *e, struct str uid, uint32_t *ret)
{
	if (!iam_uid_valid(uid))
		return IAM_BAD_UID;
	return as_err(user_intern(&e->cow, e->next, uid, map_hash(&e->next->seed, uid),
		ret));
}

static enum iam_err intern_group(struct iam_edit *e, struct str gid, uint32_t *ret)
{
	if (!iam_gid_valid(gid))
		return IAM_BAD_GID;
	return as_err(group_intern(&e->cow, e->next, gid, map_hash(&e->next->seed, gid),
		ret));
}

static enum iam_err intern_resource(struct iam_edit *e, struct str rid, uint32_t *ret)
{
	if (!iam_rid_valid(rid))
		return IAM_BAD_RID;
	return as_err(resource_intern(&e->cow, e->next, rid,
		map_hash(&e->next->seed, rid), ret));
}

static enum iam_err look_up_user(const struct iam_edit *e, struct str uid, uint32_t *ret)
{
	if (!iam_uid_valid(uid))
		return IAM_BAD_UID;
	*ret = find_user(e->next, uid);
	return IAM_OK;
}

static enum iam_err look_up_group(const struct iam_edit *e, struct str gid, uint32_t *ret)
{
	if (!iam_gid_valid(gid))
		return IAM_BAD_GID;
	*ret = find_group(e->next, gid);
	return IAM_OK;
}

static enum iam_err look_up_resource(const struct iam_edit *e, struct str rid,
	uint32_t *ret)
{
	if (!iam_rid_valid(rid))
		return IAM_BAD_RID;
	*ret = find_resource(e->next, rid);
	return IAM_OK;
}

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

static bool add_member(struct iam_edit *e, uint32_t group, uint32_t user)
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

static bool remove_member(struct iam_edit *e, uint32_t group, uint32_t user)
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

enum iam_err iam_edit_add_member(struct iam_edit *e, struct str gid, struct str uid)
{
	uint32_t group;
	uint32_t user;
	enum iam_err err;

	err = intern_group(e, gid, &group);
	if (err != IAM_OK)
		return err;
	err = intern_user(e, uid, &user);
	if (err != IAM_OK)
		return err;
	return as_err(add_member(e, group, user));
}

enum iam_err iam_edit_remove_member(struct iam_edit *e, struct str gid, struct str uid)
{
	uint32_t group;
	uint32_t user;
	enum iam_err err;

	err = look_up_group(e, gid, &group);
	if (err != IAM_OK)
		return err;
	err = look_up_user(e, uid, &user);
	if (err != IAM_OK || group == MAP_NONE || user == MAP_NONE)
		return err;
	return as_err(remove_member(e, group, user));
}

/* ---- nesting ---- */

static bool add_subgroup(struct iam_edit *e, uint32_t group, uint32_t sub)
{
	if (row_has(e, REL_CONTAINER, sub, group))
		return true;
	return row_add(e, REL_CONTAINER, sub, group) &&
		row_add(e, REL_SUBGROUP, group, sub) && note_changed(e, sub);
}

static bool remove_subgroup(struct iam_edit *e, uint32_t group, uint32_t sub)
{
	if (!row_has(e, REL_CONTAINER, sub, group))
		return true;
	return row_remove(e, REL_CONTAINER, sub, group) &&
		row_remove(e, REL_SUBGROUP, group, sub) && note_changed(e, sub);
}

enum iam_err iam_edit_add_group(struct iam_edit *e, struct str gid)
{
	uint32_t group;

	return intern_group(e, gid, &group);
}

enum iam_err iam_edit_add_subgroup(struct iam_edit *e, struct str gid, struct str sub)
{
	uint32_t group;
	uint32_t member;
	enum iam_err err;

	err = intern_group(e, gid, &group);
	if (err != IAM_OK)
		return err;
	err = intern_group(e, sub, &member);
	if (err != IAM_OK)
		return err;
	return as_err(add_subgroup(e, group, member));
}

enum iam_err iam_edit_remove_subgroup(struct iam_edit *e, struct str gid, struct str sub)
{
	uint32_t group;
	uint32_t member;
	enum iam_err err;

	err = look_up_group(e, gid, &group);
	if (err != IAM_OK)
		return err;
	err = look_up_group(e, sub, &member);
	if (err != IAM_OK || group == MAP_NONE || member == MAP_NONE)
		return err;
	return as_err(remove_subgroup(e, group, member));
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
	r->sieve |= sieve_bit(kind, subject);
	return row_add(e, relation_of(kind), subject, resource) &&
		row_add(e, REL_RESOURCE_SUBJECT, resource,
			subject_value(kind, subject)) &&
		(resource != e->next->super || set_super(e, kind, subject, true));
}

static bool add_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
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
#define SIEVE_ROW 256U

/* Without the bits of those who have no grant any more. */
static bool renew_sieve(struct iam_edit *e, uint32_t resource)
{
	struct resource *r = resource_touch(&e->cow, e->next, resource);
	uint64_t sieve = 0;
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

			sieve |=
				sieve_bit((value & SUBJECT_GROUP) != 0 ? IAM_SUBJECT_GROUP
								       : IAM_SUBJECT_USER,
					value & ~SUBJECT_GROUP);
		}
	}
	r->sieve = sieve;
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
static bool remove_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
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

enum iam_err iam_edit_add_resource(struct iam_edit *e, struct str rid)
{
	uint32_t resource;

	return intern_resource(e, rid, &resource);
}

enum iam_err iam_edit_add_grant(struct iam_edit *e, struct str rid, enum iam_subject kind,
	struct str subject_id, enum iam_action action)
{
	uint32_t resource;
	uint32_t subject;
	enum iam_err err;

	assert(action < IAM_ACTION_COUNT);
	if (!iam_rid_valid(rid))
		return IAM_BAD_RID;
	err = kind == IAM_SUBJECT_GROUP ? intern_group(e, subject_id, &subject)
					: intern_user(e, subject_id, &subject);
	if (err != IAM_OK)
		return err;
	err = intern_resource(e, rid, &resource);
	if (err != IAM_OK)
		return err;
	return as_err(add_grant(e, kind, subject, resource, (uint64_t)1 << action));
}

enum iam_err iam_edit_remove_grant(struct iam_edit *e, struct str rid,
	enum iam_subject kind, struct str subject_id, enum iam_action action)
{
	uint32_t resource;
	uint32_t subject;
	enum iam_err err;

	assert(action < IAM_ACTION_COUNT);
	err = look_up_resource(e, rid, &resource);
	if (err != IAM_OK)
		return err;
	err = kind == IAM_SUBJECT_GROUP ? look_up_group(e, subject_id, &subject)
					: look_up_user(e, subject_id, &subject);
	if (err != IAM_OK || resource == MAP_NONE || subject == MAP_NONE)
		return err;
	return as_err(remove_grant(e, kind, subject, resource, (uint64_t)1 << action));
}

/* ---- removing a user, group or resource ---- */

static bool remove_grants_of(struct iam_edit *e, enum iam_subject kind, uint32_t subject)
{
	uint32_t resource;

	while (row_first(e, relation_of(kind), subject, &resource))
		if (!remove_grant(e, kind, subject, resource, GRANT_ACTIONS))
			return false;
	return true;
}

static bool remove_user(struct iam_edit *e, uint32_t user)
{
	while (user_at(e->next, user)->n_groups > 0) {
		uint32_t group = user_at(e->next, user)->groups[0];

		if (user_at(e->next, user)->n_groups > USER_GROUPS &&
			!row_first(e, REL_USER_GROUP, user, &group))
			return false;
		if (!remove_member(e, group, user))
			return false;
	}
	return remove_grants_of(e, IAM_SUBJECT_USER, user) &&
		user_forget(&e->cow, e->next, user);
}

static bool remove_group(struct iam_edit *e, uint32_t group)
{
	uint32_t other;

	while (row_first(e, REL_GROUP_USER, group, &other))
		if (!remove_member(e, group, other))
			return false;
	while (row_first(e, REL_CONTAINER, group, &other))
		if (!remove_subgroup(e, other, group))
			return false;
	while (row_first(e, REL_SUBGROUP, group, &other))
		if (!remove_subgroup(e, group, other))
			return false;
	return remove_grants_of(e, IAM_SUBJECT_GROUP, group) &&
		group_forget(&e->cow, e->next, group);
}

static bool remove_resource(struct iam_edit *e, uint32_t resource)
{
	uint32_t value;

	while (row_first(e, REL_RESOURCE_SUBJECT, resource, &value)) {
		enum iam_subject kind = (value & SUBJECT_GROUP) != 0 ? IAM_SUBJECT_GROUP
								     : IAM_SUBJECT_USER;

		if (!remove_grant(e, kind, value & ~SUBJECT_GROUP, resource,
			    GRANT_ACTIONS))
			return false;
	}
	return resource_forget(&e->cow, e->next, resource);
}

enum iam_err iam_edit_remove_user(struct iam_edit *e, struct str uid)
{
	uint32_t user;
	enum iam_err err;

	err = look_up_user(e, uid, &user);
	if (err != IAM_OK || user == MAP_NONE)
		return err;
	return as_err(user_at(e->next, user)->is_live == 0 || remove_user(e, user));
}

enum iam_err iam_edit_remove_group(struct iam_edit *e, struct str gid)
{
	uint32_t group;
	enum iam_err err;

	err = look_up_group(e, gid, &group);
	if (err != IAM_OK || group == MAP_NONE)
		return err;
	return as_err(!group_is_live(e->next, group) || remove_group(e, group));
}

enum iam_err iam_edit_remove_resource(struct iam_edit *e, struct str rid)
{
	uint32_t resource;
	enum iam_err err;

	err = look_up_resource(e, rid, &resource);
	if (err != IAM_OK || resource == MAP_NONE)
		return err;
	return as_err(resource_at(e->next, resource)->is_live == 0 ||
		remove_resource(e, resource));
}

/* ---- the end of an edit ---- */

void iam_edit_abort(struct iam_edit *e)
{
	if (e == NULL)
		return;
	cow_free_list(e->cow.pool, &e->cow.taken);
	free(e->cow.gone.items);
	free(e->changed);
	free(e->next);
	free(e);
}

enum iam_err iam_edit_finish(struct iam_edit *e, struct iam_snapshot **ret_next,
	struct iam_retired **ret_retired)
{
	struct iam_retired *r = calloc(1, sizeof(*r));
	struct iam_snapshot *next = e->next;

	if (r == NULL || !closure_update(&e->cow, next, e->changed, e->n_changed)) {
		free(r);
		iam_edit_abort(e);
		return IAM_NO_MEMORY;
	}
	cow_finish(&e->cow);
	pool_hold(next->pool);
	next->stats.bytes += e->cow.taken.count * PAGE_BYTES;
	next->stats.bytes -= e->cow.gone.count * PAGE_BYTES;
	*r = (struct iam_retired){
		.base = e->base,
		.taken = e->cow.taken,
		.gone = e->cow.gone,
	};
	free(e->changed);
	free(e);
	*ret_next = next;
	*ret_retired = r;
	return IAM_OK;
}

void iam_edit_undo(struct iam_snapshot *next, struct iam_retired *retired)
{
	cow_free_list(next->pool, &retired->taken);
	free(retired->gone.items);
	free(retired);
	iam_snapshot_free(next);
}

void iam_retired_free(struct iam_retired *r)
{
	if (r == NULL)
		return;
	cow_free_list(r->base->pool, &r->gone);
	free(r->taken.items);
	iam_snapshot_free(r->base);
	free(r);
}

size_t iam_retired_bytes(const struct iam_retired *r)
{
	return sizeof(*r) + sizeof(*r->base) + r->gone.count * PAGE_BYTES +
		(r->gone.cap + r->taken.cap) * sizeof(void *);
}
