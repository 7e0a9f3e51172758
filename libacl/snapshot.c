/*
 * snapshot - freezes a model into the first version of a snapshot.
 *
 * Does: number the ids as the model did, then one sorted pass over the facts for each relation,
 * O(facts) in all. Does not: keep anything of the model; change after it is built.
 * Invariants: a resource's sieve has the bit of every subject with a grant on it; a user's groups
 * stand in its record or, if they are too many, all in REL_USER_GROUP.
 */
#include "libacl/snapshot.h"

#include <stdlib.h>

#include "libacl/closure.h"
#include "libacl/names.h"
#include "libacl/sort.h"

struct builder {
	struct cow *c;
	struct iam_snapshot *s;
	const struct iam_model *m;
	struct tree_load load;
	uint64_t *keys; /* of one relation */
	uint64_t *spare;
	size_t count;
	uint32_t *nested; /* groups whose effective set is to be worked out */
	size_t n_nested;
};

/* How many entries ahead the memory that they will need is fetched; a power of two. */
#define AHEAD ((size_t)16)

typedef bool add_fn(struct cow *c, struct iam_snapshot *s, struct str id, uint64_t hash,
	uint32_t *ret);

/* The snapshot gives the same numbers as the model, because it is told in the same order. */
static bool copy_names(const struct builder *b, const struct map *from,
	struct names *names, size_t record_bytes, add_fn *add)
{
	uint64_t hashes[AHEAD] = {0};
	uint32_t number;

	if (!names_init(b->c, names, record_bytes, from->count))
		return false;
	for (size_t i = 0; i < from->count + AHEAD; i++) {
		uint64_t hash = hashes[i % AHEAD];

		if (i < from->count) {
			hashes[i % AHEAD] = map_hash(&b->s->seed, from->keys[i]);
			table_prefetch(&names->records, record_bytes, hashes[i % AHEAD]);
		}
		if (i >= AHEAD && !add(b->c, b->s, from->keys[i - AHEAD], hash, &number))
			return false;
	}
	return true;
}

/* Notes on the resource and the subject that there is a grant. */
static bool note_grant(struct builder *b, uint64_t grant)
{
	uint32_t subject = grant_subject(grant);
	uint32_t number = grant_resource(grant);
	struct resource *r = resource_touch(b->c, b->s, number);

	if (r == NULL)
		return false;
	sieve_add(r->sieve, grant_kind(grant), subject);
	if (number != b->s->super)
		return true;
	if (grant_kind(grant) == IAM_SUBJECT_USER) {
		struct user *u = user_touch(b->c, b->s, subject);

		if (u != NULL)
			u->is_super = 1;
		return u != NULL;
	} else {
		struct group *g = group_touch(b->c, b->s, subject);

		if (g != NULL)
			g->super_grant = 1;
		return g != NULL;
	}
}

static uint64_t hash_of_grant(const struct iam_snapshot *s, uint64_t grant)
{
	return grant_hash(s->grants.seed, grant & ~(uint64_t)GRANT_ACTIONS);
}

/* Has the memory fetched that a grant will need. */
static void fetch_for_grant(const struct iam_snapshot *s, uint64_t grant)
{
	table_prefetch(&s->grants, sizeof(grant), hash_of_grant(s, grant));
	table_prefetch(&s->resources.records, sizeof(struct resource),
		hash_at(&s->resources, grant_resource(grant)));
}

static bool build_grants(struct builder *b)
{
	struct iam_snapshot *s = b->s;

	s->grants = (struct table){.seed = s->seed.k0};
	if (!table_init(b->c, &s->grants, sizeof(uint64_t), b->m->grants.count))
		return false;
	for (size_t i = 0; i < b->m->grants.count; i++) {
		const uint64_t *items = b->m->grants.items;
		uint64_t grant = items[i];
		uint64_t *word;

		if (i + AHEAD < b->m->grants.count)
			fetch_for_grant(s, items[i + AHEAD]);
		word = table_put(b->c, &s->grants, hash_of_grant(s, grant), grant,
			~(uint64_t)GRANT_ACTIONS);
		if (word == NULL || !note_grant(b, grant))
			return false;
		*word |= grant;
	}
	return true;
}

