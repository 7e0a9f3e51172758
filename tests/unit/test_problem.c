/* test_problem - every error has an answer, and what failed inside stays inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "iamd/http/problem.h"

static const char *header(const struct resp *out, const char *name)
{
	for (unsigned i = 0; i < out->n_headers; i++)
		if (str_ieq_c(out->headers[i].name, name))
			return out->headers[i].value.ptr;
	return NULL;
}

static struct req *make(void)
{
	struct req *r = req_new(HTTP_GET, STR("GET"), STR("/"));

	assert_non_null(r);
	return r;
}

static void the_body_is_one_line_in_the_wires_order(void **state)
{
	struct req *r = make();
	struct resp out;

	(void)state;
	resp_reset(&out);
	problem_write(r, req_fail(r, IAM_NO_USER, "User with uid `%s` not known.", "b\"ob"), &out);
	assert_int_equal(out.status, 400);
	assert_true(str_eq_c(out.body, "{\"title\": \"400 Bad Request\", \"description\": "
		"\"User with uid `b\\\"ob` not known.\", \"code\": \"ERR_UNKNOWN_USER_ID\"}"));
	assert_string_equal(out.content_type, "application/json; charset=UTF-8");
	assert_string_equal(header(&out, "Vary"), "Accept");
	req_free(r);
}

static void every_error_has_an_answer(void **state)
{
	(void)state;
	for (int e = IAM_OK + 1; e < IAM_ERR_COUNT; e++) {
		struct req *r = make();
		struct resp out;
		json_t *body;

		resp_reset(&out);
		problem_write(r, (enum iam_err)e, &out);
		assert_int_equal(out.status, problem_status((enum iam_err)e));
		assert_in_range(out.status, 400, 503);
		/* only what the table says may be a 500: a missing row would be one too */
		if (out.status == 500)
			assert_true(e == IAM_IO || e == IAM_INTERNAL || e == IAM_CONFIG);
		if (out.body.len > 0) {
			body = json_loadb(out.body.ptr, out.body.len, 0, NULL);
			assert_string_equal(
				json_string_value(json_object_get(body, "description")),
				iam_err_text((enum iam_err)e));
			json_decref(body);
		}
		req_free(r);
	}
	assert_int_equal(problem_status(IAM_OK), 500);
	assert_int_equal(problem_status((enum iam_err)9999), 500);
}

