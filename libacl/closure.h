/*
 * closure - for each group, everything that contains it: internal to libacl.
 *
 * The effective set of a group is the group and all groups it is nested in, at any depth. Small
 * sets are stored (struct group, REL_SET); of the others ("wide") only the direct containers are,
 * and a check walks them.
 */
#ifndef ACL_CLOSURE_H
#define ACL_CLOSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libacl/snapshot.h"

/* LIMIT: a walk sees at most that many groups and container links, then gives up. */
#define CLOSURE_MAX_WALK  32768U
#define CLOSURE_MAX_LINKS 65536U

/*
 * Works out the effective sets and superuser marks of the given groups, whose containers or own
 * grants on the superuser resource changed, and of all groups below them. A group may be given
 * twice. O(groups below and their links), and for each a set. False: no memory.
 */
bool closure_update(struct cow *c, struct iam_snapshot *s, const uint32_t *groups,
	size_t count);

enum closure_end { CLOSURE_DONE, CLOSURE_STOPPED, CLOSURE_GAVE_UP };

/* Sees one group; false ends the visit. */
typedef bool closure_visit_fn(uint32_t group, void *ctx);

/* The groups that a user is directly in, and those that contain a group directly. */
enum closure_end closure_direct(const struct iam_snapshot *s, const struct user *u,
	closure_visit_fn *visit, void *ctx);
enum closure_end closure_containers(const struct iam_snapshot *s, uint32_t group,
	closure_visit_fn *visit, void *ctx);

/*
 * Visits the effective groups of a user or a group, some perhaps twice. No allocation; up to 400
 * KiB of stack if a set is wide, next to none otherwise.
 */
enum closure_end closure_visit_user(const struct iam_snapshot *s, const struct user *u,
	closure_visit_fn *visit, void *ctx);
enum closure_end closure_visit_group(const struct iam_snapshot *s, uint32_t group,
	closure_visit_fn *visit, void *ctx);

#endif
