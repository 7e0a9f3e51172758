/*
 * closure - effective sets, built from the top of the nesting downwards.
 *
 * A depth-first walk without recursion reaches the containers of a group before the group, so
 * that a set is mostly the union of sets that are there already; in a cycle, where they are not,
 * the links are followed. What would be too large, or too much work in all, is left to walks.
 *
 * Invariants: the work is O(groups + links) whatever the shape; a stored set begins with the
 * group itself and is complete; a walk ends on cycles because every group is entered once.
 */
#include "libacl/closure.h"

#include <stdlib.h>
#include <string.h>

/* LIMIT: ids in all stored sets together: 16 MiB plus 64 bytes a group or link. */
#define BUDGET_BASE ((size_t)4 << 20)
#define BUDGET_EACH 16U

/* LIMIT: steps spent on building sets, in units of groups and links. */
#define STEPS_BASE ((size_t)64 << 20)
#define STEPS_EACH 64U

enum { NEW, OPEN, STORED, WIDE };

struct frame {
	uint32_t group;
	uint32_t next; /* of its containers */
};

/* Scratch of one build. */
struct builder {
	struct closure *c;
	uint8_t *state;
	struct frame *stack;
	uint32_t *seen; /* the group + 1 for whose set it was last seen */
	uint32_t *work; /* groups whose containers are still to be followed */
	size_t budget;
	size_t steps;
};

static bool builder_init(struct builder *b, struct closure *c)
{
	size_t facts = c->n + rows_total(&c->containers);

	*b = (struct builder){
		.c = c,
		.state = calloc(c->n + 1, sizeof(*b->state)),
		.stack = calloc(c->n + 1, sizeof(*b->stack)),
		.seen = calloc(c->n + 1, sizeof(*b->seen)),
		.work = calloc(c->n + 1, sizeof(*b->work)),
		.budget = BUDGET_BASE + BUDGET_EACH * facts,
		.steps = STEPS_BASE + STEPS_EACH * facts,
	};
	if (b->budget > UINT32_MAX)
		b->budget = UINT32_MAX;
	return b->state != NULL && b->stack != NULL && b->seen != NULL && b->work != NULL;
}

static void builder_done(struct builder *b)
{
	free(b->state);
	free(b->stack);
	free(b->seen);
	free(b->work);
}

/* Room for one more set of the largest size. */
/* The analyzer of gcc 12 loses sight of memory that a struct behind a pointer owns. */
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static bool reserve(struct closure *c)
{
	size_t cap = c->cap == 0 ? (size_t)2 * CLOSURE_MAX_SET : c->cap * 2;
	uint32_t *members;

	if (c->cap - c->total > CLOSURE_MAX_SET)
		return true;
	members = reallocarray(c->members, cap, sizeof(*members));
	if (members == NULL)
		return false;
	c->members = members;
	c->cap = cap;
	return true;
}
#pragma GCC diagnostic pop

/* Adds group to the set that ends at *end. False: the set grew too large. */
static bool add(struct builder *b, uint32_t owner, uint32_t group, size_t *end)
{
	if (b->seen[group] == owner + 1)
		return true;
	if (*end - b->c->total == CLOSURE_MAX_SET)
		return false;
	b->seen[group] = owner + 1;
	b->c->members[(*end)++] = group;
	return true;
}

/* Adds a container and, if they are known, all that contain it. Counts into *work what is not. */
static bool add_container(struct builder *b, uint32_t owner, uint32_t group, size_t *end,
	size_t *work)
{
	const struct closure *c = b->c;

	if (b->state[group] == WIDE || b->steps == 0)
		return false;
	b->steps--;
	if (b->seen[group] == owner + 1)
		return true;
	if (b->state[group] != STORED) {
		b->work[(*work)++] = group;
		return add(b, owner, group, end);
	}
	if (b->steps < c->len[group])
		return false;
	b->steps -= c->len[group];
	for (size_t i = 0; i < c->len[group]; i++)
		if (!add(b, owner, c->members[c->first[group] + i], end))
			return false;
	return true;
}

/* Collects the set of `group` behind the last; false if it is too large or too costly. */
static bool collect(struct builder *b, uint32_t group, size_t *ret_end)
{
	const struct rows *containers = &b->c->containers;
	size_t end = b->c->total;
	size_t work = 0;

	if (!add(b, group, group, &end))
		return false;
	b->work[work++] = group;
	while (work > 0) {
		uint32_t at = b->work[--work];

		for (size_t i = 0; i < row_len(containers, at); i++)
			if (!add_container(b, group, row_ids(containers, at)[i], &end,
				    &work))
				return false;
	}
	*ret_end = end;
	return true;
}

static bool build_set(struct builder *b, uint32_t group)
{
	struct closure *c = b->c;
	size_t end;

	if (!reserve(c))
		return false;
	if (!collect(b, group, &end) || end > b->budget) {
		b->state[group] = WIDE;
		return true;
	}
	c->first[group] = (uint32_t)c->total;
	c->len[group] = (uint32_t)(end - c->total);
	c->total = end;
	b->state[group] = STORED;
	return true;
}

