/*
 * schema - a JSON body becomes a struct, by table.
 *
 * Unknown members are errors unless the table is JSON_OPEN; `null` is never a string;
 * duplicates were refused by the parser. Error texts name the field; the hint for an
 * unknown member holds "Additional properties are not allowed ('x' was unexpected)".
 */
#ifndef HTTP_SCHEMA_H
#define HTTP_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "iam/err.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

enum json_kind {
	JSON_FIELD_STR,    /* struct str: absent when missing */
	JSON_FIELD_SECRET, /* the same; never quoted in an error */
	JSON_FIELD_BOOL,   /* struct json_bool */
	JSON_FIELD_ANY     /* const json_t *, borrowed; NULL when missing */
};

struct json_bool {
	bool is_set;
	bool value;
};

struct json_field {
	const char *name;
	enum json_kind kind;
	size_t offset;
	size_t max_bytes; /* of a string; 0: no limit below the body's */
	bool optional;
};

struct json_schema {
	const struct json_field *fields;
	unsigned n_fields;
	size_t size;  /* of the struct */
	bool open;    /* unknown members are ignored */
};

/*
 * Text to tree: UTF-8 checked (IAM_BAD_UTF8), syntax, duplicates, NaN, depth (LIMIT 64)
 * (IAM_BAD_JSON); any JSON value is allowed on top. The texts begin "Cannot decode JSON
 * body using UTF-8. Reason: " and "Cannot decode JSON body: ".
 */
MUST_CHECK enum iam_err json_parse(struct str text, json_t **ret_json, struct iam_error *err);

/*
 * Tree to struct (in the arena; strings are borrowed from the tree). IAM_BAD_SCHEMA:
 * "Unexpected JSON input. Hint: …".
 */
MUST_CHECK enum iam_err json_decode(const struct json_schema *schema, const json_t *json, struct arena *a,
	void **ret_struct, struct iam_error *err);

#endif
