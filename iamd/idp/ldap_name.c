/*
 * ldap_name - writes names into filters and DNs, and gives DNs one spelling.
 *
 * Does: byte work on strings. Does not: know schemas (`cn` and `commonName` are two types here, and
 * every value is compared without regard to case) or send anything.
 * Invariant: of a value only letters, digits and a few harmless signs stand as themselves; all else
 * is written as a backslash and two hex digits, which both RFCs allow for any byte.
 */
#include "iamd/idp/ldap_name.h"

#include <stdlib.h>
#include <string.h>

/* LIMIT: bytes of a name typed by somebody, of a value put into an equality, of a DN and its parts. */
#define NAME_MAX_BYTES     ((size_t)512)
#define VALUE_MAX_BYTES    ((size_t)16384)
#define TEMPLATE_MAX_BYTES ((size_t)8192)
#define DN_MAX_BYTES       ((size_t)16384)
#define RDN_PARTS_MAX      16

static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') ||
		(c != 0 && strchr("-._@/:'!$%&?^`{|}~[]", c) != NULL);
}

static void add_hex(struct sb *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	sb_add_char(out, '\\');
	sb_add_char(out, digits[c >> 4]);
	sb_add_char(out, digits[c & 15]);
}

/* RFC 4515: of UTF-8 only the specials need it, but escaping all of it is fine for every server. */
static void add_filter_value(struct sb *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (is_plain(c) || c == ' ')
			sb_add_char(out, (char)c);
		else
			add_hex(out, c);
	}
}

/* RFC 4514: UTF-8 stands as itself, which reads better in a server's log. */
static void add_dn_value(struct sb *out, struct str value)
{
	bool is_text = str_is_utf8(value);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		bool inner_blank = c == ' ' && i > 0 && i + 1 < value.len;

		if (is_plain(c) || (c >= 0x80 && is_text) || inner_blank)
			sb_add_char(out, (char)c);
		else
			add_hex(out, c);
	}
}

typedef void add_value_fn(struct sb *out, struct str value);

static bool name_fine(struct str value)
{
	return value.ptr != NULL && value.len > 0 && value.len <= NAME_MAX_BYTES &&
		str_find(value, '\0') < 0 && str_is_utf8(value);
}

/* Offset of `what` in s, or s.len. */
static size_t find_text(struct str s, struct str what)
{
	for (size_t i = 0; i + what.len <= s.len; i++)
		if (memcmp(s.ptr + i, what.ptr, what.len) == 0)
			return i;
	return s.len;
}

static enum iam_err expand(struct arena *a, struct str template, const char *placeholder,
	struct str value, add_value_fn *add, struct str *ret)
{
	struct str mark = str_c(placeholder);
	struct sb out;
	struct str made;

	if (template.ptr == NULL || template.len > TEMPLATE_MAX_BYTES || mark.len == 0)
		return IAM_BAD_DATA;
	sb_init(&out, a,
		template.len + (template.len / mark.len + 1) * 3 * (value.len + 1));
	while (template.len > 0) {
		size_t at = find_text(template, mark);

		sb_add(&out, str_sub(template, 0, at));
		if (at < template.len)
			add(&out, value);
		template = str_sub(template, at + mark.len, template.len);
	}
	made = sb_str(&out);
	if (made.ptr == NULL)
		return IAM_NO_MEMORY;
	*ret = made;
	return IAM_OK;
}

enum iam_err ldap_filter_expand(struct arena *a, struct str template,
	const char *placeholder, struct str value, struct str *ret)
{
	if (!name_fine(value))
		return IAM_BAD_DATA;
	return expand(a, template, placeholder, value, add_filter_value, ret);
}

enum iam_err ldap_dn_expand(struct arena *a, struct str template, const char *placeholder,
	struct str value, struct str *ret)
{
	if (!name_fine(value))
		return IAM_BAD_DATA;
	return expand(a, template, placeholder, value, add_dn_value, ret);
}

/* A star that follows a star says nothing new, and some servers refuse it. */
static void add_star(struct sb *out, struct str value)
{
	(void)value;
	sb_add_char(out, '*');
}

