/*
 * closure - for each group, everything that contains it: internal to libacl.
 *
 * The effective set of a group is the group and all groups it is nested in, at any depth. Small
 * sets are stored; of the others ("wide") only the direct containers are, and a check walks them.
 */
#ifndef ACL_CLOSURE_H
#define ACL_CLOSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libacl/rows.h"

/* LIMIT: larger effective sets are walked instead of stored. */
#define CLOSURE_MAX_SET 4096U

/* LIMIT: a walk sees at most that many groups and container links, then gives up. */
#define CLOSURE_MAX_WALK  32768U
#define CLOSURE_MAX_LINKS 1048576U

struct closure {
	struct rows containers; /* group -> groups it is directly in */
	uint32_t *first; /* group's set: members[first[g]] up to its end; n of them */
	uint32_t *len;   /* 0: wide, to be walked */
	uint32_t *members;
	size_t n;
	size_t total; /* of members */
	size_t cap;   /* of members */
};

/* From pairs (group, containing group) over n groups. O(n + pairs). False: no memory. */
bool closure_build(struct closure *c, const struct pair *pairs, size_t count, size_t n);
void closure_done(struct closure *c);
size_t closure_size_bytes(const struct closure *c);

/* Marks (sets to 1) the marked groups' direct and indirect members. False: no memory. */
bool closure_mark_below(const struct pair *pairs, size_t count, size_t n, uint8_t *marks);

enum closure_end { CLOSURE_DONE, CLOSURE_STOPPED, CLOSURE_GAVE_UP };

/* Sees one group of the union; false ends the walk. */
typedef bool closure_visit_fn(uint32_t group, void *ctx);

/*
 * Visits the union of the groups' effective sets, some groups perhaps twice. No allocation; up to
 * 400 KiB of stack if a set is wide, next to none otherwise.
 */
enum closure_end closure_visit(const struct closure *c, const uint32_t *groups,
	size_t count, closure_visit_fn *visit, void *ctx);

#endif
