/* test_origin - the cross-site rule, forwarded addresses, lists of networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "iamd/http/origin.h"

static struct req *make(void)
{
	struct req *r = req_new(HTTP_POST, STR("POST"), STR("/"));

	assert_non_null(r);
	(void)snprintf(r->peer_ip, sizeof(r->peer_ip), "10.0.0.1");
	return r;
}

static void with(struct req *r, const char *name, const char *value)
{
	if (value != NULL)
		r->headers[r->n_headers++] = (struct req_header){str_c(name), str_c(value)};
}

/* W5: a change made with a cookie needs our own page, or no browser at all. */
static void only_our_own_pages_may_change_state(void **state)
{
	static const struct {
		const char *site, *origin, *host;
		bool tls, is_own;
	} cases[] = {
		{NULL, NULL, "iam.example", false, true},
		{"same-origin", NULL, "iam.example", false, true},
		{"none", NULL, "iam.example", false, true},
		{"cross-site", NULL, "iam.example", false, false},
		{"same-site", NULL, "iam.example", false, false},
		{"", NULL, "iam.example", false, false},
		{"cross-site", "https://evil.example", "iam.example", true, false},
		{NULL, "https://evil.example", "iam.example", true, false},
		{NULL, "https://iam.example", "iam.example", true, true},
		{NULL, "https://IAM.example", "iam.EXAMPLE", true, true},
		{NULL, "https://iam.example", "iam.example:443", true, true},
		{NULL, "https://iam.example:443", "iam.example", true, true},
		{NULL, "https://iam.example:80", "iam.example", true, false},
		{NULL, "http://iam.example:80", "iam.example", false, true},
		{NULL, "http://iam.example:8080", "iam.example:8080", false, true},
		{NULL, "http://iam.example:8080", "iam.example", false, false},
		{NULL, "http://iam.example", "iam.example", true, false},
		{NULL, "https://iam.example", "iam.example", false, false},
		{NULL, "https://iam.example.evil", "iam.example", true, false},
		{NULL, "https://evil-iam.example", "iam.example", true, false},
		{NULL, "null", "iam.example", true, false},
		{NULL, "", "iam.example", true, false},
		{NULL, "https://", "iam.example", true, false},
		{NULL, "https://", "", true, false},
		{NULL, "https://", NULL, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make();

		r->tls = cases[i].tls;
		with(r, "Sec-Fetch-Site", cases[i].site);
		with(r, "Origin", cases[i].origin);
		with(r, "Host", cases[i].host);
		if (origin_is_own(r) != cases[i].is_own)
			fail_msg("case %zu", i);
		req_free(r);
	}
}

static void repeated_headers_are_not_believed(void **state)
{
	struct req *r = make();

	(void)state;
	with(r, "Host", "iam.example");
	with(r, "Sec-Fetch-Site", "same-origin");
	with(r, "Sec-Fetch-Site", "cross-site");
	assert_false(origin_is_own(r));
	req_free(r);
	r = make();
	with(r, "Host", "iam.example");
	with(r, "Origin", "http://iam.example");
	with(r, "Origin", "http://evil.example");
	assert_false(origin_is_own(r));
	req_free(r);
}

static void foreign_is_what_the_browser_calls_so(void **state)
{
	static const struct {
		const char *site;
		bool is_foreign;
	} cases[] = {{NULL, false}, {"none", false}, {"same-origin", false}, {"same-site", true},
		{"cross-site", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make();

		with(r, "Sec-Fetch-Site", cases[i].site);
		assert_int_equal(origin_says_foreign(r), cases[i].is_foreign);
		req_free(r);
	}
}

static void tls_is_believed_of_trusted_proxies_only(void **state)
{
	static const struct {
		bool tls, trusted;
		const char *proto;
		bool is_tls;
	} cases[] = {
		{true, false, NULL, true},
		{false, false, "https", false},
		{false, true, "https", true},
		{false, true, "HTTPS", true},
		{false, true, "http", false},
		{false, true, "https, http", false},
		{false, true, "http, https", true},
		{false, true, NULL, false},
		{false, true, "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make();

		r->tls = cases[i].tls;
		r->peer_is_trusted = cases[i].trusted;
		with(r, "X-Forwarded-Proto", cases[i].proto);
		if (origin_is_tls(r) != cases[i].is_tls)
			fail_msg("case %zu", i);
		req_free(r);
	}
}

static void the_client_is_the_last_hop_nobody_vouches_for(void **state)
{
	static const struct {
		bool trusted;
		const char *hops, *client;
	} cases[] = {
		{true, "203.0.113.9", "203.0.113.9"},
		{true, "6.6.6.6, 203.0.113.9", "203.0.113.9"},
		{true, "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{true, "6.6.6.6,203.0.113.9,10.0.0.2,10.0.0.3", "203.0.113.9"},
		{true, "10.0.0.2", "10.0.0.2"},
		{true, "2001:db8::1", "2001:db8::1"},
		{true, "evil, 10.0.0.2", "10.0.0.2"},
		{true, "evil", "10.0.0.1"},
		{true, "", "10.0.0.1"},
		{true, NULL, "10.0.0.1"},
		{false, "203.0.113.9", "10.0.0.1"},
	};
	struct proxy_list *l;
	struct iam_error err;

	(void)state;
	assert_int_equal(proxy_list_parse("10.0.0.0/8", &l, &err), IAM_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make();

		r->peer_is_trusted = cases[i].trusted;
		with(r, "X-Forwarded-For", cases[i].hops);
		origin_resolve_client(r, l);
		if (!str_eq_c(origin_client_ip(r), cases[i].client))
			fail_msg("case %zu: %.*s", i, STR_FMT(origin_client_ip(r)));
		req_free(r);
	}
	proxy_list_free(l);
}

static void networks_hold_their_addresses(void **state)
{
	static const struct {
		const char *list, *ip;
		bool is_unix, has;
	} cases[] = {
		{"10.0.0.0/8", "10.255.0.1", false, true},
		{"10.0.0.0/8", "11.0.0.1", false, false},
		{"10.0.0.0/9", "10.128.0.0", false, false},
		{"10.0.0.0/9", "10.127.255.255", false, true},
		{"192.0.2.1", "192.0.2.1", false, true},
		{"192.0.2.1", "192.0.2.2", false, false},
		{"192.0.2.1", "::ffff:192.0.2.1", false, true},
		{"::1", "::1", false, true},
		{"::1", "::2", false, false},
		{"2001:db8::/32", "2001:db8:ffff::1", false, true},
		{"2001:db8::/32", "2001:db9::1", false, false},
		{"0.0.0.0/0", "1.2.3.4", false, true},
		{"0.0.0.0/0", "::1", false, false},
		{"::/0", "::1", false, true},
		{" 10.0.0.0/8 , ::1,unix: ", "::1", false, true},
		{"unix:", "unix", true, true},
		{"10.0.0.0/8", "unix", true, false},
		{"", "127.0.0.1", false, false},
		{"unix:", "127.0.0.1", false, false},
		{"0.0.0.0/0", "not an address", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proxy_list *l;
		struct iam_error err;

		assert_int_equal(proxy_list_parse(cases[i].list, &l, &err), IAM_OK);
		if (proxy_list_has(l, cases[i].is_unix, cases[i].ip) != cases[i].has)
			fail_msg("case %zu", i);
		proxy_list_free(l);
	}
	assert_false(proxy_list_has(NULL, false, "127.0.0.1"));
}

static void bad_lists_are_refused_with_the_item(void **state)
{
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0/8", "::/129", "localhost",
		"10.0.0.0/", "10.0.0.0/-1", "1.2.3.4 5.6.7.8", "10.0.0.0/8/8"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct proxy_list *l = NULL;
		struct iam_error err = {.text = ""};

		if (proxy_list_parse(bad[i], &l, &err) != IAM_CONFIG)
			fail_msg("%s", bad[i]);
		assert_null(l);
		assert_non_null(strstr(err.text, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_our_own_pages_may_change_state),
		cmocka_unit_test(repeated_headers_are_not_believed),
		cmocka_unit_test(foreign_is_what_the_browser_calls_so),
		cmocka_unit_test(tls_is_believed_of_trusted_proxies_only),
		cmocka_unit_test(the_client_is_the_last_hop_nobody_vouches_for),
		cmocka_unit_test(networks_hold_their_addresses),
		cmocka_unit_test(bad_lists_are_refused_with_the_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