enum iam_err ldap_filter_any(struct arena *a, struct str template,
	const char *placeholder, struct str *ret)
{
	struct str starred;
	struct sb out;
	struct str made;
	enum iam_err e = expand(a, template, placeholder, STR("*"), add_star, &starred);

	if (e != IAM_OK)
		return e;
	sb_init(&out, a, starred.len);
	for (size_t i = 0; i < starred.len; i++)
		if (i == 0 || starred.ptr[i] != '*' || starred.ptr[i - 1] != '*')
			sb_add_char(&out, starred.ptr[i]);
	made = sb_str(&out);
	if (made.ptr == NULL)
		return IAM_NO_MEMORY;
	*ret = made;
	return IAM_OK;
}

static bool is_attribute(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == 0 || !(is_plain(c) || c == ';') ||
			strchr("_@/:'!$%&?^`{|}~[]", c))
			return false;
	}
	return s.len > 0 && s.len <= 128;
}

enum iam_err ldap_filter_equal(struct arena *a, const char *attribute, struct str value,
	struct str *ret)
{
	struct str name = str_c(attribute);
	struct sb out;
	struct str made;

	if (!is_attribute(name) || value.ptr == NULL || value.len > VALUE_MAX_BYTES)
		return IAM_BAD_DATA;
	sb_init(&out, a, name.len + 3 * value.len + 3);
	sb_add_char(&out, '(');
	sb_add(&out, name);
	sb_add_char(&out, '=');
	add_filter_value(&out, value);
	sb_add_char(&out, ')');
	made = sb_str(&out);
	if (made.ptr == NULL)
		return IAM_NO_MEMORY;
	*ret = made;
	return IAM_OK;
}

/* ------------------------------------------------------------------ one spelling for a DN */

