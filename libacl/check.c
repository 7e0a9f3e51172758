/*
 * check - the decision, and the questions that are kin to it.
 *
 * Does: read a frozen snapshot. Does not: lock, allocate, write, or ask whether a user exists or
 * is enabled.
 * Invariants: every doubt is a denial (unknown ids, unknown actions, a nesting too wide to walk);
 * only the questions that guard against gaining rights doubt the other way.
 */
#include "libacl/base/str.h"
#include "libacl/closure.h"
#include "libacl/snapshot.h"

/*
 * Is one of these actions granted on the resource to one of the subjects? Subjects are collected
 * and asked several at a time, so that the waits for memory overlap.
 */
#define BATCH 32U

struct question {
	const struct iam_snapshot *s;
	uint64_t sieve;
	uint64_t actions;
	uint32_t resource;
	bool is_granted;
	size_t count;
	uint64_t keys[BATCH];
	uint64_t hashes[BATCH];
};

static bool ask_batch(struct question *q)
{
	for (size_t i = 0; i < q->count && !q->is_granted; i++) {
		uint64_t word = table_get(&q->s->grants, q->hashes[i], q->keys[i],
			~(uint64_t)GRANT_ACTIONS);

		q->is_granted = (word & q->actions) != 0;
	}
	q->count = 0;
	return q->is_granted;
}

/* False: granted, there is no need to go on. */
static bool ask(struct question *q, enum iam_subject kind, uint32_t subject)
{
	uint64_t key = grant_key(kind, subject, q->resource);
	uint64_t hash;

	if ((q->sieve & sieve_bit(kind, subject)) == 0)
		return true;
	hash = grant_hash(q->s->grants.seed, key);
	table_prefetch(&q->s->grants, hash);
	q->keys[q->count] = key;
	q->hashes[q->count++] = hash;
	return q->count < BATCH || !ask_batch(q);
}

static bool ask_group(uint32_t group, void *ctx)
{
	return ask(ctx, IAM_SUBJECT_GROUP, group);
}

static bool has_any(const struct iam_snapshot *s, uint32_t user, uint32_t resource,
	uint64_t actions)
{
	struct question q;

	q.s = s;
	q.sieve = resource_at(s, resource)->sieve;
	q.actions = actions;
	q.resource = resource;
	q.is_granted = false;
	q.count = 0;
	if (q.sieve == 0)
		return false;
	(void)ask(&q, IAM_SUBJECT_USER, user);
	(void)closure_visit_user(s, user, ask_group, &q);
	return ask_batch(&q);
}

static bool is_plain(uint32_t group, void *ctx)
{
	const struct iam_snapshot *const *s = ctx;

	return group_at(*s, group)->is_super == 0;
}

static bool is_super(const struct iam_snapshot *s, uint32_t user)
{
	if (user_at(s, user)->is_super != 0)
		return true;
	return closure_direct(s, user, is_plain, &s) == CLOSURE_STOPPED;
}

/* The number that the id with that hash most likely has, without a look at the id. */
static uint32_t guess(const struct names *names, uint64_t hash)
{
	const uint64_t *words = table_words(&names->numbers, hash);
	size_t at = table_place(hash);

	for (; words[at] != 0; at = (at + 1) & (TABLE_SLOTS - 1))
		if (((words[at] ^ hash) & ~TABLE_NUMBER_MASK) == 0)
			return table_number(words[at]);
	return MAP_NONE;
}

/*
 * Both look-ups wait for memory: first a table each, then a record each, then the records of the
 * user's groups. Asked for early, the waits of each step overlap.
 */
