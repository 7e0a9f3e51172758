/*
 * pages - counts the pages that a snapshot reaches: those and no others may be in use when no
 * other version is left.
 */
#ifndef TESTS_MODEL_PAGES_H
#define TESTS_MODEL_PAGES_H

#include "libacl/snapshot.h"

static inline size_t pages_of_table(char *at)
{
	char **fan = table_page(at);
	size_t places = (size_t)1 << (table_tag(at) & TABLE_FAN_BITS);
	size_t count = 1;

	if ((table_tag(at) & TABLE_FAN) == 0)
		return 1;
	for (size_t i = 0; i < places; i++)
		if (i == 0 || fan[i] != fan[i - 1])
			count += pages_of_table(fan[i]);
	return count;
}

static inline size_t pages_of_array(void *page, unsigned levels)
{
	void **fan = page;
	size_t count = 1;

	if (page == NULL)
		return 0;
	for (size_t i = 0; levels > 0 && i < (size_t)1 << ARRAY_FAN_BITS; i++)
		count += pages_of_array(fan[i], levels - 1);
	return count;
}

/* An inner page is a count, as many keys as fit, as many children. */
static inline size_t pages_of_tree(void *page, unsigned levels)
{
	size_t most =
		(PAGE_BYTES - sizeof(uint64_t)) / (sizeof(uint64_t) + sizeof(void *));
	const uint64_t *words = page;
	void *const *children = (const void *)(words + 1 + most);
	size_t count = 1;

	for (size_t i = 0; levels > 0 && i < words[0]; i++)
		count += pages_of_tree(children[i], levels - 1);
	return count;
}

/* A page of long ids begins with the address of the one before. */
static inline size_t pages_of_text(const void *page)
{
	size_t count = 0;

	for (const void *const *at = page; at != NULL; at = *at)
		count++;
	return count;
}

static inline size_t pages_reached(const struct iam_snapshot *s)
{
	return pages_of_table(s->users.records.root) +
		pages_of_table(s->groups.records.root) +
		pages_of_table(s->resources.records.root) +
		pages_of_table(s->grants.root) +
		pages_of_array(s->users.hashes.root, s->users.hashes.levels) +
		pages_of_array(s->groups.hashes.root, s->groups.hashes.levels) +
		pages_of_array(s->resources.hashes.root, s->resources.hashes.levels) +
		pages_of_array(s->nesting.root, s->nesting.levels) +
		pages_of_tree(s->rows.root, s->rows.levels) + pages_of_text(s->text);
}

/* Is nothing lost? Only when nothing else of the line of versions is left. */
static inline bool pages_agree(const struct iam_snapshot *s)
{
	size_t reached = pages_reached(s);

	return reached == pool_used(s->pool) &&
		s->stats.bytes == sizeof(*s) + reached * PAGE_BYTES;
}

#endif
