/*
 * acl - who may do what: a model is built, frozen into a snapshot, and asked.
 *
 * A model holds groups (with nested groups), memberships and grants. Freezing it gives an
 * immutable snapshot that any number of threads may ask at once without a lock; a check takes no
 * lock and allocates nothing. The library does no I/O, keeps no global state and logs nothing.
 *
 * Evaluation: allow when the exact action or `full` is granted on the exact rid to the user or to
 * one of the user's effective groups (own groups and everything that contains them, at any depth;
 * cycles are harmless), or when the user has any action on "dcos:superuser" in the same way.
 * Everything else, unknown users and resources included, is denied. Whether the user exists and
 * is enabled is the caller's knowledge and is not asked here.
 *
 * LIMIT: a user with more than 32 768 effective groups may be denied what one of them is granted;
 * who is superuser is exact at any size. libacl/README.md has worked examples.
 */
#ifndef IAM_ACL_H
#define IAM_ACL_H

#include <stdbool.h>
#include <stddef.h>

#include "iam/err.h"
#include "iam/rid.h"
#include "iam/str.h"

#define IAM_SUPERUSER_RID "dcos:superuser"
#define IAM_SUPERUSERS_GID "superusers"

struct iam_model;    /* under construction; one owner thread */
struct iam_snapshot; /* frozen; any number of readers */
struct iam_edit;     /* the next snapshot under construction; one owner thread */
struct iam_retired;  /* what only older snapshots use */

enum iam_decision { IAM_DENY, IAM_ALLOW };
enum iam_subject { IAM_SUBJECT_USER, IAM_SUBJECT_GROUP };

/* NULL if there is no memory, or no random numbers to seed the hash with. */
IAM_API struct iam_model *iam_model_new(void);
IAM_API void iam_model_free(struct iam_model *m);

/*
 * Facts. Ids are copied. Naming a user, group or resource is enough to make it known; a fact
 * told twice is told once. Errors: IAM_NO_MEMORY, IAM_BAD_UID, IAM_BAD_GID, IAM_BAD_RID.
 */
IAM_API MUST_CHECK enum iam_err iam_model_add_group(struct iam_model *m, struct str gid);
IAM_API MUST_CHECK enum iam_err iam_model_add_member(struct iam_model *m, struct str gid, struct str uid);
/* A resource may be known without any grant on it. */
IAM_API MUST_CHECK enum iam_err iam_model_add_resource(struct iam_model *m, struct str rid);
/* Members of `sub` become effective members of `gid`. */
IAM_API MUST_CHECK enum iam_err iam_model_add_subgroup(struct iam_model *m, struct str gid, struct str sub);
IAM_API MUST_CHECK enum iam_err iam_model_add_grant(struct iam_model *m, struct str rid,
	enum iam_subject kind, struct str subject_id, enum iam_action action);

/*
 * Many facts at once: as one by one in this order, but faster, most of all when rows are ordered by
 * uid or subject. On failure those before the bad one are told.
 */
struct iam_member {
	struct str gid, uid;
};
struct iam_grant {
	struct str rid;
	enum iam_subject kind;
	struct str subject_id;
	enum iam_action action;
};
IAM_API MUST_CHECK enum iam_err iam_model_add_members(struct iam_model *m,
	const struct iam_member rows[], size_t n);
IAM_API MUST_CHECK enum iam_err iam_model_add_grants(struct iam_model *m,
	const struct iam_grant rows[], size_t n);

/*
 * Freezes the model's present facts. The model may be freed or extended afterwards.
 * Errors: IAM_NO_MEMORY. Cost: O(facts).
 */
IAM_API MUST_CHECK enum iam_err iam_snapshot_build(const struct iam_model *m, struct iam_snapshot **ret_snapshot);
IAM_API void iam_snapshot_free(struct iam_snapshot *s);

/*
 * Deltas: the next snapshot shares with `base` all that does not differ and costs what the change
 * touches, not O(facts). Snapshots form a line: an edit begins from the newest one, and `base` must
 * not be begun from again once the edit is finished (after an abort or undo it may).
 *
 *	e = iam_edit_begin(base, &edit);
 *	e = iam_edit_add_grant(edit, ...) ...      in order; any may fail, then abort
 *	e = iam_edit_finish(edit, &next, &retired); on failure the edit is aborted already
 *	(publish `next`; wait until nobody reads `base`)
 *	iam_retired_free(retired);                 frees what only `base` used, `base` included
 * or, before anybody has seen `next`:
 *	iam_edit_undo(next, retired);              `base` is as it was, and the newest again
 *
 * Adding what is there and removing what is not are fine and change nothing. Errors: IAM_NO_MEMORY,
 * IAM_BAD_UID, IAM_BAD_GID, IAM_BAD_RID.
 *
 * The versions of a line share their memory: one thread at a time may edit, finish, undo, free
 * what is retired or free a snapshot of it (readers go on meanwhile). To end a line, free what is
 * retired and then the newest snapshot.
 */
IAM_API MUST_CHECK enum iam_err iam_edit_begin(struct iam_snapshot *base, struct iam_edit **ret_edit);
IAM_API MUST_CHECK enum iam_err iam_edit_add_group(struct iam_edit *e, struct str gid);
IAM_API MUST_CHECK enum iam_err iam_edit_add_resource(struct iam_edit *e, struct str rid);
IAM_API MUST_CHECK enum iam_err iam_edit_add_member(struct iam_edit *e, struct str gid, struct str uid);
IAM_API MUST_CHECK enum iam_err iam_edit_remove_member(struct iam_edit *e, struct str gid, struct str uid);
IAM_API MUST_CHECK enum iam_err iam_edit_add_subgroup(struct iam_edit *e, struct str gid, struct str sub);
IAM_API MUST_CHECK enum iam_err iam_edit_remove_subgroup(struct iam_edit *e, struct str gid, struct str sub);
IAM_API MUST_CHECK enum iam_err iam_edit_add_grant(struct iam_edit *e, struct str rid,
	enum iam_subject kind, struct str subject_id, enum iam_action action);
