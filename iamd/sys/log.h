/*
 * log - structured log lines to standard error, one event a line.
 *
 * logfmt: `time=… level=info event=store.open path=/var/lib/iamd/iamd.db users=12`. A value that
 * holds a space, a quote, '=' or a control character is quoted and escaped, so nothing that came
 * from outside can forge a line. One write(2) a line; lines of several threads never mix.
 * No secret may be given to it. Thread-safe. Errors of writing are ignored.
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "libacl/base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log_field {
	const char *key;
	enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
	struct str text;
	int64_t number;
};

/* clang-format off */
#define LOG_STR(key_, str_) {.key = (key_), .kind = LOG_FIELD_STR, .text = (str_)}
#define LOG_CSTR(key_, cstr_) {.key = (key_), .kind = LOG_FIELD_STR, .text = str_c(cstr_)}
#define LOG_INT(key_, int_) {.key = (key_), .kind = LOG_FIELD_INT, .number = (int64_t)(int_)}
/* clang-format on */

/* log_event(LOG_LEVEL_INFO, "store.open", LOG_CSTR("path", path), LOG_INT("users", n)); at least one field */
#define log_event(level, event, ...) \
	log_write((level), (event), (const struct log_field[]){__VA_ARGS__}, \
		sizeof((const struct log_field[]){__VA_ARGS__}) / \
			sizeof(struct log_field))

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields,
	unsigned n_fields);

/*
 * Writes one finished line (without newline) as it is, whatever the level: audit lines, whose shape
 * is prescribed. Only control characters are escaped.
 */
void log_raw(struct str line);

/*
 * Access log: lines are gathered in a buffer of the calling thread (64 KiB) and written when it is
 * full, at least every second (access_log_flush_all() from the maintenance thread), and at its end.
 * access_log_open(NULL or ""): off. "-": standard output. False when the file cannot be opened
 * (errno says why); the log in use then stays in use. A line is one line: the caller escapes it.
 */
bool access_log_open(const char *path);
bool access_log_reopen(void);
void access_log_add(struct str line);
/* Whether a line would be written: saves building it. */
bool access_log_enabled(void);
void access_log_flush_all(void);
void access_log_close(void);

#endif
