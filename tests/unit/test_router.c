/* test_router - tables that are refused, paths that match, paths that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <string.h>

#include "iamd/http/router.h"

static enum iam_err handle(struct req *r, struct resp *out)
{
	(void)r;
	(void)out;
	return IAM_OK;
}

#define ROW(method_, pattern_) {.method = (method_), .pattern = (pattern_), \
	.auth = AUTH_PUBLIC, .guard = GUARD_NONE, .handler = handle, .flags = ROUTE_JSON}

static const struct route table[] = {
	{.method = HTTP_GET, .pattern = "/", .auth = AUTH_PUBLIC, .guard = GUARD_NONE,
		.handler = handle},
	ROW(HTTP_GET, "/users"),
	ROW(HTTP_GET, "/users/{uid}"),
	ROW(HTTP_PUT, "/users/{uid}"),
	ROW(HTTP_DELETE, "/users/{uid}"),
	ROW(HTTP_GET, "/users/{uid}/groups"),
	ROW(HTTP_GET, "/users/special/list"),
	ROW(HTTP_GET, "/acls/{rid}"),
	ROW(HTTP_PUT, "/acls/{rid}/users/{uid}/{action}"),
	ROW(HTTP_GET, "/acls/{rid}/permissions"),
	{.method = HTTP_GET, .pattern = "/any", .auth = AUTH_PUBLIC, .guard = GUARD_NONE,
		.handler = handle, .flags = ROUTE_ANY},
};

struct fixture {
	struct router *rt;
	struct arena *arena;
	struct route_match m;
};

static int setup(void **state)
{
	static struct fixture f;
	struct iam_error err = {.text = ""};

	f.arena = arena_new(4096, 1 << 20);
	if (router_new(table, sizeof(table) / sizeof(table[0]), &f.rt, &err) != IAM_OK)
		fail_msg("%s", err.text);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	router_free(f->rt);
	arena_free(f->arena);
	return 0;
}

static bool match(struct fixture *f, const char *path)
{
	memset(&f->m, 0, sizeof(f->m));
	return router_match(f->rt, str_c(path), f->arena, &f->m);
}

static void paths_find_their_routes(void **state)
{
	static const struct {
		const char *path, *pattern; /* NULL: no match */
		const char *p0, *p1, *p2;
	} cases[] = {
		{"/", "/", NULL, NULL, NULL},
		{"/users", "/users", NULL, NULL, NULL},
		{"/users/", "/users", NULL, NULL, NULL},
		{"/us%65rs", "/users", NULL, NULL, NULL},
		{"/users//", NULL, NULL, NULL, NULL},
		{"//users", NULL, NULL, NULL, NULL},
		{"//", NULL, NULL, NULL, NULL},
		{"/Users", NULL, NULL, NULL, NULL},
		{"users", NULL, NULL, NULL, NULL},
		{"", NULL, NULL, NULL, NULL},
		{"/users/bob", "/users/{uid}", "bob", NULL, NULL},
		{"/users/a%40b.c", "/users/{uid}", "a@b.c", NULL, NULL},
		{"/users/a+b", "/users/{uid}", "a+b", NULL, NULL},
		{"/users/a%0A", "/users/{uid}", "a\n", NULL, NULL},
		{"/users/..", "/users/{uid}", "..", NULL, NULL},
		{"/users/a%2Fb", NULL, NULL, NULL, NULL},
		{"/users/a%2fgroups", NULL, NULL, NULL, NULL},
		{"/users%2Fbob", NULL, NULL, NULL, NULL},
		{"/users/a%252Fb", "/users/{uid}", "a%2Fb", NULL, NULL},
		{"/users/a%00", NULL, NULL, NULL, NULL},
		{"/users/a%FF", NULL, NULL, NULL, NULL},
		{"/users/%", NULL, NULL, NULL, NULL},
		{"/users/%4", NULL, NULL, NULL, NULL},
		{"/users/bob/groups", "/users/{uid}/groups", "bob", NULL, NULL},
		{"/users/bob/nothing", NULL, NULL, NULL, NULL},
		/* the literal wins, and what is not below it falls back to the capture */
		{"/users/special/list", "/users/special/list", NULL, NULL, NULL},
		{"/users/special/groups", "/users/{uid}/groups", "special", NULL, NULL},
		{"/users/special", "/users/{uid}", "special", NULL, NULL},
		{"/acls/svc:a", "/acls/{rid}", "svc:a", NULL, NULL},
		{"/acls/svc%252Fa", "/acls/{rid}", "svc/a", NULL, NULL},
		{"/acls/svc%252fa", "/acls/{rid}", "svc/a", NULL, NULL},
		{"/acls/svc%2Fa", "/acls/{rid}", "svc/a", NULL, NULL},
		{"/acls/svc%2fa%252Fb", "/acls/{rid}", "svc/a/b", NULL, NULL},
		/* three times encoded is not '/' any more */
		{"/acls/svc%25252Fa", "/acls/{rid}", "svc%252Fa", NULL, NULL},
		{"/acls/svc/a", NULL, NULL, NULL, NULL},
		{"/acls/svc%252Fa/users/bob/read", "/acls/{rid}/users/{uid}/{action}", "svc/a",
			"bob", "read"},
		{"/acls/a%2Fpermissions", "/acls/{rid}", "a/permissions", NULL, NULL},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL, NULL, NULL, NULL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *want[] = {cases[i].p0, cases[i].p1, cases[i].p2, NULL};
		const struct route *found = NULL;
		bool matched = match(f, cases[i].path);

		for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++)
			found = f->m.by_method[m] != NULL ? f->m.by_method[m] : found;
		if (matched != (cases[i].pattern != NULL) ||
			(matched && strcmp(found->pattern, cases[i].pattern) != 0))
			fail_msg("'%s' found %s", cases[i].path,
				matched ? found->pattern : "nothing");
		for (unsigned p = 0; p < REQ_PARAMS_MAX; p++)
			if (!str_eq(f->m.params[p], str_c(want[p])))
				fail_msg("'%s' captured '%.*s'", cases[i].path,
					STR_FMT(f->m.params[p]));
	}
}

