/*
 * fuzz_schema - request bodies: text to tree, tree to struct, strings back to JSON.
 *
 * Properties: what is accepted is UTF-8, no deeper than the limit, and reads the same after being
 * written; decoded fields are within their bounds and free of NUL; a refusal has a text and no
 * result; jsonw_quote() of any accepted string is read back as that string.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/http/jsonw.h"
#include "iamd/http/schema.h"

#define INPUT_MAX ((size_t)64 * 1024)
#define DEPTH_LIMIT 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct body {
	struct str uid;
	struct str password;
	struct json_bool enabled;
	const json_t *any;
};

static const struct json_field fields[] = {
	{"uid", JSON_FIELD_STR, offsetof(struct body, uid), .max_bytes = 16},
	{"password", JSON_FIELD_SECRET, offsetof(struct body, password), .optional = true},
	{"enabled", JSON_FIELD_BOOL, offsetof(struct body, enabled), .optional = true},
	{"any", JSON_FIELD_ANY, offsetof(struct body, any), .optional = true},
};

static unsigned depth_of(json_t *j)
{
	unsigned deepest = 0;
	size_t i;
	const char *key;
	json_t *value;

	if (json_is_array(j)) {
		json_array_foreach (j, i, value) {
			unsigned d = depth_of(value);

			deepest = d > deepest ? d : deepest;
		}
		return deepest + 1;
	}
	if (json_is_object(j)) {
		json_object_foreach (j, key, value) {
			unsigned d = depth_of(value);

			deepest = d > deepest ? d : deepest;
		}
		return deepest + 1;
	}
	return 0;
}

static void check_quote(struct str s)
{
	for (int ascii = 0; ascii < 2; ascii++) {
		struct sb sb;
		json_t *back;

		sb_init_heap(&sb, INPUT_MAX * 8);
		jsonw_quote(&sb, s, ascii != 0);
		assert(!sb.failed);
		back = json_loadb(sb.ptr, sb.len, JSON_DECODE_ANY, NULL);
		assert(back != NULL && json_string_length(back) == s.len);
		assert(s.len == 0 || memcmp(json_string_value(back), s.ptr, s.len) == 0);
		for (size_t i = 0; ascii != 0 && i < sb.len; i++)
			assert(sb.ptr[i] >= 0x20 && sb.ptr[i] < 0x7F);
		json_decref(back);
		sb_done(&sb);
	}
}

static void check_rewrite(const json_t *json)
{
	char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
	json_t *again = NULL;

	if (text == NULL)
		return;
	assert(json_parse(str_c(text), &again, NULL) == IAM_OK);
	assert(json_equal(json, again));
	json_decref(again);
	free(text);
}

static void check_decode(const json_t *json, bool is_open)
{
	const struct json_schema schema = {fields, 4, sizeof(struct body), is_open};
	struct arena *a = arena_new(1024, (size_t)1 << 20);
	struct iam_error err = {.text = ""};
	void *decoded = NULL;

	if (a == NULL)
		return;
	if (json_decode(&schema, json, a, &decoded, &err) == IAM_OK) {
		const struct body *b = decoded;

		assert(b->uid.ptr != NULL && b->uid.len <= 16);
		assert(str_find(b->uid, '\0') < 0 && str_find(b->password, '\0') < 0);
		assert(is_open || json_object_size(json) <= 4);
		check_quote(b->uid);
		if (b->password.ptr != NULL)
			check_quote(b->password);
	} else {
		assert(decoded == NULL && err.text[0] != '\0');
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
	struct iam_error err = {.text = ""};
	json_t *json = NULL;

	if (json_parse(text, &json, &err) != IAM_OK) {
		assert(json == NULL && err.text[0] != '\0');
		return 0;
	}
	assert(str_is_utf8(text));
	assert(depth_of(json) <= DEPTH_LIMIT);
	check_rewrite(json);
	check_decode(json, false);
	check_decode(json, true);
	json_decref(json);
	return 0;
}
