/*
 * err - names and texts of every failure, straight from err.def.
 *
 * Does: look-ups in const tables and formatting into the caller's struct.
 * Does not: log, allocate or know HTTP.
 */
#include "iam/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static const char *const err_names[] = {
#define X(name, text) [IAM_##name] = #name,
#include "iam/err.def"
#undef X
};

static const char *const err_texts[] = {
#define X(name, text) [IAM_##name] = (text),
#include "iam/err.def"
#undef X
};

static bool is_known(enum iam_err code)
{
	return (unsigned)code < (unsigned)IAM_ERR_COUNT;
}

const char *iam_err_name(enum iam_err code)
{
	return is_known(code) ? err_names[code] : "UNKNOWN";
}

const char *iam_err_text(enum iam_err code)
{
	return is_known(code) ? err_texts[code] : "unknown error";
}

#undef iam_error_set
enum iam_err iam_error_set(struct iam_error *err, enum iam_err code, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;
	err->code = code;
	va_start(args, fmt);
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
		err->text[0] = '\0';
	va_end(args);
	return code;
}
