/* test_path_map - which resource protects a path, and which paths are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iamd/authz/path_map.h"
#include "libacl/base/str.h"

/* ACLs of a test, a list that ends with NULL. */
static bool is_listed(struct str rid, void *ctx)
{
	for (const char *const *known = ctx; known != NULL && *known != NULL; known++)
		if (str_eq_c(rid, *known))
			return true;
	return false;
}

static struct path_map *parse(const char *text)
{
	struct path_map *m = NULL;
	struct iam_error err = {IAM_OK, ""};

	if (path_map_parse(str_c(text), "map", &m, &err) != IAM_OK)
		fail_msg("%s", err.text);
	return m;
}

/* The rid, or why there is none. */
static const char *look_up(const struct path_map *m, const char *target,
	const char *const *known, enum iam_action *ret_action)
{
	static char rid[16384];
	struct arena *a = arena_new(1024, 1 << 20);
	struct path_target found = {STR_NONE, IAM_FULL};
	struct str path;
	enum path_result result = path_decode(str_c(target), a, &path);

	if (result == PATH_OK)
		result = path_map_find(m, path, a, is_listed, (void *)(uintptr_t)known,
			&found);
	memset(rid, 0, sizeof(rid));
	if (result == PATH_OK)
		memcpy(rid, found.rid.ptr, found.rid.len);
	if (ret_action != NULL)
		*ret_action = found.action;
	arena_free(a);
	switch (result) {
	case PATH_OK:
		return rid;
	case PATH_AMBIGUOUS:
		return "ambiguous";
	case PATH_TOO_LONG:
		return "too long";
	case PATH_UNMAPPED:
		return "unmapped";
	case PATH_NO_MEMORY:
		break;
	}
	return "no memory";
}

#define OPS "dcos:adminrouter:ops:"

