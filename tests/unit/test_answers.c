/*
 * test_answers - what was kept is found for an answer that says the same, and for no other; what is
 * forgotten is released.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/http/answers.h"

struct made {
	unsigned *released;
};

static void release(void *value)
{
	struct made *m = value;

	++*m->released;
	free(m);
}

/* Keeps an answer; what stands for the library's. */
static void *keep(const struct resp *out, unsigned *released)
{
	struct made *m = malloc(sizeof(*m));

	assert_non_null(m);
	m->released = released;
	assert_true(answers_keep(out, m, release));
	return m;
}

static struct resp answer(const char *type, const char *name, const char *value,
	const char *body)
{
	struct resp out = {.status = 200, .content_type = type, .body = str_c(body)};

	assert_int_equal(resp_header(&out, name, str_c(value)), IAM_OK);
	return out;
}

static void an_answer_that_says_the_same_is_found(void **state)
{
	unsigned released = 0;
	char body[] = "body";
	struct resp out = answer("text/plain", "A", "b", "body");
	struct resp same = answer("text/plain", "A", "b", body);
	void *made = keep(&out, &released);

	(void)state;
	assert_ptr_equal(answers_find(&same), made);
	same.status = 404; /* not part of it */
	assert_ptr_equal(answers_find(&same), made);
	assert_int_equal(released, 0);
}

/* The first one is kept; texts that join to the same bytes must not be taken for it. */
static void an_answer_that_differs_anywhere_is_not(void **state)
{
	static const char *const others[][4] = {
		{"text/plain", "Name", "value", "bodyx"},
		{"text/plain", "Name", "value", ""},
		{"text/plain", "Name", "valuX", "body"},
		{"text/plain", "NamX", "value", "body"},
		{"text/plai", "nName", "value", "body"},
		{"text/plain", "Namev", "alue", "body"},
		{"text/plain", "Name", "valueb", "ody"},
		{NULL, "Name", "value", "body"},
	};
	unsigned released = 0;
	struct resp out = answer("text/plain", "Name", "value", "body");

	(void)state;
	(void)keep(&out, &released);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct resp other =
			answer(others[i][0], others[i][1], others[i][2], others[i][3]);

		assert_null(answers_find(&other));
	}
	assert_int_equal(resp_header(&out, "Another", STR("")), IAM_OK);
	assert_null(answers_find(&out));
}

static void a_body_like_a_field_is_no_field(void **state)
{
	unsigned released = 0;
	struct resp two = answer("t", "A", "b", "x");
	struct resp one = answer("t", "A", "b", "");
	const char body[] = "C\0d\0\0x";

	(void)state;
	assert_int_equal(resp_header(&two, "C", STR("d")), IAM_OK);
	(void)keep(&two, &released);
	one.body = (struct str){.ptr = body, .len = sizeof(body) - 1};
	assert_null(answers_find(&one));
}

static void what_is_too_long_is_not_kept(void **state)
{
	char body[ANSWER_MAX_BYTES + 1];
	unsigned released = 0;
	struct resp out = answer("t", "A", "b", "");
	struct made m = {.released = &released};

	(void)state;
	memset(body, 'x', sizeof(body));
	out.body = (struct str){.ptr = body, .len = sizeof(body)};
	assert_false(answers_keep(&out, &m, release));
	assert_null(answers_find(&out));
	assert_int_equal(released, 0);
}

static void *keep_many(void *released)
{
	unsigned found = 0;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < 1000; i++) {
			char text[16];
			struct resp out;

			(void)snprintf(text, sizeof(text), "%u", i);
			out = answer("t", "A", text, "");
			if (pass == 0)
				(void)keep(&out, released);
			else
				found += answers_find(&out) != NULL;
		}
	}
	assert_in_range(found, 1, ANSWERS_KEPT);
	assert_int_equal(*(unsigned *)released, 1000 - found);
	return NULL;
}

static void a_thread_keeps_a_few_and_releases_all_with_its_end(void **state)
{
	unsigned released = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, keep_many, &released), 0);
	pthread_join(thread, NULL);
	assert_int_equal(released, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_that_says_the_same_is_found),
		cmocka_unit_test(an_answer_that_differs_anywhere_is_not),
		cmocka_unit_test(a_body_like_a_field_is_no_field),
		cmocka_unit_test(what_is_too_long_is_not_kept),
		cmocka_unit_test(a_thread_keeps_a_few_and_releases_all_with_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
