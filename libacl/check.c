/*
 * check - the decision, and the questions that are kin to it.
 *
 * Does: read a frozen snapshot. Does not: lock, allocate, write, or ask whether a user exists or
 * is enabled.
 * Invariants: every doubt is a denial (unknown ids, unknown actions, a nesting too wide to walk);
 * only the questions that guard against gaining rights doubt the other way.
 */
#include "libacl/base/str.h"
#include "libacl/snapshot.h"

static uint32_t find(const struct map *map, struct str id)
{
	if (id.ptr == NULL)
		return MAP_NONE;
	return map_find(map, id, map_hash(&map->seed, id));
}

/* Is one of these actions granted on the resource to one of the groups? */
struct question {
	const struct iam_snapshot *s;
	uint32_t resource;
	uint64_t actions;
};

static bool group_lacks(uint32_t group, void *ctx)
{
	const struct question *q = ctx;

	return (granted(q->s, IAM_SUBJECT_GROUP, group, q->resource) & q->actions) == 0;
}

static bool has_any(const struct iam_snapshot *s, uint32_t user, uint32_t resource,
	uint64_t actions)
{
	struct question q = {.s = s, .resource = resource, .actions = actions};

	if ((granted(s, IAM_SUBJECT_USER, user, resource) & actions) != 0)
		return true;
	return closure_visit(&s->closure, row_ids(&s->user_groups, user),
		       row_len(&s->user_groups, user), group_lacks,
		       &q) == CLOSURE_STOPPED;
}

static bool is_super(const struct iam_snapshot *s, uint32_t user)
{
	const uint32_t *groups = row_ids(&s->user_groups, user);
	size_t count = row_len(&s->user_groups, user);

	if (s->user_super[user] != 0)
		return true;
	for (size_t i = 0; i < count; i++)
		if (s->group_super[groups[i]] != 0)
			return true;
	return false;
}

/*
 * Both look-ups wait for memory three times over; asked for early, their waits overlap. (One
 * million users: 9 waits one after the other become 5.)
 */
static void fetch_early(const struct iam_snapshot *s, uint64_t user_hash,
	uint64_t resource_hash)
{
	uint32_t user = map_guess(&s->users, user_hash);
	uint32_t resource = map_guess(&s->resources, resource_hash);

	if (user != MAP_NONE) {
		__builtin_prefetch(&s->users.keys[user]);
		__builtin_prefetch(&s->user_groups.first[user]);
		__builtin_prefetch(&s->user_super[user]);
	}
	if (resource != MAP_NONE) {
		__builtin_prefetch(&s->resources.keys[resource]);
		__builtin_prefetch(&s->sieves[resource]);
		__builtin_prefetch(s->resources.keys[resource].ptr);
	}
	if (user != MAP_NONE) {
		__builtin_prefetch(s->users.keys[user].ptr);
		__builtin_prefetch(row_ids(&s->user_groups, user));
	}
}

enum iam_decision iam_check(const struct iam_snapshot *s, struct str uid, struct str rid,
	enum iam_action action)
{
	uint64_t user_hash;
	uint64_t resource_hash;
	uint32_t user;
	uint32_t resource;

	if ((unsigned)action >= IAM_ACTION_COUNT || uid.ptr == NULL)
		return IAM_DENY;
	user_hash = map_hash(&s->users.seed, uid);
	map_prefetch(&s->users, user_hash);
	if (rid.ptr == NULL)
		rid = STR("");
	resource_hash = map_hash(&s->resources.seed, rid);
	map_prefetch(&s->resources, resource_hash);
	fetch_early(s, user_hash, resource_hash);
	user = map_find(&s->users, uid, user_hash);
	if (user == MAP_NONE)
		return IAM_DENY;
	if (is_super(s, user))
		return IAM_ALLOW;
	resource = map_find(&s->resources, rid, resource_hash);
	if (resource == MAP_NONE)
		return IAM_DENY;
	return has_any(s, user, resource, (uint64_t)1 << action | (uint64_t)1 << IAM_FULL)
		? IAM_ALLOW
		: IAM_DENY;
}