static void built_in_table_has_the_paths_of_a_router(void **state)
{
	static const struct {
		const char *target, *rid;
	} rows[] = {
		{"/acs/api/v1", "dcos:adminrouter:acs"},
		{"/acs/api/v1/users/x", "dcos:adminrouter:acs"},
		{"/acs/acl-schema.json", "dcos:adminrouter:acs"},
		{"/acs/api/v10", "unmapped"},
		{"/acs", "unmapped"},
		{"/agent/S0/x", OPS "slave"},
		{"/slave/S0/x", OPS "slave"},
		{"/ca/api/v2/info", OPS "ca:ro"},
		{"/ca/api/v2/bundle", OPS "ca:ro"},
		{"/ca/api/v2/certificates", OPS "ca:ro"},
		{"/ca/api/v2/newcert", OPS "ca:rw"},
		{"/ca/api/v2/newkey", OPS "ca:rw"},
		{"/ca/api/v2/sign", OPS "ca:rw"},
		{"/ca/api/v2", "unmapped"},
		{"/capabilities", "dcos:adminrouter:capabilities"},
		{"/cluster/v1/links/x", OPS "cluster-link"},
		{"/cockroachdb/", OPS "cockroachdb"},
		{"/cosmos/service/x", "dcos:adminrouter:package"},
		{"/dcos-metadata/bootstrap-config.json", OPS "metadata"},
		{"/dcos-metadata/ui-config.json", "unmapped"},
		{"/dcos-ui-update-service/api", OPS "dcos-ui-update-service"},
		{"/exhibitor/", OPS "exhibitor"},
		{"/licensing/v1", "dcos:adminrouter:licensing"},
		{"/mesos", OPS "mesos"},
		{"/mesos/", OPS "mesos"},
		{"/mesos/master/state", OPS "mesos"},
		{"/mesosx", "unmapped"},
		{"/mesos_dns/v1", OPS "mesos-dns"},
		{"/metadata", OPS "metadata"},
		{"/net/v1", OPS "networking"},
		{"/networking/api/v1/vips", OPS "networking"},
		{"/package/describe", "dcos:adminrouter:package"},
		{"/pkgpanda/active.buildinfo.full.json", OPS "metadata"},
		{"/system/health/v1/units", OPS "system-health"},
		{"/system/v1/agent/S0/logs", "dcos:adminrouter:system:agent"},
		{"/system/v1/backup/x", OPS "system-backup"},
		{"/system/v1/logs/v1", OPS "system-logs"},
		{"/system/v1/metrics/v0", OPS "system-metrics"},
		{"/system/v1", "unmapped"},
		{"/", "unmapped"},
		{"/Mesos", "unmapped"},
		{"/mesos?x=/../../service", OPS "mesos"},
		{"/mesos%2fx", "ambiguous"},
		{"/%6desos/x", OPS "mesos"},
		{"/service/app", "dcos:adminrouter:service:app"},
		{"/service", "unmapped"},
		{"/service/", "unmapped"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum iam_action action = IAM_READ;

		assert_string_equal(look_up(NULL, rows[i].target, NULL, &action),
			rows[i].rid);
		assert_int_equal(action, IAM_FULL);
	}
}

static void what_two_readers_could_take_for_two_paths_is_refused(void **state)
{
	static const char *const targets[] = {"", "mesos", "*", "http://h/mesos", "?x",
		"//mesos", "/mesos//x", "/mesos//", "//", "/.", "/..", "/./",
		"/mesos/./x", "/mesos/../x", "/mesos/..", "/mesos/.", "/mesos/%2e%2e/x",
		"/mesos/%2E%2e", "/mesos/.%2e/x", "/mesos/%2e/x", "/mesos/..%2fx",
		"/mesos%2fx", "/mesos/%2Fx", "/mesos/%5cx", "/mesos/\\x", "/mesos\\..\\x",
		"/mesos;x", "/mesos/..;/x", "/mesos/%3bx", "/mesos/%00", "/mesos/%0a",
		"/mesos/%0d%0a", "/mesos/%1f", "/mesos/%7f", "/mesos/\x01", "/mesos/\x7f",
		"/mesos/ x", "/mesos/x#y", "/mesos/%", "/mesos/%2", "/mesos/%zz",
		"/mesos/%u002f", "/mesos/%c0%ae", "/mesos/%c0%af", "/mesos/%ff",
		"/mesos/\xff", "/mesos/%ed%a0%80", "/mesos/%c2%80", "/mesos/%e2%82"};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		assert_string_equal(look_up(NULL, targets[i], NULL, NULL), "ambiguous");
}

static void what_only_looks_odd_is_a_path(void **state)
{
	static const char *const targets[] = {"/mesos/...", "/mesos/..x", "/mesos/.x",
		"/mesos/x.", "/mesos/%20", "/mesos/%23", "/mesos/%3f",
		"/mesos/%252e%252e", "/mesos/%252F", "/mesos/a%25b", "/mesos/\xc3\xbc",
		"/mesos/%c3%bc", "/mesos/a:b@c", "/mesos/a,b=c&d+e~f!$'()*",
		"/mesos/a?//../;\\#%", "/mesos/%c2%a0"};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		assert_string_equal(look_up(NULL, targets[i], NULL, NULL), OPS "mesos");
}

static void path_has_a_largest_size(void **state)
{
	static char target[PATH_MAX_BYTES + 2];

	(void)state;
	memset(target, 'a', sizeof(target) - 1);
	memcpy(target, "/mesos/", 7);
	assert_string_equal(look_up(NULL, target, NULL, NULL), "too long");
	target[PATH_MAX_BYTES] = '\0';
	assert_string_equal(look_up(NULL, target, NULL, NULL), OPS "mesos");
}

/* What look_up() says of "/mesos", more segments to `n` of them, and a tail. */
static const char *look_up_deep(unsigned n, const char *tail)
{
	struct arena *a = arena_new(1024, 1 << 16);
	const char *result;
	struct sb sb;

	sb_init(&sb, a, 4096);
	sb_add_c(&sb, "/mesos");
	for (unsigned i = 1; i < n; i++)
		sb_add_c(&sb, "/x");
	sb_add_c(&sb, tail);
	result = look_up(NULL, sb_str(&sb).ptr, NULL, NULL);
	arena_free(a);
	return result;
}

static void path_has_a_largest_depth(void **state)
{
	(void)state;
	assert_string_equal(look_up_deep(PATH_MAX_SEGMENTS, ""), OPS "mesos");
	assert_string_equal(look_up_deep(PATH_MAX_SEGMENTS, "/"), OPS "mesos");
	assert_string_equal(look_up_deep(PATH_MAX_SEGMENTS, "/x"), "too long");
}

#define SERVICE "dcos:adminrouter:service:"

static void service_is_the_longest_run_with_an_acl_else_the_first_segment(void **state)
{
	static const char *const known[] = {
		SERVICE "a", SERVICE "g/b", SERVICE "g/b/c", SERVICE "x/y", NULL};
	static const struct {
		const char *target, *rid;
	} rows[] = {
		{"/service/a", SERVICE "a"},
		{"/service/a/", SERVICE "a"},
		{"/service/a/b/c", SERVICE "a"},
		{"/service/g/b", SERVICE "g/b"},
		{"/service/g/b/", SERVICE "g/b"},
		{"/service/g/b/c", SERVICE "g/b/c"},
		{"/service/g/b/c/d/e?f", SERVICE "g/b/c"},
		{"/service/g/b/cc", SERVICE "g/b"},
		{"/service/g/bb", SERVICE "g"},
		{"/service/g", SERVICE "g"},
		{"/service/x", SERVICE "x"},
		{"/service/x/z/y", SERVICE "x"},
		{"/service/unknown/b", SERVICE "unknown"},
		{"/service/%61/b", SERVICE "a"},
		{"/service/g%2fb", "ambiguous"},
		{"/service/g/../a", "ambiguous"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(look_up(NULL, rows[i].target, known, NULL),
			rows[i].rid);
}

static void longest_prefix_of_whole_segments_wins(void **state)
{
	struct path_map *m = parse("# a comment\n\n"
				   "/b svc:b read\r\n"
				   "  /b/c/d\tsvc:bcd  \t update  \n"
				   "/b/c/ svc:bc\n"
				   "/s/x svc:{service} delete\n"
				   "/ svc:rest create");
	static const struct {
		const char *target, *rid;
		enum iam_action action;
	} rows[] = {
		{"/b", "svc:b", IAM_READ},
		{"/b/x", "svc:b", IAM_READ},
		{"/bb", "svc:rest", IAM_CREATE},
		{"/b/c", "svc:bc", IAM_FULL},
		{"/b/c/", "svc:bc", IAM_FULL},
		{"/b/c/dd", "svc:bc", IAM_FULL},
		{"/b/c/d", "svc:bcd", IAM_UPDATE},
		{"/b/c/d/e", "svc:bcd", IAM_UPDATE},
		{"/", "svc:rest", IAM_CREATE},
		{"/x", "svc:rest", IAM_CREATE},
		{"/s", "svc:rest", IAM_CREATE},
		{"/s/x/y/z", "svc:y", IAM_DELETE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum iam_action action = IAM_FULL;

		assert_string_equal(look_up(m, rows[i].target, NULL, &action),
			rows[i].rid);
		assert_int_equal(action, rows[i].action);
	}
	/* a service row without a service is no fall-back to a shorter prefix */
	assert_string_equal(look_up(m, "/s/x", NULL, NULL), "unmapped");
	path_map_free(m);
}

static void empty_table_maps_nothing(void **state)
{
	struct path_map *m = parse("# nothing\n");

	(void)state;
	assert_string_equal(look_up(m, "/mesos", NULL, NULL), "unmapped");
	path_map_free(m);
	path_map_free(NULL);
}

static void mistakes_name_their_line(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"/a", "map:1: expected PATH-PREFIX RID [ACTION]"},
		{"\n\n/a  ", "map:3: expected PATH-PREFIX RID [ACTION]"},
		{"a svc:a", "map:1: expected a path that begins with '/'"},
		{"/a//b svc:a", "map:1: expected a path"},
		{"/a/../b svc:a", "map:1: expected a path"},
		{"/a;b svc:a", "map:1: expected a path"},
		{"/a%20b svc:a", "map:1: a path is written as it is"},
		{"/a?b svc:a", "map:1: a path has no query"},
		{"/a\xff svc:a", "map:1: expected a path"},
		{"/a /svc", "map:1: the second word is no resource id"},
		{"/a svc%a", "map:1: the second word is no resource id"},
		{"/a /{service}", "map:1: the second word is no resource id"},
		{"/a svc:a fly", "map:1: the action is none of create"},
		{"/a svc:a FULL", "map:1: the action is none of create"},
		{"/a svc:a full more", "map:1: there is more than"},
		{"/a svc:a\n/b svc:b\n/a/ svc:c",
			"map:3: the path stands in line 1 already"},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17 svc:a",
			"map:1: the path has more than 16 segments"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iam_error err = {IAM_OK, ""};
		struct path_map *m = NULL;

		assert_int_equal(path_map_parse(str_c(rows[i].text), "map", &m, &err),
			IAM_CONFIG);
		assert_null(m);
		if (strncmp(err.text, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("'%s' is not '%s'", err.text, rows[i].why);
	}
}

static void table_has_a_largest_size(void **state)
{
	struct arena *a = arena_new(4096, 1 << 22);
	struct iam_error err = {IAM_OK, ""};
	struct path_map *m;
	struct sb sb;

	(void)state;
	sb_init(&sb, a, 1 << 20);
	for (unsigned i = 0; i < PATH_MAP_MAX_ROWS; i++)
		sb_addf(&sb, "/p%u svc:%u\n", i, i);
	m = parse(sb_str(&sb).ptr);
	assert_string_equal(look_up(m, "/p4095/x", NULL, NULL), "svc:4095");
	assert_string_equal(look_up(m, "/p0", NULL, NULL), "svc:0");
	path_map_free(m);
	sb_add_c(&sb, "/more svc:more\n");
	assert_int_equal(path_map_parse(sb_str(&sb), "map", &m, &err), IAM_CONFIG);
	assert_string_equal(err.text, "map:4097: there are more than 4096 rows");
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in_table_has_the_paths_of_a_router),
		cmocka_unit_test(what_two_readers_could_take_for_two_paths_is_refused),
		cmocka_unit_test(what_only_looks_odd_is_a_path),
		cmocka_unit_test(path_has_a_largest_size),
		cmocka_unit_test(path_has_a_largest_depth),
		cmocka_unit_test(
			service_is_the_longest_run_with_an_acl_else_the_first_segment),
		cmocka_unit_test(longest_prefix_of_whole_segments_wins),
		cmocka_unit_test(empty_table_maps_nothing),
		cmocka_unit_test(mistakes_name_their_line),
		cmocka_unit_test(table_has_a_largest_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
