/* test_req - requests and answers without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <string.h>

#include "iamd/http/resp.h"
#include "iamd/http/router.h"

static struct req *make(const char *target)
{
	struct req *r = req_new(HTTP_GET, STR("GET"), str_c(target));

	assert_non_null(r);
	return r;
}

static void a_target_is_split_at_the_first_question_mark(void **state)
{
	struct req *r = make("/a%2Fb?x=1?2");

	(void)state;
	assert_true(str_eq_c(r->path, "/a%2Fb"));
	assert_true(str_eq_c(r->query, "x=1?2"));
	req_free(r);
	r = make("/a");
	assert_null(r->query.ptr);
	req_free(r);
	r = make("/a?");
	assert_non_null(r->query.ptr);
	assert_int_equal(r->query.len, 0);
	req_free(r);
	req_free(NULL);
}

static void every_request_has_an_id_of_its_own(void **state)
{
	struct req *a = make("/");
	struct req *b = make("/");

	(void)state;
	assert_int_equal(strlen(a->id), 32);
	assert_string_not_equal(a->id, b->id);
	req_free(a);
	req_free(b);
}

static void only_a_trusted_proxys_sane_id_is_taken_over(void **state)
{
	static const struct {
		const char *id;
		bool is_trusted, is_taken;
	} cases[] = {
		{"abc-DEF_123", true, true},
		{"abc-DEF_123", false, false},
		{"short12", true, false},
		{"12345678901234567890123456789012", true, true},
		{"123456789012345678901234567890123", true, false},
		{"abc def ghi", true, false},
		{"abcdefgh\"", true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make("/");

		r->headers[0] = (struct req_header){STR("x-request-id"), str_c(cases[i].id)};
		r->n_headers = 1;
		r->peer_is_trusted = cases[i].is_trusted;
		req_adopt_id(r);
		assert_int_equal(strcmp(r->id, cases[i].id) == 0, cases[i].is_taken);
		req_free(r);
	}
}

static void methods_are_case_sensitive(void **state)
{
	(void)state;
	for (unsigned m = 0; m < HTTP_OTHER; m++)
		assert_int_equal(http_method_parse(str_c(http_method_name((enum http_method)m))), m);
	assert_int_equal(http_method_parse(STR("get")), HTTP_OTHER);
	assert_int_equal(http_method_parse(STR("GETX")), HTTP_OTHER);
	assert_int_equal(http_method_parse(STR("")), HTTP_OTHER);
}

static void headers_are_found_without_regard_to_case(void **state)
{
	struct req *r = make("/");

	(void)state;
	r->headers[0] = (struct req_header){STR("Accept"), STR("a")};
	r->headers[1] = (struct req_header){STR("ACCEPT"), STR("b")};
	r->headers[2] = (struct req_header){STR("Accept-Language"), STR("c")};
	r->n_headers = 3;
	assert_true(str_eq_c(req_header(r, "accept"), "a"));
	assert_int_equal(req_header_count(r, "accept"), 2);
	assert_null(req_header(r, "Host").ptr);
	assert_int_equal(req_header_count(r, "Host"), 0);
	req_free(r);
}

static void captures_are_found_by_the_patterns_names(void **state)
{
	static const struct route route = {.pattern = "/acls/{rid}/users/{uid}/{action}"};
	struct req *r = make("/");

	(void)state;
	assert_null(req_param(r, "uid").ptr);
	r->route = &route;
	r->params[0] = STR("svc:a");
	r->params[1] = STR("alice");
	r->params[2] = STR("read");
	assert_true(str_eq_c(req_param(r, "rid"), "svc:a"));
	assert_true(str_eq_c(req_param(r, "uid"), "alice"));
	assert_true(str_eq_c(req_param(r, "action"), "read"));
	assert_null(req_param(r, "gid").ptr);
	assert_null(req_param(r, "acls").ptr);
	req_free(r);
}

static void query_parameters_are_decoded_once(void **state)
{
	static const struct {
		const char *query, *name, *value; /* value NULL: absent */
		unsigned count;
	} cases[] = {
		{"a=1&b=2", "b", "2", 1},
		{"a=1&b=2", "c", NULL, 0},
		{"a=1&a=2", "a", "1", 2},
		{"a", "a", "", 1},
		{"a=", "a", "", 1},
		{"a=b=c", "a", "b=c", 1},
		{"a=x+y%2Bz", "a", "x y+z", 1},
		{"a=%252F", "a", "%2F", 1},
		{"%61=1", "a", "1", 1},
		{"a=%zz", "a", NULL, 1},
		{"a=%", "a", NULL, 1},
		{"a=%4", "a", NULL, 1},
		{"a=%00", "a", NULL, 1},
		{"a=%ff", "a", NULL, 1},
		{"a=%zz&a=1", "a", NULL, 2},
		{"&&=x&a=1&", "a", "1", 1},
		{"aa=1", "a", NULL, 0},
		{"q=%C3%A9", "q", "\xC3\xA9", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make("/");
		unsigned count = 99;
		struct str value;

		r->query = str_c(cases[i].query);
		value = req_query(r, cases[i].name, &count);
		if (count != cases[i].count || !str_eq(value, str_c(cases[i].value)))
			fail_msg("case %zu: %.*s, %u", i, STR_FMT(value), count);
		assert_true(str_eq(req_query(r, cases[i].name, NULL), value));
		req_free(r);
	}
}

