/*
 * sort - puts many 64-bit keys in order: internal to libacl.
 */
#ifndef ACL_SORT_H
#define ACL_SORT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sorts keys in ascending order; `spare` has room for as many and is overwritten. O(count).
 * Returns how many are left at the front when repeated ones are dropped.
 */
size_t sort_keys(uint64_t *keys, uint64_t *spare, size_t count);

#endif
