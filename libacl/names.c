/*
 * names - records of users, groups and resources, found by the hash of their ids.
 *
 * Does not: check ids, or know facts.
 * Invariants: every number below `count` has a record or is in the chain of free ones; ids that do
 * not fit their record stand in pages that are only ever appended to, where no reader of an older
 * version looks.
 */
#include "libacl/names.h"

#include "libacl/base/str.h"

bool names_init(struct cow *c, struct names *n, size_t record_bytes, size_t expected)
{
	*n = (struct names){0};
	return table_init(c, &n->records, record_bytes, expected);
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

/* A number for a new id, and its record; NULL: no memory. */
static void *add_record(struct cow *c, struct names *n, uint64_t hash, uint32_t *ret)
{
	uint32_t number = n->free != 0 ? n->free - 1 : n->count;
	uint32_t *half;

	if (number >= MAP_MAX_COUNT)
		return NULL;
	half = array_touch(c, &n->hashes, sizeof(*half), number);
	if (half == NULL)
		return NULL;
	if (n->free != 0)
		n->free = *half;
	else
		n->count++;
	*half = (uint32_t)(hash >> 32);
	*ret = number;
	return table_put(c, &n->records, hash, table_number_word(hash, number),
		~(uint64_t)0);
}

static void *touch_record(struct cow *c, struct names *n, uint32_t number)
{
	return table_put(c, &n->records, hash_at(n, number), (uint64_t)number + 1,
		TABLE_NUMBER_MASK);
}

/* Frees the number for the next id. */
static bool remove_record(struct cow *c, struct names *n, uint32_t number)
{
	uint64_t hash = hash_at(n, number);
	uint32_t *half = array_touch(c, &n->hashes, sizeof(*half), number);

	if (half == NULL)
		return false;
	*half = n->free;
	n->free = number + 1;
	return table_remove(c, &n->records, hash, (uint64_t)number + 1,
		TABLE_NUMBER_MASK);
}

struct user *user_touch(struct cow *c, struct iam_snapshot *s, uint32_t user)
{
	return touch_record(c, &s->users, user);
}

struct group *group_touch(struct cow *c, struct iam_snapshot *s, uint32_t group)
{
	return array_touch(c, &s->nesting, sizeof(struct group), group);
}

struct resource *resource_touch(struct cow *c, struct iam_snapshot *s, uint32_t resource)
{
	return touch_record(c, &s->resources, resource);
}

bool user_add(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret)
{
	struct user *u = add_record(c, &s->users, hash, ret);

	if (u == NULL || !set_text(c, s, u->text, USER_TEXT, uid))
		return false;
	u->len = (uint16_t)uid.len;
	s->stats.users++;
	return true;
}

bool user_intern(struct cow *c, struct iam_snapshot *s, struct str uid, uint64_t hash,
	uint32_t *ret)
{
	const struct user *u = user_find(s, uid, hash);

	if (u == NULL)
		return user_add(c, s, uid, hash, ret);
	*ret = table_number(u->word);
	return true;
}

/*
 * A group nested nowhere, whose effective set is itself. A number that is used again has been
 * worked out to be that, or will be at the end of this edit.
 */
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
	uint32_t count = s->groups.count;
	struct group_name *g = add_record(c, &s->groups, hash, ret);

	if (g == NULL || !set_text(c, s, g->text, GROUP_TEXT, gid) ||
		(*ret == count && !init_nesting(c, s, *ret)))
		return false;
	g->len = (uint16_t)gid.len;
	s->stats.groups++;
	return true;
}

bool group_intern(struct cow *c, struct iam_snapshot *s, struct str gid, uint64_t hash,
	uint32_t *ret)
{
	const struct group_name *g = group_find(s, gid, hash);

	if (g == NULL)
		return group_add(c, s, gid, hash, ret);
	*ret = table_number(g->word);
	return true;
}

bool resource_add(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret)
{
	struct resource *r = add_record(c, &s->resources, hash, ret);

	if (r == NULL || !set_text(c, s, r->text, RESOURCE_TEXT, rid))
		return false;
	r->len = (uint16_t)rid.len;
	s->stats.resources++;
	if (str_eq(rid, STR(IAM_SUPERUSER_RID)))
		s->super = *ret;
	return true;
}

bool resource_intern(struct cow *c, struct iam_snapshot *s, struct str rid, uint64_t hash,
	uint32_t *ret)
{
	const struct resource *r = resource_find(s, rid, hash);

	if (r == NULL)
		return resource_add(c, s, rid, hash, ret);
	*ret = table_number(r->word);
	return true;
}

bool user_forget(struct cow *c, struct iam_snapshot *s, uint32_t user)
{
	s->stats.users--;
	return remove_record(c, &s->users, user);
}

bool group_forget(struct cow *c, struct iam_snapshot *s, uint32_t group)
{
	s->stats.groups--;
	return remove_record(c, &s->groups, group);
}

bool resource_forget(struct cow *c, struct iam_snapshot *s, uint32_t resource)
{
	s->stats.resources--;
	if (resource == s->super)
		s->super = MAP_NONE;
	return remove_record(c, &s->resources, resource);
}
