/*
 * names - gives ids their numbers and records: internal to libacl.
 *
 * A number is for good: who is removed keeps it, without facts, and has it again when added again.
 */
#ifndef ACL_NAMES_H
#define ACL_NAMES_H

#include "libacl/snapshot.h"

/* Empty tables with room for that many. False: no memory, here and below. */
bool names_init(struct cow *c, struct names *n, size_t expected);

/*
 * Makes an id known, if it is not, and tells its number. hash: map_hash() of the id. The id must be
 * valid. LIMIT: MAP_MAX_COUNT numbers of each kind, those of removed ids included.
 */
bool user_intern(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret);
bool group_intern(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret);
bool resource_intern(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret);

/* The same for ids that are surely not known, with the next number. */
bool user_add(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret);
bool group_add(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret);
bool resource_add(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret);

/* The records, to be written; NULL: no memory. */
struct user *user_touch(struct cow *c, struct iam_snapshot *s, uint32_t user);
struct group *group_touch(struct cow *c, struct iam_snapshot *s, uint32_t group);
struct resource *resource_touch(struct cow *c, struct iam_snapshot *s, uint32_t resource);

/* Makes an id unknown. The caller has removed its facts. */
bool user_forget(struct cow *c, struct iam_snapshot *s, uint32_t user);
bool group_forget(struct cow *c, struct iam_snapshot *s, uint32_t group);
bool resource_forget(struct cow *c, struct iam_snapshot *s, uint32_t resource);

#endif