static void statuses_codes_and_headers_are_the_wires(void **state)
{
	static const struct {
		enum iam_err e;
		unsigned status;
		const char *code, *title; /* code NULL: no member; title NULL: no body */
		const char *challenge;
	} cases[] = {
		{IAM_NOT_ACCEPTABLE, 406, NULL, NULL, NULL},
		{IAM_NO_ROUTE, 404, NULL, NULL, NULL},
		{IAM_BAD_METHOD, 405, NULL, NULL, NULL},
		{IAM_TOO_LARGE, 413, "ERR_TOO_LARGE", "413 Payload Too Large", NULL},
		{IAM_NO_CONTENT_TYPE, 400, NULL, "Bad Request", NULL},
		{IAM_NO_JSON, 400, NULL, "Bad Request", NULL},
		{IAM_BAD_SCHEMA, 400, NULL, "Bad Request", NULL},
		{IAM_BAD_MEDIA_TYPE, 415, NULL, "Unsupported media type", NULL},
		{IAM_BAD_REQUEST, 400, NULL, "400 Bad Request", NULL},
		{IAM_UNAUTHENTICATED, 401, "ERR_UNAUTHENTICATED", "401 Unauthorized", "acsjwt"},
		{IAM_BAD_CREDENTIALS, 401, "ERR_INVALID_CREDENTIALS", "401 Unauthorized", "acsjwt"},
		{IAM_BAD_ID_TOKEN, 401, NULL, "401 Unauthorized", NULL},
		{IAM_FORBIDDEN, 403, "ERR_FORBIDDEN", "403 Forbidden", NULL},
		{IAM_CROSS_SITE, 403, "ERR_CROSS_SITE", "403 Forbidden", NULL},
		{IAM_USER_EXISTS, 409, "ERR_USER_EXISTS", "409 Conflict", NULL},
		{IAM_BAD_DATA, 400, "ERR_INVALID_DATA", "400 Bad Request", NULL},
		{IAM_BAD_UID, 400, "ERR_INVALID_USER_ID", "400 Bad Request", NULL},
		{IAM_MISSING_QUERY, 400, "ERR_MISSING_QUERY_PARAMETERS", "400 Bad Request", NULL},
		{IAM_LAST_SUPERUSER, 400, "ERR_NO_MORE_SUPERUSERS", "400 Bad Request", NULL},
		{IAM_INTERNAL, 500, NULL, "500 Internal Server Error", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct req *r = make();
		struct resp out;
		json_t *body;
		const char *challenge;

		resp_reset(&out);
		problem_write(r, cases[i].e, &out);
		assert_int_equal(out.status, cases[i].status);
		body = json_loadb(out.body.ptr, out.body.len, 0, NULL);
		assert_int_equal(body == NULL, cases[i].title == NULL);
		if (body != NULL)
			assert_string_equal(json_string_value(json_object_get(body, "title")),
				cases[i].title);
		else
			assert_null(out.content_type);
		assert_true(str_eq(str_c(json_string_value(json_object_get(body, "code"))),
			str_c(cases[i].code)));
		challenge = header(&out, "WWW-Authenticate");
		assert_true(str_eq(str_c(challenge), str_c(cases[i].challenge)));
		json_decref(body);
		req_free(r);
	}
}

static void what_failed_inside_is_not_told(void **state)
{
	static const enum iam_err inside[] = {IAM_STORE, IAM_STORE_FULL, IAM_STORE_BUSY,
		IAM_NO_MEMORY, IAM_IO, IAM_INTERNAL, IAM_CONFIG};

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		struct req *r = make();
		struct resp out;

		resp_reset(&out);
		problem_write(r, req_fail(r, inside[i], "/var/lib/secret: %d", 7), &out);
		assert_null(memmem(out.body.ptr, out.body.len, "/var/lib", 8));
		if (out.status == 503)
			assert_non_null(header(&out, "Retry-After"));
		req_free(r);
	}
}

static void a_stale_text_of_another_error_is_not_shown(void **state)
{
	struct req *r = make();
	struct resp out;

	(void)state;
	resp_reset(&out);
	(void)req_fail(r, IAM_NO_USER, "old");
	problem_write(r, IAM_FORBIDDEN, &out);
	assert_non_null(memmem(out.body.ptr, out.body.len, "Not permitted.", 14));
	req_free(r);
}

static void what_was_prepared_is_replaced_but_a_wait_is_kept(void **state)
{
	struct req *r = make();
	struct resp out;

	(void)state;
	resp_reset(&out);
	assert_int_equal(resp_header(&out, "Set-Cookie", STR("a=b")), IAM_OK);
	assert_int_equal(resp_header(&out, "Retry-After", STR("77")), IAM_OK);
	(void)resp_body(&out, 200, "text/plain", STR("x"));
	problem_write(r, IAM_UNAVAILABLE, &out);
	assert_int_equal(out.status, 503);
	assert_null(header(&out, "Set-Cookie"));
	assert_string_equal(header(&out, "Retry-After"), "77");
	req_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_body_is_one_line_in_the_wires_order),
		cmocka_unit_test(every_error_has_an_answer),
		cmocka_unit_test(statuses_codes_and_headers_are_the_wires),
		cmocka_unit_test(what_failed_inside_is_not_told),
		cmocka_unit_test(a_stale_text_of_another_error_is_not_shown),
		cmocka_unit_test(what_was_prepared_is_replaced_but_a_wait_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
