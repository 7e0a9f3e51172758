/*
 * ldap_sync_plan - the difference between a directory and what is stored of it, as a list of changes.
 *
 * Pure. The rules: an account belongs to an entry's lasting id, so a rename changes nothing but texts;
 * what is not there any more is disabled first and deleted after a grace period; a membership that
 * somebody made by hand is never taken away; a group in a group becomes a nested group where it is
 * ours too, else its people become members. Below a group with administrative rights nothing is nested:
 * what somebody put into the inner group by hand would gain them; its people of the directory become
 * members there. People are added where the directory is taken whole
 * (`all`), or as members of a group that is ours.
 */
#ifndef AUTHN_LDAP_SYNC_PLAN_H
#define AUTHN_LDAP_SYNC_PLAN_H

#include "iamd/authn/ldap_sync_picture.h"

/*
 * What the last comparison with everything could not make use of, so that a later one of changes need
 * not wonder: member values that name no entry, and groups that stand in one of ours but not nested.
 * Kept in memory only; without it such a thing makes a comparison of changes ask for everything.
 */
struct sync_known {
	struct map_seed seed;
	uint64_t *hashes; /* sorted; NULL: nothing is known */
	size_t n;
};

struct sync_rules {
	const struct sync_known *known; /* NULL: nothing is known */
	bool all;      /* everything of the directory; else what was imported */
	bool nested;   /* groups in groups count */
	bool complete; /* the picture is everything: what is not in it has vanished */
	int64_t now_ms, grace_ms;
	int64_t max_vanished_percent;
};

enum sync_op_kind {
	SYNC_OP_USER_VANISH,  /* a: stored user */
	SYNC_OP_USER_DELETE,  /* a: stored user */
	SYNC_OP_USER_UPDATE,  /* a: stored user, b: person */
	SYNC_OP_USER_ADD,     /* b: person */
	SYNC_OP_GROUP_VANISH, /* a: stored group */
	SYNC_OP_GROUP_DELETE, /* a: stored group */
	SYNC_OP_GROUP_UPDATE, /* a: stored group, b: group */
	SYNC_OP_GROUP_ADD,    /* b: group */
	SYNC_OP_MEMBER_REMOVE,   /* a: stored group, b: stored user */
	SYNC_OP_SUBGROUP_REMOVE, /* a: stored group, b: stored group */
	SYNC_OP_MEMBER_ADD,      /* a: group, b: person */
	SYNC_OP_SUBGROUP_ADD,    /* a: group, b: group */
	SYNC_OP_KINDS
};

/* What of an account or group changes. */
#define SYNC_F_DESCRIPTION 1U
#define SYNC_F_ENTRY       2U  /* DN, e-mail address; a group that was partial */
#define SYNC_F_DISABLE     4U
#define SYNC_F_ENABLE      8U  /* what the directory had disabled */
#define SYNC_F_BACK        16U /* it had vanished */

struct sync_op {
	uint8_t kind, flags;
	uint32_t a, b;
};

/* In this order: whoever loses something loses it first. */
enum sync_phase {
	SYNC_PHASE_TAKE,
	SYNC_PHASE_USERS,
	SYNC_PHASE_GROUPS,
	SYNC_PHASE_LINKS,
	SYNC_PHASES
};

struct sync_ops {
	struct sync_op *rows;
	size_t n, cap;
};

struct sync_plan {
	struct sync_ops phases[SYNC_PHASES];
	uint32_t *person_user;  /* person -> stored user; SYNC_NONE: none */
	uint32_t *group_stored; /* group -> stored group */
	uint32_t *group_walked; /* group -> not 0: not nested, but its people are in one of ours */
	uint64_t counts[SYNC_OP_KINDS];
	uint64_t back;       /* users that had vanished */
	uint64_t skipped;    /* names that break our rules, or are not free */
	uint64_t unresolved; /* members that are no entry of the picture */
	bool stopped;        /* more would be lost than is allowed; there are no operations then */
	char why[256];       /* why it was stopped */
	bool needs_whole;    /* not complete, and what changed cannot be judged without the rest */
};

/* LIMIT: memberships looked at while groups are walked that are not ours. */
#define SYNC_WALK_MAX 200000000U

MUST_CHECK enum iam_err sync_plan_make(const struct sync_picture *p,
	const struct sync_stored *s, const struct sync_rules *rules, struct sync_plan *ret);
void sync_plan_done(struct sync_plan *plan); /* zeroed is fine */

/* Of a complete comparison. *ret is replaced. Errors: IAM_NO_MEMORY, then nothing is known. */
MUST_CHECK enum iam_err sync_known_learn(const struct sync_picture *p, const struct sync_plan *plan,
	struct sync_known *ret);
void sync_known_done(struct sync_known *known); /* zeroed is fine */
/* Is a node's key among them? NULL: no. Of a group: its own key, below. */
bool sync_known_has(const struct sync_known *known, struct str key);
struct str sync_group_key(const struct sync_group *group);

/* Is there nothing to do? */
bool sync_plan_is_empty(const struct sync_plan *plan);

#endif
