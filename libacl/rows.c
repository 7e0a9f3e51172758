/*
 * rows - two passes of counting sort, then one that drops duplicates.
 *
 * Does: O(pairs + rows) work and one temporary array. Does not: compare or call back.
 */
#include "libacl/rows.h"

#include <stdlib.h>
#include <string.h>

static uint32_t left(struct pair p, bool reverse)
{
	return reverse ? p.to : p.from;
}

static uint32_t right(struct pair p, bool reverse)
{
	return reverse ? p.from : p.to;
}

/* counts[k + 1] items of key k become start[k], the place of the first; start has n + 1. */
static void counts_to_starts(uint32_t *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		counts[i + 1] += counts[i];
}

/* Sorts by the right side; stable passes over this result leave every row ascending. */
static bool sort_right(struct pair *ret, const struct pair *pairs, size_t count,
	bool reverse, size_t m)
{
	uint32_t *start = calloc(m + 2, sizeof(*start));

	if (start == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		start[right(pairs[i], reverse) + 1]++;
	counts_to_starts(start, m);
	for (size_t i = 0; i < count; i++)
		ret[start[right(pairs[i], reverse)]++] = pairs[i];
	free(start);
	return true;
}

/* Ids go to their rows; first[i] is left at the end of row i, which is where i + 1 begins. */
static void fill(struct rows *r, const struct pair *sorted, size_t count, bool reverse)
{
	for (size_t i = 0; i < count; i++)
		r->first[left(sorted[i], reverse) + 1]++;
	counts_to_starts(r->first, r->n);
	for (size_t i = 0; i < count; i++)
		r->ids[r->first[left(sorted[i], reverse)]++] = right(sorted[i], reverse);
	memmove(r->first + 1, r->first, r->n * sizeof(*r->first));
	r->first[0] = 0;
}

static void drop_duplicates(struct rows *r)
{
	uint32_t out = 0;

	for (size_t row = 0; row < r->n; row++) {
		uint32_t begin = r->first[row];
		uint32_t end = r->first[row + 1];

		r->first[row] = out;
		for (uint32_t i = begin; i < end; i++)
			if (i == begin || r->ids[i] != r->ids[i - 1])
				r->ids[out++] = r->ids[i];
	}
	r->first[r->n] = out;
}

bool rows_build(struct rows *r, const struct pair *pairs, size_t count, bool reverse,
	size_t n, size_t m)
{
	struct pair *sorted = calloc(count + 1, sizeof(*sorted));
	struct rows made = {.n = n};

	made.first = calloc(n + 2, sizeof(*made.first));
	made.ids = calloc(count + 1, sizeof(*made.ids));
	if (sorted == NULL || made.first == NULL || made.ids == NULL ||
		!sort_right(sorted, pairs, count, reverse, m)) {
		free(sorted);
		rows_done(&made);
		return false;
	}
	fill(&made, sorted, count, reverse);
	drop_duplicates(&made);
	free(sorted);
	*r = made;
	return true;
}

void rows_done(struct rows *r)
{
	free(r->first);
	free(r->ids);
	*r = (struct rows){0};
}

size_t rows_total(const struct rows *r)
{
	return r->first == NULL ? 0 : r->first[r->n];
}

size_t rows_size_bytes(const struct rows *r)
{
	return (r->n + 1 + rows_total(r)) * sizeof(uint32_t);
}
