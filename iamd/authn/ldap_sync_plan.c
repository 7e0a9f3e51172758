/*
 * ldap_sync_plan - compares a picture with what is stored; see ldap_sync_plan.h.
 *
 * Does: decide about each account, group and membership once. Does not: know other directories'
 * or local accounts; whether a new name is free is seen when it is applied.
 * Invariants: time is linear in entries and memberships, but for groups walked that are not ours
 * (bounded). A stamp per person and group says "seen for this group", so nothing is cleared between.
 */
#include "iamd/authn/ldap_sync_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iam/rid.h"
#include "libacl/base/str.h"

/* Fewer users or groups, fewer memberships than this never stop a run. */
#define VANISHED_MIN 5
#define LINKS_MIN    20

struct planner {
	const struct sync_picture *p;
	const struct sync_stored *s;
	const struct sync_rules *rules;
	struct sync_plan *plan;
	uint32_t *user_person;  /* stored user -> person */
	uint32_t *stored_group; /* stored group -> group */
	bool *person_added, *person_refused, *group_added;
	struct map gids_added;
	/* of the group at hand */
	uint32_t stamp;
	uint32_t *person_wanted, *person_has, *group_wanted, *group_has;
	uint32_t *people, *subs, *stack; /* the wanted ones; groups to walk */
	size_t n_people, n_subs, n_stack;
	uint64_t walked;
	/* of the safety stop */
	uint64_t links_lost, disabled;
	bool nests; /* the group at hand gets another group */
};

/* ---- operations ---- */

static enum iam_err add_op(struct planner *pl, enum sync_phase phase, struct sync_op op)
{
	struct sync_ops *ops = &pl->plan->phases[phase];

	if (ops->n == ops->cap) {
		size_t more = ops->cap == 0 ? 256 : ops->cap * 2;
		void *rows = realloc(ops->rows, more * sizeof *ops->rows);

		if (rows == NULL)
			return IAM_NO_MEMORY;
		ops->rows = rows;
		ops->cap = more;
	}
	ops->rows[ops->n++] = op;
	pl->plan->counts[op.kind]++;
	return IAM_OK;
}

static enum iam_err add(struct planner *pl, enum sync_phase phase, enum sync_op_kind kind,
	uint32_t a, uint32_t b)
{
	return add_op(pl, phase, (struct sync_op){.kind = (uint8_t)kind, .a = a, .b = b});
}

/* ---- people ---- */

static unsigned user_flags(const struct sync_stored_user *u, const struct sync_person *p)
{
	unsigned flags = 0;

	if (u->missing_since_ms != 0)
		flags |= SYNC_F_BACK;
	if (p->disabled && u->enabled)
		flags |= SYNC_F_DISABLE;
	if (!p->disabled && u->disabled_there)
		flags |= SYNC_F_ENABLE;
	if (p->description.len > 0 && !str_eq(p->description, u->description))
		flags |= SYNC_F_DESCRIPTION;
	if (!str_eq(p->dn, u->dn) || !str_eq(p->email, u->email))
		flags |= SYNC_F_ENTRY;
	return flags;
}

static bool grace_is_over(const struct sync_rules *r, int64_t missing_since_ms)
{
	return r->grace_ms == 0 ||
		(missing_since_ms != 0 && r->now_ms - missing_since_ms >= r->grace_ms);
}

static enum iam_err plan_absent_user(struct planner *pl, uint32_t index)
{
	int64_t since = pl->s->users[index].missing_since_ms;

	if (!pl->rules->complete)
		return IAM_OK;
	if (grace_is_over(pl->rules, since))
		return add(pl, SYNC_PHASE_TAKE, SYNC_OP_USER_DELETE, index, 0);
	if (since != 0)
		return IAM_OK;
	return add(pl, SYNC_PHASE_TAKE, SYNC_OP_USER_VANISH, index, 0);
}

