/*
 * schema - JSON text to a tree, and a tree to a struct described by a table.
 *
 * Does: UTF-8, syntax, duplicate and depth checks; types, unknown and missing members;
 * lengths.
 * Does not: know what a field means, or convert values.
 * Invariants: strings of the struct are borrowed from the tree; NUL never occurs in them
 * (the parser refuses \u0000), so C functions see all of them; no error text quotes a
 * value.
 */
#include "iamd/http/schema.h"

#include <stdio.h>
#include <string.h>

/* LIMIT: nesting of a body. */
#define DEPTH_MAX 64
/* LIMIT: unknown members named in one hint; the others are "..." */
#define UNKNOWN_MAX 4

/*
 * Deeper than the limit? Looked at before parsing, so that no deep tree is ever built.
 * Unbalanced brackets are the parser's business.
 */
static bool is_too_deep(struct str text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

/*
 * The parser's text up to " near '...'", which would quote a piece of the body (a
 * password, maybe).
 */
static enum iam_err syntax_error(const json_error_t *cause, struct iam_error *err)
{
	const char *near = strstr(cause->text, " near '");
	int len = near == NULL ? (int)strlen(cause->text) : (int)(near - cause->text);

	return iam_error_set(err, IAM_BAD_JSON,
		"Cannot decode JSON body: %.*s: line %d column %d (char %d)", len,
		cause->text, cause->line, cause->column, cause->position);
}

enum iam_err json_parse(struct str text, json_t **ret_json, struct iam_error *err)
{
	json_error_t cause;
	json_t *json;

	if (!str_is_utf8(text))
		return iam_error_set(err, IAM_BAD_UTF8,
			"Cannot decode JSON body using UTF-8. Reason: invalid byte sequence");
	if (is_too_deep(text))
		return iam_error_set(err, IAM_BAD_JSON,
			"Cannot decode JSON body: nested deeper than %d", DEPTH_MAX);
	json = json_loadb(text.ptr == NULL ? "" : text.ptr, text.len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &cause);
	if (json == NULL)
		return syntax_error(&cause, err);
	*ret_json = json;
	return IAM_OK;
}

static const struct json_field *find_field(const struct json_schema *schema,
	const char *name)
{
	for (unsigned i = 0; i < schema->n_fields; i++)
		if (strcmp(schema->fields[i].name, name) == 0)
			return &schema->fields[i];
	return NULL;
}

static enum iam_err check_unknown(const struct json_schema *schema, const json_t *json,
	struct arena *a, struct iam_error *err)
{
	/* the JSON library iterates over non-const objects only, but changes nothing */
	json_t *object = (json_t *)(uintptr_t)json;
	struct sb names;
	unsigned n = 0;

	sb_init(&names, a, 256);
	for (void *it = json_object_iter(object); it != NULL;
		it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);

		if (find_field(schema, name) != NULL)
			continue;
		n++;
		if (n <= UNKNOWN_MAX)
			sb_addf(&names, "%s'%.64s'", n == 1 ? "" : ", ", name);
	}
	if (n == 0)
		return IAM_OK;
	if (n > UNKNOWN_MAX)
		sb_add(&names, STR(", ..."));
	return iam_error_set(err, IAM_BAD_SCHEMA,
		"Unexpected JSON input. Hint: Additional properties are not allowed "
		"(%.*s %s unexpected)",
		STR_FMT(sb_str(&names)), n == 1 ? "was" : "were");
}

static enum iam_err wrong_type(const struct json_field *f, const char *type,
	struct iam_error *err)
{
	return iam_error_set(err, IAM_BAD_SCHEMA,
		"Unexpected JSON input. Hint: `%s` is not of type '%s'", f->name, type);
}

static enum iam_err decode_string(const struct json_field *f, const json_t *value,
	void *at, struct iam_error *err)
{
	struct str s;

	if (!json_is_string(value))
		return wrong_type(f, "string", err);
	s.ptr = json_string_value(value);
	s.len = json_string_length(value);
	if (f->max_bytes != 0 && s.len > f->max_bytes)
		return iam_error_set(err, IAM_BAD_SCHEMA,
			"Unexpected JSON input. Hint: `%s` is longer than %zu bytes",
			f->name, f->max_bytes);
	memcpy(at, &s, sizeof(s));
	return IAM_OK;
}

static enum iam_err decode_field(const struct json_field *f, const json_t *value,
	void *at, struct iam_error *err)
{
	struct json_bool flag = {.is_set = true, .value = json_is_true(value)};

	switch (f->kind) {
	case JSON_FIELD_STR:
	case JSON_FIELD_SECRET:
		return decode_string(f, value, at, err);
	case JSON_FIELD_BOOL:
		if (!json_is_boolean(value))
			return wrong_type(f, "boolean", err);
		memcpy(at, &flag, sizeof(flag));
		return IAM_OK;
	case JSON_FIELD_ANY:
		*(const json_t **)at = value;
		return IAM_OK;
	}
	return IAM_INTERNAL;
}

enum iam_err json_decode(const struct json_schema *schema, const json_t *json,
	struct arena *a, void **ret_struct, struct iam_error *err)
{
	char *decoded;

	if (!json_is_object(json))
		return iam_error_set(err, IAM_BAD_SCHEMA,
			"Unexpected JSON input. Hint: the document is not of type 'object'");
	if (!schema->open) {
		enum iam_err e = check_unknown(schema, json, a, err);

		if (e != IAM_OK)
			return e;
	}
	decoded = arena_alloc(a, schema->size);
	if (decoded == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "%s",
			iam_err_text(IAM_NO_MEMORY));
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct json_field *f = &schema->fields[i];
		const json_t *value = json_object_get(json, f->name);
		enum iam_err e;

		if (value == NULL && f->optional)
			continue;
		if (value == NULL)
			return iam_error_set(err, IAM_BAD_SCHEMA,
				"Unexpected JSON input. Hint: `%s` is a required property",
				f->name);
		e = decode_field(f, value, decoded + f->offset, err);
		if (e != IAM_OK)
			return e;
	}
	*ret_struct = decoded;
	return IAM_OK;
}
