/*
 * ldap_ber - tag, length, content; nothing else.
 *
 * Does: cut elements out of a borrowed view. Does not: allocate, copy, recurse.
 * Invariant: what is returned lies within what was given.
 */
#include "iamd/idp/ldap_ber.h"

bool ldap_ber_take(struct str *rest, unsigned *ret_tag, struct str *ret_content)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	size_t at = 2;
	size_t len;

	if (p == NULL || rest->len < 2 || (p[0] & 31) == 31)
		return false;
	len = p[1];
	if (len == 0x80 || len > 0x84)
		return false;
	if (len > 0x80) {
		size_t n = len & 7;

		if (rest->len - 2 < n)
			return false;
		for (len = 0; n > 0; n--)
			len = len << 8 | p[at++];
	}
	if (rest->len - at < len)
		return false;
	*ret_tag = p[0];
	*ret_content = str_sub(*rest, at, at + len);
	*rest = str_sub(*rest, at + len, rest->len);
	return true;
}

bool ldap_ber_expect(struct str *rest, unsigned tag, struct str *ret_content)
{
	struct str left = *rest;
	struct str content;
	unsigned found;

	if (!ldap_ber_take(&left, &found, &content) || found != tag)
		return false;
	*rest = left;
	*ret_content = content;
	return true;
}

bool ldap_ber_int(struct str content, int32_t *ret)
{
	const unsigned char *p = (const unsigned char *)content.ptr;
	uint32_t value;

	if (content.len < 1 || content.len > 4)
		return false;
	value = p[0] & 0x80 ? UINT32_MAX : 0;
	for (size_t i = 0; i < content.len; i++)
		value = value << 8 | p[i];
	*ret = (int32_t)value;
	return true;
}

/* SEQUENCE { warning [0] { [0] seconds | [1] logins } OPTIONAL, error [1] OPTIONAL } */
void ldap_ber_policy(struct str value, int *error, int *expires_s, int *grace)
{
	struct str body;
	struct str part;
	unsigned tag;

	if (!ldap_ber_expect(&value, BER_SEQUENCE, &body))
		return;
	if (ldap_ber_expect(&body, 0xA0, &part)) {
		struct str number;

		if (ldap_ber_take(&part, &tag, &number) && (tag == 0x80 || tag == 0x81))
			(void)ldap_ber_int(number, tag == 0x80 ? expires_s : grace);
	}
	if (ldap_ber_expect(&body, 0x81, &part))
		(void)ldap_ber_int(part, error);
}

bool ldap_ber_page(struct str value, struct str *ret_cookie)
{
	struct str body;
	struct str size;
	struct str cookie;

	if (!ldap_ber_expect(&value, BER_SEQUENCE, &body) ||
		!ldap_ber_expect(&body, BER_INTEGER, &size) ||
		!ldap_ber_expect(&body, BER_OCTET_STRING, &cookie))
		return false;
	*ret_cookie = cookie;
	return true;
}
