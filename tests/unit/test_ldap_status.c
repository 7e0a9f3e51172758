/* test_ldap_status - what the answers of real directories mean; BER values of controls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "iamd/idp/ldap_ber.h"
#include "iamd/idp/ldap_status.h"

#define AD(code) \
	"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data " code \
	", v1db1"

static void answers_of_directories_are_understood(void **state)
{
	static const struct {
		enum ldap_state state;
		int code, policy;
		const char *diagnostic;
		enum idp_result want;
		const char *text;
	} cases[] = {
		{LDAP_STATE_OK, 0, -1, "", IDP_ACCEPTED, "accepted"},
		{LDAP_STATE_OK, 0, 2, "", IDP_EXPIRED, "password must be changed"},
		{LDAP_STATE_OK, 0, 0, "", IDP_EXPIRED, "password expired"},
		{LDAP_STATE_OK, 0, 1, "", IDP_DISABLED, "account locked"},
		{LDAP_STATE_OK, 0, 7, "", IDP_ACCEPTED, "accepted"},
		{LDAP_STATE_CODE, 49, -1, "", IDP_REJECTED, "wrong password"},
		{LDAP_STATE_CODE, 49, 1, "", IDP_DISABLED, "account locked"},
		{LDAP_STATE_CODE, 49, 0, "", IDP_EXPIRED, "password expired"},
		{LDAP_STATE_CODE, 49, -1, AD("525"), IDP_UNKNOWN_USER, "no such entry"},
		{LDAP_STATE_CODE, 49, -1, AD("52e"), IDP_REJECTED, "wrong password"},
		{LDAP_STATE_CODE, 49, -1, AD("52E"), IDP_REJECTED, "wrong password"},
		{LDAP_STATE_CODE, 49, -1, AD("530"), IDP_DISABLED,
			"not permitted to log in at this time"},
		{LDAP_STATE_CODE, 49, -1, AD("531"), IDP_DISABLED,
			"not permitted to log in from here"},
		{LDAP_STATE_CODE, 49, -1, AD("532"), IDP_EXPIRED, "password expired"},
		{LDAP_STATE_CODE, 49, -1, AD("533"), IDP_DISABLED, "account disabled"},
		{LDAP_STATE_CODE, 49, -1, AD("701"), IDP_EXPIRED, "account expired"},
		{LDAP_STATE_CODE, 49, -1, AD("773"), IDP_EXPIRED,
			"password must be changed"},
		{LDAP_STATE_CODE, 49, -1, AD("775"), IDP_DISABLED, "account locked"},
		{LDAP_STATE_CODE, 49, -1, AD("999"), IDP_REJECTED, "wrong password"},
		{LDAP_STATE_CODE, 49, -1, AD("5331"), IDP_REJECTED, "wrong password"},
		{LDAP_STATE_CODE, 49, -1, AD(""), IDP_REJECTED, "wrong password"},
		{LDAP_STATE_CODE, 19, -1,
			"Exceed password retry limit. Please try later.", IDP_DISABLED,
			"account locked"},
		{LDAP_STATE_CODE, 19, -1, "", IDP_DISABLED, "account locked"},
		{LDAP_STATE_CODE, 53, -1,
			"Account inactivated. Contact system administrator.",
			IDP_DISABLED, "account disabled"},
		{LDAP_STATE_CODE, 53, -1, "Too many failed logins.", IDP_DISABLED,
			"account locked"},
		{LDAP_STATE_CODE, 53, -1, "Account (Kerberos principal) is expired",
			IDP_EXPIRED, "account expired"},
		{LDAP_STATE_CODE, 53, -1, "", IDP_UNAVAILABLE,
			"the directory answered with an error"},
		{LDAP_STATE_CODE, 48, -1, "", IDP_REJECTED, "the entry has no password"},
		{LDAP_STATE_CODE, 32, -1, "", IDP_UNKNOWN_USER, "no such entry"},
		{LDAP_STATE_CODE, 34, -1, "", IDP_UNKNOWN_USER, "no such entry"},
		{LDAP_STATE_CODE, 13, -1, "", IDP_UNAVAILABLE,
			"the directory asks for TLS"},
		{LDAP_STATE_CODE, 51, -1, "", IDP_UNAVAILABLE, "the directory is busy"},
		{LDAP_STATE_CODE, 10, -1, "", IDP_UNAVAILABLE,
			"the directory answered with a referral"},
		{LDAP_STATE_CODE, 0, -1, "", IDP_UNAVAILABLE,
			"the directory answered with an error"},
		{LDAP_STATE_CODE, -1, -1, "", IDP_UNAVAILABLE,
			"the directory answered with an error"},
		{LDAP_STATE_TIMEOUT, 0, -1, "", IDP_UNAVAILABLE, "no answer in time"},
		{LDAP_STATE_TLS, 49, -1, "", IDP_UNAVAILABLE,
			"no TLS with the directory"},
		{LDAP_STATE_UNREACHABLE, 0, -1, "", IDP_UNAVAILABLE,
			"the directory cannot be reached"},
		{LDAP_STATE_PROTOCOL, 0, -1, "", IDP_UNAVAILABLE,
			"the directory's answer cannot be used"},
		{LDAP_STATE_NO_MEMORY, 0, -1, "", IDP_UNAVAILABLE,
			"the directory's answer cannot be used"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ldap_fault f = {.state = cases[i].state,
			.code = cases[i].code,
			.ppolicy_error = cases[i].policy,
			.ppolicy_expires_s = -1,
			.ppolicy_grace = -1};
		const char *text = NULL;

		(void)snprintf(f.diagnostic, sizeof(f.diagnostic), "%s",
			cases[i].diagnostic);
		if (ldap_status_of_bind(&f, &text) != cases[i].want ||
			strcmp(text, cases[i].text) != 0)
			fail_msg("case %zu: %s", i, text);
	}
}

static void results_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < IDP_RESULT_COUNT; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(idp_result_name((enum idp_result)i),
				idp_result_name((enum idp_result)j));
	assert_string_equal(idp_result_name(IDP_UNKNOWN_USER), "unknown_user");
}

static void ber_is_cut_within_its_bounds(void **state)
{
	const struct {
		struct str in;
		bool fine;
		size_t content, left;
	} cases[] = {
		{STR("\x04\x02xy"), true, 2, 0},
		{STR("\x04\x02xyz"), true, 2, 1},
		{STR("\x04\x00"), true, 0, 0},
		{STR("\x04\x81\x02xy"), true, 2, 0},
		{STR("\x04\x84\x00\x00\x00\x02xy"), true, 2, 0},
		{STR("\x04\x03xy"), false, 0, 0},
		{STR("\x04\x80xy\x00\x00"), false, 0, 0},
		{STR("\x04\x85\x00\x00\x00\x00\x01x"), false, 0, 0},
		{STR("\x04\x84\xff\xff\xff\xffx"), false, 0, 0},
		{STR("\x04\x82\x01"), false, 0, 0},
		{STR("\x1f\x01x"), false, 0, 0},
		{STR("\x04"), false, 0, 0},
		{STR(""), false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str rest = cases[i].in, content = STR_NONE;
		unsigned tag = 0;

		if (ldap_ber_take(&rest, &tag, &content) != cases[i].fine)
			fail_msg("case %zu", i);
		if (!cases[i].fine) {
			assert_ptr_equal(rest.ptr, cases[i].in.ptr);
			continue;
		}
		assert_int_equal(tag, 4);
		assert_int_equal(content.len, cases[i].content);
		assert_int_equal(rest.len, cases[i].left);
	}
}

static void ber_integers(void **state)
{
	int32_t v = 7;

	(void)state;
	assert_true(ldap_ber_int(STR("\x00\xff"), &v));
	assert_int_equal(v, 255);
	assert_true(ldap_ber_int(STR("\xff"), &v));
	assert_int_equal(v, -1);
	assert_true(ldap_ber_int(STR("\x80\x00\x00\x00"), &v));
	assert_int_equal(v, INT32_MIN);
	assert_false(ldap_ber_int(STR(""), &v));
	assert_false(ldap_ber_int(STR("\x00\x00\x00\x00\x01"), &v));
}

static void the_policy_control_is_read(void **state)
{
	const struct {
		struct str in;
		int error, expires_s, grace;
	} cases[] = {
		{STR("\x30\x00"), -1, -1, -1},
		{STR("\x30\x03\x81\x01\x02"), 2, -1, -1},
		{STR("\x30\x06\xa0\x04\x80\x02\x0e\x10"), -1, 3600, -1},
		{STR("\x30\x05\xa0\x03\x81\x01\x03"), -1, -1, 3},
		{STR("\x30\x08\xa0\x03\x80\x01\x05\x81\x01\x01"), 1, 5, -1},
		{STR("\x30\x03\x81\x01"), -1, -1, -1},
		{STR("\x31\x03\x81\x01\x02"), -1, -1, -1},
		{STR(""), -1, -1, -1},
		{STR_NONE, -1, -1, -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int error = -1, expires_s = -1, grace = -1;

		ldap_ber_policy(cases[i].in, &error, &expires_s, &grace);
		assert_int_equal(error, cases[i].error);
		assert_int_equal(expires_s, cases[i].expires_s);
		assert_int_equal(grace, cases[i].grace);
	}
}

static void the_cookie_of_a_page_is_read(void **state)
{
	struct str cookie = STR("untouched");

	(void)state;
	assert_false(ldap_ber_page(STR("\x30\x03\x02\x01\x00"), &cookie));
	assert_true(str_eq_c(cookie, "untouched"));
	assert_true(ldap_ber_page(STR("\x30\x08\x02\x01\x00\x04\x03"
				      "abc"),
		&cookie));
	assert_true(str_eq_c(cookie, "abc"));
	assert_true(ldap_ber_page(STR("\x30\x05\x02\x01\x00\x04\x00"), &cookie));
	assert_int_equal(cookie.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_directories_are_understood),
		cmocka_unit_test(results_have_names),
		cmocka_unit_test(ber_is_cut_within_its_bounds),
		cmocka_unit_test(ber_integers),
		cmocka_unit_test(the_policy_control_is_read),
		cmocka_unit_test(the_cookie_of_a_page_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