bool iam_user_reaches(const struct iam_snapshot *s, struct str uid, struct str rid)
{
	uint32_t user = find(&s->users, uid);
	uint32_t resource = find(&s->resources, rid);

	if (user == MAP_NONE || resource == MAP_NONE)
		return false;
	if (str_eq(rid, STR(IAM_SUPERUSER_RID))) /* exact, however wide the nesting */
		return is_super(s, user);
	return has_any(s, user, resource, GRANT_ACTIONS);
}

bool iam_is_superuser(const struct iam_snapshot *s, struct str uid)
{
	uint32_t user = find(&s->users, uid);

	return user != MAP_NONE && is_super(s, user);
}

bool iam_knows_resource(const struct iam_snapshot *s, struct str rid)
{
	return find(&s->resources, rid) != MAP_NONE;
}

struct telling {
	const struct iam_snapshot *s;
	iam_gid_each_fn *each;
	void *ctx;
};

static bool tell_gid(uint32_t group, void *ctx)
{
	const struct telling *t = ctx;

	return t->each(t->s->groups.keys[group], t->ctx);
}

bool iam_user_groups_each(const struct iam_snapshot *s, struct str uid,
	iam_gid_each_fn *each, void *ctx)
{
	struct telling t = {.s = s, .each = each, .ctx = ctx};
	uint32_t user = find(&s->users, uid);

	if (user == MAP_NONE)
		return true;
	return closure_visit(&s->closure, row_ids(&s->user_groups, user),
		       row_len(&s->user_groups, user), tell_gid, &t) == CLOSURE_DONE;
}

/* Is there a picked resource in the row of a subject? */
struct picking {
	const struct iam_snapshot *s;
	iam_rid_pick_fn *pick;
	void *ctx;
};

static bool row_has_none(const struct picking *p, const struct rows *rows,
	uint32_t subject)
{
	const uint32_t *resources = row_ids(rows, subject);

	for (size_t i = 0; i < row_len(rows, subject); i++)
		if (p->pick(p->s->resources.keys[resources[i]], p->ctx))
			return false;
	return true;
}

static bool group_has_none(uint32_t group, void *ctx)
{
	const struct picking *p = ctx;

	return row_has_none(p, &p->s->group_grants, group);
}

/* A walk that had to give up counts as "yes": the answer keeps people from changing things. */
static bool groups_reach_any(struct picking *p, const uint32_t *groups, size_t count)
{
	return closure_visit(&p->s->closure, groups, count, group_has_none, p) !=
		CLOSURE_DONE;
}

bool iam_user_reaches_any(const struct iam_snapshot *s, struct str uid,
	iam_rid_pick_fn *pick, void *ctx)
{
	struct picking p = {.s = s, .pick = pick, .ctx = ctx};
	uint32_t user = find(&s->users, uid);

	if (user == MAP_NONE)
		return false;
	return !row_has_none(&p, &s->user_grants, user) ||
		groups_reach_any(&p, row_ids(&s->user_groups, user),
			row_len(&s->user_groups, user));
}

bool iam_group_reaches_any(const struct iam_snapshot *s, struct str gid,
	iam_rid_pick_fn *pick, void *ctx)
{
	struct picking p = {.s = s, .pick = pick, .ctx = ctx};
	uint32_t group = find(&s->groups, gid);

	return group != MAP_NONE && groups_reach_any(&p, &group, 1);
}

void iam_superusers_each(const struct iam_snapshot *s, iam_uid_each_fn *each, void *ctx)
{
	for (size_t user = 0; user < s->users.count; user++)
		if (is_super(s, (uint32_t)user) && !each(s->users.keys[user], ctx))
			return;
}