IAM_API MUST_CHECK enum iam_err iam_edit_remove_grant(struct iam_edit *e, struct str rid,
	enum iam_subject kind, struct str subject_id, enum iam_action action);
/* With all memberships, nesting and grants of the user, group or resource. */
IAM_API MUST_CHECK enum iam_err iam_edit_remove_user(struct iam_edit *e, struct str uid);
IAM_API MUST_CHECK enum iam_err iam_edit_remove_group(struct iam_edit *e, struct str gid);
IAM_API MUST_CHECK enum iam_err iam_edit_remove_resource(struct iam_edit *e, struct str rid);
IAM_API MUST_CHECK enum iam_err iam_edit_finish(struct iam_edit *e, struct iam_snapshot **ret_next,
	struct iam_retired **ret_retired);
IAM_API void iam_edit_abort(struct iam_edit *e);
IAM_API void iam_edit_undo(struct iam_snapshot *next, struct iam_retired *retired);
IAM_API void iam_retired_free(struct iam_retired *r);
/* Memory that it keeps alive. O(1). */
IAM_API size_t iam_retired_bytes(const struct iam_retired *r);

/* The decision. Any strings, valid ids or not. No lock, no allocation. Thread-safe. */
IAM_API enum iam_decision iam_check(const struct iam_snapshot *s, struct str uid, struct str rid,
	enum iam_action action);

/* Is there any grant (any action) on rid that reaches the user, directly or through groups? */
IAM_API bool iam_user_reaches(const struct iam_snapshot *s, struct str uid, struct str rid);

/* Is the resource known, with or without grants? No lock, no allocation. */
IAM_API bool iam_knows_resource(const struct iam_snapshot *s, struct str rid);

/*
 * Calls each for the user's effective groups until it returns false; some perhaps twice, order
 * unspecified. False: there are more than the limit above, or `each` stopped it. No allocation.
 */
typedef bool iam_gid_each_fn(struct str gid, void *ctx);
IAM_API bool iam_user_groups_each(const struct iam_snapshot *s, struct str uid, iam_gid_each_fn *each, void *ctx);

/*
 * Why: the decision of iam_check(), and the one grant it rests on. Taking that grant away either
 * flips the decision or makes the next explanation name another grant. Strings are borrowed from
 * the snapshot.
 */
enum iam_why {
	IAM_WHY_GRANT,     /* allowed by a grant on the resource */
	IAM_WHY_SUPERUSER, /* allowed by a grant on "dcos:superuser" */
	IAM_WHY_NO_GRANT,  /* denied: the action or `full` on the resource would have been needed */
	IAM_WHY_NO_RESOURCE, /* denied: the resource is not known */
	IAM_WHY_NO_ACTION  /* denied: the action is none of the five */
};
/* LIMIT: groups of a chain that are told; of a longer one the first 63 and the last. */
#define IAM_CHAIN_MAX 64

struct iam_explanation {
	enum iam_decision decision;
	enum iam_why why;
	/* where allowed: the grant */
	enum iam_subject kind; /* IAM_SUBJECT_USER: direct */
	struct str subject_id; /* who holds it: the user, or the last group of the chain */
	struct str rid;
	enum iam_action action; /* as granted: the one asked for, `full`, or any on dcos:superuser */
	/* from a group the user is a member of to the group with the grant; a shortest one */
	struct str chain[IAM_CHAIN_MAX];
	size_t n_chain;   /* entries of `chain` */
	size_t chain_len; /* of the whole chain; 0 for a direct grant */
};

/* Errors: IAM_NO_MEMORY. Costs time and memory in proportion to the user's effective groups. Thread-safe. */
IAM_API MUST_CHECK enum iam_err iam_explain(const struct iam_snapshot *s, struct str uid, struct str rid,
	enum iam_action action, struct iam_explanation *ret);

/* iam_user_reaches() for "dcos:superuser". */
IAM_API bool iam_is_superuser(const struct iam_snapshot *s, struct str uid);

/*
 * Does any grant on a rid for which pick(rid, ctx) is true reach the user, or (second function)
 * the group and what contains it? For the rule that nobody gains by delegation. Beyond the limit
 * above the answer is true.
 */
typedef bool iam_rid_pick_fn(struct str rid, void *ctx);
IAM_API bool iam_user_reaches_any(const struct iam_snapshot *s, struct str uid, iam_rid_pick_fn *pick, void *ctx);
IAM_API bool iam_group_reaches_any(const struct iam_snapshot *s, struct str gid, iam_rid_pick_fn *pick, void *ctx);

/* Calls each for every effective superuser's uid until it returns false. Order unspecified. */
typedef bool iam_uid_each_fn(struct str uid, void *ctx);
IAM_API void iam_superusers_each(const struct iam_snapshot *s, iam_uid_each_fn *each, void *ctx);

/* Facts told twice count once; bytes is the memory that the snapshot holds. */
struct iam_snapshot_stats {
	size_t users, groups, resources, grants, memberships, bytes;
};

/* What is in it: grants are (rid, subject, action), memberships direct ones of users. O(1). */
IAM_API void iam_snapshot_stats(const struct iam_snapshot *s, struct iam_snapshot_stats *ret_stats);

#endif
