/*
 * names - records of users, groups and resources, found by the hash of their ids.
 *
 * Does not: check ids, or know facts.
 * Invariants: every number below `count` has a record and a word in the table; `live` ids are
 * those that are counted; ids that do not fit their record stand in pages that are only ever
 * appended to, where no reader of an older version looks.
 */
#include "libacl/names.h"

#include "libacl/base/str.h"

bool names_init(struct cow *c, struct names *n, size_t expected)
{
	*n = (struct names){0};
	return table_init(c, &n->numbers, expected);
}

/* A copy of the id in the pages of long ids, or NULL. */
static const char *store_text(struct cow *c, struct iam_snapshot *s, struct str id)
{
	char *at;

	if (s->text == NULL || PAGE_BYTES - s->text_used < id.len) {
		char *page = cow_new(c);

		if (page == NULL)
			return NULL;
		memcpy(page, &s->text, sizeof(s->text));
		s->text = page;
		s->text_used = sizeof(s->text);
	}
	at = s->text + s->text_used;
	memcpy(at, id.ptr, id.len);
	s->text_used += id.len;
	return at;
}

/* Writes an id to where record_text() finds it. */
static bool set_text(struct cow *c, struct iam_snapshot *s, char *text, size_t room,
	struct str id)
{
	const char *stored;

	if (id.len <= room) {
		memcpy(text, id.ptr, id.len);
		return true;
	}
	stored = store_text(c, s, id);
	if (stored == NULL)
		return false;
	memcpy(text, &stored, sizeof(stored));
	return true;
}

/* The next number: its record, and the word that finds it; NULL: no memory. */
static void *add_number(struct cow *c, struct names *n, uint64_t hash)
{
	void *record;
	uint64_t word = table_number_word(hash, n->count);

	if (n->count >= MAP_MAX_COUNT)
		return NULL;
	record = array_touch(c, &n->records, n->count);
	if (record == NULL || table_put(c, &n->numbers, hash, word, ~(uint64_t)0) == NULL)
		return NULL;
	return record;
}

struct user *user_touch(struct cow *c, struct iam_snapshot *s, uint32_t user)
{
	return array_touch(c, &s->users.records, user);
}

struct group *group_touch(struct cow *c, struct iam_snapshot *s, uint32_t group)
{
	return array_touch(c, &s->nesting, group);
}

struct resource *resource_touch(struct cow *c, struct iam_snapshot *s, uint32_t resource)
{
	return array_touch(c, &s->resources.records, resource);
}

bool user_add(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret)
{
	struct user *u = add_number(c, &s->users, hash);

	if (u == NULL || !set_text(c, s, u->text, USER_TEXT, uid))
		return false;
	u->len = (uint16_t)uid.len;
	u->is_live = 1;
	s->stats.users++;
	*ret = s->users.count++;
	return true;
}

bool user_intern(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret)
{
	uint32_t number = user_find(s, uid, hash);
	struct user *u;

	if (number == MAP_NONE)
		return user_add(c, s, uid, hash, ret);
	if (user_at(s, number)->is_live == 0) {
		u = user_touch(c, s, number);
		if (u == NULL)
			return false;
		u->is_live = 1;
		s->stats.users++;
	}
	*ret = number;
	return true;
}

/* A group nested nowhere, whose effective set is itself. */
static bool init_nesting(struct cow *c, struct iam_snapshot *s, uint32_t group)
{
	struct group *g = group_touch(c, s, group);

	if (g == NULL)
		return false;
	g->set_len = 1;
	g->ids[0] = group;
	return true;
}

bool group_add(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret)
{
	struct group_name *g = add_number(c, &s->groups, hash);

	if (g == NULL || !set_text(c, s, g->text, GROUP_TEXT, gid) ||
		!init_nesting(c, s, s->groups.count))
		return false;
	g->len = (uint16_t)gid.len;
	g->is_live = 1;
	s->stats.groups++;
	*ret = s->groups.count++;
	return true;
}

bool group_intern(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret)
{
	uint32_t number = group_find(s, gid, hash);
	struct group_name *g;

	if (number == MAP_NONE)
		return group_add(c, s, gid, hash, ret);
	if (!group_is_live(s, number)) {
		g = array_touch(c, &s->groups.records, number);
		if (g == NULL)
			return false;
		g->is_live = 1;
		s->stats.groups++;
	}
	*ret = number;
	return true;
}

bool resource_add(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret)
{
	struct resource *r = add_number(c, &s->resources, hash);

	if (r == NULL || !set_text(c, s, r->text, RESOURCE_TEXT, rid))
		return false;
	r->len = (uint16_t)rid.len;
	r->is_live = 1;
	s->stats.resources++;
	if (str_eq(rid, STR(IAM_SUPERUSER_RID)))
		s->super = s->resources.count;
	*ret = s->resources.count++;
	return true;
}

bool resource_intern(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret)
{
	uint32_t number = resource_find(s, rid, hash);
	struct resource *r;

	if (number == MAP_NONE)
		return resource_add(c, s, rid, hash, ret);
	if (resource_at(s, number)->is_live == 0) {
		r = resource_touch(c, s, number);
		if (r == NULL)
			return false;
		r->is_live = 1;
		s->stats.resources++;
	}
	*ret = number;
	return true;
}

bool user_forget(struct cow *c, struct iam_snapshot *s, uint32_t user)
{
	struct user *u = user_touch(c, s, user);

	if (u == NULL)
		return false;
	s->stats.users -= u->is_live;
	u->is_live = 0;
	return true;
}

bool group_forget(struct cow *c, struct iam_snapshot *s, uint32_t group)
{
	struct group_name *g = array_touch(c, &s->groups.records, group);

	if (g == NULL)
		return false;
	s->stats.groups -= g->is_live;
	g->is_live = 0;
	return true;
}

bool resource_forget(struct cow *c, struct iam_snapshot *s, uint32_t resource)
{
	struct resource *r = resource_touch(c, s, resource);

	if (r == NULL)
		return false;
	s->stats.resources -= r->is_live;
	r->is_live = 0;
	return true;
}
