/*
 * array - records of one small size, addressed by small numbers, in pages under a tree of pages of
 * pointers: internal to libacl.
 *
 * Sizes are powers of two up to 64 bytes, a line of the processor's cache; each call is told the
 * size, as a constant. With 64 bytes there is one page of pointers above up to 131 072 records, and
 * two levels above up to 134 million. Records never touched are zero.
 */
#ifndef ACL_ARRAY_H
#define ACL_ARRAY_H

#include <stdint.h>

#include "libacl/cow.h"

#define ARRAY_FAN_BITS 10 /* pointers in a page */

struct array {
	void *root;      /* NULL: empty */
	unsigned levels; /* of pointers */
};

/* Bits of a number that choose the record in its page. */
static inline unsigned array_bits(size_t record_bytes)
{
	return (unsigned)__builtin_ctzll(PAGE_BYTES / record_bytes);
}

/* The record of a number that was touched before. */
static inline const void *array_at(const struct array *a, size_t record_bytes,
	uint32_t number)
{
	unsigned bits = array_bits(record_bytes);
	const char *page = a->root;

	for (unsigned level = a->levels; level > 0; level--) {
		unsigned shift = bits + ARRAY_FAN_BITS * (level - 1);
		const void *const *fan = (const void *)page;

		page = fan[number >> shift & ((1U << ARRAY_FAN_BITS) - 1)];
	}
	return page + (number & ((1U << bits) - 1)) * record_bytes;
}

/* The record, to be written. Numbers begin at 0 and each new one is the next. */
void *array_touch(struct cow *c, struct array *a, size_t record_bytes, uint32_t number);

#endif