static enum iam_err plan_stored_user(struct planner *pl, uint32_t index)
{
	const struct sync_stored_user *u = &pl->s->users[index];
	uint32_t person = sync_picture_person_of(pl->p, u->subject);
	unsigned flags;

	pl->user_person[index] = person;
	if (person == SYNC_NONE)
		return plan_absent_user(pl, index);
	pl->plan->person_user[person] = index;
	if (pl->p->people[person].as_stored)
		return IAM_OK;
	flags = user_flags(u, &pl->p->people[person]);
	if (flags == 0)
		return IAM_OK;
	if ((flags & SYNC_F_BACK) != 0)
		pl->plan->back++;
	if ((flags & SYNC_F_DISABLE) != 0)
		pl->disabled++;
	return add_op(pl, SYNC_PHASE_TAKE,
		(struct sync_op){.kind = SYNC_OP_USER_UPDATE,
			.flags = (uint8_t)flags,
			.a = index,
			.b = person});
}

/* A person without an account gets one, once. */
static enum iam_err plan_new_user(struct planner *pl, uint32_t person)
{
	struct str name = pl->p->people[person].name;

	if (pl->person_added[person] || pl->person_refused[person])
		return IAM_OK;
	if (!iam_uid_valid(name) || sync_picture_is_ambiguous(pl->p, name) ||
		sync_stored_user_of(pl->s, name) != SYNC_NONE) {
		pl->person_refused[person] = true;
		pl->plan->skipped++;
		return IAM_OK;
	}
	pl->person_added[person] = true;
	return add(pl, SYNC_PHASE_USERS, SYNC_OP_USER_ADD, 0, person);
}

static enum iam_err plan_people(struct planner *pl)
{
	enum iam_err e = IAM_OK;

	for (uint32_t i = 0; e == IAM_OK && i < pl->s->n_users; i++)
		e = plan_stored_user(pl, i);
	if (!pl->rules->all)
		return e;
	for (uint32_t i = 0; e == IAM_OK && i < pl->p->n_people; i++)
		if (pl->plan->person_user[i] == SYNC_NONE)
			e = plan_new_user(pl, i);
	return e;
}

/* ---- groups ---- */

/* What the directory gave a group that has vanished is taken back at once. */
static enum iam_err plan_empty_group(struct planner *pl, uint32_t index)
{
	static const enum sync_op_kind remove[SYNC_MEMBER_KINDS] = {
		[SYNC_MEMBER_USER] = SYNC_OP_MEMBER_REMOVE,
		[SYNC_MEMBER_GROUP] = SYNC_OP_SUBGROUP_REMOVE,
	};
	const struct sync_stored_group *g = &pl->s->groups[index];

	for (unsigned k = 0; k < SYNC_MEMBER_KINDS; k++) {
		for (uint32_t i = 0; i < g->n_links[k]; i++) {
			const struct sync_stored_link *l =
				&pl->s->links[k].rows[g->first_link[k] + i];
			enum iam_err e = IAM_OK;

			if (l->ours)
				e = add(pl, SYNC_PHASE_TAKE, remove[k], index, l->index);
			if (e != IAM_OK)
				return e;
		}
	}
	return IAM_OK;
}

static enum iam_err plan_absent_group(struct planner *pl, uint32_t index)
{
	int64_t since = pl->s->groups[index].missing_since_ms;
	enum iam_err e;

	if (!pl->rules->complete || pl->p->no_groups)
		return IAM_OK;
	if (grace_is_over(pl->rules, since))
		return add(pl, SYNC_PHASE_TAKE, SYNC_OP_GROUP_DELETE, index, 0);
	e = plan_empty_group(pl, index);
	if (e != IAM_OK || since != 0)
		return e;
	return add(pl, SYNC_PHASE_TAKE, SYNC_OP_GROUP_VANISH, index, 0);
}

