/*
 * ldap_sync_picture - arrays and names of both sides of a synchronisation; see ldap_sync_picture.h.
 *
 * Does: keep and find. Does not: compare (ldap_sync_plan), read (ldap_sync_read, ldap_sync_stored).
 * Invariants: every key is in the map once, its number is its node's index; DN keys begin with a
 * letter or digit, so that the other kinds of keys, marked by their first byte, never meet them.
 */
#include "iamd/authn/ldap_sync_picture.h"

#include <stdlib.h>
#include <string.h>

#include "libacl/base/str.h"

#define KEY_NAME   '='
#define KEY_PERSON '#'
#define KEY_GROUP  '+'

/* Room for one more in an array of at most `max`. */
static enum iam_err room(void **array, size_t *cap, size_t n, size_t size, size_t max)
{
	size_t more;
	void *p;

	if (n < *cap)
		return IAM_OK;
	if (n >= max)
		return IAM_TOO_LARGE;
	more = *cap == 0 ? 256 : *cap * 2;
	p = realloc(*array, more * size);
	if (p == NULL)
		return IAM_NO_MEMORY;
	*array = p;
	*cap = more;
	return IAM_OK;
}

/* Copies; an absent or overlong text, or one that is no UTF-8, becomes "". */
static bool keep(struct arena *a, struct str s, size_t max, struct str *ret)
{
	if (s.ptr == NULL || s.len == 0 || s.len > max || !str_is_utf8(s)) {
		*ret = STR("");
		return true;
	}
	*ret = arena_str(a, s);
	return ret->ptr != NULL;
}

/* LIMIT: ids and DNs, which are compared whole and never cut. */
#define KEEP_WHOLE 65536

/* ---- the directory ---- */

enum iam_err sync_picture_init(struct sync_picture *p)
{
	struct map_seed seed;

	memset(p, 0, sizeof *p);
	if (!map_seed_random(&seed))
		return IAM_INTERNAL;
	map_init(&p->nodes_by_key, seed);
	p->arena = arena_new(65536, SYNC_MEMORY_MAX);
	return p->arena != NULL ? IAM_OK : IAM_NO_MEMORY;
}

void sync_picture_done(struct sync_picture *p)
{
	if (p->arena == NULL)
		return;
	map_done(&p->nodes_by_key);
	arena_free(p->arena);
	free(p->nodes);
	free(p->people);
	free(p->groups);
	free(p->links);
	memset(p, 0, sizeof *p);
}

/* In lower case, where `folded`. */
static char folded_char(char c, bool folded)
{
	if (folded && c >= 'A' && c <= 'Z')
		return (char)(c + ('a' - 'A'));
	return c;
}

/* mark and text in one key; folded: ASCII letters in lower case. NUL mark: the text alone. */
static char *key_bytes(struct arena *a, char mark, struct str text, bool folded)
{
	char *key = arena_alloc(a, text.len + 2);
	char *at = key;

	if (key == NULL)
		return NULL;
	if (mark != '\0')
		*at++ = mark;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		at[i] = folded_char(c, folded);
	}
	return key;
}

/* LIMIT: bytes of a key that is only looked for. */
#define KEY_MAX 1024

static uint32_t find_marked(const struct sync_picture *p, char mark, struct str text,
	bool folded)
{
	char buf[KEY_MAX];
	struct str key = {.ptr = buf, .len = text.len + 1};

	if (key.len > sizeof buf)
		return SYNC_NONE;
	buf[0] = mark;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		buf[i + 1] = folded_char(c, folded);
	}
	return map_find(&p->nodes_by_key, key, map_hash(&p->nodes_by_key.seed, key));
}

static enum iam_err add_node(struct sync_picture *p, struct str key, uint64_t hash,
	uint32_t *ret_node)
{
	enum iam_err e = room((void **)&p->nodes, &p->cap_nodes, p->n_nodes,
		sizeof *p->nodes, MAP_MAX_COUNT);

	if (e != IAM_OK)
		return e;
	if (!map_add(&p->nodes_by_key, key, hash))
		return IAM_NO_MEMORY;
	p->nodes[p->n_nodes] =
		(struct sync_node){.index = SYNC_NONE, .kind = SYNC_NODE_UNKNOWN};
	*ret_node = (uint32_t)p->n_nodes++;
	return IAM_OK;
}

