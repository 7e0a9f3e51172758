/*
 * closure - visits effective groups: stored sets where there are any, else a walk.
 *
 * Does: read a frozen snapshot. Does not: allocate or lock.
 * Invariants: a stored set is complete, so nothing in it is followed further; a walk ends on
 * cycles because every group is entered once.
 */
#include "libacl/closure.h"

enum closure_end closure_direct(const struct iam_snapshot *s, const struct user *u,
	closure_visit_fn *visit, void *ctx)
{
	uint32_t user = table_number(u->word);
	struct tree_run run;

	if (u->n_groups <= USER_GROUPS) {
		for (uint32_t i = 0; i < u->n_groups; i++)
			if (!visit(u->groups[i], ctx))
				return CLOSURE_STOPPED;
		return CLOSURE_DONE;
	}
	for (bool ok = row_seek(s, REL_USER_GROUP, user, &run); ok;
		ok = row_next(s, &run))
		for (size_t i = 0; i < run.count; i++)
			if (!visit(row_value(run.keys[i]), ctx))
				return CLOSURE_STOPPED;
	return CLOSURE_DONE;
}

enum closure_end closure_containers(const struct iam_snapshot *s, uint32_t group,
	closure_visit_fn *visit, void *ctx)
{
	const struct group *g = group_at(s, group);
	struct tree_run run;

	if (g->set_len == 0 && g->ids[0] > 0) {
		for (uint32_t i = 1; i <= g->ids[0]; i++)
			if (!visit(g->ids[i], ctx))
				return CLOSURE_STOPPED;
		return CLOSURE_DONE;
	}
	for (bool ok = row_seek(s, REL_CONTAINER, group, &run); ok;
		ok = row_next(s, &run))
		for (size_t i = 0; i < run.count; i++)
			if (!visit(row_value(run.keys[i]), ctx))
				return CLOSURE_STOPPED;
	return CLOSURE_DONE;
}

/* Visits a group's stored set, which there must be. */
static bool visit_set(const struct iam_snapshot *s, uint32_t group,
	closure_visit_fn *visit, void *ctx)
{
	const struct group *g = group_at(s, group);
	struct tree_run run;

	if (g->set_len <= GROUP_IDS) {
		for (uint16_t i = 0; i < g->set_len; i++)
			if (!visit(g->ids[i], ctx))
				return false;
		return true;
	}
	for (bool ok = row_seek(s, REL_SET, group, &run); ok; ok = row_next(s, &run))
		for (size_t i = 0; i < run.count; i++)
			if (!visit(row_value(run.keys[i]), ctx))
				return false;
	return true;
}

/* At most half full: CLOSURE_MAX_WALK groups. */
#define SEEN_SLOTS (2 * CLOSURE_MAX_WALK)

/* Of a group in the queue: it stands in a set that is entered whole. */
#define CLOSED ((uint32_t)1 << 31)

/* One walk, on the stack of whoever asks. */
struct walk {
	const struct iam_snapshot *s;
	closure_visit_fn *visit;
	void *ctx;
	uint32_t seen[SEEN_SLOTS];        /* group + 1; 0 is free */
	uint32_t queue[CLOSURE_MAX_WALK]; /* groups in the order they were met */
	size_t count;
	size_t links;
	uint32_t closed; /* CLOSED while a set is entered */
	enum closure_end end;
};

static bool end_walk(struct walk *w, enum closure_end end)
{
	w->end = end;
	return false;
}

/* Visits the group unless it was met before. False: the walk is over. */
static bool enter(uint32_t group, void *ctx)
{
	struct walk *w = ctx;
	size_t at = (group * 0x9E3779B1U) & (SEEN_SLOTS - 1);

	if (++w->links > CLOSURE_MAX_LINKS)
		return end_walk(w, CLOSURE_GAVE_UP);
	for (; w->seen[at] != 0; at = (at + 1) & (SEEN_SLOTS - 1))
		if (w->seen[at] == group + 1)
			return true;
	if (w->count == CLOSURE_MAX_WALK)
		return end_walk(w, CLOSURE_GAVE_UP);
	w->seen[at] = group + 1;
	w->queue[w->count++] = group | w->closed;
	if (!w->visit(group, w->ctx))
		return end_walk(w, CLOSURE_STOPPED);
	return true;
}

static bool enter_wide(uint32_t group, void *ctx)
{
	const struct walk *w = ctx;

	return group_at(w->s, group)->set_len != 0 || enter(group, ctx);
}

/* Follows the groups that are entered at first until there is nothing new. */
static void follow(struct walk *w)
{
	for (size_t next = 0; next < w->count; next++) {
		uint32_t group = w->queue[next];

		if ((group & CLOSED) != 0)
			continue;
		w->closed = group_at(w->s, group)->set_len != 0 ? CLOSED : 0;
		if (w->closed != 0)
			(void)visit_set(w->s, group, enter, w);
		else
			(void)closure_containers(w->s, group, enter, w);
		if (w->end != CLOSURE_DONE)
			return;
	}
}

static __attribute__((noinline)) enum closure_end walk_user(const struct iam_snapshot *s,
	const struct user *u, closure_visit_fn *visit, void *ctx)
{
	struct walk w = {.s = s, .visit = visit, .ctx = ctx};

	if (closure_direct(s, u, enter_wide, &w) == CLOSURE_DONE)
		follow(&w);
	return w.end;
}

static __attribute__((noinline)) enum closure_end walk_group(const struct iam_snapshot *s,
	uint32_t group, closure_visit_fn *visit, void *ctx)
{
	struct walk w = {.s = s, .visit = visit, .ctx = ctx};

	if (enter(group, &w))
		follow(&w);
	return w.end;
}

/* The groups of a user one by one: stored sets now, a walk for the others afterwards. */
struct visiting {
	const struct iam_snapshot *s;
	closure_visit_fn *visit;
	void *ctx;
	bool is_wide;
};

static bool visit_stored(uint32_t group, void *ctx)
{
	struct visiting *v = ctx;

	if (group_at(v->s, group)->set_len != 0)
		return visit_set(v->s, group, v->visit, v->ctx);
	v->is_wide = true;
	return true;
}

enum closure_end closure_visit_user(const struct iam_snapshot *s, const struct user *u,
	closure_visit_fn *visit, void *ctx)
{
	struct visiting v = {.s = s, .visit = visit, .ctx = ctx};

	if (closure_direct(s, u, visit_stored, &v) == CLOSURE_STOPPED)
		return CLOSURE_STOPPED;
	return v.is_wide ? walk_user(s, u, visit, ctx) : CLOSURE_DONE;
}

enum closure_end closure_visit_group(const struct iam_snapshot *s, uint32_t group,
	closure_visit_fn *visit, void *ctx)
{
	if (group_at(s, group)->set_len == 0)
		return walk_group(s, group, visit, ctx);
	return visit_set(s, group, visit, ctx) ? CLOSURE_DONE : CLOSURE_STOPPED;
}
