/*
 * log - structured lines to standard error.
 *
 * Builds a line in a buffer on the stack and writes it with one write(2) under a mutex, so that
 * lines never mix. Does not rotate, filter or send anywhere: the service manager does.
 * The access log is in access_log.c.
 * Invariant: whatever a value holds, a line has no control character and no byte that is not part
 * of well-formed UTF-8, and only our own keys stand outside quotes.
 */
#include "iamd/sys/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "iamd/sys/clock.h"
#include "libacl/base/str.h"

/* LIMIT: a line is at most 8 KiB; a longer one is cut and ends in " cut=yes". */
#define LINE_MAX_BYTES 8192
#define CUT_MARK       " cut=yes"

struct line {
	char data[LINE_MAX_BYTES];
	size_t len;
	size_t safe_len; /* the last length at which the line may be cut */
	bool is_full;
};

static pthread_mutex_t level_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards level_now */
static enum log_level level_now = LOG_LEVEL_INFO;
static pthread_mutex_t write_mutex = PTHREAD_MUTEX_INITIALIZER; /* one line at a time */

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_ERROR] = "error",
};

/* Room for the mark and the newline is kept always. */
static void line_add(struct line *line, const char *data, size_t len)
{
	if (line->is_full || len > sizeof(line->data) - sizeof(CUT_MARK) - line->len) {
		line->is_full = true;
		return;
	}
	memcpy(line->data + line->len, data, len);
	line->len += len;
}

static void line_add_c(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

/* Bytes of the well-formed UTF-8 sequence at s; 0 if there is none. */
static size_t utf8_sequence(struct str s)
{
	unsigned char lead = (unsigned char)s.ptr[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (len > s.len || !str_is_utf8((struct str){.ptr = s.ptr, .len = len}))
		return 0;
	return len;
}

/* C1 control characters are two bytes in UTF-8; terminals obey them. */
static bool is_c1_control(const char *sequence, size_t len)
{
	return len == 2 && (unsigned char)sequence[0] == 0xc2 &&
		(unsigned char)sequence[1] < 0xa0;
}

static void line_add_escaped_byte(struct line *line, char c)
{
	char text[5];

	switch (c) {
	case '"':
		line_add_c(line, "\\\"");
		return;
	case '\\':
		line_add_c(line, "\\\\");
		return;
	case '\n':
		line_add_c(line, "\\n");
		return;
	case '\r':
		line_add_c(line, "\\r");
		return;
	case '\t':
		line_add_c(line, "\\t");
		return;
	default:
		(void)snprintf(text, sizeof(text), "\\x%02x", (unsigned)(unsigned char)c);
		line_add_c(line, text);
		return;
	}
}

static void line_add_escaped(struct line *line, struct str s)
{
	size_t i = 0;

	while (i < s.len) {
		struct str rest = {.ptr = s.ptr + i, .len = s.len - i};
		unsigned char c = (unsigned char)rest.ptr[0];
		size_t len = utf8_sequence(rest);

		if (len == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			line_add_escaped_byte(line, rest.ptr[0]);
			i++;
			continue;
		}
		if (is_c1_control(rest.ptr, len)) {
			line_add_escaped_byte(line, rest.ptr[0]);
			line_add_escaped_byte(line, rest.ptr[1]);
		} else {
			line_add(line, rest.ptr, len);
		}
		i += len;
	}
}

static bool needs_quotes(struct str s)
{
	if (s.len == 0)
		return true;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return false;
}

static void line_add_value(struct line *line, struct str s)
{
	if (!needs_quotes(s)) {
		line_add(line, s.ptr, s.len);
		return;
	}
	line_add_c(line, "\"");
	line_add_escaped(line, s);
	line_add_c(line, "\"");
}

static void line_add_field(struct line *line, const struct log_field *field)
{
	char number[32];

	line_add_c(line, " ");
	line_add_c(line, field->key);
	line_add_c(line, "=");
	switch (field->kind) {
	case LOG_FIELD_STR:
		line_add_value(line, field->text);
		break;
	case LOG_FIELD_INT:
		(void)snprintf(number, sizeof(number), "%lld", (long long)field->number);
		line_add_c(line, number);
		break;
	}
	/* A field is shown whole or not at all. */
	if (!line->is_full)
		line->safe_len = line->len;
}

static void line_write(struct line *line)
{
	const char *p = line->data;
	size_t left;
	int saved_errno = errno;

	if (line->is_full) {
		line->len = line->safe_len;
		memcpy(line->data + line->len, CUT_MARK, sizeof(CUT_MARK) - 1);
		line->len += sizeof(CUT_MARK) - 1;
	}
	line->data[line->len++] = '\n';

	left = line->len;
	pthread_mutex_lock(&write_mutex);
	while (left > 0) {
		ssize_t n = write(STDERR_FILENO, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		p += n;
		left -= (size_t)n;
	}
	pthread_mutex_unlock(&write_mutex);
	errno = saved_errno;
}

void log_set_level(enum log_level level)
{
	pthread_mutex_lock(&level_mutex);
	level_now = level;
	pthread_mutex_unlock(&level_mutex);
}

bool log_enabled(enum log_level level)
{
	bool is_enabled;

	pthread_mutex_lock(&level_mutex);
	is_enabled = level >= level_now;
	pthread_mutex_unlock(&level_mutex);
	return is_enabled;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
	unsigned n_fields)
{
	struct line line;
	char now[32];

	if (!log_enabled(level))
		return;
	line.len = 0;
	line.is_full = false;
	clock_iso_us(clock_now_us(), now, sizeof(now));
	line_add_c(&line, "time=");
	line_add_c(&line, now);
	line_add_c(&line, " level=");
	line_add_c(&line, level_names[level]);
	line_add_c(&line, " event=");
	line.safe_len = line.len;
	line_add_value(&line, str_c(event));
	if (!line.is_full)
		line.safe_len = line.len;
	for (unsigned i = 0; i < n_fields && !line.is_full; i++)
		line_add_field(&line, &fields[i]);
	line_write(&line);
}

void log_raw(struct str line)
{
	struct line buffer;

	buffer.len = 0;
	buffer.is_full = false;
	buffer.safe_len = 0;
	/* Finished by the caller, yet a line break in it would be a second line. */
	for (size_t i = 0; i < line.len && !buffer.is_full; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if (c < 0x20 || c == 0x7f)
			line_add_escaped_byte(&buffer, line.ptr[i]);
		else
			line_add(&buffer, &line.ptr[i], 1);
		if (!buffer.is_full)
			buffer.safe_len = buffer.len;
	}
	line_write(&buffer);
}
