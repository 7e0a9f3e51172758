/*
 * nesting - works out effective sets and superuser marks below groups that changed.
 *
 * The groups below are collected first. A depth-first walk without recursion then reaches the
 * containers of a group before the group, so that a set is mostly the union of sets that are
 * there already; in a cycle, where they are not, the links are followed. What would be too large,
 * or too much work in all, is left to walks.
 *
 * Invariants: the work is O(groups below and their links), whatever the shape, and a bounded
 * number of steps; groups that are not below a change keep their set and mark, which were right
 * before; a record is written only if it differs.
 */
#include <stdlib.h>

#include "libacl/closure.h"
#include "libacl/names.h"

/* LIMIT: ids in all sets in REL_SET together: 4 million and 16 a group. */
#define BUDGET_BASE ((size_t)4 << 20)
#define BUDGET_EACH 16U

/* LIMIT: steps spent on sets, in units of groups and links: a million and 32 a group below. */
#define STEPS_BASE ((size_t)1 << 20)
#define STEPS_EACH 32U

#define NO_ITEM UINT32_MAX

#define SEEN_SLOTS (4 * CLOSURE_MAX_SET)

enum { NEW, OPEN, STORED, WIDE };

/* A group below a change. */
struct item {
	uint32_t group;
	uint8_t state;
	uint8_t is_super;
	uint16_t len; /* STORED: ids[first] and so on */
	size_t first;
};

struct frame {
	uint32_t item;
	uint64_t next; /* of its containers */
};

struct update {
	struct cow *c;
	struct iam_snapshot *s;
	struct item *items;
	size_t count;
	size_t cap;
	uint32_t *index; /* group -> item + 1, open addressing */
	size_t index_cap;
	uint32_t *ids; /* the new sets */
	size_t n_ids;
	size_t ids_cap;
	struct frame *stack;
	uint32_t *queue;
	size_t steps;
	size_t set_ids; /* what s->set_ids will be */
	/* the set that is being collected */
	uint32_t set[CLOSURE_MAX_SET];
	uint32_t work
		[CLOSURE_MAX_SET]; /* groups whose containers are still to be followed */
	size_t n_set;
	size_t n_work;
	uint32_t seen[SEEN_SLOTS];  /* groups, valid where ... */
	uint32_t stamp[SEEN_SLOTS]; /* ... this is the item + 1 */
};

/* ---- the groups below ---- */

static size_t index_place(const struct update *u, uint32_t group)
{
	size_t at = (uint32_t)(group * 0x9E3779B1U) & (u->index_cap - 1);

	while (u->index[at] != 0 && u->items[u->index[at] - 1].group != group)
		at = (at + 1) & (u->index_cap - 1);
	return at;
}

static uint32_t item_of(const struct update *u, uint32_t group)
{
	uint32_t item = u->index[index_place(u, group)];

	return item == 0 ? NO_ITEM : item - 1;
}

/* Room for one more item; the index stays at most half full. */
static bool reserve_item(struct update *u)
{
	size_t cap = u->cap == 0 ? 64 : u->cap * 2;
	struct item *items;
	uint32_t *index;

	if (u->count < u->cap)
		return true;
	items = reallocarray(u->items, cap, sizeof(*items));
	if (items == NULL)
		return false;
	u->items = items;
	index = calloc(2 * cap, sizeof(*index));
	if (index == NULL)
		return false;
	free(u->index);
	u->index = index;
	u->index_cap = 2 * cap;
	u->cap = cap;
	for (size_t i = 0; i < u->count; i++)
		u->index[index_place(u, u->items[i].group)] = (uint32_t)i + 1;
	return true;
}

static bool add_item(struct update *u, uint32_t group)
{
	size_t at;

	if (!reserve_item(u))
		return false;
	at = index_place(u, group);
	if (u->index[at] != 0)
		return true;
	u->items[u->count++] = (struct item){
		.group = group,
		.is_super = group_at(u->s, group)->super_grant,
	};
	u->index[at] = (uint32_t)u->count;
	return true;
}

static bool add_items_below(struct update *u)
{
	struct tree_run run;

	for (size_t next = 0; next < u->count; next++) {
		uint32_t group = u->items[next].group;
		uint16_t len = group_at(u->s, group)->set_len;

		u->set_ids -= len > GROUP_IDS ? len : 0;
		for (bool ok = row_seek(u->s, REL_SUBGROUP, group, &run); ok;
			ok = row_next(u->s, &run))
			for (size_t i = 0; i < run.count; i++)
				if (!add_item(u, row_value(run.keys[i])))
					return false;
	}
	return true;
}

/* ---- effective sets ---- */

/* Adds a group to the set; false if there are too many. */
static bool set_add(struct update *u, uint32_t owner, uint32_t group)
{
	size_t at = (group * 0x9E3779B1U >> 8) & (SEEN_SLOTS - 1);

	for (; u->stamp[at] == owner + 1; at = (at + 1) & (SEEN_SLOTS - 1))
		if (u->seen[at] == group)
			return true;
	if (u->n_set == CLOSURE_MAX_SET)
		return false;
	u->stamp[at] = owner + 1;
	u->seen[at] = group;
	u->set[u->n_set++] = group;
	return true;
}

