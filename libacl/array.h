/*
 * array - records of 64 bytes, addressed by small numbers, in pages under a tree of pages of
 * pointers: internal to libacl.
 *
 * A record is one line of the processor's cache. Up to 131 072 records there is one page of
 * pointers above them, up to 134 million two levels. Records never touched are zero.
 */
#ifndef ACL_ARRAY_H
#define ACL_ARRAY_H

#include <stdint.h>

#include "libacl/cow.h"

#define RECORD_BYTES      ((size_t)64)
#define ARRAY_RECORD_BITS 7  /* records in a page */
#define ARRAY_FAN_BITS    10 /* pointers in a page */

struct array {
	void *root;      /* NULL: empty */
	unsigned levels; /* of pointers */
};

/* The record of a number that was touched before. */
static inline const void *array_at(const struct array *a, uint32_t number)
{
	const char *page = a->root;

	for (unsigned level = a->levels; level > 0; level--) {
		unsigned shift = ARRAY_RECORD_BITS + ARRAY_FAN_BITS * (level - 1);
		const void *const *fan = (const void *)page;

		page = fan[number >> shift & ((1U << ARRAY_FAN_BITS) - 1)];
	}
	return page + (number & ((1U << ARRAY_RECORD_BITS) - 1)) * RECORD_BYTES;
}

/* The record, to be written. Numbers begin at 0 and each new one is the next. */
void *array_touch(struct cow *c, struct array *a, uint32_t number);

#endif
