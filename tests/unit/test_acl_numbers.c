/* Numbers of removed ids are used again: nothing of the former id is left, memory does not grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/model/pages.h"
#include "tests/unit/acl_fixture.h"

static struct iam_snapshot *replace(struct iam_snapshot *s, const char *text)
{
	struct iam_retired *retired;
	struct iam_snapshot *next = edit(s, text, &retired);

	iam_retired_free(retired);
	return next;
}

/* Each round everything is new, has rights in every way there is, and goes again. */
static void ids_that_come_and_go_take_no_more_memory(void **state)
{
	struct iam_snapshot *s = freeze("member:keep@staff ggrant:staff:read:shared");
	char come[512];
	char uid[32];
	char rid[32];
	size_t early = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(uid, sizeof(uid), "user-%d", i);
		(void)snprintf(rid, sizeof(rid), "resource-%d", i);
		(void)snprintf(come, sizeof(come), "group:b%d member:user-%d@a%d", i, i,
			i);
		s = replace(s, come);
		assert_false(allowed(s, uid, "shared", IAM_READ));
		assert_false(iam_is_superuser(s, str_c(uid)));
		(void)snprintf(come, sizeof(come),
			"nest:a%d@staff nest:b%d@a%d ggrant:a%d:full:resource-%d "
			"ugrant:user-%d:read:alone-%d ggrant:b%d:read:dcos:superuser "
			"member:boss-%d@b%d",
			i, i, i, i, i, i, i, i, i, i);
		s = replace(s, come);
		assert_true(allowed(s, uid, "shared", IAM_READ));
		assert_true(allowed(s, uid, rid, IAM_DELETE));
		assert_false(iam_is_superuser(s, str_c(uid)));
		(void)snprintf(come, sizeof(come),
			"-user:user-%d -user:boss-%d -group:a%d -group:b%d "
			"-resource:resource-%d -resource:alone-%d%s",
			i, i, i, i, i, i, i % 2 == 0 ? " -resource:dcos:superuser" : "");
		s = replace(s, come);
		assert_false(allowed(s, uid, "shared", IAM_READ));
		assert_false(allowed(s, uid, rid, IAM_DELETE));
		assert_false(iam_knows_resource(s, str_c(rid)));
		assert_true(allowed(s, "keep", "shared", IAM_READ));
		assert_true(pages_agree(s));
		if (i == 10)
			early = pool_used(s->pool);
	}
	assert_true(s->users.count <= 3 && s->groups.count <= 3);
	assert_true(s->resources.count <= 4);
	assert_true(pool_used(s->pool) <= early);
	iam_snapshot_free(s);
}

/* A set too large for its record, gone, and its number somebody else's, all in one edit. */
static void a_number_used_again_in_the_same_edit_is_clean(void **state)
{
	struct iam_snapshot *s = freeze("member:u@old ggrant:old:read:dcos:superuser");
	uint32_t number = record_number(find_group(s, STR("old")));
	char word[64];

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(word, sizeof(word), "nest:old@c%d ggrant:c%d:read:r", i,
			i);
		s = replace(s, word);
	}
	assert_int_equal(s->set_ids, 41);
	s = replace(s, "-group:old member:v@new");
	assert_int_equal(record_number(find_group(s, STR("new"))), number);
	assert_int_equal(s->set_ids, 0);
	assert_int_equal(group_at(s, number)->set_len, 1);
	assert_false(iam_is_superuser(s, STR("u")) || iam_is_superuser(s, STR("v")));
	assert_false(allowed(s, "u", "r", IAM_READ) || allowed(s, "v", "r", IAM_READ));
	s = replace(s, "nest:new@c7");
	assert_true(allowed(s, "v", "r", IAM_READ));
	assert_false(allowed(s, "u", "r", IAM_READ));
	assert_true(pages_agree(s));
	iam_snapshot_free(s);
}

/* Who reads the version before sees the former id, whoever has its number now. */
static void an_older_version_keeps_its_ids(void **state)
{
	struct iam_snapshot *before = freeze("member:u@g ggrant:g:read:a");
	struct iam_retired *retired;
	struct iam_snapshot *after = edit(before,
		"-user:u -group:g -resource:a member:w@h ggrant:h:full:b", &retired);

	(void)state;
	assert_true(allowed(before, "u", "a", IAM_READ));
	assert_false(allowed(before, "w", "b", IAM_READ));
	assert_false(allowed(after, "u", "a", IAM_READ));
	assert_true(allowed(after, "w", "b", IAM_READ));
	assert_int_equal(record_number(find_user(after, STR("w"))),
		record_number(find_user(before, STR("u"))));
	iam_edit_undo(after, retired);
	assert_true(allowed(before, "u", "a", IAM_READ));
	assert_true(pages_agree(before));
	after = edit(before, "member:x@g", &retired);
	assert_true(allowed(after, "u", "a", IAM_READ));
	assert_true(allowed(after, "x", "a", IAM_READ));
	iam_retired_free(retired);
	assert_true(pages_agree(after));
	iam_snapshot_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_that_come_and_go_take_no_more_memory),
		cmocka_unit_test(a_number_used_again_in_the_same_edit_is_clean),
		cmocka_unit_test(an_older_version_keeps_its_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
