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
#define BATCH 16U

struct question {
	const struct iam_snapshot *s;
	const struct user *u;
	const uint64_t *sieve;
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
static inline bool ask(struct question *q, enum iam_subject kind, uint32_t subject)
{
	uint64_t key = grant_key(kind, subject, q->resource);
	uint64_t hash;

	if (!sieve_has(q->sieve, kind, subject))
		return true;
	hash = grant_hash(q->s->grants.seed, key);
	table_prefetch(&q->s->grants, sizeof(key), hash);
	q->keys[q->count] = key;
	q->hashes[q->count++] = hash;
	return q->count < BATCH || !ask_batch(q);
}

static bool ask_group(uint32_t group, void *ctx)
{
	return ask(ctx, IAM_SUBJECT_GROUP, group);
}

/* Do the user's groups stand in its record? */
static inline bool has_groups_near(const struct user *u)
{
	return u->n_groups <= USER_GROUPS;
}

_Static_assert(USER_GROUPS + 1 < BATCH, "ask_near() leaves nothing decided");

/* Asks for the user and its own groups, whose numbers are at hand: has their grants fetched. */
static void ask_near(struct question *q)
{
	(void)ask(q, IAM_SUBJECT_USER, table_number(q->u->word));
	if (has_groups_near(q->u))
		for (uint32_t i = 0; i < q->u->n_groups; i++)
			(void)ask_group(q->u->groups[i], q);
}

/* Asks for what contains one of the user's own groups; false if that is not in its record. */
static inline bool ask_set(struct question *q, const struct group *g)
{
	if (g->set_len == 0 || g->set_len > GROUP_IDS)
		return false;
	for (uint16_t i = 1; i < g->set_len && ask_group(g->ids[i], q);)
		i++;
	return true;
}

/* Asks for the effective groups, and decides. */
static bool is_any_granted(struct question *q)
{
	bool is_done = has_groups_near(q->u);

	if (is_done)
		for (uint32_t i = 0; i < q->u->n_groups; i++)
			is_done &= ask_set(q, group_at(q->s, q->u->groups[i]));
	if (!is_done && !q->is_granted)
		(void)closure_visit_user(q->s, q->u, ask_group, q);
	return q->is_granted || ask_batch(q);
}

static void question_init(struct question *q, const struct iam_snapshot *s,
	const struct user *u, const struct resource *r, uint64_t actions)
{
	q->s = s;
	q->u = u;
	q->sieve = r->sieve;
	q->actions = actions;
	q->resource = table_number(r->word);
	q->is_granted = false;
	q->count = 0;
}

static bool is_plain(uint32_t group, void *ctx)
{
	const struct iam_snapshot *const *s = ctx;

	return group_at(*s, group)->is_super == 0;
}

static bool is_super(const struct iam_snapshot *s, const struct user *u)
{
	uint8_t super = u->is_super;

	if (!has_groups_near(u))
		return super != 0 ||
			closure_direct(s, u, is_plain, &s) == CLOSURE_STOPPED;
	for (uint32_t i = 0; i < u->n_groups; i++)
		super |= group_at(s, u->groups[i])->is_super;
	return super != 0;
}

/* The place where the record of an id is, most likely, and the one behind, the next likely. */
static inline void fetch_record(const struct names *names, size_t record_bytes,
	uint64_t hash)
{
	const char *leaf = table_leaf(&names->records, hash);
	size_t at = table_place(hash, record_bytes);

	for (size_t line = 0; line < 2 * record_bytes; line += 64)
		__builtin_prefetch(leaf +
			((at * record_bytes + line) & (PAGE_BYTES - 1)));
}

static void fetch_groups(const struct iam_snapshot *s, const struct user *u)
{
	for (uint32_t i = 0; has_groups_near(u) && i < u->n_groups; i++)
		__builtin_prefetch(group_at(s, u->groups[i]));
}

/*
 * Memory is waited for three times, and often twice: for the two records; for the user's groups and
 * the grants of the user and of those; for the grants of what contains them.
 */
enum iam_decision iam_check(const struct iam_snapshot *s, struct str uid, struct str rid,
	enum iam_action action)
{
	const struct user *u;
	const struct resource *r;
	struct question q;
	uint64_t user_hash;
	uint64_t resource_hash;