static void fetch_early(const struct iam_snapshot *s, uint64_t user_hash,
	uint64_t resource_hash)
{
	uint32_t user = guess(&s->users, user_hash);
	uint32_t resource;

	if (user != MAP_NONE)
		__builtin_prefetch(user_at(s, user));
	resource = guess(&s->resources, resource_hash);
	if (resource != MAP_NONE)
		__builtin_prefetch(resource_at(s, resource));
	if (user != MAP_NONE) {
		const struct user *u = user_at(s, user);

		for (uint32_t i = 0; i < u->n_groups && i < USER_GROUPS; i++)
			__builtin_prefetch(group_at(s, u->groups[i]));
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
	user_hash = map_hash(&s->seed, uid);
	table_prefetch(&s->users.numbers, user_hash);
	if (rid.ptr == NULL)
		rid = STR("");
	resource_hash = map_hash(&s->seed, rid);
	table_prefetch(&s->resources.numbers, resource_hash);
	fetch_early(s, user_hash, resource_hash);
	user = user_find(s, uid, user_hash);
	if (user == MAP_NONE)
		return IAM_DENY;
	if (is_super(s, user))
		return IAM_ALLOW;
	resource = resource_find(s, rid, resource_hash);
	if (resource == MAP_NONE)
		return IAM_DENY;
	return has_any(s, user, resource, (uint64_t)1 << action | (uint64_t)1 << IAM_FULL)
		? IAM_ALLOW
		: IAM_DENY;
}

bool iam_user_reaches(const struct iam_snapshot *s, struct str uid, struct str rid)
{
	uint32_t user = find_user(s, uid);
	uint32_t resource = find_resource(s, rid);

	if (user == MAP_NONE || resource == MAP_NONE)
		return false;
	if (resource == s->super) /* exact, however wide the nesting */
		return is_super(s, user);
	return has_any(s, user, resource, GRANT_ACTIONS);
}

bool iam_is_superuser(const struct iam_snapshot *s, struct str uid)
{
	uint32_t user = find_user(s, uid);

	return user != MAP_NONE && is_super(s, user);
}

bool iam_knows_resource(const struct iam_snapshot *s, struct str rid)
{
	uint32_t resource = find_resource(s, rid);

	return resource != MAP_NONE && resource_at(s, resource)->is_live != 0;
}

struct telling {
	const struct iam_snapshot *s;
	iam_gid_each_fn *each;
	void *ctx;
};

static bool tell_gid(uint32_t group, void *ctx)
{
	const struct telling *t = ctx;

	return t->each(group_id(t->s, group), t->ctx);
}

bool iam_user_groups_each(const struct iam_snapshot *s, struct str uid,
	iam_gid_each_fn *each, void *ctx)
{
	struct telling t = {.s = s, .each = each, .ctx = ctx};
	uint32_t user = find_user(s, uid);

	if (user == MAP_NONE)
		return true;
	return closure_visit_user(s, user, tell_gid, &t) == CLOSURE_DONE;
}

/* Is there a picked resource in the row of a subject? */
struct picking {
	const struct iam_snapshot *s;
	iam_rid_pick_fn *pick;
	void *ctx;
};

static bool row_has_none(const struct picking *p, enum relation relation,
	uint32_t subject)
{
	struct tree_run run;

	for (bool ok = row_seek(p->s, relation, subject, &run); ok;
		ok = row_next(p->s, &run))
		for (size_t i = 0; i < run.count; i++)
			if (p->pick(resource_id(p->s, row_value(run.keys[i])), p->ctx))
				return false;
	return true;
}

static bool group_has_none(uint32_t group, void *ctx)
{
	return row_has_none(ctx, REL_GROUP_RESOURCE, group);
}

/* A walk that had to give up counts as "yes": the answer keeps people from changing things. */
bool iam_user_reaches_any(const struct iam_snapshot *s, struct str uid,
	iam_rid_pick_fn *pick, void *ctx)
{
	struct picking p = {.s = s, .pick = pick, .ctx = ctx};
	uint32_t user = find_user(s, uid);

	if (user == MAP_NONE)
		return false;
	return !row_has_none(&p, REL_USER_RESOURCE, user) ||
		closure_visit_user(s, user, group_has_none, &p) != CLOSURE_DONE;
}

bool iam_group_reaches_any(const struct iam_snapshot *s, struct str gid,
	iam_rid_pick_fn *pick, void *ctx)
{
	struct picking p = {.s = s, .pick = pick, .ctx = ctx};
	uint32_t group = find_group(s, gid);

	return group != MAP_NONE &&
		closure_visit_group(s, group, group_has_none, &p) != CLOSURE_DONE;
}

void iam_superusers_each(const struct iam_snapshot *s, iam_uid_each_fn *each, void *ctx)
{
	for (uint32_t user = 0; user < s->users.count; user++)
		if (is_super(s, user) && !each(user_id(s, user), ctx))
			return;
}
