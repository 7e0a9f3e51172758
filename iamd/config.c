/*
 * config - reads iamd.conf and its overrides into one struct.
 *
 * The file has one `name = value` a line, comments that begin with # or ;, no sections, no
 * continuation lines and no comments behind a value. What a value may be is config_value.c's,
 * rules over several options are config_check.c's, printing is config_print.c's. Does not open or
 * judge the files that options name.
 */
#include "iamd/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ini.h>

#include "iamd/authz/path_map.h"
#include "iamd/config_value.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

/* LIMIT: a file is at most 256 KiB, a line 16 KiB without its end. */
#define FILE_MAX_BYTES ((size_t)256 * 1024)
#define LINE_MAX_BYTES 16384
/* LIMIT: "IAMD_" and the longest option name. */
#define VARIABLE_MAX_BYTES 64

#define VARIABLE_PREFIX "IAMD_"

struct parse {
	struct config *config;
	struct str rest; /* lines not yet read */
	const char *name;
	unsigned line;
	bool seen[OPTIONS_MAX];
	enum iam_err result;
	struct iam_error *err;
};

static void parse_fail(struct parse *p, const char *text)
{
	if (p->result != IAM_OK)
		return;
	p->result =
		iam_error_set(p->err, IAM_CONFIG, "%s:%u: %s", p->name, p->line, text);
}

/* What the ini grammar would let through and this file's does not. */
static const char *line_fault(struct str line)
{
	struct str text = str_trim(line);
	size_t i = 0;

	if (str_find(line, '\0') >= 0)
		return "NUL byte";
	if (text.len == 0 || text.ptr[0] == '#' || text.ptr[0] == ';')
		return NULL;
	if (text.ptr[0] == '[')
		return "there are no sections; write name = value";
	while (i < text.len && text.ptr[i] != '=' && text.ptr[i] != ':')
		i++;
	if (i == 0 || i == text.len || text.ptr[i] != '=')
		return "expected name = value";
	return NULL;
}

/* Gives the parser one line; the end of the file after the first error. */
static char *read_line(char *buf, int size, void *stream)
{
	struct parse *p = stream;
	struct str line;
	const char *fault;

	if (p->result != IAM_OK || p->rest.ptr == NULL || p->rest.len == 0)
		return NULL;
	line = str_split(&p->rest, '\n');
	p->line++;
	if (line.len > LINE_MAX_BYTES || size < 2 || line.len > (size_t)size - 2) {
		parse_fail(p, "the line is too long");
		return NULL;
	}
	fault = line_fault(line);
	if (fault != NULL) {
		parse_fail(p, fault);
		return NULL;
	}
	if (line.len > 0)
		memcpy(buf, line.ptr, line.len);
	buf[line.len] = '\n';
	buf[line.len + 1] = '\0';
	return buf;
}

/* Non-zero: go on. */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;
	const struct option *o = option_find(str_c(name));
	char where[256];

	if (section[0] != '\0') {
		parse_fail(p, "there are no sections; write name = value");
		return 0;
	}
	(void)snprintf(where, sizeof(where), "%.200s:%u", p->name, p->line);
	if (o == NULL) {
		p->result = iam_error_set(p->err, IAM_CONFIG,
			"%s: there is no option \"%.64s\"; see iamd.conf(5)", where,
			name);
		return 0;
	}
	if (p->seen[o - config_options]) {
		p->result = iam_error_set(p->err, IAM_CONFIG, "%s: %s: given twice",
			where, o->name);
		return 0;
	}
	p->seen[o - config_options] = true;
	p->result = option_set(p->config, o, str_c(value), where, p->err);
	return p->result == IAM_OK;
}

static enum iam_err parse_text(struct config *c, struct str text, const char *name,
	struct iam_error *err)
{
	struct parse p = {.config = c, .rest = text, .name = name, .err = err};
	int rc;

	/* The library's settings are variables of the process; nobody else uses it. */
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_bom = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_max_line = LINE_MAX_BYTES + 3;
	ini_initial_alloc = LINE_MAX_BYTES + 3;

	rc = ini_parse_stream(read_line, &p, take_pair, &p);
	if (p.result != IAM_OK)
		return p.result;
	if (rc < 0)
		return iam_error_set(err, IAM_NO_MEMORY, "%s: out of memory", name);
	if (rc > 0)
		return iam_error_set(err, IAM_CONFIG, "%s:%d: expected name = value",
			name, rc);
	return IAM_OK;
}

enum iam_err config_read_file(const char *path, char **ret_data, struct str *ret_text,
	struct iam_error *err)
{
	FILE *file = fopen(path, "re");
	char *data;
	size_t len;
	int failure;

