/*
 * config_value - the table of options (config.def), and the text forms of their values.
 *
 * The only place that knows how the kinds of options are stored, read and written; nothing else
 * switches over them. Knows no files and no rules between options.
 * Invariant: every string field is heap memory of its own, never NULL once defaults are set.
 */
#include "iamd/config_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "iamd/sys/log.h"
#include "libacl/base/str.h"

#define DEFAULT_STR(value)          .default_text = (value)
#define DEFAULT_ENUM_MODE(value)    .default_text = (value)
#define DEFAULT_ENUM_LOG(value)     .default_text = (value)
#define DEFAULT_ENUM_AUDIT(value)   .default_text = (value)
#define DEFAULT_ENUM_FORWARD(value) .default_text = (value)
#define DEFAULT_INT(value)          .default_number = (value)
#define DEFAULT_BOOL(value)         .default_number = (value)
#define DEFAULT_DURATION(value)     .default_number = (value)
#define DEFAULT_SIZE(value)         .default_number = (value)

const struct option config_options[] = {
#define OPT(kind_, name_, default_, min_, max_, unit_, reload_, text_) \
	{ \
		.kind = OPTION_##kind_, \
		.name = #name_, \
		.offset = offsetof(struct config, name_), \
		DEFAULT_##kind_(default_), \
		.min = (min_), \
		.max = (max_), \
		.unit = (unit_), \
		.is_reloadable = (reload_), \
		.text = (text_), \
	},
#include "iamd/config.def"
#undef OPT
};

_Static_assert(sizeof(config_options) / sizeof(config_options[0]) <= OPTIONS_MAX,
	"raise OPTIONS_MAX");
const unsigned config_option_count = sizeof(config_options) / sizeof(config_options[0]);

static const char *const mode_names[] = {
	[API_ENFORCE] = "enforce",
	[API_GATEWAY] = "gateway",
	NULL,
};
static const char *const audit_names[] = {
	[AUDIT_DENIED] = "denied",
	[AUDIT_ALL] = "all",
	NULL,
};
static const char *const log_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_ERROR] = "error",
	NULL,
};

static const char *const forward_names[] = {
	[FORWARD_X_ORIGINAL] = "x-original",
	[FORWARD_X_FORWARDED] = "x-forwarded",
	NULL,
};

static void *field(struct config *c, const struct option *o)
{
	return (char *)c + o->offset;
}

static const void *field_const(const struct config *c, const struct option *o)
{
	return (const char *)c + o->offset;
}

const struct option *option_find(struct str name)
{
	for (unsigned i = 0; i < config_option_count; i++)
		if (str_eq_c(name, config_options[i].name))
			return &config_options[i];
	return NULL;
}

bool option_is_secret(const struct option *o)
{
	return strcmp(o->name, "superuser_password_hash") == 0;
}

void option_describe(const struct option *o, char buf[OPTION_TEXT_BYTES])
{
	switch (o->kind) {
	case OPTION_STR:
		if (o->min == 0)
			(void)snprintf(buf, OPTION_TEXT_BYTES,
				"text of at most %" PRId64 " bytes", o->max);
		else
			(void)snprintf(buf, OPTION_TEXT_BYTES,
				"text of %" PRId64 " to %" PRId64 " bytes", o->min,
				o->max);
		return;
	case OPTION_INT:
		(void)snprintf(buf, OPTION_TEXT_BYTES,
			"a whole number from %" PRId64 " to %" PRId64, o->min, o->max);
		return;
	case OPTION_BOOL:
		(void)snprintf(buf, OPTION_TEXT_BYTES, "yes or no");
		return;
	case OPTION_ENUM_MODE:
		(void)snprintf(buf, OPTION_TEXT_BYTES, "enforce or gateway");
		return;
	case OPTION_ENUM_AUDIT:
		(void)snprintf(buf, OPTION_TEXT_BYTES, "denied or all");
		return;
	case OPTION_ENUM_LOG:
		(void)snprintf(buf, OPTION_TEXT_BYTES, "debug, info, warning or error");
		return;
	case OPTION_ENUM_FORWARD:
		(void)snprintf(buf, OPTION_TEXT_BYTES, "x-original or x-forwarded");
		return;
	case OPTION_DURATION:
		(void)snprintf(buf, OPTION_TEXT_BYTES,
			"a duration (30, 30s, 5m, 2h, 5d) from %" PRId64 " to %" PRId64
			" seconds",
			o->min, o->max);
		return;
	case OPTION_SIZE:
		(void)snprintf(buf, OPTION_TEXT_BYTES,
			"a size (4096, 64K, 16M) from %" PRId64 " to %" PRId64 " bytes",
			o->min, o->max);
		return;
	}
}

