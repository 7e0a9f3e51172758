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

#endif
