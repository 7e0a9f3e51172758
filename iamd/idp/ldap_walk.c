/*
 * ldap_walk - who was met on a walk through a group, and what the walk asks; see ldap_walk.h.
 *
 * Keys and numbers: a map gives each normal DN and each folded name a number, under which its row
 * stands; so nothing is looked up twice, whatever circles the groups form.
 */
#include "iamd/idp/ldap_walk.h"

#include <string.h>

#include "iamd/idp/ldap_name.h"
#include "iamd/sys/clock.h"

/* LIMIT: memory of one entry at a time. */
#define SCRATCH_BYTES ((size_t)4 << 20)

bool walk_fail(struct walk *w, enum ldap_state state, const char *text)
{
	w->state = FAILED;
	return ldap_fault_own(w->fault, state, text);
}

bool walk_no_memory(struct walk *w)
{
	return walk_fail(w, LDAP_STATE_NO_MEMORY,
		"no memory for the members of the group");
}

bool walk_goes_on(struct walk *w)
{
	if (w->state == WALKING && clock_mono_ms() >= w->until_ms)
		w->state = OUT_OF_TIME;
	return w->state == WALKING;
}

bool walk_fresh_scratch(struct walk *w)
{
	if (w->scratch != NULL && arena_size_bytes(w->scratch) < SCRATCH_BYTES / 4)
		return true;
	arena_free(w->scratch);
	w->scratch = arena_new(65536, SCRATCH_BYTES);
	return w->scratch != NULL || walk_no_memory(w);
}

/* ---- who was met ---- */

/* A number for the key, new or known; MAP_NONE without memory. */
static uint32_t number(struct walk *w, struct map *map, struct str key, bool *ret_new)
{
	uint64_t hash = map_hash(&w->seed, key);
	uint32_t id = map_find(map, key, hash);

	*ret_new = id == MAP_NONE;
	if (id != MAP_NONE)
		return id;
	key = arena_str(w->a, key);
	if (key.ptr == NULL || !map_add(map, key, hash))
		return MAP_NONE;
	return (uint32_t)(map->count - 1);
}

static bool room_for_one(struct walk *w, struct members *m)
{
	size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
	struct member *rows;

	if (m->ids.count < m->cap)
		return true;
	rows = arena_alloc_n(w->a, cap, sizeof *rows);
	if (rows == NULL)
		return false;
	if (m->cap > 0)
		memcpy(rows, m->rows, m->cap * sizeof *rows);
	m->rows = rows;
	m->cap = cap;
	return true;
}

bool walk_meet(struct walk *w, struct members *m, struct str key, struct str value)
{
	bool is_new = false;
	uint32_t id;

	if (!room_for_one(w, m))
		return walk_no_memory(w);
	id = number(w, &m->ids, key, &is_new);
	if (id == MAP_NONE)
		return walk_no_memory(w);
	if (is_new)
		m->rows[id] = (struct member){.value = value};
	return true;
}

struct str walk_folded(struct arena *a, struct str s)
{
	char *copy = arena_cstr(a, s);

	for (size_t i = 0; copy != NULL && i < s.len; i++)
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] - 'A' + 'a');
	return (struct str){copy, copy == NULL ? 0 : s.len};
}

bool walk_meet_members(struct walk *w, const struct ldap_group *g)
{
	if (w->dns.ids.count + w->names.ids.count + g->n_members > LDAP_GROUP_MEMBERS_MAX)
		return walk_fail(w, LDAP_STATE_PROTOCOL,
			"the group has more than 1000000 members");
	for (size_t i = 0; i < g->n_members; i++) {
		struct str key = STR_NONE;
		enum iam_err e = IAM_OK;

		if (!walk_fresh_scratch(w))
			return false;
		if (g->by_name[i])
			key = walk_folded(w->scratch, g->members[i]);
		else
			e = ldap_dn_normal(w->scratch, g->members[i], &key);
		if (e == IAM_BAD_DATA) {
			w->n_skipped++;
			continue;
		}
		if (key.ptr == NULL)
			return walk_no_memory(w);
		if (!walk_meet(w, g->by_name[i] ? &w->names : &w->dns, key,
			    g->members[i]))
			return false;
	}
	return true;
}

/* ---- telling ---- */

void walk_tell(struct walk *w, const struct identity *who)
{
	bool is_new = false;

	if (number(w, &w->told, who->subject, &is_new) == MAP_NONE)
		(void)walk_no_memory(w);
	else if (is_new && !w->each(who, w->ctx))
		w->state = STOPPED;
}

bool walk_identify(struct walk *w, struct ldap_entry *e, struct arena *a,
	struct identity *ret)
{
	return ldap_user_from_entry(w->s, &w->kind, e, a, ret);
}

/* ---- searching ---- */

/* Codes that say no more than that there is no such entry for us. */
static bool is_absence(const struct ldap_fault *f)
{
	static const int codes[] = {10, 32, 34, 50, 53}; /* RFC 4511 appendix A.2 */

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (f->state == LDAP_STATE_CODE && f->code == codes[i])
			return true;
	return false;
}

bool walk_ask(struct walk *w, const struct ldap_query *q, ldap_entry_fn *fn, void *ctx)
{
	int64_t last_ms = w->until_ms + w->s->operation_timeout_ms;
	int64_t timeout_ms = q->where == LDAP_WHERE_BASE ? w->s->operation_timeout_ms
							 : w->s->search_timeout_ms;
	struct ldap_fault fault;

	if (!walk_goes_on(w))
		return false;
	if (ldap_conn_search(w->c, q, timeout_ms, last_ms, fn, ctx, &fault))
		return w->state == WALKING;
	if (q->where == LDAP_WHERE_BASE && is_absence(&fault))
		return true;
	*w->fault = fault;
	if (w->state == WALKING)
		w->state = FAILED;
	return false;
}
