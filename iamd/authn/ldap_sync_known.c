/*
 * ldap_sync_known - what a comparison with everything could not make use of; see ldap_sync_plan.h.
 *
 * Hashes only: two keys with one hash would put a full comparison off until the next one that is due.
 */
#include <stdlib.h>
#include <string.h>

#include "iamd/authn/ldap_sync_plan.h"

bool sync_known_has(const struct sync_known *k, struct str key)
{
	size_t from = 0, to = k == NULL ? 0 : k->n;
	uint64_t hash = to == 0 ? 0 : map_hash(&k->seed, key);

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (k->hashes[middle] == hash)
			return true;
		if (k->hashes[middle] < hash)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

/* A subject is a view of its key, which begins a byte before it. */
struct str sync_group_key(const struct sync_group *g)
{
	return (struct str){.ptr = g->subject.ptr - 1, .len = g->subject.len + 1};
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

static bool is_nothing(const struct sync_node *n)
{
	return n->kind == SYNC_NODE_UNKNOWN || n->kind == SYNC_NODE_AMBIGUOUS;
}

void sync_known_done(struct sync_known *known)
{
	free(known->hashes);
	memset(known, 0, sizeof *known);
}

enum iam_err sync_known_learn(const struct sync_picture *p, const struct sync_plan *plan,
	struct sync_known *ret)
{
	size_t n = 1;

	sync_known_done(ret);
	for (size_t i = 0; i < p->n_nodes; i++)
		n += is_nothing(&p->nodes[i]);
	ret->hashes = calloc(n + p->n_groups, sizeof *ret->hashes);
	if (ret->hashes == NULL)
		return IAM_NO_MEMORY;
	ret->seed = p->nodes_by_key.seed;
	for (size_t i = 0; i < p->n_nodes; i++)
		if (is_nothing(&p->nodes[i]))
			ret->hashes[ret->n++] =
				map_hash(&ret->seed, p->nodes_by_key.keys[i]);
	for (size_t i = 0; i < p->n_groups; i++)
		if (plan->group_walked[i] != 0)
			ret->hashes[ret->n++] =
				map_hash(&ret->seed, sync_group_key(&p->groups[i]));
	qsort(ret->hashes, ret->n, sizeof *ret->hashes, compare_hashes);
	return IAM_OK;
}
