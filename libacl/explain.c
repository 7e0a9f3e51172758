/*
 * explain - why a decision is what it is.
 *
 * Does: name the grant that an allowing decision rests on, and a shortest chain of groups through
 * which it reaches the user: a walk breadth first from the user's own groups over what contains
 * them. Does not: decide; iam_check() does, and its limits are the limits here.
 * Invariants: the decision told is iam_check()'s; the walk is made only where a grant is known to
 * be reachable, so that it ends at it; every group is entered once.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "libacl/closure.h"

#define NO_STEP UINT32_MAX

/* One group met, and the place of the group that led to it (NO_STEP: the user did). */
struct step {
	uint32_t group;
	uint32_t from;
};

/* The groups met, in the order they were. */
struct trail {
	struct step *steps;
	uint32_t *
		seen; /* open addressing over 2 * cap slots: place + 1 of a step; 0 is free */
	size_t count;
	size_t cap;    /* 0 or a power of two */
	uint32_t from; /* the place of the group whose containers are being met */
};

/* What grants one is looked for. */
struct wanted {
	uint32_t resource;
	uint64_t actions;
};

static void trail_done(struct trail *t)
{
	free(t->steps);
	free(t->seen);
}

/* Where the group's slot is, or the free one where it belongs. cap is not 0. */
static size_t slot_of(const struct trail *t, uint32_t group)
{
	size_t mask = 2 * t->cap - 1;
	size_t at = (uint32_t)(group * 0x9E3779B1U) & mask;

	while (t->seen[at] != 0 && t->steps[t->seen[at] - 1].group != group)
		at = (at + 1) & mask;
	return at;
}

static bool grow(struct trail *t)
{
	size_t cap = t->cap == 0 ? 64 : t->cap * 2;
	struct step *steps = reallocarray(t->steps, cap, sizeof(*steps));
	uint32_t *seen;

	if (steps == NULL)
		return false;
	t->steps = steps;
	seen = calloc(2 * cap, sizeof(*seen));
	if (seen == NULL)
		return false;
	free(t->seen);
	t->seen = seen;
	t->cap = cap;
	for (size_t i = 0; i < t->count; i++)
		t->seen[slot_of(t, t->steps[i].group)] = (uint32_t)i + 1;
	return true;
}

/* Notes a group that was not met yet. False: no memory. */
static bool meet(uint32_t group, void *ctx)
{
	struct trail *t = ctx;
	size_t at;

	if (t->count == t->cap && !grow(t))
		return false;
	at = slot_of(t, group);
	if (t->seen[at] != 0)
		return true;
	t->steps[t->count++] = (struct step){group, t->from};
	t->seen[at] = (uint32_t)t->count;
	return true;
}

/* The first step, in order of distance, whose group holds a wanted grant. */
static enum iam_err walk(const struct iam_snapshot *s, const struct user *u,
	const struct wanted *w, struct trail *t, uint32_t *ret_step)
{
	t->from = NO_STEP;
	if (closure_direct(s, u, meet, t) == CLOSURE_STOPPED)
		return IAM_NO_MEMORY;
	for (t->from = 0; t->from < t->count; t->from++) {
		uint32_t group = t->steps[t->from].group;

		if ((granted(s, IAM_SUBJECT_GROUP, group, w->resource) & w->actions) !=
			0) {
			*ret_step = t->from;
			return IAM_OK;
		}
		if (closure_containers(s, group, meet, t) == CLOSURE_STOPPED)
			return IAM_NO_MEMORY;
	}
	assert(false); /* an allowing decision rests on a grant */
	return IAM_INTERNAL;
}

/* The chain that ends at the step: of a longer one the first entries and the last. */
static void tell_chain(const struct iam_snapshot *s, const struct trail *t, uint32_t step,
	struct iam_explanation *x)
{
	size_t left = 0;

	for (uint32_t at = step; at != NO_STEP; at = t->steps[at].from)
		left++;
	x->chain_len = left;
	x->n_chain = left < IAM_CHAIN_MAX ? left : IAM_CHAIN_MAX;
	for (uint32_t at = step; at != NO_STEP; at = t->steps[at].from) {
		struct str gid = group_id(group_name_at(s, t->steps[at].group));

		left--;
		if (at == step)
			x->chain[x->n_chain - 1] = gid;
		else if (left < x->n_chain - 1)
			x->chain[left] = gid;
	}
}

/* Of the actions granted the plainest reason: the one asked for, else full, else any. */
static enum iam_action choose(uint64_t granted_actions, enum iam_action asked)
{
	if ((granted_actions >> asked & 1) != 0)
		return asked;
	if ((granted_actions >> IAM_FULL & 1) != 0)
		return IAM_FULL;
	return (enum iam_action)__builtin_ctzll(granted_actions);
}

/* The grant by which the user is allowed: the user's own, else that of the nearest group. */
static enum iam_err find_grant(const struct iam_snapshot *s, const struct user *u,
	const struct wanted *w, enum iam_action asked, struct iam_explanation *x)
{
	uint64_t direct =
		granted(s, IAM_SUBJECT_USER, table_number(u->word), w->resource) &
		w->actions;
	struct trail t = {0};
	uint32_t step = NO_STEP;
	uint32_t group;
	enum iam_err e;

	x->rid = resource_id(resource_at(s, w->resource));
	if (direct != 0) {
		x->kind = IAM_SUBJECT_USER;
		x->subject_id = user_id(u);
		x->action = choose(direct, asked);
		return IAM_OK;
	}
	e = walk(s, u, w, &t, &step);
	if (e == IAM_OK) {
		group = t.steps[step].group;
		x->kind = IAM_SUBJECT_GROUP;
		x->subject_id = group_id(group_name_at(s, group));
		x->action = choose(granted(s, IAM_SUBJECT_GROUP, group, w->resource) &
				w->actions,
			asked);
		tell_chain(s, &t, step, x);
	}
	trail_done(&t);
	return e;
}

static enum iam_why why_denied(const struct iam_snapshot *s, struct str rid,
	enum iam_action action)
{
	if ((unsigned)action >= IAM_ACTION_COUNT)
		return IAM_WHY_NO_ACTION;
	return iam_knows_resource(s, rid) ? IAM_WHY_NO_GRANT : IAM_WHY_NO_RESOURCE;
}

enum iam_err iam_explain(const struct iam_snapshot *s, struct str uid, struct str rid,
	enum iam_action action, struct iam_explanation *ret)
{
	struct iam_explanation x = {.decision = iam_check(s, uid, rid, action)};
	bool super = iam_is_superuser(s, uid);
	struct wanted w = {
		.resource = record_number(find_resource(s,
			super ? STR(IAM_SUPERUSER_RID) : rid)),
		.actions = GRANT_ACTIONS,
	};
	const struct user *u;
	enum iam_err e;

	if (x.decision == IAM_DENY) {
		x.why = why_denied(s, rid, action);
		*ret = x;
		return IAM_OK;
	}
	x.why = super ? IAM_WHY_SUPERUSER : IAM_WHY_GRANT;
	if (!super)
		w.actions = (uint64_t)1 << action | (uint64_t)1 << IAM_FULL;
	u = find_user(s, uid);
	assert(u != NULL); /* who is unknown is denied */
	e = find_grant(s, u, &w, action, &x);
	if (e == IAM_OK)
		*ret = x;
	return e;
}