/* Adds ids, low halves of keys or plain ones. */
static bool set_add_keys(struct update *u, uint32_t owner, const struct tree_run *run)
{
	for (size_t i = 0; i < run->count; i++)
		if (!set_add(u, owner, row_value(run->keys[i])))
			return false;
	return true;
}

static bool set_add_ids(struct update *u, uint32_t owner, const uint32_t *ids,
	size_t count)
{
	if (u->steps < count)
		return false;
	u->steps -= count;
	for (size_t i = 0; i < count; i++)
		if (!set_add(u, owner, ids[i]))
			return false;
	return true;
}

/* Adds the set of a group that is not below the change. */
static bool set_add_stored(struct update *u, uint32_t owner, uint32_t group)
{
	const struct group *g = group_at(u->s, group);
	struct tree_run run;

	if (g->set_len == 0)
		return false;
	if (g->set_len <= GROUP_IDS)
		return set_add_ids(u, owner, g->ids, g->set_len);
	if (u->steps < g->set_len)
		return false;
	u->steps -= g->set_len;
	for (bool ok = row_seek(u->s, REL_SET, group, &run); ok;
		ok = row_next(u->s, &run))
		if (!set_add_keys(u, owner, &run))
			return false;
	return true;
}

/* Adds a container and what contains it; what is not known of that yet is left as work. */
static bool add_container(struct update *u, uint32_t owner, uint32_t group)
{
	uint32_t item = item_of(u, group);
	size_t before = u->n_set;

	if (u->steps == 0)
		return false;
	u->steps--;
	if (item == NO_ITEM)
		return set_add_stored(u, owner, group);
	if (u->items[item].state == WIDE)
		return false;
	if (u->items[item].state == STORED)
		return set_add_ids(u, owner, u->ids + u->items[item].first,
			u->items[item].len);
	if (!set_add(u, owner, group))
		return false;
	if (u->n_set > before)
		u->work[u->n_work++] = group;
	return true;
}

/* Collects the set of an item; false if it is too large or too costly. */
static bool collect(struct update *u, uint32_t item)
{
	struct tree_run run;

	u->n_set = u->n_work = 0;
	(void)set_add(u, item, u->items[item].group);
	u->work[u->n_work++] = u->items[item].group;
	while (u->n_work > 0) {
		uint32_t at = u->work[--u->n_work];

		for (bool ok = row_seek(u->s, REL_CONTAINER, at, &run); ok;
			ok = row_next(u->s, &run))
			for (size_t i = 0; i < run.count; i++)
				if (!add_container(u, item, row_value(run.keys[i])))
					return false;
	}
	return true;
}

static bool reserve_ids(struct update *u)
{
	size_t cap = u->ids_cap == 0 ? (size_t)2 * CLOSURE_MAX_SET : u->ids_cap * 2;
	uint32_t *ids;

	if (u->ids_cap - u->n_ids >= CLOSURE_MAX_SET)
		return true;
	ids = reallocarray(u->ids, cap, sizeof(*ids));
	if (ids == NULL)
		return false;
	u->ids = ids;
	u->ids_cap = cap;
	return true;
}

static bool build_set(struct update *u, uint32_t item)
{
	struct item *it = &u->items[item];
	size_t budget = BUDGET_BASE + (size_t)BUDGET_EACH * u->s->groups.count;

	if (!reserve_ids(u))
		return false;
	if (!collect(u, item) ||
		(u->n_set > GROUP_IDS && u->set_ids + u->n_set > budget)) {
		it->state = WIDE;
		return true;
	}
	memcpy(u->ids + u->n_ids, u->set, u->n_set * sizeof(*u->ids));
	it->state = STORED;
	it->first = u->n_ids;
	it->len = (uint16_t)u->n_set;
	u->n_ids += u->n_set;
	u->set_ids += u->n_set > GROUP_IDS ? u->n_set : 0;
	return true;
}

static struct frame open_item(struct update *u, uint32_t item)
{
	u->items[item].state = OPEN;
	return (struct frame){
		.item = item,
		.next = row_key(REL_CONTAINER, u->items[item].group, 0),
	};
}

/* Containers before what they contain; a group met again while open closes a cycle. */
static bool build_from(struct update *u, uint32_t item)
{
	size_t depth = 0;

	u->stack[depth++] = open_item(u, item);
	while (depth > 0) {
		struct frame *top = &u->stack[depth - 1];
		uint64_t end = row_key(REL_CONTAINER, u->items[top->item].group + 1, 0);
		struct tree_run run;

		if (!tree_seek(&u->s->rows, top->next, end, &run)) {
			if (!build_set(u, top->item))
				return false;
			depth--;
			continue;
		}
		top->next = run.keys[0] + 1;
		item = item_of(u, row_value(run.keys[0]));
		if (item != NO_ITEM && u->items[item].state == NEW)
			u->stack[depth++] = open_item(u, item);
	}
	return true;
}

/* ---- superuser marks ---- */

