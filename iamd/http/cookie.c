/*
 * cookie - reads one Cookie header value and writes the two cookies of a login.
 *
 * Does: find a cookie by its exact name, format Set-Cookie values.
 * Does not: check what a cookie's value means, or keep any state.
 * Invariant: tokens are base64url and dots, so they need no quoting; what a user chose
 * (uid, description) goes out as base64 only.
 */
#include "iamd/http/cookie.h"

#include <sodium.h>

#include "iamd/http/jsonw.h"

/* LIMIT: JSON of the info cookie; browsers cap a cookie at 4 KiB anyway. */
#define INFO_MAX_BYTES 32768

struct str cookie_find(struct str header, const char *name)
{
	struct str rest = header;

	while (rest.ptr != NULL) {
		struct str value = str_split(&rest, ';');
		struct str key = str_trim(str_split(&value, '='));

		if (value.ptr == NULL || !str_eq_c(key, name))
			continue;
		value = str_trim(value);
		if (value.len >= 2 && value.ptr[0] == '"' &&
			value.ptr[value.len - 1] == '"')
			value = str_sub(value, 1, value.len - 1);
		return value;
	}
	return STR_NONE;
}

struct str cookie_auth(struct arena *a, struct str token, int64_t max_age_s, bool secure)
{
	return arena_fmt(a,
		COOKIE_AUTH "=%.*s; HttpOnly; Max-Age=%lld; Path=/; SameSite=Lax%s",
		STR_FMT(token), (long long)max_age_s, secure ? "; Secure" : "");
}

/*
 * LIMIT: of the description in the info cookie, as escaped text. Browsers drop cookies over 4 KiB and
 * gateways refuse answers with larger headers, so a longer description is cut at a code point.
 */
#define INFO_DESCRIPTION_MAX 1024

static struct str cut_description(struct str s)
{
	size_t cost = 0;
	size_t i = 0;

	while (i < s.len) {
		unsigned char c = (unsigned char)s.ptr[i];
		size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';

		cost += plain ? 1 : n == 4 ? 12 : 6;
		if (cost > INFO_DESCRIPTION_MAX || i + n > s.len)
			break;
		i += n;
	}
	return str_sub(s, 0, i);
}

struct str cookie_info(struct arena *a, struct str uid, struct str description,
	bool is_remote, int64_t max_age_s, bool secure)
{
	struct sb json;
	struct str text;
	const char *quote;
	char *b64;

	sb_init(&json, a, INFO_MAX_BYTES);
	sb_add(&json, STR("{\"uid\": "));
	jsonw_quote(&json, uid, true);
	sb_add(&json, STR(", \"description\": "));
	jsonw_quote(&json, cut_description(description), true);
	sb_add_c(&json, is_remote ? ", \"is_remote\": true}" : ", \"is_remote\": false}");
	text = sb_str(&json);
	if (text.ptr == NULL)
		return STR_NONE;
	b64 = arena_alloc(a,
		sodium_base64_ENCODED_LEN(text.len, sodium_base64_VARIANT_ORIGINAL));
	if (b64 == NULL)
		return STR_NONE;
	sodium_bin2base64(b64,
		sodium_base64_ENCODED_LEN(text.len, sodium_base64_VARIANT_ORIGINAL),
		(const unsigned char *)text.ptr, text.len,
		sodium_base64_VARIANT_ORIGINAL);
	quote = str_find(str_c(b64), '=') >= 0 || str_find(str_c(b64), '/') >= 0 ? "\""
										 : "";
	return arena_fmt(a, COOKIE_INFO "=%s%s%s; Max-Age=%lld; Path=/; SameSite=Lax%s",
		quote, b64, quote, (long long)max_age_s, secure ? "; Secure" : "");
}

struct str cookie_auth_cleared(void)
{
	return STR(COOKIE_AUTH
		"=\"\"; expires=Sat, 01 Jan 2000 00:00:00 GMT; HttpOnly; Path=/");
}

struct str cookie_info_cleared(void)
{
	return STR(COOKIE_INFO "=\"\"; expires=Sat, 01 Jan 2000 00:00:00 GMT; Path=/");
}
