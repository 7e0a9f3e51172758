/*
 * sort - by eleven bits after the other from the lowest up, digits that are all equal left out.
 */
#include "libacl/sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11U
#define DIGITS     ((size_t)1 << DIGIT_BITS)

/* Below, comparing is quicker than clearing counters. */
#define FEW ((size_t)512)

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static size_t digit(uint64_t key, unsigned shift)
{
	return key >> shift & (DIGITS - 1);
}

/* One stable pass; false if all digits are equal and nothing was moved. */
static bool pass(const uint64_t *from, uint64_t *to, size_t count, unsigned shift)
{
	size_t starts[DIGITS] = {0};
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		starts[digit(from[i], shift)]++;
	if (starts[digit(from[0], shift)] == count)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		size_t here = starts[i];

		starts[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[starts[digit(from[i], shift)]++] = from[i];
	return true;
}

static size_t drop_repeated(uint64_t *keys, size_t count)
{
	size_t out = 0;

	for (size_t i = 0; i < count; i++)
		if (i == 0 || keys[i] != keys[i - 1])
			keys[out++] = keys[i];
	return out;
}

size_t sort_keys(uint64_t *keys, uint64_t *spare, size_t count)
{
	uint64_t *from = keys;
	uint64_t *to = spare;

	if (count < FEW) {
		if (count > 1)
			qsort(keys, count, sizeof(*keys), compare);
		return drop_repeated(keys, count);
	}
	for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
		uint64_t *was = from;

		if (!pass(from, to, count, shift))
			continue;
		from = to;
		to = was;
	}
	if (from != keys)
		memcpy(keys, from, count * sizeof(*keys));
	return drop_repeated(keys, count);
}