static void the_allowed_methods_are_listed_in_order(void **state)
{
	struct fixture *f = *state;

	assert_true(match(f, "/users/bob"));
	assert_non_null(f->m.by_method[HTTP_PUT]);
	assert_null(f->m.by_method[HTTP_POST]);
	assert_true(str_eq_c(router_allow(&f->m, true, f->arena), "GET, PUT, DELETE, OPTIONS"));
	assert_true(str_eq_c(router_allow(&f->m, false, f->arena), "GET, PUT, DELETE"));
	assert_true(match(f, "/"));
	assert_true(str_eq_c(router_allow(&f->m, true, f->arena), "GET, HEAD, OPTIONS"));
}

static void a_row_for_any_method_takes_them_all(void **state)
{
	struct fixture *f = *state;

	assert_true(router_match(f->rt, STR("/any"), f->arena, &f->m));
	for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++)
		assert_string_equal(f->m.by_method[m]->pattern, "/any");
}

static void rows_that_say_too_little_refuse_to_start(void **state)
{
	static const struct {
		struct route rows[2];
		unsigned n;
		const char *text;
	} cases[] = {
		{{{.pattern = "/a", .guard = GUARD_NONE, .handler = handle}}, 1,
			"nothing about authentication"},
		{{{.pattern = "/a", .auth = AUTH_PUBLIC, .handler = handle}}, 1, "who may call it"},
		{{{.pattern = "/a", .auth = AUTH_REQUIRED, .guard = GUARD_RID,
			.handler = handle}}, 1, "names none"},
		{{{.pattern = "/a/{uid}", .auth = AUTH_REQUIRED, .guard = GUARD_DELEGATED_ACL,
			.guard_rid = "iam:acls", .handler = handle}}, 1, "has none"},
		{{{.pattern = "/a", .auth = AUTH_PUBLIC, .guard = GUARD_NONE}}, 1, "no handler"},
		{{ROW(HTTP_GET, "a")}, 1, "does not begin"},
		{{ROW(HTTP_GET, "/a//b")}, 1, "empty segment"},
		{{ROW(HTTP_GET, "/a/")}, 1, "ends in"},
		{{ROW(HTTP_GET, "/{a}/{b}/{c}/{d}/{e}")}, 1, "captures too much"},
		{{ROW(HTTP_GET, "/a"), ROW(HTTP_GET, "/a")}, 2, "twice"},
		{{ROW(HTTP_PUT, "/a"), {.method = HTTP_GET, .pattern = "/a", .auth = AUTH_PUBLIC,
			.guard = GUARD_NONE, .handler = handle, .flags = ROUTE_ANY}}, 2, "twice"},
		{{ROW(HTTP_GET, "/a/{uid}"), ROW(HTTP_GET, "/a/{gid}")}, 2, "twice"},
		{{ROW(HTTP_GET, "/a/{uid}"), ROW(HTTP_PUT, "/a/{rid}")}, 2, "clashes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct iam_error err = {.text = ""};
		struct router *rt = NULL;

		assert_int_equal(router_new(cases[i].rows, cases[i].n, &rt, &err), IAM_CONFIG);
		assert_null(rt);
		if (strstr(err.text, cases[i].text) == NULL)
			fail_msg("case %zu: %s", i, err.text);
	}
	router_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_find_their_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_for_any_method_takes_them_all, setup,
			teardown),
		cmocka_unit_test_setup_teardown(the_allowed_methods_are_listed_in_order, setup,
			teardown),
		cmocka_unit_test(rows_that_say_too_little_refuse_to_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
