/*
 * naive - the permission model as one would say it, to compare the library with.
 *
 * Facts are small numbers in plain arrays; every question is answered by searching all of them.
 * Slow on purpose, and too simple to be wrong in the way the library might be.
 */
#ifndef TESTS_MODEL_NAIVE_H
#define TESTS_MODEL_NAIVE_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iam/acl.h"

#define NAIVE_MAX   16 /* users, groups and resources each */
#define NAIVE_SUPER 0  /* the resource that is the superuser's */

struct naive {
	bool member[NAIVE_MAX][NAIVE_MAX];                        /* [group][user] */
	bool nested[NAIVE_MAX][NAIVE_MAX];                        /* [group][subgroup] */
	bool user_grant[NAIVE_MAX][NAIVE_MAX][IAM_ACTION_COUNT];  /* [rid][user] */
	bool group_grant[NAIVE_MAX][NAIVE_MAX][IAM_ACTION_COUNT]; /* [rid][group] */
};

/* Which groups count for the user: own ones, then containers until nothing is added. */
static inline void naive_spread(const struct naive *n, bool effective[NAIVE_MAX])
{
	bool grew = true;

	while (grew) {
		grew = false;
		for (int g = 0; g < NAIVE_MAX; g++)
			for (int sub = 0; sub < NAIVE_MAX; sub++)
				if (n->nested[g][sub] && effective[sub] && !effective[g])
					effective[g] = grew = true;
	}
}

static inline bool naive_group_any(const struct naive *n, const bool effective[NAIVE_MAX],
	int rid)
{
	for (int g = 0; g < NAIVE_MAX; g++)
		for (int a = 0; a < IAM_ACTION_COUNT; a++)
			if (effective[g] && n->group_grant[rid][g][a])
				return true;
	return false;
}

static inline void naive_groups_of(const struct naive *n, int user,
	bool effective[NAIVE_MAX])
{
	for (int g = 0; g < NAIVE_MAX; g++)
		effective[g] = n->member[g][user];
	naive_spread(n, effective);
}

static inline bool naive_reaches(const struct naive *n, const bool effective[NAIVE_MAX],
	int user, int rid)
{
	for (int a = 0; a < IAM_ACTION_COUNT; a++)
		if (n->user_grant[rid][user][a])
			return true;
	return naive_group_any(n, effective, rid);
}

static inline bool naive_check(const struct naive *n, const bool effective[NAIVE_MAX],
	int user, int rid, int action)
{
	if (naive_reaches(n, effective, user, NAIVE_SUPER))
		return true;
	if (n->user_grant[rid][user][action] || n->user_grant[rid][user][IAM_FULL])
		return true;
	for (int g = 0; g < NAIVE_MAX; g++)
		if (effective[g] &&
			(n->group_grant[rid][g][action] ||
				n->group_grant[rid][g][IAM_FULL]))
			return true;
	return false;
}

/* The id of number i, in `buf`: "u3", "g3", "dcos:superuser" or "svc:3". */
static inline struct str naive_id(char buf[32], char kind, int i)
{
	int len;

	if (kind == 'r' && i == NAIVE_SUPER)
		len = snprintf(buf, 32, "%s", IAM_SUPERUSER_RID);
	else if (kind == 'r')
		len = snprintf(buf, 32, "svc:%d", i);
	else
		len = snprintf(buf, 32, "%c%d", kind, i);
	return (struct str){.ptr = buf, .len = (size_t)len};
}

/* Tells the library's model one fact; also the naive one. */
static inline void naive_member(struct naive *n, struct iam_model *m, int g, int u)
{
	char gb[32];
	char ub[32];
	enum iam_err e =
		iam_model_add_member(m, naive_id(gb, 'g', g), naive_id(ub, 'u', u));

	assert(e == IAM_OK);
	(void)e;
	n->member[g][u] = true;
}

static inline void naive_nest(struct naive *n, struct iam_model *m, int g, int sub)
{
	char gb[32];
	char sb[32];
	enum iam_err e =
		iam_model_add_subgroup(m, naive_id(gb, 'g', g), naive_id(sb, 'g', sub));

	assert(e == IAM_OK);
	(void)e;
	n->nested[g][sub] = true;
}

static inline void naive_grant(struct naive *n, struct iam_model *m, int rid, bool group,
	int subject, int action)
{
	char rb[32];
	char sb[32];
	enum iam_err e = iam_model_add_grant(m, naive_id(rb, 'r', rid),
		group ? IAM_SUBJECT_GROUP : IAM_SUBJECT_USER,
		naive_id(sb, group ? 'g' : 'u', subject), (enum iam_action)action);

	assert(e == IAM_OK);
	(void)e;
	if (group)
		n->group_grant[rid][subject][action] = true;
	else
		n->user_grant[rid][subject][action] = true;
}

static inline void naive_tell_grants(const struct naive *n, struct iam_model *m,
	struct naive *copy)
{
	for (int i = 0; i < NAIVE_MAX * NAIVE_MAX * IAM_ACTION_COUNT; i++) {
		int rid = i % NAIVE_MAX;
		int who = i / NAIVE_MAX % NAIVE_MAX;
		int action = i / NAIVE_MAX / NAIVE_MAX;

		if (n->user_grant[rid][who][action])
			naive_grant(copy, m, rid, false, who, action);
		if (n->group_grant[rid][who][action])
			naive_grant(copy, m, rid, true, who, action);
	}
}

