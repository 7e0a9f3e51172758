/* Explanations: which grant, through which groups; deep nesting, cycles, bounds, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "iam/acl.h"
#include "libacl/base/str.h"
#include "libacl/closure.h"
#include "tests/unit/acl_fixture.h"
#include "tests/unit/torture.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* An explanation in one line: "read g on a: x y g", "full u on a", "no grant" ... */
static const char *told(const struct iam_snapshot *s, const char *uid, const char *rid,
	enum iam_action action)
{
	static const char *const denials[] = {
		[IAM_WHY_GRANT] = "?",
		[IAM_WHY_SUPERUSER] = "?",
		[IAM_WHY_NO_GRANT] = "no grant",
		[IAM_WHY_NO_RESOURCE] = "no resource",
		[IAM_WHY_NO_ACTION] = "no action",
	};
	static char text[512];
	struct iam_explanation x;
	int at;

	assert_int_equal(iam_explain(s, str_c(uid), str_c(rid), action, &x), IAM_OK);
	assert_int_equal(x.decision, iam_check(s, str_c(uid), str_c(rid), action));
	if (x.decision == IAM_DENY)
		return denials[x.why];
	assert_int_equal(x.why == IAM_WHY_SUPERUSER,
		str_eq(x.rid, STR(IAM_SUPERUSER_RID)));
	assert_int_equal(x.kind == IAM_SUBJECT_USER, x.n_chain == 0);
	assert_int_equal(x.n_chain, x.chain_len);
	at = snprintf(text, sizeof(text), "%s %.*s on %.*s", iam_action_name(x.action),
		STR_FMT(x.subject_id), STR_FMT(x.rid));
	for (size_t i = 0; i < x.n_chain; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%.*s",
			i == 0 ? ": " : " ", STR_FMT(x.chain[i]));
	return text;
}

static const struct {
	const char *model;
	const char *rid;
	enum iam_action action;
	const char *told; /* to "u" */
} explanations[] = {
	{"ugrant:u:read:a", "a", IAM_READ, "read u on a"},
	{"ugrant:u:full:a", "a", IAM_READ, "full u on a"},
	{"ugrant:u:full:a ugrant:u:read:a", "a", IAM_READ, "read u on a"},
	{"ugrant:u:update:a", "a", IAM_READ, "no grant"},
	{"resource:a member:u@g", "a", IAM_READ, "no grant"},
	{"ugrant:v:read:a", "a", IAM_READ, "no grant"}, /* u is not known */
	{"ugrant:u:read:a", "b", IAM_READ, "no resource"},
	{"ugrant:u:read:a", "a", IAM_ACTION_COUNT, "no action"},
	{"ugrant:u:full:dcos:superuser", "a", IAM_ACTION_COUNT, "no action"},
	{"member:u@g ggrant:g:read:a", "a", IAM_READ, "read g on a: g"},
	{"member:u@g ggrant:g:full:a ugrant:u:read:a", "a", IAM_READ, "read u on a"},
	{"member:u@x nest:x@y nest:y@g ggrant:g:full:a", "a", IAM_READ,
		"full g on a: x y g"},
	{"member:u@x nest:x@y nest:y@g member:u@z nest:z@g ggrant:g:read:a", "a",
		IAM_READ, "read g on a: z g"},
	{"member:u@x nest:x@y nest:y@g nest:x@h ggrant:g:read:a ggrant:h:read:a", "a",
		IAM_READ, "read h on a: x h"},
	{"member:u@x nest:x@y nest:y@x nest:y@y ggrant:y:read:a", "a", IAM_READ,
		"read y on a: x y"},
	{"nest:x@y member:u@y ggrant:x:read:a", "a", IAM_READ, "no grant"},
	{"ugrant:u:delete:dcos:superuser", "never:named", IAM_READ,
		"delete u on dcos:superuser"},
	{"ugrant:u:delete:dcos:superuser ugrant:u:update:dcos:superuser", "a", IAM_UPDATE,
		"update u on dcos:superuser"},
	{"ugrant:u:create:dcos:superuser ugrant:u:read:a", "a", IAM_READ,
		"create u on dcos:superuser"},
	{"member:u@x nest:x@s ggrant:s:full:dcos:superuser", "a", IAM_READ,
		"full s on dcos:superuser: x s"},
	{"member:u@x nest:x@s ggrant:s:full:dcos:superuser", "dcos:superuser", IAM_DELETE,
		"full s on dcos:superuser: x s"},
};

static void the_nearest_grant_and_its_chain_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(explanations); i++) {
		struct iam_snapshot *s = freeze(explanations[i].model);

		assert_string_equal(told(s, "u", explanations[i].rid,
					    explanations[i].action),
			explanations[i].told);
		iam_snapshot_free(s);
	}
}

static void nonsense_is_explained_as_a_denial(void **state)
{
	struct iam_snapshot *s = freeze("ugrant:u:read:a");
	struct iam_explanation x;

	(void)state;
	assert_int_equal(iam_explain(s, STR_NONE, STR("a"), IAM_READ, &x), IAM_OK);
	assert_int_equal(x.why, IAM_WHY_NO_GRANT);
	assert_int_equal(iam_explain(s, STR("u"), STR_NONE, IAM_READ, &x), IAM_OK);
	assert_int_equal(x.why, IAM_WHY_NO_RESOURCE);
	assert_int_equal(iam_explain(s, STR("u"), STR("a"), (enum iam_action)77, &x),
		IAM_OK);
	assert_int_equal(x.why, IAM_WHY_NO_ACTION);
	assert_int_equal(x.decision, IAM_DENY);
	assert_null(x.subject_id.ptr);
	assert_int_equal(x.chain_len, 0);
	iam_snapshot_free(s);
}