/* The node of a key, made if need be. */
static enum iam_err node_of(struct sync_picture *p, char mark, struct str text,
	bool folded, uint32_t *ret_node)
{
	struct str key = text;
	uint64_t hash;

	if (mark != '\0') {
		*ret_node = find_marked(p, mark, text, folded);
		if (*ret_node != SYNC_NONE)
			return IAM_OK;
	} else {
		hash = map_hash(&p->nodes_by_key.seed, text);
		*ret_node = map_find(&p->nodes_by_key, text, hash);
		if (*ret_node != SYNC_NONE)
			return IAM_OK;
	}
	if (text.len >= KEY_MAX)
		return IAM_TOO_LARGE;
	key.ptr = key_bytes(p->arena, mark, text, folded);
	key.len = text.len + (mark != '\0' ? 1 : 0);
	if (key.ptr == NULL)
		return IAM_NO_MEMORY;
	hash = map_hash(&p->nodes_by_key.seed, key);
	return add_node(p, key, hash, ret_node);
}

/* Says what a node is; one that is something already stays that. */
static void settle(struct sync_picture *p, uint32_t node, enum sync_node_kind kind,
	uint32_t index)
{
	if (p->nodes[node].kind == SYNC_NODE_UNKNOWN)
		p->nodes[node] = (struct sync_node){.index = index, .kind = kind};
}

/* A login name of two people names neither, unless one of them is only remembered. */
static void settle_name(struct sync_picture *p, uint32_t node, uint32_t person)
{
	struct sync_node *n = &p->nodes[node];

	if (n->kind == SYNC_NODE_PERSON && !p->people[person].as_stored)
		n->kind = SYNC_NODE_AMBIGUOUS;
	settle(p, node, SYNC_NODE_PERSON, person);
}

static enum iam_err name_person(struct sync_picture *p, uint32_t person,
	struct str dn_key, struct str name)
{
	uint32_t node = 0;
	enum iam_err e = IAM_OK;

	if (dn_key.len > 0 && dn_key.len < KEY_MAX) {
		e = node_of(p, '\0', dn_key, false, &node);
		if (e != IAM_OK)
			return e;
		settle(p, node, SYNC_NODE_PERSON, person);
	}
	if (name.len == 0 || name.len >= KEY_MAX)
		return IAM_OK;
	e = node_of(p, KEY_NAME, name, true, &node);
	if (e == IAM_OK)
		settle_name(p, node, person);
	return e;
}

enum iam_err sync_picture_person(struct sync_picture *p, const struct identity *who,
	struct str dn_key, bool as_stored)
{
	struct sync_person person = {.disabled = who->disabled, .as_stored = as_stored};
	uint32_t node = 0, index = (uint32_t)p->n_people;
	enum iam_err e = node_of(p, KEY_PERSON, who->subject, false, &node);

	if (e != IAM_OK || p->nodes[node].kind != SYNC_NODE_UNKNOWN)
		return e;
	e = room((void **)&p->people, &p->cap_people, p->n_people, sizeof *p->people,
		SYNC_PEOPLE_MAX);
	if (e != IAM_OK)
		return e;
	person.subject = str_sub(p->nodes_by_key.keys[node], 1, KEY_MAX);
	if (!keep(p->arena, who->name, KEEP_WHOLE, &person.name) ||
		!keep(p->arena, who->dn, KEEP_WHOLE, &person.dn) ||
		!keep(p->arena, who->description, SYNC_DESCRIPTION_MAX,
			&person.description) ||
		!keep(p->arena, who->email, SYNC_EMAIL_MAX, &person.email))
		return IAM_NO_MEMORY;
	p->people[p->n_people++] = person;
	settle(p, node, SYNC_NODE_PERSON, index);
	return name_person(p, index, dn_key, person.name);
}

