/*
 * edit - the next snapshot: facts are added to and taken from pages that are copied first.
 *
 * Does: check ids, number them, hand facts to facts.c; have effective sets worked out anew, once, at
 * the end; keep what is needed to free the base or to take the next one back. Does not: publish,
 * lock, or wait for readers.
 * Invariants: the base is never written; after IAM_NO_MEMORY the edit can only be aborted.
 */
#include <assert.h>
#include <stdlib.h>

#include "libacl/closure.h"
#include "libacl/facts.h"
#include "libacl/names.h"

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
	*ret = record_number(find_user(e->next, uid));
	return IAM_OK;
}

static enum iam_err look_up_group(const struct iam_edit *e, struct str gid, uint32_t *ret)
{
	if (!iam_gid_valid(gid))
		return IAM_BAD_GID;
	*ret = record_number(find_group(e->next, gid));
	return IAM_OK;
}

static enum iam_err look_up_resource(const struct iam_edit *e, struct str rid,
	uint32_t *ret)
{
	if (!iam_rid_valid(rid))
		return IAM_BAD_RID;
	*ret = record_number(find_resource(e->next, rid));
	return IAM_OK;
}

/* ---- memberships ---- */

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
	return as_err(fact_add_member(e, group, user));
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
	return as_err(fact_remove_member(e, group, user));
}

/* ---- nesting ---- */

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
	return as_err(fact_add_subgroup(e, group, member));
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
	return as_err(fact_remove_subgroup(e, group, member));
}

/* ---- grants ---- */

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
	return as_err(fact_add_grant(e, kind, subject, resource, (uint64_t)1 << action));
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
	return as_err(fact_remove_grant(e, kind, subject, resource,
		(uint64_t)1 << action));
}

/* ---- removing a user, group or resource ---- */

enum iam_err iam_edit_remove_user(struct iam_edit *e, struct str uid)
{
	uint32_t user;
	enum iam_err err;

	err = look_up_user(e, uid, &user);
	if (err != IAM_OK || user == MAP_NONE)
		return err;
	return as_err(fact_remove_user(e, user));
}

enum iam_err iam_edit_remove_group(struct iam_edit *e, struct str gid)
{
	uint32_t group;
	enum iam_err err;

	err = look_up_group(e, gid, &group);
	if (err != IAM_OK || group == MAP_NONE)
		return err;
	return as_err(fact_remove_group(e, group));
}

enum iam_err iam_edit_remove_resource(struct iam_edit *e, struct str rid)
{
	uint32_t resource;
	enum iam_err err;

	err = look_up_resource(e, rid, &resource);
	if (err != IAM_OK || resource == MAP_NONE)
		return err;
	return as_err(fact_remove_resource(e, resource));
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