static bool bool_parse(struct str value, bool *ret)
{
	if (str_eq_c(value, "yes"))
		*ret = true;
	else if (str_eq_c(value, "no"))
		*ret = false;
	else
		return false;
	return true;
}

static bool enum_parse(struct str value, const char *const *names, unsigned *ret)
{
	for (unsigned i = 0; names[i] != NULL; i++) {
		if (str_eq_c(value, names[i])) {
			*ret = i;
			return true;
		}
	}
	return false;
}

struct scale {
	char suffix;
	int64_t factor;
};

/* Largest first. */
static const struct scale duration_scales[] = {
	{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}, {'\0', 0}};
static const struct scale size_scales[] = {{'M', 1048576}, {'K', 1024}, {'\0', 0}};

/* A number with one of the suffixes; without one it counts units of 1. */
static bool scaled_parse(struct str value, const struct option *o,
	const struct scale *scales, int64_t *ret)
{
	int64_t factor = 1, number, result;

	for (; scales->suffix != '\0' && value.len > 0; scales++) {
		if (value.ptr[value.len - 1] == scales->suffix) {
			factor = scales->factor;
			value.len--;
			break;
		}
	}
	if (!str_to_i64(value, 0, INT64_MAX, &number))
		return false;
	if (__builtin_mul_overflow(number, factor, &result))
		return false;
	if (result < o->min || result > o->max)
		return false;
	*ret = result;
	return true;
}

static bool text_valid(struct str value, const struct option *o)
{
	if (value.len < (size_t)o->min || value.len > (size_t)o->max ||
		!str_is_utf8(value))
		return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
			return false;
	return true;
}

static enum iam_err text_set(char **field_text, struct str value)
{
	char *copy = malloc(value.len + 1);

	if (copy == NULL)
		return IAM_NO_MEMORY;
	if (value.len > 0)
		memcpy(copy, value.ptr, value.len);
	copy[value.len] = '\0';
	free(*field_text);
	*field_text = copy;
	return IAM_OK;
}

/* IAM_CONFIG when the value is none of the option's. */
static enum iam_err option_parse(struct config *c, const struct option *o,
	struct str value)
{
	bool ok = false;
	unsigned number;

	switch (o->kind) {
	case OPTION_STR:
		return text_valid(value, o) ? text_set(field(c, o), value) : IAM_CONFIG;
	case OPTION_INT:
		ok = str_to_i64(value, o->min, o->max, field(c, o));
		break;
	case OPTION_BOOL:
		ok = bool_parse(value, field(c, o));
		break;
	case OPTION_ENUM_MODE:
		ok = enum_parse(value, mode_names, &number);
		if (ok)
			*(enum api_access *)field(c, o) = (enum api_access)number;
		break;
	case OPTION_ENUM_AUDIT:
		ok = enum_parse(value, audit_names, &number);
		if (ok)
			*(enum audit_decisions *)field(c, o) =
				(enum audit_decisions)number;
		break;
	case OPTION_ENUM_LOG:
		ok = enum_parse(value, log_names, &number);
		if (ok)
			*(int *)field(c, o) = (int)number;
		break;
	case OPTION_ENUM_FORWARD:
		ok = enum_parse(value, forward_names, &number);
		if (ok)
			*(enum forward_headers *)field(c, o) =
				(enum forward_headers)number;
		break;
	case OPTION_DURATION:
		ok = scaled_parse(value, o, duration_scales, field(c, o));
		break;
	case OPTION_SIZE:
		ok = scaled_parse(value, o, size_scales, field(c, o));
		break;
	}
	return ok ? IAM_OK : IAM_CONFIG;
}

enum iam_err option_set(struct config *c, const struct option *o, struct str value,
	const char *where, struct iam_error *err)
{
	char valid[OPTION_TEXT_BYTES];
	enum iam_err e = option_parse(c, o, str_trim(value));

	if (e == IAM_OK)
		return e;
	if (e != IAM_CONFIG)
		return iam_error_set(err, e, "%s: %s: %s", where, o->name,
			iam_err_text(e));
	option_describe(o, valid);
	return iam_error_set(err, e, "%s: %s: must be %s", where, o->name, valid);
}