enum iam_err sync_picture_group(struct sync_picture *p, const struct sync_group *group,
	struct str dn_key, bool *ret_added)
{
	struct sync_group g = {
		.as_stored = group->as_stored, .first_link = (uint32_t)p->n_links};
	uint32_t node = 0, index = (uint32_t)p->n_groups;
	enum iam_err e = node_of(p, KEY_GROUP, group->subject, false, &node);

	*ret_added = false;
	if (e != IAM_OK || p->nodes[node].kind != SYNC_NODE_UNKNOWN)
		return e;
	e = room((void **)&p->groups, &p->cap_groups, p->n_groups, sizeof *p->groups,
		SYNC_GROUPS_MAX);
	if (e != IAM_OK)
		return e;
	g.subject = str_sub(p->nodes_by_key.keys[node], 1, KEY_MAX);
	if (!keep(p->arena, group->name, KEEP_WHOLE, &g.name) ||
		!keep(p->arena, group->dn, KEEP_WHOLE, &g.dn) ||
		!keep(p->arena, group->description, SYNC_DESCRIPTION_MAX, &g.description))
		return IAM_NO_MEMORY;
	p->groups[p->n_groups++] = g;
	settle(p, node, SYNC_NODE_GROUP, index);
	*ret_added = true;
	if (dn_key.len == 0 || dn_key.len >= KEY_MAX)
		return IAM_OK;
	e = node_of(p, '\0', dn_key, false, &node);
	if (e == IAM_OK)
		settle(p, node, SYNC_NODE_GROUP, index);
	return e;
}

static enum iam_err add_link(struct sync_picture *p, uint32_t node)
{
	enum iam_err e = room((void **)&p->links, &p->cap_links, p->n_links,
		sizeof *p->links, SYNC_LINKS_MAX);

	if (e != IAM_OK)
		return e;
	p->links[p->n_links++] = node;
	p->groups[p->n_groups - 1].n_links++;
	return IAM_OK;
}

enum iam_err sync_picture_member_dn(struct sync_picture *p, struct str dn_key)
{
	uint32_t node = 0;
	enum iam_err e;

	if (dn_key.len == 0 || dn_key.len >= KEY_MAX)
		return IAM_OK; /* no entry of ours has such a DN */
	e = node_of(p, '\0', dn_key, false, &node);
	return e == IAM_OK ? add_link(p, node) : e;
}

enum iam_err sync_picture_member_name(struct sync_picture *p, struct str name)
{
	uint32_t node = 0;
	enum iam_err e;

	if (name.len == 0 || name.len >= KEY_MAX - 1)
		return IAM_OK;
	e = node_of(p, KEY_NAME, name, true, &node);
	return e == IAM_OK ? add_link(p, node) : e;
}

uint32_t sync_picture_person_of(const struct sync_picture *p, struct str subject)
{
	uint32_t node = find_marked(p, KEY_PERSON, subject, false);

	return node == SYNC_NONE || p->nodes[node].kind != SYNC_NODE_PERSON
		? SYNC_NONE
		: p->nodes[node].index;
}

uint32_t sync_picture_group_of(const struct sync_picture *p, struct str subject)
{
	uint32_t node = find_marked(p, KEY_GROUP, subject, false);

	return node == SYNC_NONE || p->nodes[node].kind != SYNC_NODE_GROUP
		? SYNC_NONE
		: p->nodes[node].index;
}

bool sync_picture_is_ambiguous(const struct sync_picture *p, struct str name)
{
	uint32_t node = find_marked(p, KEY_NAME, name, true);

	return node != SYNC_NONE && p->nodes[node].kind == SYNC_NODE_AMBIGUOUS;
}

/* ---- what is stored ---- */

enum iam_err sync_stored_init(struct sync_stored *s)
{
	struct map_seed seed;