/* A group has changed: if its people are in one of ours without it, these have to be found anew. */
static void note_changed(struct planner *pl, uint32_t group, bool unless_known)
{
	const struct sync_known *k = pl->rules->known;

	if (pl->rules->complete || !pl->rules->nested)
		return;
	if (k == NULL || k->hashes == NULL)
		pl->plan->needs_whole |= unless_known;
	else
		pl->plan->needs_whole |=
			sync_known_has(k, sync_group_key(&pl->p->groups[group]));
}

static enum iam_err plan_stored_group(struct planner *pl, uint32_t index)
{
	const struct sync_stored_group *s = &pl->s->groups[index];
	uint32_t group = sync_picture_group_of(pl->p, s->subject);
	const struct sync_group *g;
	unsigned flags = 0;

	pl->stored_group[index] = group;
	if (group == SYNC_NONE)
		return plan_absent_group(pl, index);
	pl->plan->group_stored[group] = index;
	g = &pl->p->groups[group];
	if (g->as_stored)
		return IAM_OK;
	note_changed(pl, group, pl->s->any_protected);
	if (s->missing_since_ms != 0)
		flags |= SYNC_F_BACK;
	if (!str_eq(g->dn, s->dn) || s->partial)
		flags |= SYNC_F_ENTRY;
	if (g->description.len > 0 && !str_eq(g->description, s->description))
		flags |= SYNC_F_DESCRIPTION;
	if (flags == 0)
		return IAM_OK;
	return add_op(pl, SYNC_PHASE_GROUPS,
		(struct sync_op){.kind = SYNC_OP_GROUP_UPDATE,
			.flags = (uint8_t)flags,
			.a = index,
			.b = group});
}

static enum iam_err plan_new_group(struct planner *pl, uint32_t group)
{
	struct str name = pl->p->groups[group].name;
	uint64_t hash = map_hash(&pl->gids_added.seed, name);

	if (!pl->rules->all || !iam_gid_valid(name)) {
		note_changed(pl, group, true);
		pl->plan->skipped += pl->rules->all;
		return IAM_OK;
	}
	if (sync_stored_group_of(pl->s, name) != SYNC_NONE ||
		map_find(&pl->gids_added, name, hash) != MAP_NONE) {
		pl->plan->skipped++;
		return IAM_OK;
	}
	if (!map_add(&pl->gids_added, name, hash))
		return IAM_NO_MEMORY;
	pl->group_added[group] = true;
	return add(pl, SYNC_PHASE_GROUPS, SYNC_OP_GROUP_ADD, 0, group);
}

static enum iam_err plan_groups(struct planner *pl)
{
	enum iam_err e = IAM_OK;

	for (uint32_t i = 0; e == IAM_OK && i < pl->s->n_groups; i++)
		e = plan_stored_group(pl, i);
	for (uint32_t i = 0; e == IAM_OK && i < pl->p->n_groups; i++)
		if (pl->plan->group_stored[i] == SYNC_NONE)
			e = plan_new_group(pl, i);
	return e;
}

/* ---- members ---- */

static bool group_is_ours(const struct planner *pl, uint32_t group)
{
	return pl->plan->group_stored[group] != SYNC_NONE || pl->group_added[group];
}

static enum iam_err want_person(struct planner *pl, uint32_t person)
{
	enum iam_err e = IAM_OK;

	if (pl->person_wanted[person] == pl->stamp)
		return IAM_OK;
	pl->person_wanted[person] = pl->stamp;
	if (pl->plan->person_user[person] == SYNC_NONE)
		e = plan_new_user(pl, person);
	if (pl->plan->person_user[person] != SYNC_NONE || pl->person_added[person])
		pl->people[pl->n_people++] = person;
	return e;
}

/* A new group holds nothing yet. */
static bool is_protected(const struct planner *pl, uint32_t group)
{
	uint32_t stored = pl->plan->group_stored[group];

	return stored != SYNC_NONE && pl->s->groups[stored].is_protected;
}