static void a_path_segment_keeps_its_plus(void **state)
{
	struct req *r = make("/");
	struct str s = STR_NONE;

	(void)state;
	assert_int_equal(req_percent_decode(r->arena, STR("a+b%40c"), false, &s), IAM_OK);
	assert_true(str_eq_c(s, "a+b@c"));
	s = STR("untouched");
	assert_int_equal(req_percent_decode(r->arena, STR("a%2"), false, &s), IAM_BAD_REQUEST);
	assert_true(str_eq_c(s, "untouched"));
	req_free(r);
}

static void a_failure_keeps_its_code_and_text(void **state)
{
	struct req *r = make("/");

	(void)state;
	assert_int_equal(req_fail(r, IAM_NO_USER, "user '%s'", "bob"), IAM_NO_USER);
	assert_string_equal(r->error.text, "user 'bob'");
	assert_int_equal(r->error.code, IAM_NO_USER);
	req_free(r);
}

static void an_answers_header_may_not_split_it(void **state)
{
	struct resp out;

	(void)state;
	resp_reset(&out);
	assert_int_equal(resp_header(&out, "X", STR("a\r\nb")), IAM_INTERNAL);
	assert_int_equal(resp_header(&out, "X", STR("a\nb")), IAM_INTERNAL);
	assert_int_equal(resp_header(&out, "X", ((struct str){"a\0b", 3})), IAM_INTERNAL);
	assert_int_equal(resp_header(&out, "X", STR_NONE), IAM_INTERNAL);
	assert_int_equal(out.n_headers, 0);
	for (unsigned i = 0; i < RESP_HEADERS_MAX; i++)
		assert_int_equal(resp_header(&out, "X", STR("y")), IAM_OK);
	assert_int_equal(resp_header(&out, "X", STR("y")), IAM_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_split_at_the_first_question_mark),
		cmocka_unit_test(every_request_has_an_id_of_its_own),
		cmocka_unit_test(only_a_trusted_proxys_sane_id_is_taken_over),
		cmocka_unit_test(methods_are_case_sensitive),
		cmocka_unit_test(headers_are_found_without_regard_to_case),
		cmocka_unit_test(captures_are_found_by_the_patterns_names),
		cmocka_unit_test(query_parameters_are_decoded_once),
		cmocka_unit_test(a_path_segment_keeps_its_plus),
		cmocka_unit_test(a_failure_keeps_its_code_and_text),
		cmocka_unit_test(an_answers_header_may_not_split_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
