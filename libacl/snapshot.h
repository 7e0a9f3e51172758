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

static inline struct str user_id(const struct iam_snapshot *s, uint32_t user)
{
	return s->users.keys[user];
}

static inline struct str group_id(const struct iam_snapshot *s, uint32_t group)
{
	return s->groups.keys[group];
}

static inline struct str resource_id(const struct iam_snapshot *s, uint32_t resource)
{
	return s->resources.keys[resource];
}

/* Visits the groups of a row until told to stop. */
static inline enum closure_end row_visit(const struct rows *rows, uint32_t row,
	closure_visit_fn *visit, void *ctx)
{
	for (size_t i = 0; i < row_len(rows, row); i++)
		if (!visit(row_ids(rows, row)[i], ctx))
			return CLOSURE_STOPPED;
	return CLOSURE_DONE;
}

/* The groups that a user is directly in, and those that contain a group directly. */
static inline enum closure_end closure_direct(const struct iam_snapshot *s, uint32_t user,
	closure_visit_fn *visit, void *ctx)
{
	return row_visit(&s->user_groups, user, visit, ctx);
}

static inline enum closure_end closure_containers(const struct iam_snapshot *s,
	uint32_t group, closure_visit_fn *visit, void *ctx)
{
	return row_visit(&s->closure.containers, group, visit, ctx);
}

#endif
