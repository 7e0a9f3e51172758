/*
 * ldap_import_known - before a group is imported: is it here already, and which of its members are?
 *
 * A member group that was imported itself becomes a nested group, found by the DN where it was last
 * seen. One that moved since is walked like any other; the next synchronisation nests it.
 */
#include "iamd/api/json.h"
#include "iamd/api/lane_call.h"
#include "iamd/api/ldap_import.h"
#include "iamd/idp/ldap_name.h"
#include "iamd/store/directories.h"
#include "libacl/base/map.h"

/* LIMIT: groups read at a time of those that the directory has here. */
#define KNOWN_AT_ONCE 1000
/* LIMIT: memory of a million members' DNs while they are compared. */
#define SCRATCH_BYTES_MAX ((size_t)512 << 20)

enum iam_err import_group_exists(struct req *r, struct str gid)
{
	return req_fail(r, IAM_GROUP_EXISTS, "Group with id `%.*s` already exists.",
		STR_FMT(gid));
}

struct known {
	struct req *r;
	struct str directory;
	struct ldap_group *group;
	struct arena *a;
	struct map map; /* normal DNs of the directory's groups that are here */
	struct map_seed seed;
	struct str *gids; /* by their numbers */
	size_t cap;
	struct str after;
	size_t n_page;
	bool no_memory;
};

static bool add_known(struct known *k, const struct directory_group *row)
{
	struct str key = STR_NONE;
	size_t n = k->map.count;

	/* A group that is protected is not nested by everybody; its people are walked. */
	if (api_may_change_group(k->r, row->gid) != IAM_OK ||
		ldap_dn_normal(k->a, row->dn, &key) != IAM_OK ||
		map_find(&k->map, key, map_hash(&k->seed, key)) != MAP_NONE)
		return true;
	if (n == k->cap) {
		size_t cap = n == 0 ? 64 : 2 * n;
		struct str *gids = arena_alloc_n(k->a, cap, sizeof *gids);

		for (size_t i = 0; gids != NULL && i < n; i++)
			gids[i] = k->gids[i];
		if (gids == NULL)
			return false;
		k->gids = gids;
		k->cap = cap;
	}
	k->gids[n] = k->after;
	return map_add(&k->map, key, map_hash(&k->seed, key));
}

static bool known_row(const struct directory_group *row, void *ctx)
{
	struct known *k = ctx;

	k->n_page++;
	k->after = arena_str(k->a, row->gid);
	k->no_memory = k->after.ptr == NULL || !add_known(k, row);
	return !k->no_memory;
}

static enum iam_err read_known(struct db *db, void *ctx)
{
	struct known *k = ctx;
	struct directory_group bound;
	struct group group;
	enum iam_err e = store_directory_group_find(db, k->a, k->directory,
		k->group->subject, &bound);

	if (e == IAM_OK)
		return import_group_exists(k->r, bound.gid);
	if (e == IAM_NO_GROUP)
		e = store_group_get(db, k->a, k->group->name, &group);
	if (e == IAM_OK)
		return import_group_exists(k->r, k->group->name);
	e = e == IAM_NO_GROUP ? IAM_OK : e;
	do {
		k->n_page = 0;
		if (e == IAM_OK)
			e = store_directory_groups(db, k->directory, k->after,
				KNOWN_AT_ONCE, known_row, k);
	} while (e == IAM_OK && !k->no_memory && k->n_page == KNOWN_AT_ONCE);
	return k->no_memory ? IAM_NO_MEMORY : e;
}

/* Of the members those that are groups here become nested groups; they are not walked. */
static enum iam_err set_apart(struct known *k, struct str *nested, size_t *ret_n)
{
	struct arena *scratch = arena_new(65536, SCRATCH_BYTES_MAX);
	struct ldap_group *g = k->group;
	size_t kept = 0;
	size_t n = 0;

	if (scratch == NULL || nested == NULL) {
		arena_free(scratch);
		return IAM_NO_MEMORY;
	}
	for (size_t i = 0; i < g->n_members; i++) {
		uint32_t id = MAP_NONE;
		struct str key = STR_NONE;

		if (!g->by_name[i] &&
			ldap_dn_normal(scratch, g->members[i], &key) == IAM_OK)
			id = map_find(&k->map, key, map_hash(&k->seed, key));
		if (id == MAP_NONE) {
			g->members[kept] = g->members[i];
			g->by_name[kept++] = g->by_name[i];
		} else if (k->gids[id].ptr != NULL) {
			nested[n++] = k->gids[id];
			k->gids[id] = STR_NONE; /* once */
		}
	}
	g->n_members = kept;
	*ret_n = n;
	arena_free(scratch);
	return IAM_OK;
}

enum iam_err import_look_around(struct req *r, struct str directory, struct ldap_group *g,
	struct arena *a, struct str **ret_nested, size_t *ret_n)
{
	struct known k = {.r = r, .directory = directory, .group = g, .a = a};
	enum iam_err e;

	if (!map_seed_random(&k.seed))
		return IAM_INTERNAL;
	map_init(&k.map, k.seed);
	e = lane_call_read(r->svc, read_known, &k);
	if (e == IAM_OK && k.map.count > 0) {
		*ret_nested = arena_alloc_n(a, k.map.count, sizeof **ret_nested);
		e = set_apart(&k, *ret_nested, ret_n);
	}
	map_done(&k.map);
	return e;
}
