/*
 * config_value - the table of options, and the text forms of their values.
 *
 * Only for config*.c: everybody else reads the fields of struct config.
 * Functions without state; the table is constant.
 */
#ifndef IAMD_CONFIG_VALUE_H
#define IAMD_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iam/err.h"
#include "iam/str.h"
#include "iamd/config.h"

/* LIMIT: longest text of a value that is no string, and of what option_describe() writes. */
#define OPTION_TEXT_BYTES 128

enum option_kind {
	OPTION_STR,
	OPTION_INT,
	OPTION_BOOL,
	OPTION_ENUM_MODE,
	OPTION_ENUM_LOG,
	OPTION_ENUM_AUDIT,
	OPTION_ENUM_FORWARD,
	OPTION_DURATION,
	OPTION_SIZE,
};

/* One row of config.def. */
struct option {
	enum option_kind kind;
	const char *name;
	size_t offset;
	const char *default_text; /* strings and enums */
	int64_t default_number;   /* the others */
	int64_t min;
	int64_t max;
	const char *unit;
	bool is_reloadable;
	const char *text;
};

/* LIMIT: 64 options at most (a parser's array is sized by it). */
#define OPTIONS_MAX 64
extern const struct option config_options[];
extern const unsigned config_option_count;

/* A whole file, at most 256 KiB. *ret_text lies in *ret_data, which is the caller's to free. */
MUST_CHECK enum iam_err config_read_file(const char *path, char **ret_data,
	struct str *ret_text, struct iam_error *err);

/* NULL when there is none of that name. */
const struct option *option_find(struct str name);

/* A dump shows a mark instead of the value. */
bool option_is_secret(const struct option *o);

/* Sets the option's field to its default. Errors: IAM_NO_MEMORY. */
MUST_CHECK enum iam_err option_set_default(struct config *c, const struct option *o);

/*
 * Sets it from text. Errors: IAM_CONFIG (not a value of this option; the field is untouched; the
 * text, which begins with `where`, says what would be valid but never the value), IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err option_set(struct config *c, const struct option *o,
	struct str value, const char *where, struct iam_error *err);

/* Makes the field of `to` equal to that of `from`. Errors: IAM_NO_MEMORY. */
MUST_CHECK enum iam_err option_copy(const struct config *from, struct config *to,
	const struct option *o);
bool option_equal(const struct config *a, const struct config *b, const struct option *o);

/* Releases the memory of a string field. */
void option_release(struct config *c, const struct option *o);

/*
 * The value as option_set() reads it. A string is returned as it is; of the other kinds the text
 * is written to buf, which is returned.
 */
const char *option_format(const struct config *c, const struct option *o,
	char buf[OPTION_TEXT_BYTES]);

/* What a valid value looks like: "a whole number from 16 to 1000000". */
void option_describe(const struct option *o, char buf[OPTION_TEXT_BYTES]);

#endif
