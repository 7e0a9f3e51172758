/*
 * jsonw - pretty JSON into a builder, one token after the other.
 *
 * Does: indentation, commas, quoting; malformed UTF-8 becomes U+FFFD, so that what goes
 * out is always valid JSON.
 * Does not: build trees, or check that keys differ.
 * Invariants: any[depth - 1] belongs to the innermost open container; a container deeper
 * than the LIMIT marks the builder failed, and so does closing one that is not open.
 */
#include "iamd/http/jsonw.h"

#include <string.h>

#define DEPTH_MAX 16

void jsonw_init(struct jsonw *w, struct sb *out)
{
	*w = (struct jsonw){.out = out};
}

void jsonw_set_out(struct jsonw *w, struct sb *out)
{
	w->out = out;
}

static void newline(struct jsonw *w)
{
	static const char spaces[2 * DEPTH_MAX + 1] = "                                ";

	sb_add_char(w->out, '\n');
	sb_add(w->out, (struct str){.ptr = spaces, .len = (size_t)w->depth * 2});
}

/* Comma and line break before an element or a key. */
static void next(struct jsonw *w)
{
	if (w->depth == 0)
		return;
	if (w->any[w->depth - 1])
		sb_add_char(w->out, ',');
	w->any[w->depth - 1] = true;
	newline(w);
}

static void key_str(struct jsonw *w, struct str key)
{
	next(w);
	jsonw_quote(w->out, key, false);
	sb_add(w->out, STR(": "));
}

static void begin_value(struct jsonw *w, const char *key)
{
	if (key == NULL)
		next(w);
	else
		key_str(w, str_c(key));
}

static void open_container(struct jsonw *w, const char *key, char bracket)
{
	begin_value(w, key);
	if (w->depth == DEPTH_MAX) {
		w->out->failed = true;
		return;
	}
	w->any[w->depth++] = false;
	sb_add_char(w->out, bracket);
}

static void close_container(struct jsonw *w, char bracket)
{
	if (w->depth == 0) {
		w->out->failed = true;
		return;
	}
	w->depth--;
	if (w->any[w->depth])
		newline(w);
	sb_add_char(w->out, bracket);
}

void jsonw_object(struct jsonw *w)
{
	open_container(w, NULL, '{');
}

void jsonw_object_key(struct jsonw *w, const char *key)
{
	open_container(w, key, '{');
}

void jsonw_object_end(struct jsonw *w)
{
	close_container(w, '}');
}

void jsonw_array(struct jsonw *w)
{
	open_container(w, NULL, '[');
}

void jsonw_array_key(struct jsonw *w, const char *key)
{
	open_container(w, key, '[');
}

void jsonw_array_end(struct jsonw *w)
{
	close_container(w, ']');
}

void jsonw_str(struct jsonw *w, const char *key, struct str value)
{
	begin_value(w, key);
	jsonw_quote(w->out, value, false);
}

void jsonw_key_str(struct jsonw *w, struct str key, struct str value)
{
	key_str(w, key);
	jsonw_quote(w->out, value, false);
}

void jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	begin_value(w, key);
	sb_add_c(w->out, value ? "true" : "false");
}

void jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	begin_value(w, key);
	sb_addf(w->out, "%lld", (long long)value);
}

void jsonw_null(struct jsonw *w, const char *key)
{
	begin_value(w, key);
	sb_add(w->out, STR("null"));
}

void jsonw_end_document(struct jsonw *w)
{
	if (w->depth != 0)
		w->out->failed = true;
	sb_add_char(w->out, '\n');
}

/* Length of the sequence at the start of s (s.len > 0), or 0 when it is malformed. */
static size_t sequence_len(struct str s)
{
	unsigned char lead = (unsigned char)s.ptr[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

	if (len > s.len || !str_is_utf8(str_sub(s, 0, len)))
		return 0;
	return len;
}

/* The code point of a well-formed sequence. */
static unsigned code_point(struct str s, size_t len)
{
	static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	unsigned code = (unsigned char)s.ptr[0] & lead_bits[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s.ptr[i] & 0x3FU);
	return code;
}

static void add_escape(struct sb *out, unsigned code)
{
	if (code < 0x10000) {
		sb_addf(out, "\\u%04x", code);
		return;
	}
	code -= 0x10000;
	sb_addf(out, "\\u%04x\\u%04x", 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF));
}

/* A control character, '"' or '\\'. */
static void add_special(struct sb *out, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char to[] = "\"\\bfnrt";
	const char *at = c == '\0' ? NULL : strchr(from, c);

	if (at == NULL) {
		add_escape(out, (unsigned char)c);
		return;
	}
	sb_add_char(out, '\\');
	sb_add_char(out, to[at - from]);
}

static bool is_plain(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0x20 && u < 0x7F && u != '"' && u != '\\';
}

/* One character that is not plain; returns how many bytes of s it took. */
static size_t add_other(struct sb *out, struct str s, bool ascii_only)
{
	unsigned char lead = (unsigned char)s.ptr[0];
	size_t len;

	if (lead < 0x7F) {
		add_special(out, s.ptr[0]);
		return 1;
	}
	len = sequence_len(s);
	if (ascii_only)
		add_escape(out, len == 0 ? 0xFFFD : code_point(s, len));
	else if (len == 0)
		sb_add(out, STR("\xEF\xBF\xBD"));
	else
		sb_add(out, str_sub(s, 0, len));
	return len == 0 ? 1 : len;
}

void jsonw_quote(struct sb *out, struct str s, bool ascii_only)
{
	size_t at = 0;

	sb_add_char(out, '"');
	while (at < s.len) {
		size_t from = at;

		while (at < s.len && is_plain(s.ptr[at]))
			at++;
		sb_add(out, str_sub(s, from, at));
		if (at < s.len)
			at += add_other(out, str_sub(s, at, s.len), ascii_only);
	}
	sb_add_char(out, '"');
}