static bool has_super_above(const struct update *u, uint32_t group)
{
	struct tree_run run;

	for (bool ok = row_seek(u->s, REL_CONTAINER, group, &run); ok;
		ok = row_next(u->s, &run))
		for (size_t i = 0; i < run.count; i++) {
			uint32_t above = row_value(run.keys[i]);

			if (item_of(u, above) == NO_ITEM &&
				group_at(u->s, above)->is_super != 0)
				return true;
		}
	return false;
}

/* Marks come from the groups themselves and from above the change; then they flow down. */
static void mark_supers(struct update *u)
{
	size_t left = 0;
	struct tree_run run;

	for (size_t i = 0; i < u->count; i++) {
		if (u->items[i].is_super == 0)
			u->items[i].is_super = has_super_above(u, u->items[i].group);
		if (u->items[i].is_super != 0)
			u->queue[left++] = (uint32_t)i;
	}
	while (left > 0) {
		uint32_t group = u->items[u->queue[--left]].group;

		for (bool ok = row_seek(u->s, REL_SUBGROUP, group, &run); ok;
			ok = row_next(u->s, &run))
			for (size_t i = 0; i < run.count; i++) {
				uint32_t item = item_of(u, row_value(run.keys[i]));

				if (u->items[item].is_super != 0)
					continue;
				u->items[item].is_super = 1;
				u->queue[left++] = item;
			}
	}
}

/* ---- writing ---- */

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return (*x > *y) - (*x < *y);
}

/* Makes the row of REL_SET what the ids are, at the cost of the difference. */
static bool write_set(struct update *u, uint32_t group, uint32_t *ids, size_t count)
{
	struct iam_snapshot *s = u->s;
	size_t n_old = 0;
	struct tree_run run;

	for (bool ok = row_seek(s, REL_SET, group, &run); ok; ok = row_next(s, &run))
		for (size_t i = 0; i < run.count; i++)
			u->set[n_old++] = row_value(run.keys[i]);
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (size_t old = 0, new = 0; old < n_old || new < count;) {
		bool ok = true;

		if (new == count || (old < n_old && u->set[old] < ids[new]))
			ok = tree_remove(u->c, &s->rows,
				row_key(REL_SET, group, u->set[old++]));
		else if (old == n_old || ids[new] < u->set[old])
			ok = tree_add(u->c, &s->rows,
				row_key(REL_SET, group, ids[new ++]));
		else
			old++, new ++;
		if (!ok)
			return false;
	}
	return true;
}

/* The direct containers into a wide group's record, if they fit. */
static void note_containers(const struct update *u, uint32_t group, struct group *g)
{
	struct tree_run run;

	for (bool ok = row_seek(u->s, REL_CONTAINER, group, &run); ok;
		ok = row_next(u->s, &run))
		for (size_t i = 0; i < run.count; i++) {
			if (g->ids[0] == GROUP_IDS - 1) {
				g->ids[0] = 0;
				return;
			}
			g->ids[++g->ids[0]] = row_value(run.keys[i]);
		}
}

static bool write_item(struct update *u, const struct item *it)
{
	const struct group *old = group_at(u->s, it->group);
	struct group g = {.is_super = it->is_super, .super_grant = old->super_grant};
	uint32_t *ids = u->ids + it->first;
	size_t in_rows = 0;
	struct group *written;

	if (it->state == WIDE) {
		note_containers(u, it->group, &g);
	} else {
		g.set_len = it->len;
		if (it->len <= GROUP_IDS)
			memcpy(g.ids, ids, it->len * sizeof(*ids));
		else
			in_rows = it->len;
	}
	if ((in_rows > 0 || old->set_len > GROUP_IDS) &&
		!write_set(u, it->group, ids, in_rows))
		return false;
	if (memcmp(old, &g, sizeof(g)) == 0)
		return true;
	written = group_touch(u->c, u->s, it->group);
	if (written == NULL)
		return false;
	*written = g;
	return true;
}

static bool run_update(struct update *u)
{
	u->steps = STEPS_BASE + STEPS_EACH * u->count;
	u->stack = calloc(u->count + 1, sizeof(*u->stack));
	u->queue = calloc(u->count + 1, sizeof(*u->queue));
	if (u->stack == NULL || u->queue == NULL)
		return false;
	for (size_t i = 0; i < u->count; i++)
		if (u->items[i].state == NEW && !build_from(u, (uint32_t)i))
			return false;
	mark_supers(u);
	for (size_t i = 0; i < u->count; i++)
		if (!write_item(u, &u->items[i]))
			return false;
	u->s->set_ids = u->set_ids;
	return true;
}

bool closure_update(struct cow *c, struct iam_snapshot *s, const uint32_t *groups,
	size_t count)
{
	struct update *u;
	bool ok = true;

	if (count == 0)
		return true;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return false;
	u->c = c;
	u->s = s;
	u->set_ids = s->set_ids;
	for (size_t i = 0; ok && i < count; i++)
		ok = add_item(u, groups[i]);
	ok = ok && add_items_below(u) && run_update(u);
	free(u->items);
	free(u->index);
	free(u->ids);
	free(u->stack);
	free(u->queue);
	free(u);
	return ok;
}
