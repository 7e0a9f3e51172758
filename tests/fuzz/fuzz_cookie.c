/*
 * fuzz_cookie - the Cookie header of a stranger, and a user's description in the info cookie.
 *
 * Properties: a found cookie is a part of the header without ';'; a token put among whatever the
 * input holds in front of it, where that holds no cookie of the name, is found; the info cookie is
 * printable ASCII on one line, and what is in it reads back as the JSON of the description.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "iamd/http/cookie.h"

#define INPUT_MAX ((size_t)64 * 1024)
#define TEXT_MAX  ((size_t)4 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_find(struct str header, struct arena *a)
{
	struct str found = cookie_find(header, COOKIE_AUTH);
	struct str with;

	if (found.ptr != NULL) {
		assert(found.ptr >= header.ptr);
		assert(found.ptr + found.len <= header.ptr + header.len);
		assert(str_find(found, ';') < 0);
		return;
	}
	with = arena_fmt(a, "; %s=a.b.c; x=y", COOKIE_AUTH);
	{
		char *buf = arena_alloc(a, header.len + with.len + 1);

		if (buf == NULL)
			return;
		if (header.len > 0)
			memcpy(buf, header.ptr, header.len);
		memcpy(buf + header.len, with.ptr, with.len);
		found = cookie_find((struct str){buf, header.len + with.len},
			COOKIE_AUTH);
	}
	assert(str_eq_c(found, "a.b.c"));
}

static void check_info(struct str description, struct arena *a)
{
	struct str c = cookie_info(a, STR("bob"), description, true, 60, true);
	struct str value;
	unsigned char *bin;
	size_t len = 0;
	json_t *json;
	const json_t *text;

	assert(c.ptr != NULL);
	for (size_t i = 0; i < c.len; i++)
		assert(c.ptr[i] >= 0x20 && c.ptr[i] < 0x7F);
	value = cookie_find(c, COOKIE_INFO);
	bin = arena_alloc(a, value.len + 1);
	if (bin == NULL)
		return;
	assert(sodium_base642bin(bin, value.len, value.ptr, value.len, NULL, &len, NULL,
		       sodium_base64_VARIANT_ORIGINAL) == 0);
	json = json_loadb((const char *)bin, len, JSON_ALLOW_NUL, NULL);
	assert(json != NULL);
	text = json_object_get(json, "description");
	if (str_is_utf8(description)) {
		/* Whole, or cut at a code point when it would make the cookie too large. */
		size_t shown = json_string_length(text);

		assert(shown == description.len ||
			(shown < description.len && shown >= 80));
		assert(memcmp(json_string_value(text), description.ptr, shown) == 0);
		assert(value.len < 2048);
	}
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
	struct arena *a = arena_new(4096, (size_t)1 << 20);

	if (a == NULL)
		return 0;
	check_find(text, a);
	check_info(str_sub(text, 0, TEXT_MAX), a);
	arena_free(a);
	return 0;
}