	if ((unsigned)action >= IAM_ACTION_COUNT || uid.ptr == NULL)
		return IAM_DENY;
	user_hash = map_hash(&s->seed, uid);
	fetch_record(&s->users, sizeof(*u), user_hash);
	resource_hash = map_hash(&s->seed, rid);
	fetch_record(&s->resources, sizeof(*r), resource_hash);
	u = user_find(s, uid, user_hash);
	if (u == NULL)
		return IAM_DENY;
	fetch_groups(s, u);
	r = rid.ptr == NULL ? NULL : resource_find(s, rid, resource_hash);
	if (r == NULL)
		return is_super(s, u) ? IAM_ALLOW : IAM_DENY;
	question_init(&q, s, u, r, (uint64_t)1 << action | (uint64_t)1 << IAM_FULL);
	ask_near(&q);
	return is_super(s, u) || is_any_granted(&q) ? IAM_ALLOW : IAM_DENY;
}

bool iam_user_reaches(const struct iam_snapshot *s, struct str uid, struct str rid)
{
	const struct user *u = find_user(s, uid);
	const struct resource *r = find_resource(s, rid);
	struct question q;

	if (u == NULL || r == NULL)
		return false;
	if (table_number(r->word) == s->super) /* exact, however wide the nesting */
		return is_super(s, u);
	question_init(&q, s, u, r, GRANT_ACTIONS);
	ask_near(&q);
	return is_any_granted(&q);
}

bool iam_is_superuser(const struct iam_snapshot *s, struct str uid)
{
	const struct user *u = find_user(s, uid);

	return u != NULL && is_super(s, u);
}

bool iam_knows_resource(const struct iam_snapshot *s, struct str rid)
{
	return find_resource(s, rid) != NULL;
}

struct telling {
	const struct iam_snapshot *s;
	iam_gid_each_fn *each;
	void *ctx;
};

static bool tell_gid(uint32_t group, void *ctx)
{
	const struct telling *t = ctx;

	return t->each(group_id(group_name_at(t->s, group)), t->ctx);
}

bool iam_user_groups_each(const struct iam_snapshot *s, struct str uid,
	iam_gid_each_fn *each, void *ctx)
{
	struct telling t = {.s = s, .each = each, .ctx = ctx};
	const struct user *u = find_user(s, uid);

	if (u == NULL)
		return true;
	return closure_visit_user(s, u, tell_gid, &t) == CLOSURE_DONE;
}

/* Is there a picked resource in the row of a subject? */
struct picking {
	const struct iam_snapshot *s;
	iam_rid_pick_fn *pick;
	void *ctx;
};

static bool is_picked(const struct picking *p, uint32_t resource)
{
	return p->pick(resource_id(resource_at(p->s, resource)), p->ctx);
}

static bool row_has_none(const struct picking *p, enum relation relation,
	uint32_t subject)
{
	struct tree_run run;

	for (bool ok = row_seek(p->s, relation, subject, &run); ok;
		ok = row_next(p->s, &run))
		for (size_t i = 0; i < run.count; i++)
			if (is_picked(p, row_value(run.keys[i])))
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
	const struct user *u = find_user(s, uid);

	if (u == NULL)
		return false;
	return !row_has_none(&p, REL_USER_RESOURCE, table_number(u->word)) ||
		closure_visit_user(s, u, group_has_none, &p) != CLOSURE_DONE;
}

bool iam_group_reaches_any(const struct iam_snapshot *s, struct str gid,
	iam_rid_pick_fn *pick, void *ctx)
{
	struct picking p = {.s = s, .pick = pick, .ctx = ctx};
	uint32_t group = record_number(find_group(s, gid));

	return group != MAP_NONE &&
		closure_visit_group(s, group, group_has_none, &p) != CLOSURE_DONE;
}

/* Tells the superusers among the users of one page. */
struct supers {
	const struct iam_snapshot *s;
	iam_uid_each_fn *each;
	void *ctx;
};

static bool tell_supers(const char *leaf, void *ctx)
{
	const struct user *users = (const void *)leaf;
	const struct supers *t = ctx;

	for (size_t i = 0; i < PAGE_BYTES / sizeof(*users); i++)
		if (users[i].word != 0 && is_super(t->s, &users[i]) &&
			!t->each(user_id(&users[i]), t->ctx))
			return false;
	return true;
}

void iam_superusers_each(const struct iam_snapshot *s, iam_uid_each_fn *each, void *ctx)
{
	struct supers t = {.s = s, .each = each, .ctx = ctx};

	(void)table_each(&s->users.records, tell_supers, &t);
}
