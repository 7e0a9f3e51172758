/*
 * torture - lets the n-th allocation fail, for one n after the other.
 *
 * For tests linked with --wrap of the allocation functions (see meson.build). Usage:
 *
 *	for (size_t n = 1; torture_at(n), !work(); n++)
 *		assert_that_nothing_changed();
 *	torture_off();
 */
#ifndef TESTS_UNIT_TORTURE_H
#define TESTS_UNIT_TORTURE_H

#include <stdbool.h>
#include <stddef.h>

/* The names are the linker's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *ptr, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *ptr, size_t n, size_t size);

static size_t torture_left; /* allocations until the one that fails; 0: none does */

static inline void torture_at(size_t n)
{
	torture_left = n;
}

static inline void torture_off(void)
{
	torture_left = 0;
}

/* Only the n-th fails: what is done after a failure must work. */
static bool torture_hits(void)
{
	return torture_left > 0 && --torture_left == 0;
}

void *__wrap_malloc(size_t size)
{
	return torture_hits() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return torture_hits() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *ptr, size_t n, size_t size)
{
	return torture_hits() ? NULL : __real_reallocarray(ptr, n, size);
}

#endif
