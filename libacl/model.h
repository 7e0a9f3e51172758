/*
 * model - the facts as they are collected: internal to libacl.
 *
 * Facts are plain lists of numbers, duplicates and all; freezing sorts them out.
 */
#ifndef ACL_MODEL_H
#define ACL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "iam/acl.h"
#include "libacl/base/arena.h"
#include "libacl/base/map.h"

/* `from` is in relation to `to`: a user or group to a group that has it as member. */
struct pair {
	uint32_t from;
	uint32_t to;
};

struct pair_list {
	struct pair *items;
	size_t count;
	size_t cap;
};

/* Subject, resource and the set of actions in one word; 0 is none. */
struct grant_list {
	uint64_t *items;
	size_t count;
	size_t cap;
};

struct iam_model {
	struct arena *names; /* the bytes of all ids */
	struct map users;
	struct map groups;
	struct map resources;
	uint32_t last_user; /* numbers found last */
	uint32_t last_group;
	uint32_t last_resource;
	struct pair_list members;   /* user, group */
	struct pair_list subgroups; /* group, containing group */
	struct grant_list grants;
};

/*
 * A grant word: bits 0-4 actions, 5-32 resource, 33-60 subject id, 61 set for groups. The bits
 * above the actions are the key by which it is found.
 */
#define GRANT_ACTIONS        0x1FU
#define GRANT_RESOURCE_SHIFT 5
#define GRANT_SUBJECT_SHIFT  33
#define GRANT_KIND_SHIFT     61

static inline uint64_t grant_key(enum iam_subject kind, uint32_t subject,
	uint32_t resource)
{
	return (uint64_t)(kind == IAM_SUBJECT_GROUP) << GRANT_KIND_SHIFT |
		(uint64_t)subject << GRANT_SUBJECT_SHIFT |
		(uint64_t)resource << GRANT_RESOURCE_SHIFT;
}

static inline enum iam_subject grant_kind(uint64_t grant)
{
	return (grant >> GRANT_KIND_SHIFT & 1) != 0 ? IAM_SUBJECT_GROUP
						    : IAM_SUBJECT_USER;
}

static inline uint32_t grant_subject(uint64_t grant)
{
	return (uint32_t)(grant >> GRANT_SUBJECT_SHIFT) & (uint32_t)(MAP_MAX_COUNT - 1);
}

static inline uint32_t grant_resource(uint64_t grant)
{
	return (uint32_t)(grant >> GRANT_RESOURCE_SHIFT) & (uint32_t)(MAP_MAX_COUNT - 1);
}

#endif
