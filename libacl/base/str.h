/*
 * str - slices in, bounded builders out.
 *
 * `struct str` (iam/str.h) is a borrowed view. `struct sb` grows up to a maximum given when it is
 * made; past it, or without memory, it becomes `failed` and ignores further additions, so that a
 * caller checks once at the end.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/str.h"
#include "libacl/base/arena.h"

/* C string to view; NULL gives an absent one. */
struct str str_c(const char *s);

bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *b);

/* ASCII case-insensitive. */
bool str_ieq(struct str a, struct str b);
bool str_ieq_c(struct str a, const char *b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Byte order, as memcmp and then length: <0, 0, >0. */
int str_cmp(struct str a, struct str b);

/* Offset of the first c, or -1. */
ptrdiff_t str_find(struct str s, char c);

/* Bytes [from, to) of s, both clamped to its length. */
struct str str_sub(struct str s, size_t from, size_t to);

/* Without leading and trailing space, HTAB, CR, LF. */
struct str str_trim(struct str s);

/*
 * Cuts *rest at the first sep: the part before is returned, *rest becomes the part after.
 * When *rest is absent (ptr NULL), nothing is left and the result is absent too.
 */
struct str str_split(struct str *rest, char sep);

/* Well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool str_is_utf8(struct str s);

/* Code points of well-formed UTF-8. */
size_t str_count_code_points(struct str s);

/*
 * A decimal integer, whole string, optional '-', no other characters, within [min, max].
 * False (and *ret untouched) otherwise.
 */
bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret);

/* Builder. Zero-initialise through one of the two inits. */
struct sb {
	char *ptr;
	size_t len;
	size_t cap;
	size_t max;
	struct arena *arena; /* NULL: heap */
	bool failed;
};

/* The buffer lives in the arena; nothing to free. */
void sb_init(struct sb *sb, struct arena *arena, size_t max_bytes);

/* The buffer lives on the heap; sb_done() frees it. */
void sb_init_heap(struct sb *sb, size_t max_bytes);
void sb_done(struct sb *sb);

void sb_add(struct sb *sb, struct str s);
void sb_add_c(struct sb *sb, const char *s);
void sb_add_char(struct sb *sb, char c);
/* Decimal. */
void sb_add_int(struct sb *sb, int64_t value);
void sb_addf(struct sb *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Empties it, keeps the memory and clears `failed`. */
void sb_reset(struct sb *sb);

/* What was built; absent if it failed. Always NUL-terminated behind len. */
struct str sb_str(const struct sb *sb);

#endif