/* The lower-case letter of a code point below U+0800, or the code point. */
static unsigned fold(unsigned c)
{
	if (c >= 'A' && c <= 'Z')
		return c + 32;
	if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x410 && c <= 0x42F) ||
		(c >= 0x391 && c <= 0x3A9 && c != 0x3A2))
		return c + 32;
	if (c >= 0x400 && c <= 0x40F)
		return c + 80;
	if (c == 0x178)
		return 0xFF;
	if ((c >= 0x100 && c <= 0x12F) || (c >= 0x132 && c <= 0x137) ||
		(c >= 0x14A && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
		return c + (c & 1);
	return c;
}

static void add_folded(struct sb *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		unsigned next = i + 1 < text.len ? (unsigned char)text.ptr[i + 1] : 0;
		unsigned folded;

		if (c < 0xC2 || c > 0xDF || (next & 0xC0) != 0x80) {
			sb_add_char(out, (char)(c < 0x80 ? fold(c) : c));
			continue;
		}
		folded = fold((c & 31U) << 6 | (next & 63U));
		sb_add_char(out, (char)(0xC0 | folded >> 6));
		sb_add_char(out, (char)(0x80 | (folded & 63U)));
		i++;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct dn_reader {
	struct str left;
	struct arena *a;
};

static void skip_blanks(struct dn_reader *r)
{
	while (r->left.len > 0 && r->left.ptr[0] == ' ')
		r->left = str_sub(r->left, 1, r->left.len);
}

/* One character of a value, escapes undone: 1 taken, 0 the value ends here, -1 no DN. */
static int take_char(struct dn_reader *r, char *ret)
{
	char c = (char)(r->left.len > 0 ? r->left.ptr[0] : ',');
	int high = r->left.len > 1 ? hex_digit(r->left.ptr[1]) : -1;
	int low = r->left.len > 2 ? hex_digit(r->left.ptr[2]) : -1;

	if (c == ',' || c == '+')
		return 0;
	if (c == '\0' || c == '"' || c == ';')
		return -1;
	if (c != '\\') {
		*ret = c;
		r->left = str_sub(r->left, 1, r->left.len);
		return 1;
	}
	if (high >= 0 && low >= 0) {
		*ret = (char)(high << 4 | low);
		r->left = str_sub(r->left, 3, r->left.len);
		return 1;
	}
	if (r->left.len < 2 || strchr(" \"#+,;<=>\\", r->left.ptr[1]) == NULL)
		return -1;
	*ret = r->left.ptr[1];
	r->left = str_sub(r->left, 2, r->left.len);
	return *ret == '\0' ? -1 : 1;
}

/* Blanks at the ends gone, runs of them one: what matching rules do not look at. */
static struct str squeeze(char *text, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' || (out > 0 && text[out - 1] != ' '))
			text[out++] = text[i];
	if (out > 0 && text[out - 1] == ' ')
		out--;
	return (struct str){text, out};
}

static bool is_type(struct str s)
{
	return is_attribute(s) && str_find(s, ';') < 0;
}

/* `#04024869`: kept as it is, in lower case. */
static bool take_hex_value(struct dn_reader *r, struct sb *out)
{
	size_t n = 1;

	while (n < r->left.len && hex_digit(r->left.ptr[n]) >= 0)
		n++;
	if (n < 3 || n % 2 == 0)
		return false;
	add_folded(out, str_sub(r->left, 0, n));
	r->left = str_sub(r->left, n, r->left.len);
	skip_blanks(r);
	return r->left.len == 0 || r->left.ptr[0] == ',' || r->left.ptr[0] == '+';
}

/* Bytes up to the comma or plus that ends the value. */
static size_t value_len(struct str s)
{
	size_t i = 0;

	while (i < s.len && s.ptr[i] != ',' && s.ptr[i] != '+')
		i += s.ptr[i] == '\\' ? 2 : 1;
	return i;
}

static bool take_value(struct dn_reader *r, struct sb *out)
{
	char *raw;
	size_t len = 0;
	int took;
	struct sb folded;

	skip_blanks(r);
	if (r->left.len > 0 && r->left.ptr[0] == '#')
		return take_hex_value(r, out);
	raw = arena_alloc(r->a, value_len(r->left) + 1);
	if (raw == NULL)
		return false;
	while ((took = take_char(r, raw + len)) == 1)
		len++;
	if (took < 0)
		return false;
	sb_init(&folded, r->a, len);
	add_folded(&folded, squeeze(raw, len));
	add_dn_value(out, (struct str){folded.ptr, folded.len});
	return !folded.failed;
}

/* `type=value` in one spelling. */
static bool take_part(struct dn_reader *r, struct str *ret)
{
	ptrdiff_t equal = str_find(r->left, '=');
	struct str type;
	struct sb out;

	if (equal < 0)
		return false;
	type = str_trim(str_sub(r->left, 0, (size_t)equal));
	if (!is_type(type))
		return false;
	r->left = str_sub(r->left, (size_t)equal + 1, r->left.len);
	sb_init(&out, r->a, type.len + 3 * r->left.len + 1);
	add_folded(&out, type);
	sb_add_char(&out, '=');
	if (!take_value(r, &out))
		return false;
	*ret = sb_str(&out);
	return ret->ptr != NULL;
}

static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool take_rdn(struct dn_reader *r, struct sb *out)
{
	struct str parts[RDN_PARTS_MAX];
	size_t n = 0;

	for (;;) {
		if (n == RDN_PARTS_MAX || !take_part(r, &parts[n]))
			return false;
		n++;
		if (r->left.len == 0 || r->left.ptr[0] != '+')
			break;
		r->left = str_sub(r->left, 1, r->left.len);
	}
	qsort(parts, n, sizeof(parts[0]), by_bytes);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			sb_add_char(out, '+');
		sb_add(out, parts[i]);
	}
	return true;
}

enum iam_err ldap_dn_normal(struct arena *a, struct str dn, struct str *ret)
{
	struct dn_reader r = {.left = dn, .a = a};
	struct sb out;
	struct str made;

	if (dn.ptr == NULL || dn.len > DN_MAX_BYTES || !str_is_utf8(dn))
		return IAM_BAD_DATA;
	sb_init(&out, a, 3 * dn.len + 1);
	skip_blanks(&r);
	while (r.left.len > 0) {
		if (!take_rdn(&r, &out))
			return IAM_BAD_DATA;
		if (r.left.len == 0)
			break;
		sb_add_char(&out, ','); /* a value ends at ',' or '+' or the end */
		r.left = str_sub(r.left, 1, r.left.len);
		skip_blanks(&r);
		if (r.left.len == 0)
			return IAM_BAD_DATA;
	}
	made = dn.len == 0 ? STR("") : sb_str(&out);
	if (made.ptr == NULL)
		return IAM_NO_MEMORY;
	*ret = made;
	return IAM_OK;
}