	if (file == NULL)
		return iam_error_set(err, errno == ENOENT ? IAM_NOT_FOUND : IAM_IO,
			"%s: cannot be read: %s", path, strerrordesc_np(errno));
	data = malloc(FILE_MAX_BYTES + 1);
	if (data == NULL) {
		(void)fclose(file);
		return iam_error_set(err, IAM_NO_MEMORY, "%s: out of memory", path);
	}
	errno = 0;
	len = fread(data, 1, FILE_MAX_BYTES + 1, file);
	failure = ferror(file) != 0 ? errno : 0;
	(void)fclose(file);
	if (failure == 0 && len <= FILE_MAX_BYTES) {
		*ret_data = data;
		*ret_text = (struct str){.ptr = data, .len = len};
		return IAM_OK;
	}
	free(data);
	if (failure != 0)
		return iam_error_set(err, IAM_IO, "%s: cannot be read: %s", path,
			strerrordesc_np(failure));
	return iam_error_set(err, IAM_CONFIG, "%s: longer than %zu bytes", path,
		FILE_MAX_BYTES);
}

static void variable_name(const struct option *o, char buf[VARIABLE_MAX_BYTES])
{
	size_t n =
		(size_t)snprintf(buf, VARIABLE_MAX_BYTES, VARIABLE_PREFIX "%s", o->name);

	for (size_t i = 0; i < n && i < VARIABLE_MAX_BYTES; i++)
		buf[i] = (char)toupper((unsigned char)buf[i]);
}

static enum iam_err environment_apply(struct config *c, struct iam_error *err)
{
	char name[VARIABLE_MAX_BYTES];

	for (unsigned i = 0; i < config_option_count; i++) {
		const char *value;
		char where[VARIABLE_MAX_BYTES + 16];
		enum iam_err e;

		variable_name(&config_options[i], name);
		value = getenv(name); /* NOLINT(concurrency-mt-unsafe): no setenv() */
		if (value == NULL)
			continue;
		(void)snprintf(where, sizeof(where), "environment %s", name);
		e = option_set(c, &config_options[i], str_c(value), where, err);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

/* A misspelt variable would be silent otherwise; others may use our prefix, so no error. */
static void environment_warn(void)
{
	for (char **v = environ; v != NULL && *v != NULL; v++) {
		struct str rest = str_c(*v);
		struct str name = str_split(&rest, '=');
		bool is_known = false;
		char known[VARIABLE_MAX_BYTES];

		if (!str_starts(name, STR(VARIABLE_PREFIX)))
			continue;
		for (unsigned i = 0; i < config_option_count && !is_known; i++) {
			variable_name(&config_options[i], known);
			is_known = str_eq_c(name, known);
		}
		if (!is_known)
			log_event(LOG_LEVEL_WARNING, "config.unknown_variable",
				LOG_STR("name", name));
	}
}

static enum iam_err config_new(struct config **ret_config)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return IAM_NO_MEMORY;
	for (unsigned i = 0; i < config_option_count; i++) {
		enum iam_err e = option_set_default(c, &config_options[i]);

		if (e != IAM_OK) {
			config_free(c);
			return e;
		}
	}
	*ret_config = c;
	return IAM_OK;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < config_option_count; i++)
		option_release(c, &config_options[i]);
	path_map_free(c->path_map);
	free(c);
}

enum iam_err config_parse(struct str text, const char *name, struct config **ret_config,
	struct iam_error *err)
{
	struct config *c = NULL;
	enum iam_err e = config_new(&c);

	if (e != IAM_OK)
		return iam_error_set(err, e, "%s: %s", name, iam_err_text(e));
	e = parse_text(c, text, name, err);
	if (e != IAM_OK) {
		config_free(c);
		return e;
	}
	*ret_config = c;
	return IAM_OK;
}

enum iam_err config_load(const char *path, struct config **ret_config,
	struct iam_error *err)
{
	struct config *c = NULL;
	struct str text = STR("");
	char *data = NULL;
	enum iam_err e;

	if (path != NULL) {
		e = config_read_file(path, &data, &text, err);
		if (e != IAM_OK)
			return e;
	}
	e = config_parse(text, path == NULL ? "" : path, &c, err);
	free(data);
	if (e != IAM_OK)
		return e;
	e = environment_apply(c, err);
	if (e != IAM_OK) {
		config_free(c);
		return e;
	}
	environment_warn();
	*ret_config = c;
	return IAM_OK;
}

enum iam_err config_set(struct config *c, const char *assignment, struct iam_error *err)
{
	struct str value = str_c(assignment);
	struct str name = str_trim(str_split(&value, '='));
	const struct option *o;

	if (value.ptr == NULL)
		return iam_error_set(err, IAM_CONFIG, "--set: expected NAME=VALUE");
	o = option_find(name);
	if (o == NULL)
		return iam_error_set(err, IAM_CONFIG,
			"--set: there is no option \"%.*s\"; see iamd.conf(5)",
			(int)(name.len > 64 ? 64 : name.len), name.ptr);
	return option_set(c, o, value, "--set", err);
}

enum iam_err config_merge(const struct config *running, struct config *fresh)
{
	for (unsigned i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		enum iam_err e;

		if (o->is_reloadable || option_equal(running, fresh, o))
			continue;
		log_event(LOG_LEVEL_WARNING, "config.needs_restart",
			LOG_CSTR("option", o->name));
		e = option_copy(running, fresh, o);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}
