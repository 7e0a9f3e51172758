/*
 * arena - a chain of chunks and a pointer that only moves forward.
 *
 * Does: bump allocation with a total maximum, zeroed memory, wiping before the free on request.
 * Does not: free single allocations, lock, or move memory once it was handed out.
 * Invariants: the sum of all chunk sizes (headers included) is `taken` and never exceeds `max`;
 * every pointer is 16-byte aligned; what is handed out is zeroed then, not the chunk: most of a
 * request's chunk is never used.
 */
#include "libacl/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 16U

/* LIMIT: chunks double up to 64 KiB; a larger single allocation gets a chunk of its own. */
#define CHUNK_MAX_BYTES ((size_t)65536)
#define CHUNK_MIN_BYTES ((size_t)256)

struct chunk {
	struct chunk *prev;
	size_t size; /* payload bytes */
	size_t used;
	size_t pad;
};

_Static_assert(sizeof(struct chunk) % ALIGN == 0, "payload must stay aligned");

struct arena {
	struct chunk *top;
	size_t next; /* size of the next regular chunk, header included */
	size_t max;
	size_t taken;
	bool sensitive;
};

/* malloc() chunks start at a multiple of 16 and the header keeps that. */
static char *payload(struct chunk *c)
{
	return (char *)(c + 1);
}

/* The compiler may not drop these stores as dead, unlike those of a plain memset. */
static void wipe(void *ptr, size_t size)
{
	explicit_bzero(ptr, size);
}

static size_t clamp_chunk(size_t bytes)
{
	if (bytes < CHUNK_MIN_BYTES)
		return CHUNK_MIN_BYTES;
	if (bytes > CHUNK_MAX_BYTES)
		return CHUNK_MAX_BYTES;
	return bytes;
}

struct arena *arena_new(size_t first_bytes, size_t max_bytes)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->next = clamp_chunk(first_bytes);
	a->max = max_bytes;
	return a;
}

void arena_free(struct arena *a)
{
	struct chunk *c;

	if (a == NULL)
		return;
	c = a->top;
	while (c != NULL) {
		struct chunk *prev = c->prev;

		if (a->sensitive)
			wipe(payload(c), c->used);
		free(c);
		c = prev;
	}
	free(a);
}

void arena_set_sensitive(struct arena *a)
{
	a->sensitive = true;
}

/* A new top chunk with room for at least `size` payload bytes. */
static struct chunk *grow(struct arena *a, size_t size)
{
	size_t room = a->max - a->taken;
	size_t total = a->next;
	struct chunk *c;

	if (room < sizeof(*c) || size > room - sizeof(*c))
		return NULL;
	if (total < size + sizeof(*c))
		total = size + sizeof(*c);
	if (total > room)
		total = room;
	c = malloc(total);
	if (c == NULL)
		return NULL;
	c->used = 0;
	c->size = total - sizeof(*c);
	c->prev = a->top;
	a->top = c;
	a->taken += total;
	a->next = clamp_chunk(a->next * 2);
	return c;
}

/* Not zeroed. */
static void *take(struct arena *a, size_t size)
{
	struct chunk *c = a->top;
	size_t need;
	char *ptr;

	if (size > SIZE_MAX - ALIGN)
		return NULL;
	need = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
	if (c == NULL || need > c->size - c->used) {
		c = grow(a, need);
		if (c == NULL)
			return NULL;
	}
	ptr = payload(c) + c->used;
	c->used += need;
	return ptr;
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *ptr = take(a, size);

	if (ptr != NULL)
		memset(ptr, 0, size);
	return ptr;
}

void *arena_alloc_n(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return arena_alloc(a, total);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *copy;

	if (s.ptr == NULL)
		return STR_NONE;
	copy = arena_cstr(a, s);
	if (copy == NULL)
		return STR_NONE;
	return (struct str){.ptr = copy, .len = s.len};
}

char *arena_cstr(struct arena *a, struct str s)
{
	char *copy;

	if (s.len == SIZE_MAX)
		return NULL;
	copy = take(a, s.len + 1);
	if (copy == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list args;
	va_list again;
	struct str out = STR_NONE;
	char *buf;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	buf = len < 0 ? NULL : take(a, (size_t)len + 1);
	if (buf != NULL && vsnprintf(buf, (size_t)len + 1, fmt, again) == len)
		out = (struct str){.ptr = buf, .len = (size_t)len};
	va_end(again);
	return out;
}

size_t arena_size_bytes(const struct arena *a)
{
	return a->taken;
}
