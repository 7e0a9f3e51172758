/*
 * world - a naive model that can be edited, and knows what is known.
 *
 * Every change is told to an edit of the library and, if that took it, to the naive model.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <stdint.h>

#include "tests/model/naive.h"

struct world {
	struct naive n;
	bool users[NAIVE_MAX];
	bool groups[NAIVE_MAX];
	bool resources[NAIVE_MAX];
};

enum world_change {
	ADD_GROUP,
	ADD_RESOURCE,
	ADD_MEMBER,
	REMOVE_MEMBER,
	ADD_SUBGROUP,
	REMOVE_SUBGROUP,
	ADD_USER_GRANT,
	ADD_GROUP_GRANT,
	REMOVE_USER_GRANT,
	REMOVE_GROUP_GRANT,
	REMOVE_USER,
	REMOVE_GROUP,
	REMOVE_RESOURCE,
	WORLD_CHANGES
};

/* Whoever is in a fact is known. */
static inline void world_know(struct world *w)
{
	for (int i = 0; i < NAIVE_MAX; i++)
		for (int j = 0; j < NAIVE_MAX; j++) {
			w->groups[i] |= w->n.member[i][j] | w->n.nested[i][j];
			w->groups[j] |= w->n.nested[i][j];
			w->users[j] |= w->n.member[i][j];
			for (int a = 0; a < IAM_ACTION_COUNT; a++) {
				w->users[j] |= w->n.user_grant[i][j][a];
				w->groups[j] |= w->n.group_grant[i][j][a];
				w->resources[i] |= w->n.user_grant[i][j][a] |
					w->n.group_grant[i][j][a];
			}
		}
}

static inline void world_remove_user(struct world *w, int u)
{
	w->users[u] = false;
	for (int i = 0; i < NAIVE_MAX; i++) {
		w->n.member[i][u] = false;
		memset(w->n.user_grant[i][u], 0, sizeof(w->n.user_grant[i][u]));
	}
}

static inline void world_remove_group(struct world *w, int g)
{
	w->groups[g] = false;
	memset(w->n.member[g], 0, sizeof(w->n.member[g]));
	memset(w->n.nested[g], 0, sizeof(w->n.nested[g]));
	for (int i = 0; i < NAIVE_MAX; i++) {
		w->n.nested[i][g] = false;
		memset(w->n.group_grant[i][g], 0, sizeof(w->n.group_grant[i][g]));
	}
}

static inline void world_remove_resource(struct world *w, int r)
{
	w->resources[r] = false;
	memset(w->n.user_grant[r], 0, sizeof(w->n.user_grant[r]));
	memset(w->n.group_grant[r], 0, sizeof(w->n.group_grant[r]));
}

static inline enum iam_err world_tell(struct iam_edit *e, enum world_change change,
	int one, int two, enum iam_action action)
{
	char u[32];
	char g[32];
	char s[32];
	char r[32];
	struct str uid = naive_id(u, 'u', two);
	struct str gid = naive_id(g, 'g', one);
	struct str sub = naive_id(s, 'g', two);
	struct str rid = naive_id(r, 'r', one);

	switch (change) {
	case ADD_GROUP:
		return iam_edit_add_group(e, gid);
	case ADD_RESOURCE:
		return iam_edit_add_resource(e, rid);
	case ADD_MEMBER:
		return iam_edit_add_member(e, gid, uid);
	case REMOVE_MEMBER:
		return iam_edit_remove_member(e, gid, uid);
	case ADD_SUBGROUP:
		return iam_edit_add_subgroup(e, gid, sub);
	case REMOVE_SUBGROUP:
		return iam_edit_remove_subgroup(e, gid, sub);
	case ADD_USER_GRANT:
		return iam_edit_add_grant(e, rid, IAM_SUBJECT_USER, uid, action);
	case ADD_GROUP_GRANT:
		return iam_edit_add_grant(e, rid, IAM_SUBJECT_GROUP, sub, action);
	case REMOVE_USER_GRANT:
		return iam_edit_remove_grant(e, rid, IAM_SUBJECT_USER, uid, action);
	case REMOVE_GROUP_GRANT:
		return iam_edit_remove_grant(e, rid, IAM_SUBJECT_GROUP, sub, action);
	case REMOVE_USER:
		return iam_edit_remove_user(e, uid);
	case REMOVE_GROUP:
		return iam_edit_remove_group(e, gid);
	case REMOVE_RESOURCE:
		return iam_edit_remove_resource(e, rid);
	case WORLD_CHANGES:
		break;
	}
	return IAM_INTERNAL;
}

