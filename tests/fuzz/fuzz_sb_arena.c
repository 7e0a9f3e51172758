/*
 * fuzz_sb_arena - sequences of operations on arenas and builders.
 *
 * The input is a program: two bytes an operation. Properties: a builder holds what a plain buffer
 * holds that was given the same pieces, as long as its maximum allows; once past it, nothing until
 * a reset; arena memory is zeroed, aligned, never handed out twice and never beyond the maximum.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "libacl/base/arena.h"
#include "libacl/base/str.h"

#define INPUT_MAX ((size_t)64 * 1024)
#define TEXT_MAX  ((size_t)4096)
#define ARENA_MAX ((size_t)1 << 17)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plain {
	char text[TEXT_MAX + 1];
	size_t len;
	size_t max;
	bool failed;
};

static void plain_add(struct plain *p, const char *bytes, size_t len)
{
	if (p->failed || len > p->max - p->len) {
		p->failed = true;
		return;
	}
	memcpy(p->text + p->len, bytes, len);
	p->len += len;
}

static void assert_same(const struct sb *sb, const struct plain *p)
{
	struct str built = sb_str(sb);

	assert(p->failed == (built.ptr == NULL));
	if (p->failed)
		return;
	assert(built.len == p->len && memcmp(built.ptr, p->text, p->len) == 0);
	assert(built.ptr[built.len] == '\0');
}

/* One operation on both. */
static void step(struct sb *sb, struct plain *p, uint8_t op, uint8_t arg)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	char number[8];
	size_t len = arg % (sizeof(letters) - 1);

	switch (op % 5) {
	case 0:
		sb_add(sb, (struct str){.ptr = letters, .len = len});
		plain_add(p, letters, len);
		break;
	case 1:
		sb_add_char(sb, (char)arg);
		plain_add(p, (const char *)&arg, 1);
		break;
	case 2:
		sb_addf(sb, "%d", arg);
		len = (size_t)snprintf(number, sizeof(number), "%d", arg);
		plain_add(p, number, len);
		break;
	case 3:
		sb_add_c(sb, letters + len);
		plain_add(p, letters + len, sizeof(letters) - 1 - len);
		break;
	default:
		if (arg > 16)
			break;
		sb_reset(sb);
		p->len = 0;
		p->failed = false;
	}
	assert(p->failed == (sb_str(sb).ptr == NULL) && (p->failed || p->len == sb->len));
}

static void build(struct arena *a, const uint8_t *data, size_t size)
{
	struct plain p = {.max = size % TEXT_MAX};
	struct sb sb;

	if (a != NULL)
		sb_init(&sb, a, p.max);
	else
		sb_init_heap(&sb, p.max);
	for (size_t i = 0; i + 1 < size; i += 2) {
		step(&sb, &p, data[i], data[i + 1]);
		if (i % 64 == 0)
			assert_same(&sb, &p);
	}
	assert_same(&sb, &p);
	sb_done(&sb);
}

/* Every allocation is filled; a byte that is not zero was handed out before. */
static void allocate(struct arena *a, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size; i += 2) {
		size_t want = (size_t)data[i] << (data[i + 1] % 12);
		unsigned char *got = arena_alloc(a, want);

		assert(arena_size_bytes(a) <= ARENA_MAX);
		if (got == NULL)
			continue;
		assert((uintptr_t)got % 16 == 0);
		for (size_t j = 0; j < want; j++)
			assert(got[j] == 0);
		memset(got, 0xA5, want);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;

	if (size > INPUT_MAX)
		size = INPUT_MAX;
	build(NULL, data, size);
	a = arena_new(size % 2048, SIZE_MAX);
	if (a != NULL)
		build(a, data, size);
	arena_free(a);
	a = arena_new(size % 2048, ARENA_MAX);
	if (a != NULL && size > 0) {
		if (data[0] % 2 == 1)
			arena_set_sensitive(a);
		allocate(a, data, size);
	}
	arena_free(a);
	return 0;
}
