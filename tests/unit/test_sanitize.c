/* test_sanitize - requests that two parsers could read in two ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "iamd/http/sanitize.h"

static struct req *make(const char *target, bool http10)
{
	struct req *r = req_new(HTTP_POST, STR("POST"), str_c(target));

	assert_non_null(r);
	r->http10 = http10;
	return r;
}

static void with(struct req *r, struct str name, struct str value)
{
	r->headers[r->n_headers++] = (struct req_header){name, value};
}

static unsigned check(struct req *r)
{
	const char *why = NULL;
	unsigned status = sanitize_request(r, &why);

	assert_int_equal(status != 0, why != NULL);
	return status;
}

static void targets_are_checked(void **state)
{
	static const struct {
		const char *target;
		unsigned status;
	} cases[] = {
		{"/", 0},
		{"/a%2Fb%252F/c?x=%41", 0},
		{"/a?100%", 0},
		{"/a?%zz", 0},
		{"/caf\xC3\xA9", 0},
		{"/a%0A", 0},
		{"", 400},
		{"*", 400},
		{"http://evil/", 400},
		{"evil:80", 400},
		{"?a", 400},
		{"/a%", 400},
		{"/a%4", 400},
		{"/a%zz", 400},
		{"/a%00b", 400},
		{"/a?b=%00", 400},
		{"/a\tb", 400},
		{"/a b", 400},
		{"/a\x7f", 400},
		{"/a?\x01", 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make(cases[i].target, false);

		with(r, STR("Host"), STR("x"));
		if (check(r) != cases[i].status)
			fail_msg("'%s'", cases[i].target);
		req_free(r);
	}
}

static void framing_has_one_reading(void **state)
{
	static const struct {
		const char *length, *length2, *coding, *coding2;
		bool http10;
		unsigned status;
	} cases[] = {
		{NULL, NULL, NULL, NULL, false, 0},
		{"0", NULL, NULL, NULL, false, 0},
		{"123", NULL, NULL, NULL, true, 0},
		{"123", "123", NULL, NULL, false, 400},
		{"123", "124", NULL, NULL, false, 400},
		{"", NULL, NULL, NULL, false, 400},
		{"+1", NULL, NULL, NULL, false, 400},
		{"-1", NULL, NULL, NULL, false, 400},
		{"1,1", NULL, NULL, NULL, false, 400},
		{"0x1", NULL, NULL, NULL, false, 400},
		{"1 ", NULL, NULL, NULL, false, 400},
		{"9999999999999999999", NULL, NULL, NULL, false, 400},
		{NULL, NULL, "chunked", NULL, false, 0},
		{NULL, NULL, "Chunked", NULL, false, 0},
		{NULL, NULL, "chunked", NULL, true, 400},
		{NULL, NULL, "chunked", "chunked", false, 400},
		{NULL, NULL, "xchunked", NULL, false, 400},
		{NULL, NULL, "gzip, chunked", NULL, false, 400},
		{NULL, NULL, "chunked, identity", NULL, false, 400},
		{NULL, NULL, "identity", NULL, false, 400},
		{NULL, NULL, "", NULL, false, 400},
		{"3", NULL, "chunked", NULL, false, 400},
		{"0", NULL, "chunked", NULL, false, 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make("/", cases[i].http10);

		with(r, STR("Host"), STR("x"));
		if (cases[i].length != NULL)
			with(r, STR("Content-Length"), str_c(cases[i].length));
		if (cases[i].length2 != NULL)
			with(r, STR("content-length"), str_c(cases[i].length2));
		if (cases[i].coding != NULL)
			with(r, STR("Transfer-Encoding"), str_c(cases[i].coding));
		if (cases[i].coding2 != NULL)
			with(r, STR("TRANSFER-ENCODING"), str_c(cases[i].coding2));
		if (check(r) != cases[i].status)
			fail_msg("case %zu", i);
		req_free(r);
	}
}

static void field_names_and_values_are_checked(void **state)
{
	static const struct {
		struct str name, value;
		unsigned status;
	} cases[] = {
		{{"X-A", 3}, {"b", 1}, 0},
		{{"X-A", 3}, {"", 0}, 0},
		{{"X-A", 3}, {"a\tb", 3}, 0},
		{{"X-A", 3}, {"\xC3\xA9\xFF", 3}, 0},
		{{"!#$%&'*+-.^_`|~", 15}, {"b", 1}, 0},
		{{"X-A ", 4}, {"b", 1}, 400},
		{{" X", 2}, {"b", 1}, 400},
		{{"", 0}, {"b", 1}, 400},
		{{"X(", 2}, {"b", 1}, 400},
		{{"X\0", 2}, {"b", 1}, 400},
		{{"\xC3\xA9", 2}, {"b", 1}, 400},
		{{"X", 1}, {"a\0b", 3}, 400},
		{{"X", 1}, {"a\rb", 3}, 400},
		{{"X", 1}, {"a\nb", 3}, 400},
		{{"X", 1}, {"a\x1b", 2}, 400},
		{{"X", 1}, {"a\x7f", 2}, 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make("/", true);

		with(r, cases[i].name, cases[i].value);
		if (check(r) != cases[i].status)
			fail_msg("case %zu", i);
		req_free(r);
	}
}

static void there_is_one_plausible_host(void **state)
{
	static const struct {
		const char *host;
		unsigned status;
	} cases[] = {{"a", 0}, {"a.b:80", 0}, {"[::1]:80", 0}, {"", 400}, {"a b", 400}, {"a/b", 400},
		{"a@b", 400}, {"a,b", 400}, {"a\\b", 400}, {"a?b", 400}, {"a#b", 400}};
	struct req *r = make("/", false);

	(void)state;
	assert_int_equal(check(r), 400); /* none */
	r->http10 = true;
	assert_int_equal(check(r), 0);
	with(r, STR("Host"), STR("a"));
	with(r, STR("host"), STR("a"));
	assert_int_equal(check(r), 400); /* two, though equal */
	req_free(r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = make("/", false);
		with(r, STR("Host"), str_c(cases[i].host));
		if (check(r) != cases[i].status)
			fail_msg("'%s'", cases[i].host);
		req_free(r);
	}
}

static void sizes_are_bounded(void **state)
{
	char *big = malloc(SANITIZE_HEADERS_MAX + 1);
	struct req *r;

	(void)state;
	assert_non_null(big);
	memset(big, 'a', SANITIZE_HEADERS_MAX + 1);
	big[0] = '/';
	r = req_new(HTTP_GET, STR("GET"), (struct str){big, SANITIZE_TARGET_MAX + 1});
	with(r, STR("Host"), STR("x"));
	assert_int_equal(check(r), 414);
	req_free(r);
	r = req_new(HTTP_GET, STR("GET"), (struct str){big, SANITIZE_TARGET_MAX});
	with(r, STR("Host"), STR("x"));
	assert_int_equal(check(r), 0);
	with(r, STR("X"), (struct str){big, SANITIZE_HEADERS_MAX - 6});
	assert_int_equal(check(r), 0);
	with(r, STR("Y"), STR("z"));
	assert_int_equal(check(r), 431);
	req_free(r);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_checked),
		cmocka_unit_test(framing_has_one_reading),
		cmocka_unit_test(field_names_and_values_are_checked),
		cmocka_unit_test(there_is_one_plausible_host),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