static inline void world_note(struct world *w, enum world_change change, int one, int two,
	enum iam_action action)
{
	switch (change) {
	case ADD_MEMBER:
	case REMOVE_MEMBER:
		w->n.member[one][two] = change == ADD_MEMBER;
		break;
	case ADD_SUBGROUP:
	case REMOVE_SUBGROUP:
		w->n.nested[one][two] = change == ADD_SUBGROUP;
		break;
	case ADD_USER_GRANT:
	case REMOVE_USER_GRANT:
		w->n.user_grant[one][two][action] = change == ADD_USER_GRANT;
		break;
	case ADD_GROUP_GRANT:
	case REMOVE_GROUP_GRANT:
		w->n.group_grant[one][two][action] = change == ADD_GROUP_GRANT;
		break;
	case ADD_GROUP:
		w->groups[one] = true;
		break;
	case ADD_RESOURCE:
		w->resources[one] = true;
		break;
	case REMOVE_USER:
		world_remove_user(w, two);
		break;
	case REMOVE_GROUP:
		world_remove_group(w, one);
		break;
	case REMOVE_RESOURCE:
		world_remove_resource(w, one);
		break;
	case WORLD_CHANGES:
		break;
	}
	world_know(w);
}

/* Any four bytes are a change. */
static inline enum iam_err world_edit(struct world *w, struct iam_edit *e,
	const uint8_t what[4])
{
	enum world_change change = (enum world_change)(what[0] % WORLD_CHANGES);
	int one = what[1] % NAIVE_MAX;
	int two = what[2] % NAIVE_MAX;
	enum iam_action action = (enum iam_action)(what[3] % IAM_ACTION_COUNT);
	enum iam_err err = world_tell(e, change, one, two, action);

	if (err == IAM_OK)
		world_note(w, change, one, two, action);
	return err;
}

static inline const char *world_compare_stats(const struct world *w,
	const struct iam_snapshot *s)
{
	struct iam_snapshot_stats want = {0};
	struct iam_snapshot_stats have;

	for (int i = 0; i < NAIVE_MAX; i++) {
		want.users += w->users[i];
		want.groups += w->groups[i];
		want.resources += w->resources[i];
		for (int j = 0; j < NAIVE_MAX; j++) {
			want.memberships += w->n.member[i][j];
			for (int a = 0; a < IAM_ACTION_COUNT; a++)
				want.grants += (size_t)w->n.user_grant[i][j][a] +
					w->n.group_grant[i][j][a];
		}
	}
	iam_snapshot_stats(s, &have);
	if (have.users != want.users || have.groups != want.groups ||
		have.resources != want.resources)
		return "stats of ids";
	if (have.memberships != want.memberships || have.grants != want.grants)
		return "stats of facts";
	return NULL;
}

/* What differs, or NULL. */
static inline const char *world_compare(const struct world *w,
	const struct iam_snapshot *s)
{
	const char *wrong = naive_compare(&w->n, s);
	char r[32];

	for (int i = 0; i < NAIVE_MAX && wrong == NULL; i++)
		if (iam_knows_resource(s, naive_id(r, 'r', i)) != w->resources[i])
			wrong = "iam_knows_resource";
	return wrong != NULL ? wrong : world_compare_stats(w, s);
}

#endif