/* A snapshot of just these facts, or NULL. */
static inline struct iam_snapshot *naive_freeze(const struct naive *n)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	struct naive copy = {0};

	if (m == NULL)
		return NULL;
	for (int g = 0; g < NAIVE_MAX; g++)
		for (int i = 0; i < NAIVE_MAX; i++) {
			if (n->member[g][i])
				naive_member(&copy, m, g, i);
			if (n->nested[g][i])
				naive_nest(&copy, m, g, i);
		}
	naive_tell_grants(n, m, &copy);
	if (iam_snapshot_build(m, &s) != IAM_OK)
		s = NULL;
	iam_model_free(m);
	return s;
}

/* Is this the resource of number *ctx? */
static inline bool naive_pick(struct str rid, void *ctx)
{
	int wanted = *(const int *)ctx;
	int number = 0;

	if (rid.len == sizeof(IAM_SUPERUSER_RID) - 1)
		return wanted == NAIVE_SUPER;
	for (size_t i = 4; i < rid.len; i++)
		number = number * 10 + (rid.ptr[i] - '0');
	return number == wanted;
}

static inline bool naive_count_uid(struct str uid, void *ctx)
{
	(void)uid;
	++*(int *)ctx;
	return true;
}

/* "g3" is 3. */
static inline int naive_number(struct str id)
{
	int number = 0;

	for (size_t i = 1; i < id.len; i++)
		number = number * 10 + (id.ptr[i] - '0');
	return number;
}

static inline bool naive_note_gid(struct str gid, void *ctx)
{
	((bool *)ctx)[naive_number(gid)] = true;
	return true;
}

/* Is the decision explained that was made, and by a grant that is there and reaches the user? */
static inline bool naive_explained(const struct naive *n, const struct iam_snapshot *s,
	const bool effective[NAIVE_MAX], const int question[3])
{
	int user = question[0], rid = question[1], action = question[2];
	int super = NAIVE_SUPER;
	char ub[32];
	char rb[32];
	struct iam_explanation x;
	int who;

	if (iam_explain(s, naive_id(ub, 'u', user), naive_id(rb, 'r', rid),
		    (enum iam_action)action, &x) != IAM_OK ||
		(x.decision == IAM_ALLOW) != naive_check(n, effective, user, rid, action))
		return false;
	if (x.decision == IAM_DENY)
		return true;
	rid = naive_pick(x.rid, &super) ? NAIVE_SUPER : rid;
	who = naive_number(x.subject_id);
	if (x.kind == IAM_SUBJECT_USER)
		return who == user && n->user_grant[rid][user][x.action];
	return effective[who] && n->group_grant[rid][who][x.action];
}

static inline bool naive_groups_agree(const struct iam_snapshot *s, struct str uid,
	const bool effective[NAIVE_MAX])
{
	bool told[NAIVE_MAX] = {false};

	return iam_user_groups_each(s, uid, naive_note_gid, told) &&
		memcmp(told, effective, sizeof(told)) == 0;
}

/* What one user is told wrong, or NULL. */
static inline const char *naive_compare_user(const struct naive *n,
	const struct iam_snapshot *s, int u)
{
	bool effective[NAIVE_MAX];
	char ub[32];
	char rb[32];
	struct str uid = naive_id(ub, 'u', u);

	naive_groups_of(n, u, effective);
	if (iam_is_superuser(s, uid) != naive_reaches(n, effective, u, NAIVE_SUPER))
		return "iam_is_superuser";
	if (!naive_groups_agree(s, uid, effective))
		return "iam_user_groups_each";
	for (int r = 0; r < NAIVE_MAX; r++) {
		struct str rid = naive_id(rb, 'r', r);
		bool reaches = naive_reaches(n, effective, u, r);

		if (iam_user_reaches(s, uid, rid) != reaches)
			return "iam_user_reaches";
		if (iam_user_reaches_any(s, uid, naive_pick, &r) != reaches)
			return "iam_user_reaches_any";
		for (int a = 0; a < IAM_ACTION_COUNT; a++)
			if ((iam_check(s, uid, rid, (enum iam_action)a) == IAM_ALLOW) !=
				naive_check(n, effective, u, r, a))
				return "iam_check";
		for (int a = 0; a < IAM_ACTION_COUNT; a++)
			if (!naive_explained(n, s, effective, (int[]){u, r, a}))
				return "iam_explain";
	}
	return NULL;
}

static inline const char *naive_compare_group(const struct naive *n,
	const struct iam_snapshot *s, int g)
{
	bool effective[NAIVE_MAX] = {false};
	char gb[32];

	effective[g] = true;
	naive_spread(n, effective);
	for (int r = 0; r < NAIVE_MAX; r++)
		if (iam_group_reaches_any(s, naive_id(gb, 'g', g), naive_pick, &r) !=
			naive_group_any(n, effective, r))
			return "iam_group_reaches_any";
	return NULL;
}

/* What differs, or NULL if the snapshot answers every question as the naive model does. */
static inline const char *naive_compare(const struct naive *n,
	const struct iam_snapshot *s)
{
	int supers = 0;
	int listed = 0;

	for (int i = 0; i < NAIVE_MAX; i++) {
		bool effective[NAIVE_MAX];
		const char *wrong = naive_compare_user(n, s, i);

		if (wrong == NULL)
			wrong = naive_compare_group(n, s, i);
		if (wrong != NULL)
			return wrong;
		naive_groups_of(n, i, effective);
		supers += naive_reaches(n, effective, i, NAIVE_SUPER);
	}
	iam_superusers_each(s, naive_count_uid, &listed);
	return listed == supers ? NULL : "iam_superusers_each";
}

#endif
