/*
 * arena - memory that lives as long as one request (or one build of a snapshot).
 *
 * Allocation is a pointer bump; everything is freed at once. An arena has one owner thread at a
 * time and a maximum set when it is made. Memory is zeroed and aligned to 16 bytes.
 * Errors: NULL when the maximum is reached or the system has no memory.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "iam/str.h"

struct arena;

/*
 * first_bytes: size of the first chunk; later chunks double up to 64 KiB (or the size asked for).
 * max_bytes: the sum of all chunks never exceeds it. NULL if there is no memory.
 */
struct arena *arena_new(size_t first_bytes, size_t max_bytes);

/* Frees everything; wiped first if arena_set_sensitive() was called. NULL is fine. */
void arena_free(struct arena *a);

/* From now on arena_free() overwrites what was allocated (passwords, tokens). */
void arena_set_sensitive(struct arena *a);

/* Zeroed memory, or NULL. size 0 gives a unique pointer. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, alloc_size(2)));

/* n * size with overflow check. */
void *arena_alloc_n(struct arena *a, size_t n, size_t size) __attribute__((malloc));

/* A copy that ends in NUL (not counted in len). An absent str stays absent; .ptr NULL on failure. */
struct str arena_str(struct arena *a, struct str s);

/* A copy as C string; NULL on failure. */
char *arena_cstr(struct arena *a, struct str s);

/* Formatted text; .ptr NULL on failure. */
struct str arena_fmt(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Bytes taken from the system so far, for tests and metrics. */
size_t arena_size_bytes(const struct arena *a);

#endif