/* Containers before what they contain; a group met again while open closes a cycle. */
static bool build_from(struct builder *b, uint32_t root)
{
	const struct rows *containers = &b->c->containers;
	size_t depth = 0;

	b->stack[depth++] = (struct frame){.group = root};
	b->state[root] = OPEN;
	while (depth > 0) {
		struct frame *top = &b->stack[depth - 1];
		uint32_t group = top->group;

		if (top->next == row_len(containers, group)) {
			if (!build_set(b, group))
				return false;
			depth--;
			continue;
		}
		group = row_ids(containers, group)[top->next++];
		if (b->state[group] != NEW)
			continue;
		b->state[group] = OPEN;
		b->stack[depth++] = (struct frame){.group = group};
	}
	return true;
}

bool closure_build(struct closure *c, const struct pair *pairs, size_t count, size_t n)
{
	struct closure made = {.n = n};
	struct builder b = {0};
	bool ok;

	made.first = calloc(n + 1, sizeof(*made.first));
	made.len = calloc(n + 1, sizeof(*made.len));
	ok = made.first != NULL && made.len != NULL &&
		rows_build(&made.containers, pairs, count, false, n, n) &&
		builder_init(&b, &made);
	for (size_t group = 0; ok && group < n; group++)
		if (b.state[group] == NEW)
			ok = build_from(&b, (uint32_t)group);
	builder_done(&b);
	if (!ok) {
		closure_done(&made);
		return false;
	}
	*c = made;
	return true;
}

void closure_done(struct closure *c)
{
	rows_done(&c->containers);
	free(c->first);
	free(c->len);
	free(c->members);
	*c = (struct closure){0};
}

size_t closure_size_bytes(const struct closure *c)
{
	return rows_size_bytes(&c->containers) + (2 * c->n + c->total) * sizeof(uint32_t);
}

bool closure_mark_below(const struct pair *pairs, size_t count, size_t n, uint8_t *marks)
{
	uint32_t *work = calloc(n + 1, sizeof(*work));
	struct rows below;
	size_t left = 0;

	if (work == NULL || !rows_build(&below, pairs, count, true, n, n)) {
		free(work);
		return false;
	}
	for (size_t group = 0; group < n; group++)
		if (marks[group] != 0)
			work[left++] = (uint32_t)group;
	while (left > 0) {
		uint32_t group = work[--left];

		for (size_t i = 0; i < row_len(&below, group); i++) {
			uint32_t member = row_ids(&below, group)[i];

			if (marks[member] == 0) {
				marks[member] = 1;
				work[left++] = member;
			}
		}
	}
	rows_done(&below);
	free(work);
	return true;
}

/* At most half full: CLOSURE_MAX_WALK groups. */
#define SEEN_SLOTS (2 * CLOSURE_MAX_WALK)

/* One walk, on the stack of whoever asks. */
struct walk {
	uint32_t seen[SEEN_SLOTS];        /* group + 1; 0 is free */
	uint32_t queue[CLOSURE_MAX_WALK]; /* groups in the order they were met */
	size_t count;
	size_t links;
};

/* True if the group is in the queue now; false if there is no more room. */
static bool enter(struct walk *w, uint32_t group)
{
	size_t at = (group * 0x9E3779B1U) & (SEEN_SLOTS - 1);

	for (; w->seen[at] != 0; at = (at + 1) & (SEEN_SLOTS - 1))
		if (w->seen[at] == group + 1)
			return true;
	if (w->count == CLOSURE_MAX_WALK)
		return false;
	w->seen[at] = group + 1;
	w->queue[w->count++] = group;
	return true;
}

/* Follows the containers of every group met; stored sets need not be looked up here. */
static __attribute__((noinline)) enum closure_end walk_wide(const struct closure *c,
	const uint32_t *groups, size_t count, closure_visit_fn *visit, void *ctx)
{
	struct walk w = {0};

	for (size_t i = 0; i < count; i++)
		if (!enter(&w, groups[i]))
			return CLOSURE_GAVE_UP;
	for (size_t next = 0; next < w.count; next++) {
		uint32_t group = w.queue[next];
		size_t links = row_len(&c->containers, group);

		if (!visit(group, ctx))
			return CLOSURE_STOPPED;
		w.links += links;
		if (w.links > CLOSURE_MAX_LINKS)
			return CLOSURE_GAVE_UP;
		for (size_t i = 0; i < links; i++)
			if (!enter(&w, row_ids(&c->containers, group)[i]))
				return CLOSURE_GAVE_UP;
	}
	return CLOSURE_DONE;
}

enum closure_end closure_visit(const struct closure *c, const uint32_t *groups,
	size_t count, closure_visit_fn *visit, void *ctx)
{
	bool wide = false;

	for (size_t i = 0; i < count; i++) {
		uint32_t group = groups[i];

		if (c->len[group] == 0)
			wide = true;
		for (size_t j = 0; j < c->len[group]; j++)
			if (!visit(c->members[c->first[group] + j], ctx))
				return CLOSURE_STOPPED;
	}
	return wide ? walk_wide(c, groups, count, visit, ctx) : CLOSURE_DONE;
}
