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

#include "libacl/base/str.h"

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

/*
 * Facts come in runs of one subject, and often in the order in which ids were numbered: the id
 * found last, or the one behind it, costs no hash and no look at distant memory.
 */
static uint32_t find_near(const struct map *map, uint32_t last, struct str id)
{
	for (uint32_t at = last; at < map->count && at - last < 2; at++)
		if (str_eq(map->keys[at], id))
			return at;
	return MAP_NONE;
}

/* One kind of id. */
struct kind {
	struct map *map;
	uint32_t *last; /* number found last */
	bool (*valid)(struct str id);
	enum iam_err bad;
};

static enum iam_err add_id(struct iam_model *m, const struct kind *k, struct str id,
	uint64_t hash)
{
	struct str copy;

	if (!k->valid(id))
		return k->bad;
	copy = arena_str(m->names, id);
	if (copy.ptr == NULL || !map_add(k->map, copy, hash))
		return IAM_NO_MEMORY;
	return IAM_OK;
}

/* The number of a valid id, given now if it is new. What is known is valid. */
static enum iam_err intern_hashed(struct iam_model *m, const struct kind *k,
	struct str id, uint64_t hash, uint32_t *ret)
{
	uint32_t known = map_find(k->map, id, hash);

	if (known == MAP_NONE) {
		enum iam_err e = add_id(m, k, id, hash);

		if (e != IAM_OK)
			return e;
		known = (uint32_t)(k->map->count - 1);
	}
	*k->last = known;
	*ret = known;
	return IAM_OK;
}

static enum iam_err intern(struct iam_model *m, const struct kind *k, struct str id,
	uint32_t *ret)
{
	uint32_t known = find_near(k->map, *k->last, id);

	if (known == MAP_NONE)
		return intern_hashed(m, k, id, map_hash(&k->map->seed, id), ret);
	*k->last = known;
	*ret = known;
	return IAM_OK;
}

static struct kind users_of(struct iam_model *m)
{
	return (struct kind){&m->users, &m->last_user, iam_uid_valid, IAM_BAD_UID};
}

static struct kind groups_of(struct iam_model *m)
{
	return (struct kind){&m->groups, &m->last_group, iam_gid_valid, IAM_BAD_GID};
}

static struct kind resources_of(struct iam_model *m)
{
	return (struct kind){
		&m->resources, &m->last_resource, iam_rid_valid, IAM_BAD_RID};
}

static enum iam_err intern_user(struct iam_model *m, struct str uid, uint32_t *ret)
{
	struct kind k = users_of(m);

	return intern(m, &k, uid, ret);
}

static enum iam_err intern_group(struct iam_model *m, struct str gid, uint32_t *ret)
{
	struct kind k = groups_of(m);

	return intern(m, &k, gid, ret);
}

static enum iam_err intern_resource(struct iam_model *m, struct str rid, uint32_t *ret)
{
	struct kind k = resources_of(m);

	return intern(m, &k, rid, ret);
}

enum iam_err iam_model_add_resource(struct iam_model *m, struct str rid)
{
	uint32_t resource;

	return intern_resource(m, rid, &resource);
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

/* The rest of a grant whose resource has a number. */
static enum iam_err add_grant_on(struct iam_model *m, uint32_t resource,
	const struct iam_grant *g)
{
	uint32_t subject;
	enum iam_err e;

	assert(g->action < IAM_ACTION_COUNT);
	if (g->kind == IAM_SUBJECT_GROUP)
		e = intern_group(m, g->subject_id, &subject);
	else
		e = intern_user(m, g->subject_id, &subject);
	if (e != IAM_OK)
		return e;
	return add_grant_word(&m->grants,
		grant_key(g->kind, subject, resource) | (uint64_t)1 << g->action);
}

enum iam_err iam_model_add_grant(struct iam_model *m, struct str rid,
	enum iam_subject kind, struct str subject_id, enum iam_action action)
{
	uint32_t resource;
	enum iam_err e = intern_resource(m, rid, &resource);

	return e != IAM_OK ? e
			   : add_grant_on(m, resource,
				     &(struct iam_grant){.kind = kind,
					     .subject_id = subject_id,
					     .action = action});
}

/* ---- many at once ---- */

/* Memory is waited for in parallel: of this many ids. */
#define AHEAD 32U

/* Hashes n <= AHEAD ids and has fetched what finding them will read. */
static void look_ahead(const struct map *map, const struct str ids[], size_t n,
	uint64_t hashes[])
{
	uint32_t guesses[AHEAD];

	for (size_t i = 0; i < n; i++) {
		hashes[i] = map_hash(&map->seed, ids[i]);
		map_prefetch(map, hashes[i]);
	}
	for (size_t i = 0; i < n; i++) {
		guesses[i] = map_guess(map, hashes[i]);
		if (guesses[i] != MAP_NONE)
			__builtin_prefetch(&map->keys[guesses[i]]);
	}
	for (size_t i = 0; i < n; i++)
		if (guesses[i] != MAP_NONE)
			__builtin_prefetch(map->keys[guesses[i]].ptr);
}

static enum iam_err add_some_members(struct iam_model *m, const struct iam_member rows[],
	size_t n)
{
	struct kind groups = groups_of(m);
	struct str ids[AHEAD] = {{0}};
	uint64_t hashes[AHEAD];

	for (size_t i = 0; i < n; i++)
		ids[i] = rows[i].gid;
	look_ahead(&m->groups, ids, n, hashes);
	for (size_t i = 0; i < n; i++) {
		uint32_t group, user;
		enum iam_err e = intern_hashed(m, &groups, ids[i], hashes[i], &group);

		if (e == IAM_OK)
			e = intern_user(m, rows[i].uid, &user);
		if (e == IAM_OK)
			e = add_pair(&m->members, user, group);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

static enum iam_err add_some_grants(struct iam_model *m, const struct iam_grant rows[],
	size_t n)
{
	struct kind resources = resources_of(m);
	struct str ids[AHEAD] = {{0}};
	uint64_t hashes[AHEAD];

	for (size_t i = 0; i < n; i++)
		ids[i] = rows[i].rid;
	look_ahead(&m->resources, ids, n, hashes);
	for (size_t i = 0; i < n; i++) {
		uint32_t resource;
		enum iam_err e =
			intern_hashed(m, &resources, ids[i], hashes[i], &resource);

		if (e == IAM_OK)
			e = add_grant_on(m, resource, &rows[i]);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

static size_t at_most_ahead(size_t n)
{
	return n < AHEAD ? n : AHEAD;
}

enum iam_err iam_model_add_members(struct iam_model *m, const struct iam_member rows[],
	size_t n)
{
	enum iam_err e = IAM_OK;

	for (size_t at = 0; e == IAM_OK && at < n; at += AHEAD)
		e = add_some_members(m, rows + at, at_most_ahead(n - at));
	return e;
}

enum iam_err iam_model_add_grants(struct iam_model *m, const struct iam_grant rows[],
	size_t n)
{
	enum iam_err e = IAM_OK;

	for (size_t at = 0; e == IAM_OK && at < n; at += AHEAD)
		e = add_some_grants(m, rows + at, at_most_ahead(n - at));
	return e;
}