static bool load_keys(struct builder *b)
{
	b->count = sort_keys(b->keys, b->spare, b->count);
	for (size_t i = 0; i < b->count; i++)
		if (!tree_load_add(&b->load, b->keys[i]))
			return false;
	return true;
}

static bool load_pairs(struct builder *b, const struct pair_list *l,
	enum relation relation, bool reverse)
{
	for (size_t i = 0; i < l->count; i++)
		b->keys[i] = reverse
			? row_key(relation, l->items[i].to, l->items[i].from)
			: row_key(relation, l->items[i].from, l->items[i].to);
	b->count = l->count;
	return load_keys(b);
}

static uint32_t row_of(uint64_t key)
{
	return (uint32_t)(key >> ROW_SHIFT) & (uint32_t)(MAP_MAX_COUNT - 1);
}

/* One user's groups, count of them, into its record or into the rows. */
static bool set_user_groups(struct builder *b, const uint64_t *keys, size_t count)
{
	struct user *u = user_touch(b->c, b->s, row_of(keys[0]));

	if (u == NULL)
		return false;
	u->n_groups = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		if (count <= USER_GROUPS)
			u->groups[i] = row_value(keys[i]);
		else if (!tree_load_add(&b->load, keys[i]))
			return false;
	}
	return true;
}

static bool load_user_groups(struct builder *b)
{
	const struct pair_list *l = &b->m->members;

	for (size_t i = 0; i < l->count; i++)
		b->keys[i] = row_key(REL_USER_GROUP, l->items[i].from, l->items[i].to);
	b->count = sort_keys(b->keys, b->spare, l->count);
	b->s->stats.memberships = b->count;
	for (size_t from = 0, to; from < b->count; from = to) {
		if (from + AHEAD < b->count)
			table_prefetch(&b->s->users.records, sizeof(struct user),
				hash_at(&b->s->users, row_of(b->keys[from + AHEAD])));
		for (to = from + 1; to < b->count; to++)
			if (b->keys[to] >> ROW_SHIFT != b->keys[from] >> ROW_SHIFT)
				break;
		if (!set_user_groups(b, b->keys + from, to - from))
			return false;
	}
	return true;
}

/* What is made of the table's words: the rows from `from` up to `to`. */
struct gathering {
	struct builder *b;
	enum relation relation;
	uint32_t from;
	uint32_t to;
};

static void gather_key(const struct gathering *g, uint32_t row, uint32_t value)
{
	if (row >= g->from && row < g->to)
		g->b->keys[g->b->count++] = row_key(g->relation, row, value);
}

static bool gather(const char *leaf, void *ctx)
{
	const uint64_t *words = (const void *)leaf;
	const struct gathering *g = ctx;

	for (size_t i = 0; i < PAGE_BYTES / sizeof(*words); i++) {
		bool of_group = grant_kind(words[i]) == IAM_SUBJECT_GROUP;
		uint32_t subject = grant_subject(words[i]);
		uint32_t resource = grant_resource(words[i]);

		if (words[i] == 0)
			continue;
		if (g->relation == REL_RESOURCE_SUBJECT)
			gather_key(g, resource, subject | (of_group ? SUBJECT_GROUP : 0));
		else if (of_group == (g->relation == REL_GROUP_RESOURCE))
			gather_key(g, subject, resource);
	}
	return true;
}

/* So many keys at a time, unless rows are very unequal: memory that is not touched costs nothing. */
#define PART ((size_t)2 << 20)

/* rows: how many there are */
static bool load_grants(struct builder *b, enum relation relation, uint32_t rows)
{
	uint32_t parts = (uint32_t)(b->s->grants.count / PART) + 1;
	struct gathering g = {.b = b, .relation = relation};

	for (uint32_t part = 0; part < parts; part++) {
		g.from = g.to;
		g.to = (uint32_t)((uint64_t)rows * (part + 1) / parts);
		b->count = 0;
		(void)table_each(&b->s->grants, gather, &g);
		if (!load_keys(b))
			return false;
	}
	return true;
}

