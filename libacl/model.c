/*
 * model - collects facts: checks the ids, numbers them, appends.
 *
 * Does: validation and numbering. Does not: decide anything or look for duplicates.
 * Invariants: every number in a fact is an id of its map; a failed call may have made ids known
 * but has added no fact.
 */
#include "libacl/model.h"

#include <assert.h>
#include <stdlib.h>

/* LIMIT: rows of facts are addressed with 32 bits. */
#define MAX_FACTS ((size_t)UINT32_MAX - 1)

struct iam_model *iam_model_new(void)
{
	struct iam_model *m = calloc(1, sizeof(*m));
	struct map_seed seed;

	if (m == NULL)
		return NULL;
	m->names = arena_new(4096, SIZE_MAX);
	if (m->names == NULL || !map_seed_random(&seed)) {
		iam_model_free(m);
		return NULL;
	}
	map_init(&m->users, seed);
	map_init(&m->groups, seed);
	map_init(&m->resources, seed);
	return m;
}

void iam_model_free(struct iam_model *m)
{
	if (m == NULL)
		return;
	map_done(&m->users);
	map_done(&m->groups);
	map_done(&m->resources);
	free(m->members.items);
	free(m->subgroups.items);
	free(m->grants.items);
	arena_free(m->names);
	free(m);
}

/* The number of a valid id, given now if it is new. */
static enum iam_err intern(struct iam_model *m, struct map *map, struct str id,
	uint32_t *ret)
{
	uint64_t hash = map_hash(&map->seed, id);
	uint32_t known = map_find(map, id, hash);
	struct str copy;

	if (known != MAP_NONE) {
		*ret = known;
		return IAM_OK;
	}
	copy = arena_str(m->names, id);
	if (copy.ptr == NULL || !map_add(map, copy, hash))
		return IAM_NO_MEMORY;
	*ret = (uint32_t)(map->count - 1);
	return IAM_OK;
}

static enum iam_err intern_user(struct iam_model *m, struct str uid, uint32_t *ret)
{
	return iam_uid_valid(uid) ? intern(m, &m->users, uid, ret) : IAM_BAD_UID;
}

static enum iam_err intern_group(struct iam_model *m, struct str gid, uint32_t *ret)
{
	return iam_gid_valid(gid) ? intern(m, &m->groups, gid, ret) : IAM_BAD_GID;
}

enum iam_err iam_model_add_resource(struct iam_model *m, struct str rid)
{
	uint32_t resource;

	return iam_rid_valid(rid) ? intern(m, &m->resources, rid, &resource)
				  : IAM_BAD_RID;
}

static size_t next_cap(size_t cap)
{
	return cap == 0 ? 64 : cap * 2;
}

static enum iam_err add_pair(struct pair_list *l, uint32_t from, uint32_t to)
{
	if (l->count == l->cap) {
		size_t cap = next_cap(l->cap);
		struct pair *items = cap > MAX_FACTS
			? NULL
			: reallocarray(l->items, cap, sizeof(*items));

		if (items == NULL)
			return IAM_NO_MEMORY;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->count++] = (struct pair){.from = from, .to = to};
	return IAM_OK;
}

enum iam_err iam_model_add_group(struct iam_model *m, struct str gid)
{
	uint32_t group;

	return intern_group(m, gid, &group);
}

enum iam_err iam_model_add_member(struct iam_model *m, struct str gid, struct str uid)
{
	uint32_t group;
	uint32_t user;
	enum iam_err e;

	e = intern_group(m, gid, &group);
	if (e != IAM_OK)
		return e;
	e = intern_user(m, uid, &user);
	if (e != IAM_OK)
		return e;
	return add_pair(&m->members, user, group);
}

enum iam_err iam_model_add_subgroup(struct iam_model *m, struct str gid, struct str sub)
{
	uint32_t group;
	uint32_t member;
	enum iam_err e;

	e = intern_group(m, gid, &group);
	if (e != IAM_OK)
		return e;
	e = intern_group(m, sub, &member);
	if (e != IAM_OK)
		return e;
	return add_pair(&m->subgroups, member, group);
}

static enum iam_err add_grant_word(struct grant_list *l, uint64_t grant)
{
	if (l->count == l->cap) {
		size_t cap = next_cap(l->cap);
		uint64_t *items = cap > MAX_FACTS
			? NULL
			: reallocarray(l->items, cap, sizeof(*items));

		if (items == NULL)
			return IAM_NO_MEMORY;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->count++] = grant;
	return IAM_OK;
}

enum iam_err iam_model_add_grant(struct iam_model *m, struct str rid,
	enum iam_subject kind, struct str subject_id, enum iam_action action)
{
	uint32_t resource;
	uint32_t subject;
	enum iam_err e;

	assert(action < IAM_ACTION_COUNT);
	if (!iam_rid_valid(rid))
		return IAM_BAD_RID;
	if (kind == IAM_SUBJECT_GROUP)
		e = intern_group(m, subject_id, &subject);
	else
		e = intern_user(m, subject_id, &subject);
	if (e != IAM_OK)
		return e;
	e = intern(m, &m->resources, rid, &resource);
	if (e != IAM_OK)
		return e;
	return add_grant_word(&m->grants,
		grant_key(kind, subject, resource) | (uint64_t)1 << action);
}