static void want_group(struct planner *pl, uint32_t group, uint32_t self)
{
	if (!pl->rules->nested || group == self)
		return;
	if (!group_is_ours(pl, group) || is_protected(pl, self)) {
		if (pl->plan->group_walked[group] == pl->stamp)
			return;
		pl->plan->group_walked[group] = pl->stamp;
		/* Its members were not read. */
		pl->plan->needs_whole |= pl->p->groups[group].as_stored;
		pl->stack[pl->n_stack++] = group;
	} else if (pl->group_wanted[group] != pl->stamp) {
		pl->group_wanted[group] = pl->stamp;
		pl->subs[pl->n_subs++] = group;
	}
}

/* Collects what shall be in `self`: its own members, and those of groups in it that are not ours. */
static enum iam_err collect(struct planner *pl, uint32_t self)
{
	enum iam_err e = IAM_OK;

	pl->n_people = pl->n_subs = 0;
	pl->stack[0] = self;
	pl->n_stack = 1;
	while (e == IAM_OK && pl->n_stack > 0) {
		const struct sync_group *g = &pl->p->groups[pl->stack[--pl->n_stack]];

		pl->walked += g->n_links;
		if (pl->walked > SYNC_WALK_MAX)
			return IAM_TOO_LARGE;
		for (uint32_t i = 0; e == IAM_OK && i < g->n_links; i++) {
			uint32_t node = pl->p->links[g->first_link + i];
			const struct sync_node *n = &pl->p->nodes[node];

			if (n->kind == SYNC_NODE_PERSON)
				e = want_person(pl, n->index);
			else if (n->kind == SYNC_NODE_GROUP)
				want_group(pl, n->index, self);
			else if (!sync_known_has(pl->rules->known,
					 pl->p->nodes_by_key.keys[node]))
				pl->plan->unresolved++;
		}
	}
	return e;
}

/*
 * Is a link that goes a loss? Not where its end has vanished, which is counted as such, nor where the
 * people are kept otherwise: members once their group is nested, a group whose people are members now.
 */
static bool is_loss(const struct planner *pl, enum sync_member kind, uint32_t index)
{
	if (index == SYNC_NONE)
		return false;
	return kind == SYNC_MEMBER_USER ? !pl->nests
					: pl->plan->group_walked[index] != pl->stamp;
}

/* Members that are there: wanted ones are noted, others of ours go. */
static enum iam_err compare_links(struct planner *pl, uint32_t stored,
	enum sync_member kind)
{
	const struct sync_stored_group *s = &pl->s->groups[stored];
	const bool users = kind == SYNC_MEMBER_USER;
	const uint32_t *of = users ? pl->user_person : pl->stored_group;
	const uint32_t *wanted = users ? pl->person_wanted : pl->group_wanted;
	uint32_t *has = users ? pl->person_has : pl->group_has;
	enum iam_err e = IAM_OK;

	for (uint32_t i = 0; e == IAM_OK && i < s->n_links[kind]; i++) {
		const struct sync_stored_link *l =
			&pl->s->links[kind].rows[s->first_link[kind] + i];
		uint32_t index = of[l->index];

		if (index != SYNC_NONE && wanted[index] == pl->stamp)
			has[index] = pl->stamp;
		else if (l->ours) {
			pl->links_lost += is_loss(pl, kind, index);
			e = add(pl, SYNC_PHASE_TAKE,
				users ? SYNC_OP_MEMBER_REMOVE : SYNC_OP_SUBGROUP_REMOVE,
				stored, l->index);
		}
	}
	return e;
}

static enum iam_err plan_members(struct planner *pl, uint32_t group)
{
	uint32_t stored = pl->plan->group_stored[group];
	enum iam_err e;

