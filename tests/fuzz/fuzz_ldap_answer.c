/*
 * fuzz_ldap_answer - what a directory says beside results: values of controls, texts of refusals.
 *
 * Input: a result code, a byte of flags, then the bytes. Properties: elements lie within what was
 * given and are shorter than it; a policy or a page that is read has the values that were in it; no
 * text makes a refusal a success, whatever it says; only success is accepted.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/idp/ldap_ber.h"
#include "iamd/idp/ldap_status.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All elements of one level, and of the levels below; each lies within its parent. */
static void check_elements(struct str all, unsigned depth)
{
	struct str rest = all;
	struct str content;
	unsigned tag;

	while (ldap_ber_take(&rest, &tag, &content)) {
		int32_t number = 0;

		assert(content.ptr >= all.ptr &&
			content.ptr + content.len <= all.ptr + all.len);
		assert(content.len + rest.len + 2 <= all.len);
		assert(tag <= 0xFF && (tag & 31) != 31);
		if (ldap_ber_int(content, &number))
			assert(content.len <= 4 && content.len > 0);
		if (depth < 8)
			check_elements(content, depth + 1);
	}
}

static void check_controls(struct str value)
{
	struct str cookie = STR("untouched");
	int error = -1;
	int expires_s = -1;
	int grace = -1;

	ldap_ber_policy(value, &error, &expires_s, &grace);
	if (value.len < 5)
		assert(error == -1 && expires_s == -1 && grace == -1);
	if (ldap_ber_page(value, &cookie))
		assert(cookie.ptr >= value.ptr &&
			cookie.ptr + cookie.len <= value.ptr + value.len);
	else
		assert(str_eq_c(cookie, "untouched"));
}

static void check_refusal(int code, int policy, struct str text)
{
	struct ldap_fault f = {.state = code == 0 ? LDAP_STATE_OK : LDAP_STATE_CODE,
		.code = code,
		.ppolicy_error = policy};
	size_t len =
		text.len < sizeof(f.diagnostic) ? text.len : sizeof(f.diagnostic) - 1;
	const char *why = NULL;
	enum idp_result r;

	if (len > 0)
		memcpy(f.diagnostic, text.ptr, len);
	r = ldap_status_of_bind(&f, &why);
	assert(why != NULL && *why != '\0');
	assert((r == IDP_ACCEPTED) == (code == 0 && (policy < 0 || policy > 2)));
	/* Words alone never make a wrong password "unavailable" or a server's trouble "rejected". */
	if (code == 49)
		assert(r != IDP_UNAVAILABLE);
	if (code == 51 || code == 52 || code == 1 || code == 80)
		assert(r == IDP_UNAVAILABLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text;

	if (size < 2)
		return 0;
	text = (struct str){
		(const char *)data + 2, size - 2 < INPUT_MAX ? size - 2 : INPUT_MAX};
	check_elements(text, 0);
	check_controls(text);
	check_refusal(data[0] % 128, data[1] % 16 - 1, text);
	return 0;
}