	memset(s, 0, sizeof *s);
	if (!map_seed_random(&seed))
		return IAM_INTERNAL;
	map_init(&s->uids, seed);
	map_init(&s->gids, seed);
	s->arena = arena_new(65536, SYNC_MEMORY_MAX);
	return s->arena != NULL ? IAM_OK : IAM_NO_MEMORY;
}

void sync_stored_done(struct sync_stored *s)
{
	if (s->arena == NULL)
		return;
	map_done(&s->uids);
	map_done(&s->gids);
	arena_free(s->arena);
	free(s->users);
	free(s->groups);
	for (unsigned i = 0; i < SYNC_MEMBER_KINDS; i++)
		free(s->links[i].rows);
	memset(s, 0, sizeof *s);
}

enum iam_err sync_stored_user(struct sync_stored *s, const struct sync_stored_user *row)
{
	struct sync_stored_user u = *row;
	enum iam_err e = room((void **)&s->users, &s->cap_users, s->n_users,
		sizeof *s->users, SYNC_PEOPLE_MAX);

	if (e != IAM_OK)
		return e;
	if (!keep(s->arena, row->uid, KEEP_WHOLE, &u.uid) ||
		!keep(s->arena, row->subject, KEEP_WHOLE, &u.subject) ||
		!keep(s->arena, row->dn, KEEP_WHOLE, &u.dn) ||
		!keep(s->arena, row->description, KEEP_WHOLE, &u.description) ||
		!keep(s->arena, row->email, KEEP_WHOLE, &u.email) ||
		!map_add(&s->uids, u.uid, map_hash(&s->uids.seed, u.uid)))
		return IAM_NO_MEMORY;
	s->users[s->n_users++] = u;
	return IAM_OK;
}

enum iam_err sync_stored_group(struct sync_stored *s, const struct sync_stored_group *row)
{
	struct sync_stored_group g = *row;
	enum iam_err e = room((void **)&s->groups, &s->cap_groups, s->n_groups,
		sizeof *s->groups, SYNC_GROUPS_MAX);

	if (e != IAM_OK)
		return e;
	if (!keep(s->arena, row->gid, KEEP_WHOLE, &g.gid) ||
		!keep(s->arena, row->subject, KEEP_WHOLE, &g.subject) ||
		!keep(s->arena, row->dn, KEEP_WHOLE, &g.dn) ||
		!keep(s->arena, row->description, KEEP_WHOLE, &g.description) ||
		!map_add(&s->gids, g.gid, map_hash(&s->gids.seed, g.gid)))
		return IAM_NO_MEMORY;
	memset(g.n_links, 0, sizeof g.n_links);
	s->groups[s->n_groups++] = g;
	return IAM_OK;
}

static uint32_t id_of(const struct map *m, struct str id)
{
	return map_find(m, id, map_hash(&m->seed, id));
}

uint32_t sync_stored_user_of(const struct sync_stored *s, struct str uid)
{
	return id_of(&s->uids, uid);
}

uint32_t sync_stored_group_of(const struct sync_stored *s, struct str gid)
{
	return id_of(&s->gids, gid);
}

enum iam_err sync_stored_link(struct sync_stored *s, struct str gid, struct str member,
	enum sync_member kind, bool ours)
{
	struct sync_stored_links *links = &s->links[kind];
	uint32_t group = id_of(&s->gids, gid);
	uint32_t index = id_of(kind == SYNC_MEMBER_GROUP ? &s->gids : &s->uids, member);
	struct sync_stored_group *g;
	enum iam_err e;

	if (group == MAP_NONE || index == MAP_NONE)
		return IAM_OK;
	e = room((void **)&links->rows, &links->cap, links->n, sizeof *links->rows,
		SYNC_LINKS_MAX);
	if (e != IAM_OK)
		return e;
	g = &s->groups[group];
	if (g->n_links[kind] == 0)
		g->first_link[kind] = (uint32_t)links->n;
	g->n_links[kind]++;
	links->rows[links->n++] = (struct sync_stored_link){.index = index, .ours = ours};
	return IAM_OK;
}