static bool count_grants(const char *leaf, void *ctx)
{
	const uint64_t *words = (const void *)leaf;
	struct iam_snapshot *s = ctx;

	for (size_t i = 0; i < PAGE_BYTES / sizeof(*words); i++)
		s->stats.grants += (size_t)__builtin_popcountll(words[i] & GRANT_ACTIONS);
	return true;
}

static bool build_rows(struct builder *b)
{
	const struct iam_model *m = b->m;
	size_t most = m->members.count;

	most = m->subgroups.count > most ? m->subgroups.count : most;
	most = m->grants.count > most ? m->grants.count : most;
	(void)table_each(&b->s->grants, count_grants, b->s);
	b->keys = calloc(most + 1, sizeof(*b->keys));
	b->spare = calloc(most + 1, sizeof(*b->spare));
	return b->keys != NULL && b->spare != NULL && load_user_groups(b) &&
		load_pairs(b, &m->members, REL_GROUP_USER, true) &&
		load_pairs(b, &m->subgroups, REL_CONTAINER, false) &&
		load_pairs(b, &m->subgroups, REL_SUBGROUP, true) &&
		load_grants(b, REL_USER_RESOURCE, b->s->users.count) &&
		load_grants(b, REL_GROUP_RESOURCE, b->s->groups.count) &&
		load_grants(b, REL_RESOURCE_SUBJECT, b->s->resources.count) &&
		tree_load_end(&b->load, &b->s->rows);
}

static bool build_nesting(struct builder *b)
{
	struct iam_snapshot *s = b->s;

	b->nested = calloc((size_t)s->groups.count + 1, sizeof(*b->nested));
	if (b->nested == NULL)
		return false;
	for (uint32_t group = 0; group < s->groups.count; group++) {
		struct tree_run run;

		if (group_at(s, group)->super_grant != 0 ||
			row_seek(s, REL_CONTAINER, group, &run))
			b->nested[b->n_nested++] = group;
	}
	return closure_update(b->c, s, b->nested, b->n_nested);
}

static bool build(struct builder *b)
{
	struct iam_snapshot *s = b->s;
	bool ok;

	s->seed = b->m->users.seed;
	s->super = MAP_NONE;
	ok = copy_names(b, &b->m->users, &s->users, sizeof(struct user), user_add) &&
		copy_names(b, &b->m->groups, &s->groups, sizeof(struct group_name),
			group_add) &&
		copy_names(b, &b->m->resources, &s->resources, sizeof(struct resource),
			resource_add) &&
		build_grants(b) && build_rows(b) && build_nesting(b);
	tree_load_done(&b->load);
	free(b->keys);
	free(b->spare);
	free(b->nested);
	return ok;
}

enum iam_err iam_snapshot_build(const struct iam_model *m,
	struct iam_snapshot **ret_snapshot)
{
	struct iam_snapshot *s = calloc(1, sizeof(*s));
	struct cow c = {.pool = pool_new(), .version = 1, .is_first = true};
	struct builder b = {.c = &c, .s = s, .m = m, .load = {.c = &c}};

	if (s == NULL || c.pool == NULL) {
		free(s);
		pool_drop(c.pool);
		return IAM_NO_MEMORY;
	}
	s->pool = c.pool;
	s->version = c.version;
	if (!build(&b)) {
		iam_snapshot_free(s);
		return IAM_NO_MEMORY;
	}
	s->stats.bytes = sizeof(*s) + pool_used(s->pool) * PAGE_BYTES;
	*ret_snapshot = s;
	return IAM_OK;
}

void iam_snapshot_free(struct iam_snapshot *s)
{
	if (s == NULL)
		return;
	pool_drop(s->pool); /* the pages with it, unless something retired is left */
	free(s);
}

void iam_snapshot_stats(const struct iam_snapshot *s,
	struct iam_snapshot_stats *ret_stats)
{
	*ret_stats = s->stats;
}
