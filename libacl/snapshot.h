/*
 * snapshot - the frozen facts, laid out for asking: internal to libacl.
 */
#ifndef ACL_SNAPSHOT_H
#define ACL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "iam/acl.h"
#include "libacl/base/map.h"
#include "libacl/closure.h"
#include "libacl/model.h"
#include "libacl/rows.h"

struct iam_snapshot {
	struct map users;
	struct map groups;
	struct map resources;
	char *user_bytes; /* what the maps' keys point into */
	char *group_bytes;
	char *resource_bytes;
	struct rows user_groups; /* direct memberships */
	struct closure closure;

	uint64_t *grants; /* open addressing: grant words; 0 is free */
	size_t grants_cap;
	/*
	 * For each resource a 64-bit sieve of the subjects that have a grant on it: most look-ups
	 * that would find nothing end here, without touching the large table.
	 */
	uint64_t *sieves;
	struct rows user_grants;  /* user -> resources */
	struct rows group_grants; /* group -> resources */

	uint8_t *user_super;  /* 1: a direct grant on the superuser resource */
	uint8_t *group_super; /* 1: the group or what contains it has one */
	struct iam_snapshot_stats stats;
};

/* Spreads a grant's key over 64 bits. The numbers in it are ours: no seed is needed. */
static inline uint64_t grant_hash(uint64_t key)
{
	key ^= key >> 31;
	key *= 0x9E3779B97F4A7C15U;
	key ^= key >> 29;
	key *= 0xBF58476D1CE4E5B9U;
	return key ^ key >> 32;
}

/* The subject's bit in a sieve. */
static inline uint64_t sieve_bit(enum iam_subject kind, uint32_t subject)
{
	uint32_t number = subject * 2 + (kind == IAM_SUBJECT_GROUP);

	return (uint64_t)1 << ((number * 0x9E3779B1U) >> 26);
}

/* The actions granted to exactly this subject on exactly this resource. */
static inline uint64_t granted(const struct iam_snapshot *s, enum iam_subject kind,
	uint32_t subject, uint32_t resource)
{
	uint64_t key = grant_key(kind, subject, resource);
	size_t at;

	if ((s->sieves[resource] & sieve_bit(kind, subject)) == 0)
		return 0;
	at = grant_hash(key) & (s->grants_cap - 1);
	for (; s->grants[at] != 0; at = (at + 1) & (s->grants_cap - 1))
		if ((s->grants[at] & ~(uint64_t)GRANT_ACTIONS) == key)
			return s->grants[at] & GRANT_ACTIONS;
	return 0;
}

/* What explain.c knows of the tables above. */
struct ids {
	const uint32_t *at;
	size_t n;
};

/* The number of a user or resource, or MAP_NONE. */
static inline uint32_t snapshot_user(const struct iam_snapshot *s, struct str uid)
{
	return uid.ptr == NULL
		? MAP_NONE
		: map_find(&s->users, uid, map_hash(&s->users.seed, uid));
}

static inline uint32_t snapshot_resource(const struct iam_snapshot *s, struct str rid)
{
	return rid.ptr == NULL
		? MAP_NONE
		: map_find(&s->resources, rid, map_hash(&s->resources.seed, rid));
}

static inline struct str snapshot_uid(const struct iam_snapshot *s, uint32_t user)
{
	return s->users.keys[user];
}

static inline struct str snapshot_gid(const struct iam_snapshot *s, uint32_t group)
{
	return s->groups.keys[group];
}

static inline struct str snapshot_rid(const struct iam_snapshot *s, uint32_t resource)
{
	return s->resources.keys[resource];
}

/* The groups a user is a member of. */
static inline struct ids snapshot_user_groups(const struct iam_snapshot *s, uint32_t user)
{
	return (struct ids){.at = row_ids(&s->user_groups, user),
		.n = row_len(&s->user_groups, user)};
}

/* The groups a group is nested in, directly. */
static inline struct ids snapshot_containers(const struct iam_snapshot *s, uint32_t group)
{
	return (struct ids){.at = row_ids(&s->closure.containers, group),
		.n = row_len(&s->closure.containers, group)};
}

#endif