	pl->stamp++;
	e = collect(pl, group);
	if (e == IAM_OK && stored != SYNC_NONE)
		e = compare_links(pl, stored, SYNC_MEMBER_GROUP);
	pl->nests = false;
	for (size_t i = 0; e == IAM_OK && i < pl->n_subs; i++)
		pl->nests |= pl->group_has[pl->subs[i]] != pl->stamp;
	if (e == IAM_OK && stored != SYNC_NONE)
		e = compare_links(pl, stored, SYNC_MEMBER_USER);
	for (size_t i = 0; e == IAM_OK && i < pl->n_subs; i++)
		if (pl->group_has[pl->subs[i]] != pl->stamp)
			e = add(pl, SYNC_PHASE_LINKS, SYNC_OP_SUBGROUP_ADD, group,
				pl->subs[i]);
	for (size_t i = 0; e == IAM_OK && i < pl->n_people; i++)
		if (pl->person_has[pl->people[i]] != pl->stamp)
			e = add(pl, SYNC_PHASE_LINKS, SYNC_OP_MEMBER_ADD, group,
				pl->people[i]);
	return e;
}

static enum iam_err plan_links(struct planner *pl)
{
	enum iam_err e = IAM_OK;

	for (uint32_t i = 0; e == IAM_OK && i < pl->p->n_groups; i++)
		if (group_is_ours(pl, i) && !pl->p->groups[i].as_stored)
			e = plan_members(pl, i);
	if (!pl->rules->complete && pl->plan->unresolved > 0)
		pl->plan->needs_whole = true;
	return e;
}

/* ---- the safety stop ---- */

struct loss {
	const char *what;
	uint64_t gone, there, least;
};

static bool is_too_many(const struct planner *pl, const struct loss *l)
{
	return l->gone >= l->least &&
		l->gone * 100 > l->there * (uint64_t)pl->rules->max_vanished_percent;
}

static void count_users(const struct planner *pl, struct loss *vanish,
	struct loss *disable)
{
	disable->gone = pl->disabled;
	for (size_t i = 0; i < pl->s->n_users; i++) {
		const struct sync_stored_user *u = &pl->s->users[i];

		if (u->missing_since_ms != 0)
			continue;
		vanish->there++;
		vanish->gone += pl->user_person[i] == SYNC_NONE;
		disable->there += u->enabled;
	}
}

static void count_groups(const struct planner *pl, struct loss *vanish)
{
	for (size_t i = 0; i < pl->s->n_groups; i++) {
		if (pl->s->groups[i].missing_since_ms != 0)
			continue;
		vanish->there++;
		vanish->gone += pl->stored_group[i] == SYNC_NONE && !pl->p->no_groups;
	}
}

static void count_links(const struct planner *pl, struct loss *remove)
{
	remove->gone = pl->links_lost;
	for (unsigned k = 0; k < SYNC_MEMBER_KINDS; k++)
		for (size_t i = 0; i < pl->s->links[k].n; i++)
			remove->there += pl->s->links[k].rows[i].ours;
}

static void stop(struct planner *pl, const struct loss *losses, size_t n)
{
	struct sync_plan *plan = pl->plan;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		int len = !is_too_many(pl, &losses[i])
			? 0
			: snprintf(plan->why + at, sizeof plan->why - at,
				  "%llu of %llu %s; ", (unsigned long long)losses[i].gone,
				  (unsigned long long)losses[i].there, losses[i].what);

		if (len > 0 && (size_t)len < sizeof plan->why - at)
			at += (size_t)len;
	}
	(void)snprintf(plan->why + at, sizeof plan->why - at,
		"sync-max-vanished is %d percent", (int)pl->rules->max_vanished_percent);
	plan->stopped = true;
	for (unsigned i = 0; i < SYNC_PHASES; i++)
		plan->phases[i].n = 0;
}

static void stop_if_too_many(struct planner *pl)
{
	struct loss losses[] = {
		{"users would vanish", 0, 0, VANISHED_MIN},
		{"users would be disabled", 0, 0, VANISHED_MIN},
		{"groups would vanish", 0, 0, VANISHED_MIN},
		{"memberships would be removed", 0, 0, LINKS_MIN},
	};
	const size_t n = sizeof losses / sizeof losses[0];

	count_users(pl, &losses[0], &losses[1]);
	count_groups(pl, &losses[2]);
	count_links(pl, &losses[3]);
	for (size_t i = 0; i < n; i++)
		if (is_too_many(pl, &losses[i])) {
			stop(pl, losses, n);
			return;
		}
}

