/*
 * names - gives ids their numbers and records: internal to libacl.
 *
 * A number is an id's until the id is removed; then the next new one may get it. Older versions,
 * which have their own pages, do not see that.
 */
#ifndef ACL_NAMES_H
#define ACL_NAMES_H

#include "libacl/snapshot.h"

/* An empty table with room for that many records. False: no memory, here and below. */
bool names_init(struct cow *c, struct names *n, size_t record_bytes, size_t expected);

/*
 * Makes an id known, if it is not, and tells its number. hash: map_hash() of the id. The id must be
 * valid. LIMIT: MAP_MAX_COUNT numbers of each kind.
 */
bool user_intern(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret);
bool group_intern(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret);
bool resource_intern(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret);

/* The same for ids that are surely not known. */
bool user_add(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret);
bool group_add(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret);
bool resource_add(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret);

/* The records, to be written; valid until the next id is added or removed. NULL: no memory. */
struct user *user_touch(struct cow *c, struct iam_snapshot *s, uint32_t user);
struct group *group_touch(struct cow *c, struct iam_snapshot *s, uint32_t group);
struct resource *resource_touch(struct cow *c, struct iam_snapshot *s, uint32_t resource);

/* Makes an id unknown. The caller has removed its facts: nothing has the number any more. */
bool user_forget(struct cow *c, struct iam_snapshot *s, uint32_t user);
bool group_forget(struct cow *c, struct iam_snapshot *s, uint32_t group);
bool resource_forget(struct cow *c, struct iam_snapshot *s, uint32_t resource);

#endif
