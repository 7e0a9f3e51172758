/*
 * snapshot - freezes a model into tables for asking.
 *
 * Does: one pass over the facts for each table, O(facts) in all. Does not: keep anything of the
 * model; change after it is built.
 * Invariants: at least a quarter of the grant table is free, so every probe ends; a resource's
 * sieve has the bit of every subject with a grant on it.
 */
#include "libacl/snapshot.h"

#include <stdlib.h>

static bool copy_names(struct iam_snapshot *s, const struct iam_model *m)
{
	return map_copy(&m->users, &s->users, &s->user_bytes) &&
		map_copy(&m->groups, &s->groups, &s->group_bytes) &&
		map_copy(&m->resources, &s->resources, &s->resource_bytes);
}

/* Merges a grant into the table. */
static void store_grant(struct iam_snapshot *s, uint64_t grant)
{
	uint64_t key = grant & ~(uint64_t)GRANT_ACTIONS;
	size_t at = grant_hash(key) & (s->grants_cap - 1);

	while (s->grants[at] != 0 && (s->grants[at] & ~(uint64_t)GRANT_ACTIONS) != key)
		at = (at + 1) & (s->grants_cap - 1);
	s->grants[at] |= grant;
}

static bool build_grants(struct iam_snapshot *s, const struct iam_model *m)
{
	size_t cap = 16;

	while (m->grants.count * 4 > cap * 3)
		cap *= 2;
	s->grants = calloc(cap, sizeof(*s->grants));
	s->sieves = calloc(m->resources.count + 1, sizeof(*s->sieves));
	if (s->grants == NULL || s->sieves == NULL)
		return false;
	s->grants_cap = cap;
	for (size_t i = 0; i < m->grants.count; i++) {
		uint64_t grant = m->grants.items[i];

		store_grant(s, grant);
		s->sieves[grant_resource(grant)] |=
			sieve_bit(grant_kind(grant), grant_subject(grant));
	}
	return true;
}

/* Which resources each subject of one kind has grants on. */
static bool build_subject_rows(struct iam_snapshot *s, enum iam_subject kind,
	struct pair *pairs, struct rows *ret)
{
	size_t n = kind == IAM_SUBJECT_USER ? s->users.count : s->groups.count;
	size_t count = 0;

	for (size_t i = 0; i < s->grants_cap; i++) {
		uint64_t grant = s->grants[i];

		if (grant == 0 || grant_kind(grant) != kind)
			continue;
		pairs[count++] = (struct pair){
			.from = grant_subject(grant),
			.to = grant_resource(grant),
		};
	}
	return rows_build(ret, pairs, count, false, n, s->resources.count);
}

static bool build_rows(struct iam_snapshot *s, const struct iam_model *m)
{
	struct pair *pairs = calloc(m->grants.count + 1, sizeof(*pairs));
	bool ok;

	ok = pairs != NULL &&
		build_subject_rows(s, IAM_SUBJECT_USER, pairs, &s->user_grants) &&
		build_subject_rows(s, IAM_SUBJECT_GROUP, pairs, &s->group_grants);
	free(pairs);
	return ok &&
		rows_build(&s->user_groups, m->members.items, m->members.count, false,
			s->users.count, s->groups.count);
}

/* Who may everything: direct grants, then everything below a group that has one. */
static bool mark_superusers(struct iam_snapshot *s, const struct iam_model *m)
{
	struct str rid = STR(IAM_SUPERUSER_RID);
	uint32_t super = map_find(&s->resources, rid, map_hash(&s->resources.seed, rid));

	s->user_super = calloc(s->users.count + 1, sizeof(*s->user_super));
	s->group_super = calloc(s->groups.count + 1, sizeof(*s->group_super));
	if (s->user_super == NULL || s->group_super == NULL)
		return false;
	for (size_t i = 0; i < m->grants.count; i++) {
		uint64_t grant = m->grants.items[i];

		if (grant_resource(grant) != super)
			continue;
		if (grant_kind(grant) == IAM_SUBJECT_USER)
			s->user_super[grant_subject(grant)] = 1;
		else
			s->group_super[grant_subject(grant)] = 1;
	}
	return closure_mark_below(m->subgroups.items, m->subgroups.count, s->groups.count,
		s->group_super);
}

static void count_stats(struct iam_snapshot *s)
{
	size_t grants = 0;

	for (size_t i = 0; i < s->grants_cap; i++)
		grants += (size_t)__builtin_popcountll(s->grants[i] & GRANT_ACTIONS);
	s->stats = (struct iam_snapshot_stats){
		.users = s->users.count,
		.groups = s->groups.count,
		.resources = s->resources.count,
		.grants = grants,
		.memberships = rows_total(&s->user_groups),
		.bytes = sizeof(*s) + map_size_bytes(&s->users) +
			map_size_bytes(&s->groups) + map_size_bytes(&s->resources) +
			rows_size_bytes(&s->user_groups) +
			closure_size_bytes(&s->closure) +
			s->grants_cap * sizeof(*s->grants) +
			s->resources.count * sizeof(*s->sieves) +
			rows_size_bytes(&s->user_grants) +
			rows_size_bytes(&s->group_grants) + s->users.count +
			s->groups.count,
	};
}

enum iam_err iam_snapshot_build(const struct iam_model *m,
	struct iam_snapshot **ret_snapshot)
{
	struct iam_snapshot *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return IAM_NO_MEMORY;
	if (!copy_names(s, m) || !build_grants(s, m) || !build_rows(s, m) ||
		!closure_build(&s->closure, m->subgroups.items, m->subgroups.count,
			s->groups.count) ||
		!mark_superusers(s, m)) {
		iam_snapshot_free(s);
		return IAM_NO_MEMORY;
	}
	count_stats(s);
	*ret_snapshot = s;
	return IAM_OK;
}

void iam_snapshot_free(struct iam_snapshot *s)
{
	if (s == NULL)
		return;
	map_done(&s->users);
	map_done(&s->groups);
	map_done(&s->resources);
	free(s->user_bytes);
	free(s->group_bytes);
	free(s->resource_bytes);
	rows_done(&s->user_groups);
	closure_done(&s->closure);
	free(s->grants);
	free(s->sieves);
	rows_done(&s->user_grants);
	rows_done(&s->group_grants);
	free(s->user_super);
	free(s->group_super);
	free(s);
}

void iam_snapshot_stats(const struct iam_snapshot *s,
	struct iam_snapshot_stats *ret_stats)
{
	*ret_stats = s->stats;
}
