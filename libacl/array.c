/*
 * array - the writing half: copies the path to a record, adds levels as numbers grow.
 */
#include "libacl/array.h"

/* Enough levels for the number. */
static bool grow(struct cow *c, struct array *a, unsigned bits, uint32_t number)
{
	while ((uint64_t)number >> (bits + ARRAY_FAN_BITS * a->levels) != 0) {
		void **fan = cow_new(c);

		if (fan == NULL)
			return false;
		fan[0] = a->root;
		a->root = fan;
		a->levels++;
	}
	return true;
}

void *array_touch(struct cow *c, struct array *a, size_t record_bytes, uint32_t number)
{
	unsigned bits = array_bits(record_bytes);
	void **slot = &a->root;

	if (!grow(c, a, bits, number))
		return NULL;
	for (unsigned level = a->levels;; level--) {
		void *page = *slot == NULL ? cow_new(c) : cow_touch(c, *slot);
		unsigned shift = bits;

		if (page == NULL)
			return NULL;
		*slot = page;
		if (level == 0)
			break;
		shift += ARRAY_FAN_BITS * (level - 1);
		slot = (void **)page + (number >> shift & ((1U << ARRAY_FAN_BITS) - 1));
	}
	return (char *)*slot + (number & ((1U << bits) - 1)) * record_bytes;
}