enum iam_err option_set_default(struct config *c, const struct option *o)
{
	switch (o->kind) {
	case OPTION_STR:
		return text_set(field(c, o), str_c(o->default_text));
	case OPTION_ENUM_MODE:
	case OPTION_ENUM_AUDIT:
	case OPTION_ENUM_LOG:
	case OPTION_ENUM_FORWARD:
		return option_parse(c, o, str_c(o->default_text));
	case OPTION_BOOL:
		*(bool *)field(c, o) = o->default_number != 0;
		return IAM_OK;
	case OPTION_INT:
	case OPTION_DURATION:
	case OPTION_SIZE:
		*(int64_t *)field(c, o) = o->default_number;
		return IAM_OK;
	}
	return IAM_INTERNAL;
}

void option_release(struct config *c, const struct option *o)
{
	char **text;

	if (o->kind != OPTION_STR)
		return;
	text = field(c, o);
	if (*text != NULL && option_is_secret(o))
		sodium_memzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

enum iam_err option_copy(const struct config *from, struct config *to,
	const struct option *o)
{
	switch (o->kind) {
	case OPTION_STR:
		return text_set(field(to, o),
			str_c(*(char *const *)field_const(from, o)));
	case OPTION_ENUM_MODE:
		*(enum api_access *)field(to, o) =
			*(const enum api_access *)field_const(from, o);
		return IAM_OK;
	case OPTION_ENUM_AUDIT:
		*(enum audit_decisions *)field(to, o) =
			*(const enum audit_decisions *)field_const(from, o);
		return IAM_OK;
	case OPTION_ENUM_LOG:
		*(int *)field(to, o) = *(const int *)field_const(from, o);
		return IAM_OK;
	case OPTION_ENUM_FORWARD:
		*(enum forward_headers *)field(to, o) =
			*(const enum forward_headers *)field_const(from, o);
		return IAM_OK;
	case OPTION_BOOL:
		*(bool *)field(to, o) = *(const bool *)field_const(from, o);
		return IAM_OK;
	case OPTION_INT:
	case OPTION_DURATION:
	case OPTION_SIZE:
		*(int64_t *)field(to, o) = *(const int64_t *)field_const(from, o);
		return IAM_OK;
	}
	return IAM_INTERNAL;
}

/* The largest unit that divides it: 432000 is "5d". */
static void scaled_format(int64_t number, const struct scale *scales, char *buf)
{
	char suffix[2] = "";

	for (; number != 0 && scales->suffix != '\0'; scales++) {
		if (number % scales->factor != 0)
			continue;
		number /= scales->factor;
		suffix[0] = scales->suffix;
		break;
	}
	(void)snprintf(buf, OPTION_TEXT_BYTES, "%" PRId64 "%s", number, suffix);
}

const char *option_format(const struct config *c, const struct option *o,
	char buf[OPTION_TEXT_BYTES])
{
	const void *value = field_const(c, o);

	switch (o->kind) {
	case OPTION_STR:
		return *(char *const *)value;
	case OPTION_BOOL:
		return *(const bool *)value ? "yes" : "no";
	case OPTION_ENUM_MODE:
		return mode_names[*(const enum api_access *)value];
	case OPTION_ENUM_AUDIT:
		return audit_names[*(const enum audit_decisions *)value];
	case OPTION_ENUM_LOG:
		return log_names[*(const int *)value];
	case OPTION_ENUM_FORWARD:
		return forward_names[*(const enum forward_headers *)value];
	case OPTION_INT:
		(void)snprintf(buf, OPTION_TEXT_BYTES, "%" PRId64,
			*(const int64_t *)value);
		return buf;
	case OPTION_DURATION:
		scaled_format(*(const int64_t *)value, duration_scales, buf);
		return buf;
	case OPTION_SIZE:
		scaled_format(*(const int64_t *)value, size_scales, buf);
		return buf;
	}
	return buf;
}

bool option_equal(const struct config *a, const struct config *b, const struct option *o)
{
	char text_a[OPTION_TEXT_BYTES], text_b[OPTION_TEXT_BYTES];

	return strcmp(option_format(a, o, text_a), option_format(b, o, text_b)) == 0;
}
