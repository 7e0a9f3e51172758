/*
 * changes - the growing list of what a transaction changed.
 *
 * Does: append and cut back. Does not: merge or look into rows; the publication applies them in
 * order. Invariants: len <= cap; a failed addition leaves the list as it was.
 */
#include "iamd/store/changes.h"

#include <assert.h>
#include <stdlib.h>

#include "iamd/store/store_impl.h"

#define FIRST_CAP 64U
/* LIMIT: bytes of all ids of one transaction (10 000 changes of the longest ids fit). */
#define NAMES_MAX ((size_t)32 << 20)
/* LIMIT: an emptied list keeps at most this many rows of memory. */
#define KEEP_CAP 4096U

void changes_init(struct changes *c)
{
	*c = (struct changes){0};
}

void changes_done(struct changes *c)
{
	free(c->rows);
	arena_free(c->names);
	*c = (struct changes){0};
}

/* Copies *s behind the rows' other strings; false without memory. */
static bool keep(struct changes *c, struct str *s)
{
	if (s->ptr == NULL)
		return true;
	if (c->names == NULL)
		c->names = arena_new(1024, NAMES_MAX);
	if (c->names != NULL)
		*s = arena_str(c->names, *s);
	return c->names != NULL && s->ptr != NULL;
}

enum iam_err changes_add(struct changes *c, const struct change *row)
{
	struct change copy = *row;

	if (c->len == c->cap) {
		size_t cap = c->cap == 0 ? FIRST_CAP : c->cap * 2;
		struct change *rows = reallocarray(c->rows, cap, sizeof(*rows));

		if (rows == NULL)
			return IAM_NO_MEMORY;
		c->rows = rows;
		c->cap = cap;
	}
	if (!keep(c, &copy.id) || !keep(c, &copy.other))
		return IAM_NO_MEMORY;
	c->rows[c->len++] = copy;
	return IAM_OK;
}

void changes_cut(struct changes *c, size_t len)
{
	assert(len <= c->len);
	c->len = len;
	if (len > 0)
		return;
	arena_free(c->names);
	c->names = NULL;
	if (c->cap > KEEP_CAP)
		changes_done(c);
}

enum iam_err store_note(struct db *w, enum change_kind kind, struct str id,
	struct str other)
{
	return changes_add(store_changes(w),
		&(struct change){.kind = kind, .id = id, .other = other});
}
