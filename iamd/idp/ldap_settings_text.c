/*
 * ldap_settings_text - the strings of a directory's configuration: lines, names of attributes, hosts.
 *
 * Every string has a maximum and no control characters; a text says what is wrong with which member
 * and never quotes the value.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "iamd/idp/ldap_settings_impl.h"
#include "libacl/base/str.h"

enum iam_err settings_invalid(struct settings_read *r, const char *fmt, ...)
{
	char text[sizeof(r->err->text)];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return iam_error_set(r->err, IAM_LDAP_CONFIG_INVALID, "%s", text);
}

enum iam_err settings_keep(struct settings_read *r, struct str s, struct str *ret)
{
	struct str copy = arena_str(r->a, s);

	if (copy.ptr == NULL)
		return iam_error_set(r->err, IAM_NO_MEMORY, "out of memory");
	*ret = copy;
	return IAM_OK;
}

enum iam_err settings_text(struct settings_read *r, const char *name, const json_t *v,
	size_t max, bool lines, struct str *ret)
{
	struct str s = {.ptr = json_string_value(v), .len = json_string_length(v)};

	if (s.ptr == NULL)
		return settings_invalid(r, "`%s` must be a string", name);
	if (s.len == 0)
		return settings_invalid(r, "`%s` is empty: give a value or leave it out",
			name);
	if (s.len > max)
		return settings_invalid(r, "`%s` is longer than %zu bytes: shorten it",
			name, max);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool line = lines && (c == '\n' || c == '\r' || c == '\t');

		if ((c < 0x20 && !line) || c == 0x7f)
			return settings_invalid(r,
				"`%s` has a control character: take it out", name);
	}
	*ret = s;
	return IAM_OK;
}

/* An attribute description without options, or an OID. */
static bool is_attribute(struct str s)
{
	if (s.len == 0 || s.len > 128)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool digit = c >= '0' && c <= '9';

		if (!alpha && !digit && c != '.' && (c != '-' || i == 0))
			return false;
	}
	return true;
}

enum iam_err settings_attribute(struct settings_read *r, const char *name,
	const json_t *v, struct str *to)
{
	struct str s = STR("");
	enum iam_err e = settings_text(r, name, v, LDAP_TEXT_MAX, false, &s);

	if (e != IAM_OK)
		return e;
	if (!is_attribute(s))
		return settings_invalid(r,
			"`%s` must be an attribute's name (letters, digits, '-'; at most 128), such as uid",
			name);
	return settings_keep(r, s, to);
}

static bool is_host_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return s.ptr[0] != '-' && s.ptr[0] != '.';
}

enum iam_err settings_host(struct settings_read *r, const char *name, const json_t *v,
	struct str *to)
{
	unsigned char address[16];
	struct str s = STR("");
	enum iam_err e = settings_text(r, name, v, 253, false, &s);

	if (e != IAM_OK)
		return e;
	if (!is_host_name(s) && inet_pton(AF_INET6, s.ptr, address) != 1)
		return settings_invalid(r,
			"`%s` must be a host's name or address alone, without scheme, port or brackets",
			name);
	return settings_keep(r, s, to);
}