/* ---- all of it ---- */

static void planner_done(struct planner *pl)
{
	map_done(&pl->gids_added);
	free(pl->user_person);
	free(pl->stored_group);
	free(pl->person_added);
	free(pl->person_refused);
	free(pl->group_added);
	free(pl->person_wanted);
	free(pl->person_has);
	free(pl->group_wanted);
	free(pl->group_has);
	free(pl->people);
	free(pl->subs);
	free(pl->stack);
}

static uint32_t *numbers(size_t n, uint32_t value)
{
	uint32_t *a = calloc(n + 1, sizeof *a);

	for (size_t i = 0; a != NULL && value != 0 && i < n; i++)
		a[i] = value;
	return a;
}

static bool planner_init(struct planner *pl)
{
	size_t people = pl->p->n_people, groups = pl->p->n_groups;

	pl->plan->person_user = numbers(people, SYNC_NONE);
	pl->plan->group_stored = numbers(groups, SYNC_NONE);
	pl->user_person = numbers(pl->s->n_users, SYNC_NONE);
	pl->stored_group = numbers(pl->s->n_groups, SYNC_NONE);
	pl->person_added = calloc(people + 1, sizeof *pl->person_added);
	pl->person_refused = calloc(people + 1, sizeof *pl->person_refused);
	pl->group_added = calloc(groups + 1, sizeof *pl->group_added);
	pl->person_wanted = numbers(people, 0);
	pl->person_has = numbers(people, 0);
	pl->group_wanted = numbers(groups, 0);
	pl->group_has = numbers(groups, 0);
	pl->plan->group_walked = numbers(groups, 0);
	pl->people = numbers(people, 0);
	pl->subs = numbers(groups, 0);
	pl->stack = numbers(groups, 0);
	map_init(&pl->gids_added, pl->s->gids.seed);
	return pl->plan->person_user != NULL && pl->plan->group_stored != NULL &&
		pl->user_person != NULL && pl->stored_group != NULL &&
		pl->person_added != NULL && pl->person_refused != NULL &&
		pl->group_added != NULL && pl->person_wanted != NULL &&
		pl->person_has != NULL && pl->group_wanted != NULL &&
		pl->group_has != NULL && pl->plan->group_walked != NULL &&
		pl->people != NULL && pl->subs != NULL && pl->stack != NULL;
}

enum iam_err sync_plan_make(const struct sync_picture *p, const struct sync_stored *s,
	const struct sync_rules *rules, struct sync_plan *ret)
{
	struct sync_plan plan;
	struct planner pl = {.p = p, .s = s, .rules = rules, .plan = &plan};
	enum iam_err e = IAM_NO_MEMORY;

	memset(&plan, 0, sizeof plan);
	if (planner_init(&pl))
		e = plan_people(&pl);
	if (e == IAM_OK)
		e = plan_groups(&pl);
	if (e == IAM_OK)
		e = plan_links(&pl);
	if (e == IAM_OK)
		stop_if_too_many(&pl);
	planner_done(&pl);
	if (e != IAM_OK) {
		sync_plan_done(&plan);
		return e;
	}
	*ret = plan;
	return IAM_OK;
}

void sync_plan_done(struct sync_plan *plan)
{
	for (unsigned i = 0; i < SYNC_PHASES; i++)
		free(plan->phases[i].rows);
	free(plan->person_user);
	free(plan->group_stored);
	free(plan->group_walked);
	memset(plan, 0, sizeof *plan);
}

bool sync_plan_is_empty(const struct sync_plan *plan)
{
	size_t n = 0;

	for (unsigned i = 0; i < SYNC_PHASES; i++)
		n += plan->phases[i].n;
	return n == 0;
}