static void assert_gid(struct str gid, size_t number)
{
	char expected[24];

	(void)snprintf(expected, sizeof(expected), "%zu", number);
	assert_true(str_eq_c(gid, expected));
}

/* The whole way up `depth` groups, told as far as there is room. */
static void assert_cut_chain(const struct iam_snapshot *s, const char *rid, size_t depth)
{
	struct iam_explanation x;
	size_t n = depth < IAM_CHAIN_MAX ? depth : IAM_CHAIN_MAX;

	assert_int_equal(iam_explain(s, STR("u"), str_c(rid), IAM_READ, &x), IAM_OK);
	assert_int_equal(x.decision, IAM_ALLOW);
	assert_int_equal(x.chain_len, depth);
	assert_int_equal(x.n_chain, n);
	for (size_t i = 0; i + 1 < n; i++)
		assert_gid(x.chain[i], i);
	assert_gid(x.chain[n - 1], depth - 1);
	assert_gid(x.subject_id, depth - 1);
}

static void deep_chains_are_cut_and_counted(void **state)
{
	static const int depths[] = {
		1, 2, 63, 64, 65, 4097, 10000, (int)CLOSURE_MAX_WALK};

	(void)state;
	for (size_t i = 0; i < COUNT(depths); i++)
		for (int cycle = 0; cycle < 2; cycle++) {
			struct iam_snapshot *s = chain(depths[i], cycle == 1, "svc:a");

			assert_cut_chain(s, "svc:a", (size_t)depths[i]);
			assert_string_equal(told(s, "u", "svc:a", IAM_UPDATE),
				"no grant");
			iam_snapshot_free(s);
		}
}

static void what_is_too_deep_to_decide_is_explained_as_decided(void **state)
{
	struct iam_snapshot *s = chain((int)CLOSURE_MAX_WALK + 1, false, "svc:a");

	(void)state;
	assert_string_equal(told(s, "u", "svc:a", IAM_READ), "no grant");
	iam_snapshot_free(s);
	/* Superusers are known at any depth. */
	s = chain(100000, true, IAM_SUPERUSER_RID);
	assert_cut_chain(s, "svc:a", 100000);
	iam_snapshot_free(s);
}

/* The user is in `n` groups, each nested in all the next ones of its row of thirty. */
static struct iam_snapshot *lattice(int n)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	char from[16];
	char to[16];

	for (int i = 0; i < n; i++) {
		(void)snprintf(from, sizeof(from), "%d", i);
		assert_int_equal(iam_model_add_member(m, str_c(from), STR("u")), IAM_OK);
		for (int j = i + 1; j % 30 != 0; j++) {
			(void)snprintf(to, sizeof(to), "%d", j);
			assert_int_equal(iam_model_add_subgroup(m, str_c(to),
						 str_c(from)),
				IAM_OK);
		}
	}
	assert_int_equal(iam_model_add_subgroup(m, STR("top"), str_c(from)), IAM_OK);
	assert_int_equal(iam_model_add_grant(m, STR("a"), IAM_SUBJECT_GROUP, STR("top"),
				 IAM_FULL),
		IAM_OK);
	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

static void many_own_groups_are_searched_once_each(void **state)
{
	struct iam_snapshot *s = lattice(12000);

	(void)state;
	assert_string_equal(told(s, "u", "a", IAM_READ), "full top on a: 11999 top");
	iam_snapshot_free(s);
}

static void every_failing_allocation_is_reported_and_the_output_untouched(void **state)
{
	struct iam_snapshot *s = chain(10000, true, "svc:a");
	struct iam_explanation x = {.chain_len = 77};
	enum iam_err e = IAM_NO_MEMORY;
	size_t n = 0;

	(void)state;
	while (e != IAM_OK) {
		assert_int_equal(x.chain_len, 77);
		torture_at(++n);
		e = iam_explain(s, STR("u"), STR("svc:a"), IAM_READ, &x);
		assert_true(e == IAM_OK || e == IAM_NO_MEMORY);
	}
	torture_off();
	assert_true(n > 10);
	assert_int_equal(x.chain_len, 10000);
	iam_snapshot_free(s);
}

static void what_needs_no_walk_needs_no_memory(void **state)
{
	struct iam_snapshot *s = freeze("ugrant:u:read:a member:u@g");

	(void)state;
	torture_at(1);
	assert_string_equal(told(s, "u", "a", IAM_READ), "read u on a");
	assert_string_equal(told(s, "u", "a", IAM_UPDATE), "no grant");
	assert_string_equal(told(s, "u", "b", IAM_READ), "no resource");
	assert_int_equal(torture_left, 1);
	torture_off();
	iam_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_grant_and_its_chain_are_told),
		cmocka_unit_test(nonsense_is_explained_as_a_denial),
		cmocka_unit_test(deep_chains_are_cut_and_counted),
		cmocka_unit_test(what_is_too_deep_to_decide_is_explained_as_decided),
		cmocka_unit_test(many_own_groups_are_searched_once_each),
		cmocka_unit_test(
			every_failing_allocation_is_reported_and_the_output_untouched),
		cmocka_unit_test(what_needs_no_walk_needs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
