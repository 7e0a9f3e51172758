/*
 * fuzz_ldap_name - login names in search filters and DNs, and DNs of a server compared.
 *
 * Properties, with a reader of RFC 4515 and one of RFC 4514 of the target's own: the expanded filter is
 * one equality whose value is the input; the expanded DN has one part more than the template, whose
 * value is the input; a DN's normal form is its own normal form; what is escaped as an equality reads
 * back, whatever bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/idp/ldap_name.h"

#define INPUT_MAX ((size_t)16 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int hex(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* Undoes backslash and two digits; any of `never` that stands for itself breaks the property. */
static struct str unescape(struct str s, const char *never, struct arena *a)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	assert(out != NULL);
	for (size_t i = 0; i < s.len; i++) {
		assert(s.ptr[i] != '\0' && strchr(never, s.ptr[i]) == NULL);
		if (s.ptr[i] != '\\') {
			out[n++] = s.ptr[i];
			continue;
		}
		assert(i + 2 < s.len && hex(s.ptr[i + 1]) >= 0 && hex(s.ptr[i + 2]) >= 0);
		out[n++] = (char)(hex(s.ptr[i + 1]) << 4 | hex(s.ptr[i + 2]));
		i += 2;
	}
	return (struct str){out, n};
}

/* `head` value `tail`: the value. */
static struct str between(struct str s, struct str head, struct str tail)
{
	assert(s.len >= head.len + tail.len && str_starts(s, head) && str_ends(s, tail));
	return str_sub(s, head.len, s.len - tail.len);
}

static void check_filters(struct str value, struct arena *a)
{
	struct str out;
	enum iam_err e = ldap_filter_expand(a, STR("(&(a=b)(uid=%(username)s))"),
		LDAP_USER_PLACEHOLDER, value, &out);
	bool fine = value.len > 0 && value.len <= 512 && str_is_utf8(value) &&
		str_find(value, '\0') < 0;

	assert(e == (fine ? IAM_OK : IAM_BAD_DATA));
	if (e == IAM_OK) {
		struct str inner = between(out, STR("(&(a=b)(uid="), STR("))"));

		assert(str_eq(unescape(inner, "()*", a), value));
	}
	assert(ldap_filter_equal(a, "objectGUID", value, &out) == IAM_OK);
	out = between(out, STR("(objectGUID="), STR(")"));
	for (size_t i = 0; i < out.len; i++)
		assert(out.ptr[i] >= 0x20 && out.ptr[i] < 0x7F);
	assert(str_eq(unescape(out, "()*", a), value));
}

static void check_dn(struct str value, struct arena *a)
{
	struct str out;
	struct str normal;
	struct str inner;

	if (ldap_dn_expand(a, STR("uid=%(username)s,dc=x"), LDAP_USER_PLACEHOLDER, value,
		    &out) != IAM_OK)
		return;
	inner = between(out, STR("uid="), STR(",dc=x"));
	assert(str_eq(unescape(inner, "\",+;<>=#", a), value));
	assert(inner.ptr[0] != ' ' && inner.ptr[inner.len - 1] != ' ');
	assert(ldap_dn_normal(a, out, &normal) == IAM_OK);
	(void)between(normal, STR("uid="), STR(",dc=x"));
}

static void check_normal(struct str dn, struct arena *a)
{
	struct str once;
	struct str twice;

	if (ldap_dn_normal(a, dn, &once) != IAM_OK)
		return;
	assert(ldap_dn_normal(a, once, &twice) == IAM_OK);
	assert(str_eq(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
	struct arena *a = arena_new(4096, (size_t)8 << 20);
	struct str out;

	if (a == NULL)
		return 0;
	if (text.ptr == NULL)
		text = STR("");
	check_filters(text, a);
	check_dn(text, a);
	check_normal(text, a);
	if (ldap_filter_any(a, text, LDAP_USER_PLACEHOLDER, &out) == IAM_OK)
		assert(out.len <= text.len);
	arena_free(a);
	return 0;
}
