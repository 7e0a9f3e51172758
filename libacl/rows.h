/*
 * rows - a list of numbers for each of n numbers, in two arrays: internal to libacl.
 *
 * Row i is ids[first[i]] up to, not including, ids[first[i + 1]]; ascending, without duplicates.
 * Filled once, then read by any number of threads.
 */
#ifndef ACL_ROWS_H
#define ACL_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libacl/model.h"

struct rows {
	uint32_t *first; /* n + 1 of them */
	uint32_t *ids;
	size_t n;
};

/* Sorts pairs into rows by `from` (< n), or by `to` (< n) if reverse; the ids are below m. */
bool rows_build(struct rows *r, const struct pair *pairs, size_t count, bool reverse,
	size_t n, size_t m);
void rows_done(struct rows *r);

static inline const uint32_t *row_ids(const struct rows *r, uint32_t row)
{
	return r->ids + r->first[row];
}

static inline size_t row_len(const struct rows *r, uint32_t row)
{
	return r->first[row + 1] - r->first[row];
}

/* The number of ids in all rows. */
size_t rows_total(const struct rows *r);
size_t rows_size_bytes(const struct rows *r);

#endif
