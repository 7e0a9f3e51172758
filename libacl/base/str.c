/*
 * str - comparing, cutting and building byte strings with known lengths.
 *
 * Does: views (never owned, never modified) and the bounded builder `struct sb`.
 * Does not: use the locale; letters are ASCII, text is UTF-8.
 * Invariants of a builder: len < cap whenever cap > 0 and ptr[len] is NUL; cap <= max + 1; once
 * `failed`, nothing is added and sb_str() is absent until sb_reset().
 */
#include "libacl/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct str str_c(const char *s)
{
	if (s == NULL)
		return STR_NONE;
	return (struct str){.ptr = s, .len = strlen(s)};
}

bool str_eq(struct str a, struct str b)
{
	if (a.len != b.len || (a.ptr == NULL) != (b.ptr == NULL))
		return false;
	return a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool str_eq_c(struct str a, const char *b)
{
	return str_eq(a, str_c(b));
}

static unsigned char ascii_lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

bool str_ieq(struct str a, struct str b)
{
	if (a.len != b.len || (a.ptr == NULL) != (b.ptr == NULL))
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

bool str_ieq_c(struct str a, const char *b)
{
	return str_ieq(a, str_c(b));
}

bool str_starts(struct str s, struct str prefix)
{
	if (prefix.len > s.len)
		return false;
	return prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

bool str_ends(struct str s, struct str suffix)
{
	if (suffix.len > s.len)
		return false;
	return suffix.len == 0 ||
		memcmp(s.ptr + (s.len - suffix.len), suffix.ptr, suffix.len) == 0;
}

int str_cmp(struct str a, struct str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t str_find(struct str s, char c)
{
	const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);

	return at == NULL ? -1 : at - s.ptr;
}

struct str str_sub(struct str s, size_t from, size_t to)
{
	if (s.ptr == NULL)
		return s;
	if (from > s.len)
		from = s.len;
	if (to > s.len)
		to = s.len;
	if (to < from)
		to = from;
	return (struct str){.ptr = s.ptr + from, .len = to - from};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	size_t from = 0;
	size_t to = s.len;

	while (from < to && is_blank(s.ptr[from]))
		from++;
	while (to > from && is_blank(s.ptr[to - 1]))
		to--;
	return str_sub(s, from, to);
}

struct str str_split(struct str *rest, char sep)
{
	struct str whole = *rest;
	ptrdiff_t at = str_find(whole, sep);

	if (at < 0) {
		*rest = STR_NONE;
		return whole;
	}
	*rest = str_sub(whole, (size_t)at + 1, whole.len);
	return str_sub(whole, 0, (size_t)at);
}

/*
 * Length of the UTF-8 sequence at p (left > 0 bytes), 0 if it is malformed. The ranges of the
 * second byte rule out overlong forms, surrogates and what lies beyond U+10FFFF (RFC 3629
 * section 4).
 */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	if (p[0] < 0xE0)
		len = 2;
	else if (p[0] < 0xF0)
		len = 3;
	else
		len = 4;
	if (left < len)
		return 0;
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return len;
}

bool str_is_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t at = 0;

	while (at < s.len) {
		size_t len = utf8_len(p + at, s.len - at);

		if (len == 0)
			return false;
		at += len;
	}
	return true;
}

size_t str_count_code_points(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.ptr[i] & 0xC0) != 0x80)
			count++;
	return count;
}

bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = s.len > 0 && s.ptr[0] == '-';
	size_t at = negative ? 1 : 0;
	int64_t value = 0;

	if (at == s.len)
		return false;
	for (; at < s.len; at++) {
		int digit = s.ptr[at] - '0';

		if (digit < 0 || digit > 9)
			return false;
		if (__builtin_mul_overflow(value, (int64_t)10, &value))
			return false;
		if (__builtin_add_overflow(value, (int64_t)(negative ? -digit : digit),
			    &value))
			return false;
	}
	if (value < min || value > max)
		return false;
	*ret = value;
	return true;
}

void sb_init(struct sb *sb, struct arena *arena, size_t max_bytes)
{
	*sb = (struct sb){.arena = arena, .max = max_bytes};
}

void sb_init_heap(struct sb *sb, size_t max_bytes)
{
	*sb = (struct sb){.max = max_bytes};
}

void sb_done(struct sb *sb)
{
	if (sb->arena == NULL)
		free(sb->ptr);
	*sb = (struct sb){.max = sb->max, .arena = sb->arena};
}

/* Moves the text into a buffer of cap bytes. The heap's old buffer is wiped: it may hold secrets. */
static bool move_to(struct sb *sb, size_t cap)
{
	char *ptr = sb->arena != NULL ? arena_alloc(sb->arena, cap) : malloc(cap);

	if (ptr == NULL)
		return false;
	if (sb->len > 0)
		memcpy(ptr, sb->ptr, sb->len);
	ptr[sb->len] = '\0';
	if (sb->arena == NULL && sb->ptr != NULL) {
		explicit_bzero(sb->ptr, sb->len);
		free(sb->ptr);
	}
	sb->ptr = ptr;
	sb->cap = cap;
	return true;
}

/* Room for `more` bytes and the NUL behind them; marks the builder failed otherwise. */
static bool reserve(struct sb *sb, size_t more)
{
	size_t cap;

	if (sb->failed)
		return false;
	if (sb->len > sb->max || more > sb->max - sb->len) {
		sb->failed = true;
		return false;
	}
	if (more < sb->cap - sb->len)
		return true;
	cap = sb->cap == 0 ? 64 : sb->cap;
	while (cap - sb->len <= more)
		cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
	if (sb->max < SIZE_MAX && cap > sb->max + 1)
		cap = sb->max + 1;
	if (!move_to(sb, cap))
		sb->failed = true;
	return !sb->failed;
}

void sb_add(struct sb *sb, struct str s)
{
	if (s.len == 0 || !reserve(sb, s.len))
		return;
	memcpy(sb->ptr + sb->len, s.ptr, s.len);
	sb->len += s.len;
	sb->ptr[sb->len] = '\0';
}

void sb_add_c(struct sb *sb, const char *s)
{
	sb_add(sb, str_c(s));
}

void sb_add_char(struct sb *sb, char c)
{
	sb_add(sb, (struct str){.ptr = &c, .len = 1});
}

void sb_addf(struct sb *sb, const char *fmt, ...)
{
	size_t room = sb->failed ? 0 : sb->cap - sb->len;
	va_list args;
	va_list again;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	/* Most texts fit into what is there; one that does not is formatted a second time. */
	len = vsnprintf(room > 0 ? sb->ptr + sb->len : NULL, room, fmt, args);
	va_end(args);
	if (len < 0) {
		sb->failed = true;
	} else if (reserve(sb, (size_t)len)) {
		if ((size_t)len >= room)
			(void)vsnprintf(sb->ptr + sb->len, (size_t)len + 1, fmt, again);
		sb->len += (size_t)len;
	} else if (room > 0) {
		sb->ptr[sb->len] = '\0';
	}
	va_end(again);
}

void sb_add_int(struct sb *sb, int64_t value)
{
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0)
		text[--at] = '-';
	sb_add(sb, (struct str){.ptr = text + at, .len = sizeof(text) - at});
}

void sb_reset(struct sb *sb)
{
	sb->len = 0;
	sb->failed = false;
	if (sb->ptr != NULL)
		sb->ptr[0] = '\0';
}

struct str sb_str(const struct sb *sb)
{
	if (sb->failed)
		return STR_NONE;
	if (sb->ptr == NULL)
		return STR("");
	return (struct str){.ptr = sb->ptr, .len = sb->len};
}
