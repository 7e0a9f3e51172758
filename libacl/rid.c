/*
 * rid - which byte strings are identifiers.
 *
 * Does: whole-string checks of untrusted ids. Does not: normalise, fold case or unescape; two
 * ids are the same if their bytes are.
 * Invariant: a valid id holds no NUL, no control character and no white space, so that it may
 * stand in a log line, a header value and an error text as it is.
 */
#include "iam/rid.h"

#include <stdint.h>

#include "libacl/base/str.h"

struct code_range {
	uint32_t first;
	uint32_t last;
};

/*
 * What has no glyph of its own: controls, white space, invisible and direction-changing format
 * characters, non-characters. A resource must look like what it is compared as.
 */
static const struct code_range not_printable[] = {
	{0x00, 0x20},       /* C0 controls, space */
	{0x7F, 0xA0},       /* DEL, C1 controls, no-break space */
	{0xAD, 0xAD},       /* soft hyphen */
	{0x061C, 0x061C},   /* Arabic letter mark */
	{0x1680, 0x1680},   /* Ogham space mark */
	{0x180E, 0x180E},   /* Mongolian vowel separator */
	{0x2000, 0x200F},   /* spaces, zero width, direction marks */
	{0x2028, 0x202F},   /* separators, direction embeddings, narrow no-break space */
	{0x205F, 0x206F},   /* mathematical space, invisible operators, isolates */
	{0x3000, 0x3000},   /* ideographic space */
	{0xFDD0, 0xFDEF},   /* non-characters */
	{0xFEFF, 0xFEFF},   /* byte order mark */
	{0xFFF0, 0xFFFB},   /* interlinear annotation */
	{0xE0000, 0xE0FFF}, /* tags, variation selectors supplement */
};

static bool is_printable(uint32_t code)
{
	if ((code & 0xFFFE) ==
		0xFFFE) /* the last two of every plane are non-characters */
		return false;
	for (size_t i = 0; i < sizeof(not_printable) / sizeof(not_printable[0]); i++)
		if (code >= not_printable[i].first && code <= not_printable[i].last)
			return false;
	return true;
}

/* The code point at p, which must start a well-formed sequence; *ret_len gets its length. */
static uint32_t decode(const char *p, size_t *ret_len)
{
	unsigned char first = (unsigned char)p[0];
	uint32_t code;

	if (first < 0x80) {
		*ret_len = 1;
		return first;
	}
	if (first < 0xE0) {
		*ret_len = 2;
		code = first & 0x1FU;
	} else if (first < 0xF0) {
		*ret_len = 3;
		code = first & 0x0FU;
	} else {
		*ret_len = 4;
		code = first & 0x07U;
	}
	for (size_t i = 1; i < *ret_len; i++)
		code = code << 6 | ((unsigned char)p[i] & 0x3FU);
	return code;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '_' || c == '@' || c == '.';
}

/* 1..max name characters of which one is not a dot: "." and ".." mean other things in paths. */
static bool is_name(struct str s, size_t max)
{
	bool dots_only = true;

	if (s.ptr == NULL || s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_name_char(s.ptr[i]))
			return false;
		if (s.ptr[i] != '.')
			dots_only = false;
	}
	return !dots_only;
}

bool iam_uid_valid(struct str uid)
{
	return is_name(uid, IAM_UID_MAX_BYTES) && !str_eq(uid, STR("anonymous"));
}

bool iam_gid_valid(struct str gid)
{
	return is_name(gid, IAM_GID_MAX_BYTES);
}

static bool is_reserved(uint32_t code)
{
	return code == '%' || code == '?' || code == '#' || code == '\\';
}

bool iam_rid_valid(struct str rid)
{
	size_t at = 0;

	if (rid.ptr == NULL || rid.len == 0 || rid.len > IAM_RID_MAX_BYTES)
		return false;
	if (rid.ptr[0] == '/' || rid.ptr[rid.len - 1] == '/' || !str_is_utf8(rid))
		return false;
	while (at < rid.len) {
		size_t len;
		uint32_t code = decode(rid.ptr + at, &len);

		if (!is_printable(code) || is_reserved(code))
			return false;
		at += len;
	}
	return true;
}
