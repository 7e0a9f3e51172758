/* Edits: each change, undone and aborted ones, their cost, deep nesting, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "libacl/closure.h"
#include "tests/model/pages.h"
#include "tests/model/world.h"
#include "tests/unit/acl_fixture.h"
#include "tests/unit/torture.h"

/* Pages are cut from large regions: here every page may fail. The names are the linker's. */
/* NOLINTBEGIN(readability-identifier-naming) */
void *__real_pool_take(struct pool *p);
void *__wrap_pool_take(struct pool *p);
/* NOLINTEND(readability-identifier-naming) */

void *__wrap_pool_take(struct pool *p)
{
	return torture_hits() ? NULL : __real_pool_take(p);
}

static const struct {
	const char *name;
	const char *model;
	const char *edit;
	const char *uid;
	const char *rid;
	enum iam_action action;
	bool before;
	bool after;
} edits[] = {
	{"nothing", "ugrant:u:read:a", "", "u", "a", IAM_READ, true, true},
	{"a grant to a new user", "", "ugrant:u:read:a", "u", "a", IAM_READ, false, true},
	{"one more action", "ugrant:u:read:a", "ugrant:u:update:a", "u", "a", IAM_UPDATE,
		false, true},
	{"the other action stays", "ugrant:u:read:a ugrant:u:update:a",
		"-ugrant:u:read:a", "u", "a", IAM_UPDATE, true, true},
	{"a grant is taken", "ugrant:u:read:a", "-ugrant:u:read:a", "u", "a", IAM_READ,
		true, false},
	{"a grant that is not there", "ugrant:u:read:a",
		"-ugrant:u:full:a -ggrant:u:read:a -ugrant:v:read:a -ugrant:u:read:b",
		"u", "a", IAM_READ, true, true},
	{"taken and given", "ugrant:u:read:a", "-ugrant:u:read:a ugrant:u:read:a", "u",
		"a", IAM_READ, true, true},
	{"joins", "ggrant:g:read:a", "member:u@g", "u", "a", IAM_READ, false, true},
	{"leaves", "member:u@g ggrant:g:read:a", "-member:u@g", "u", "a", IAM_READ, true,
		false},
	{"leaves one of two", "member:u@g member:u@h ggrant:h:read:a", "-member:u@g", "u",
		"a", IAM_READ, true, true},
	{"a group's grant", "member:u@g", "ggrant:g:full:a", "u", "a", IAM_READ, false,
		true},
	{"nested", "member:u@s ggrant:g:read:a", "nest:s@g", "u", "a", IAM_READ, false,
		true},
	{"nested twice over", "member:u@r nest:s@g ggrant:g:read:a", "nest:r@s", "u", "a",
		IAM_READ, false, true},
	{"nested above", "member:u@r nest:r@s ggrant:g:read:a", "nest:s@g", "u", "a",
		IAM_READ, false, true},
	{"nested no more", "member:u@r nest:r@s nest:s@g ggrant:g:read:a", "-nest:s@g",
		"u", "a", IAM_READ, true, false},
	{"one of two ways",
		"member:u@r nest:r@s nest:r@t nest:s@g nest:t@g ggrant:g:read:a",
		"-nest:s@g", "u", "a", IAM_READ, true, true},
	{"a cycle closes", "member:u@1 nest:2@3 nest:3@1 ggrant:3:read:a", "nest:1@2",
		"u", "a", IAM_READ, false, true},
	{"a cycle opens", "member:u@1 nest:1@2 nest:2@3 nest:3@1 ggrant:3:read:a",
		"-nest:2@3", "u", "a", IAM_READ, true, false},
	{"a cycle alone is left", "member:u@1 nest:1@2 nest:2@1 nest:2@3 ggrant:3:read:a",
		"-nest:2@3", "u", "a", IAM_READ, true, false},
	{"superuser", "member:u@s nest:s@g", "ggrant:g:read:dcos:superuser", "u", "x",
		IAM_READ, false, true},
	{"superuser no more", "member:u@s nest:s@g ggrant:g:read:dcos:superuser",
		"-ggrant:g:read:dcos:superuser", "u", "x", IAM_READ, true, false},
	{"superuser by another action", "ugrant:u:read:dcos:superuser",
		"ugrant:u:full:dcos:superuser -ugrant:u:read:dcos:superuser", "u", "x",
		IAM_READ, true, true},
	{"superuser in a cycle no more",
		"member:u@1 nest:1@2 nest:2@1 nest:2@3 ggrant:3:full:dcos:superuser",
		"-nest:2@3", "u", "x", IAM_READ, true, false},
	{"a user goes", "member:u@g ggrant:g:read:a ugrant:u:read:a", "-user:u", "u", "a",
		IAM_READ, true, false},
	{"a user comes back without rights", "ugrant:u:read:a",
		"-user:u member:u@g ugrant:u:read:b", "u", "a", IAM_READ, true, false},
	{"a group goes", "member:u@s nest:s@g ggrant:g:read:a", "-group:g", "u", "a",
		IAM_READ, true, false},
	{"a group in between goes", "member:u@r nest:r@s nest:s@g ggrant:g:read:a",
		"-group:s group:s", "u", "a", IAM_READ, true, false},
	{"a resource goes", "ugrant:u:read:a", "-resource:a", "u", "a", IAM_READ, true,
		false},
	{"a resource comes back without grants", "ugrant:u:read:a",
		"-resource:a resource:a", "u", "a", IAM_READ, true, false},
	{"the superuser resource goes", "member:u@g ggrant:g:full:dcos:superuser",
		"-resource:dcos:superuser", "u", "x", IAM_READ, true, false},
	{"another resource goes", "ugrant:u:read:a ugrant:u:read:b", "-resource:b", "u",
		"a", IAM_READ, true, true},
};

static void every_change_does_what_it_says_and_leaves_the_base(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(*edits); i++) {
		struct iam_snapshot *base = freeze(edits[i].model);
		struct iam_retired *retired;
		struct iam_snapshot *next = edit(base, edits[i].edit, &retired);

		if (allowed(next, edits[i].uid, edits[i].rid, edits[i].action) !=
				edits[i].after ||
			allowed(base, edits[i].uid, edits[i].rid, edits[i].action) !=
				edits[i].before)
			fail_msg("%s", edits[i].name);
		iam_retired_free(retired);
		assert_true(pages_agree(next));
		iam_snapshot_free(next);
	}
}

static void an_undone_edit_leaves_no_trace(void **state)
{
	struct iam_snapshot *base = freeze("member:u@g ggrant:g:read:a");
	struct iam_snapshot_stats before;
	struct iam_snapshot_stats after;
	struct iam_retired *retired;
	struct iam_snapshot *next;
	struct iam_edit *e;

	(void)state;
	iam_snapshot_stats(base, &before);
	for (int i = 0; i < 3; i++) {
		next = edit(base, "-member:u@g -resource:a member:v@h nest:h@g",
			&retired);
		assert_false(allowed(next, "u", "a", IAM_READ));
		assert_true(iam_retired_bytes(retired) > PAGE_BYTES);
		iam_edit_undo(next, retired);
		assert_int_equal(iam_edit_begin(base, &e), IAM_OK);
		assert_int_equal(iam_edit_remove_user(e, STR("u")), IAM_OK);
		iam_edit_abort(e);
	}
	iam_edit_abort(NULL);
	iam_retired_free(NULL);
	iam_snapshot_stats(base, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(pages_agree(base));
	assert_true(allowed(base, "u", "a", IAM_READ));
	assert_true(iam_knows_resource(base, STR("a")));
	/* It is still the newest one. */
	next = edit(base, "ugrant:w:read:a", &retired);
	assert_true(allowed(next, "w", "a", IAM_READ));
	iam_retired_free(retired);
	iam_snapshot_free(next);
}

static void bad_ids_are_named_and_change_nothing(void **state)
{
	struct iam_snapshot *base = freeze("ugrant:u:read:a");
	struct str u = STR("u");
	struct str g = STR("g");
	struct iam_edit *e;

	(void)state;
	assert_int_equal(iam_edit_begin(base, &e), IAM_OK);
	assert_int_equal(iam_edit_add_group(e, STR("..")), IAM_BAD_GID);
	assert_int_equal(iam_edit_add_resource(e, STR_NONE), IAM_BAD_RID);
	assert_int_equal(iam_edit_add_member(e, STR("a b"), u), IAM_BAD_GID);
	assert_int_equal(iam_edit_add_member(e, g, STR("anonymous")), IAM_BAD_UID);
	assert_int_equal(iam_edit_remove_member(e, STR(""), u), IAM_BAD_GID);
	assert_int_equal(iam_edit_remove_member(e, g, STR("")), IAM_BAD_UID);
	assert_int_equal(iam_edit_add_subgroup(e, g, STR("%")), IAM_BAD_GID);
	assert_int_equal(iam_edit_remove_subgroup(e, STR("%"), g), IAM_BAD_GID);
	assert_int_equal(iam_edit_add_grant(e, STR("a b"), IAM_SUBJECT_USER, u, IAM_READ),
		IAM_BAD_RID);
	assert_int_equal(iam_edit_add_grant(e, STR("a"), IAM_SUBJECT_GROUP, STR("/"),
				 IAM_READ),
		IAM_BAD_GID);
	assert_int_equal(iam_edit_remove_grant(e, STR("/a"), IAM_SUBJECT_USER, u,
				 IAM_READ),
		IAM_BAD_RID);
	assert_int_equal(iam_edit_remove_grant(e, STR("a"), IAM_SUBJECT_USER, STR("/"),
				 IAM_READ),
		IAM_BAD_UID);
	assert_int_equal(iam_edit_remove_user(e, STR("a\n")), IAM_BAD_UID);
	assert_int_equal(iam_edit_remove_group(e, STR_NONE), IAM_BAD_GID);
	assert_int_equal(iam_edit_remove_resource(e, STR("")), IAM_BAD_RID);
	iam_edit_abort(e);
	assert_true(pages_agree(base));
	iam_snapshot_free(base);
}

/* An id of the greatest length, ending in a number. */
static struct str long_id(char buf[IAM_RID_MAX_BYTES + 1], size_t len, int number)
{
	memset(buf, 'x', len);
	for (size_t i = 1; i <= 4; i++, number /= 10)
		buf[len - i] = (char)('0' + number % 10);
	buf[len] = '\0';
	return (struct str){.ptr = buf, .len = len};
}

static void ids_of_every_length_are_kept_apart(void **state)
{
	struct iam_snapshot *s = freeze("");
	char u[IAM_RID_MAX_BYTES + 1];
	char r[IAM_RID_MAX_BYTES + 1];
	static const size_t lengths[] = {23, 24, 25, 51, 52, 53, 60, 61, 96};

	(void)state;
	for (int i = 0; i < 200; i++) {
		size_t len = lengths[(size_t)i % (sizeof(lengths) / sizeof(*lengths))];
		struct str rid = long_id(r, i % 2 == 0 ? len : IAM_RID_MAX_BYTES, i);
		struct iam_retired *retired;
		struct iam_edit *e;

		assert_int_equal(iam_edit_begin(s, &e), IAM_OK);
		assert_int_equal(iam_edit_add_grant(e, rid, IAM_SUBJECT_USER,
					 long_id(u, len, i), IAM_READ),
			IAM_OK);
		assert_int_equal(iam_edit_finish(e, &s, &retired), IAM_OK);
		if (i % 3 == 0) { /* long ids are written over when an edit is undone */
			struct iam_retired *again;
			struct iam_snapshot *undone;

			assert_int_equal(iam_edit_begin(s, &e), IAM_OK);
			assert_int_equal(iam_edit_add_resource(e,
						 long_id(u, IAM_RID_MAX_BYTES, 9999)),
				IAM_OK);
			assert_int_equal(iam_edit_finish(e, &undone, &again), IAM_OK);
			iam_edit_undo(undone, again);
		}
		iam_retired_free(retired);
	}
	for (int i = 0; i < 200; i++) {
		size_t len = lengths[(size_t)i % (sizeof(lengths) / sizeof(*lengths))];
		struct str rid = long_id(r, i % 2 == 0 ? len : IAM_RID_MAX_BYTES, i);

		assert_int_equal(iam_check(s, long_id(u, len, i), rid, IAM_READ),
			IAM_ALLOW);
		assert_int_equal(iam_check(s, long_id(u, len, i + 1), rid, IAM_READ),
			IAM_DENY);
	}
	assert_true(pages_agree(s));
	iam_snapshot_free(s);
}

/* n users in 3 of n / 10 groups each, 5 grants a user on n / 10 resources. */
static struct iam_snapshot *large(int n)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s;
	char a[32];
	char b[32];

	assert_non_null(m);
	for (int i = 0; i < 5 * n; i++) {
		(void)snprintf(a, sizeof(a), "g%d", i * 7 % (n / 10));
		(void)snprintf(b, sizeof(b), "u%d", i / 5);
		if (i % 5 < 3)
			assert_int_equal(iam_model_add_member(m, str_c(a), str_c(b)),
				IAM_OK);
		a[0] = 'r';
		assert_int_equal(iam_model_add_grant(m, str_c(a), IAM_SUBJECT_USER,
					 str_c(b), IAM_READ),
			IAM_OK);
	}
	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

static const char *const single_edits[] = {"", "ugrant:u77:full:r5", "-ugrant:u1:read:r7",
	"member:u500@g3", "-member:u0@g0", "nest:g5@g6", "-nest:g5@g6", "group:new",
	"resource:new", "ugrant:new2:read:new3", "member:new4@new5",
	"ggrant:g9:full:dcos:superuser"};

/* The largest number of bytes that one of the single edits replaces in a model of n users. */
static size_t largest_cost(int n)
{
	struct iam_snapshot *s = large(n);
	size_t most = 0;

	for (size_t i = 0; i < sizeof(single_edits) / sizeof(*single_edits); i++) {
		struct iam_retired *retired;

		s = edit(s, single_edits[i], &retired);
		if (iam_retired_bytes(retired) > most)
			most = iam_retired_bytes(retired);
		iam_retired_free(retired);
	}
	assert_true(pages_agree(s));
	iam_snapshot_free(s);
	return most;
}

/* The figure is README's: 20 pages. */
static void one_change_copies_at_most_160_kib_whatever_the_model(void **state)
{
	size_t small = largest_cost(1000);
	size_t much = largest_cost(100000);

	(void)state;
	assert_in_range(small, PAGE_BYTES, 20 * PAGE_BYTES);
	assert_in_range(much, PAGE_BYTES, 20 * PAGE_BYTES);
	assert_true(much <= small + 8 * PAGE_BYTES); /* some levels more, and no more */
}

/* A group of 60 000 members: one more or less does not copy the others. */
static void a_long_row_is_changed_in_place(void **state)
{
	struct iam_snapshot *s = freeze("");
	struct iam_retired *retired;
	struct iam_snapshot_stats stats;
	struct iam_edit *e;
	char u[32];

	(void)state;
	assert_int_equal(iam_edit_begin(s, &e), IAM_OK);
	for (int i = 0; i < 60000; i++) {
		(void)snprintf(u, sizeof(u), "u%d", i * 7919 % 60000);
		assert_int_equal(iam_edit_add_member(e, STR("g"), str_c(u)), IAM_OK);
	}
	assert_int_equal(iam_edit_finish(e, &s, &retired), IAM_OK);
	iam_retired_free(retired);
	s = edit(s, "-member:u777@g member:v@g", &retired);
	assert_in_range(iam_retired_bytes(retired), 1, 20 * PAGE_BYTES);
	iam_retired_free(retired);
	s = edit(s, "ggrant:g:read:a", &retired);
	iam_retired_free(retired);
	assert_true(allowed(s, "u59999", "a", IAM_READ));
	assert_true(allowed(s, "v", "a", IAM_READ));
	assert_false(allowed(s, "u777", "a", IAM_READ));
	s = edit(s, "-group:g", &retired);
	iam_retired_free(retired);
	iam_snapshot_stats(s, &stats);
	assert_int_equal(stats.memberships, 0);
	assert_int_equal(stats.groups, 0);
	assert_int_equal(stats.users, 60001);
	assert_false(allowed(s, "u59999", "a", IAM_READ));
	assert_true(pages_agree(s));
	assert_true(s->rows.levels == 0); /* emptied pages were joined and given back */
	iam_snapshot_free(s);
}

/* A user of many groups: from the record to the rows and back. */
static void a_user_of_many_groups_has_the_rights_of_each(void **state)
{
	struct iam_snapshot *s = freeze("");
	struct iam_retired *retired;
	char word[64];
	char rid[32];

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(word, sizeof(word), "member:u@g%d ggrant:g%d:read:r%d", i,
			i, i);
		s = edit(s, word, &retired);
		iam_retired_free(retired);
	}
	for (int gone = 0; gone <= 40; gone++) {
		for (int i = 0; i < 40; i++) {
			(void)snprintf(rid, sizeof(rid), "r%d", i);
			assert_int_equal(allowed(s, "u", rid, IAM_READ), i >= gone);
		}
		(void)snprintf(word, sizeof(word), "-member:u@g%d", gone);
		s = edit(s, word, &retired);
		iam_retired_free(retired);
	}
	assert_true(pages_agree(s));
	iam_snapshot_free(s);
}

static long elapsed_ms(const struct timespec *from)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (now.tv_sec - from->tv_sec) * 1000 +
		(now.tv_nsec - from->tv_nsec) / 1000000;
}

static void edits_at_the_ends_of_deep_nesting_are_right_and_bounded(void **state)
{
	static const char *const words[] = {"nest:9999@above ggrant:above:read:svc:b",
		"-nest:9999@above", "nest:9999@0", "-nest:9999@0", "-nest:5000@5001",
		"nest:5000@5001", "-ggrant:9999:read:svc:a",
		"ggrant:9999:read:dcos:superuser", "-group:5000"};
	static const bool reads_a[] = {
		true, true, true, true, false, true, false, true, false};

	(void)state;
	for (int cycle = 0; cycle < 2; cycle++) {
		struct iam_snapshot *s = chain(10000, cycle != 0, "svc:a");

		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			struct iam_retired *retired;
			struct timespec from;

			(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
			s = edit(s, words[i], &retired);
			assert_in_range(elapsed_ms(&from), 0,
				2000); /* sanitizers included */
			iam_retired_free(retired);
			assert_int_equal(allowed(s, "u", "svc:a", IAM_READ), reads_a[i]);
			assert_int_equal(allowed(s, "u", "svc:b", IAM_READ),
				i == 0 || i == 7);
			assert_int_equal(iam_is_superuser(s, STR("u")), i == 7);
		}
		assert_true(pages_agree(s));
		iam_snapshot_free(s);
	}
}

/* Changes that split, join, spill and nest, on a model of 16 of each. */
static enum iam_err many_changes(struct iam_edit *e, struct world *w)
{
	enum iam_err err = IAM_OK;

	for (unsigned i = 0; i < 120 && err == IAM_OK; i++) {
		uint8_t what[4] = {(uint8_t)(i * 5 % WORLD_CHANGES), (uint8_t)(i * 7 + 1),
			(uint8_t)(i * 11 + i / 3), (uint8_t)i};

		err = world_edit(w, e, what);
	}
	return err;
}

static struct iam_snapshot *world_build(struct world *w)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s;

	*w = (struct world){0};
	assert_non_null(m);
	for (int i = 0; i < NAIVE_MAX; i++) {
		naive_member(&w->n, m, i, 3);
		naive_member(&w->n, m, 3, i);
		naive_nest(&w->n, m, (i + 1) % NAIVE_MAX, i);
		naive_grant(&w->n, m, i, true, i, IAM_READ);
	}
	world_know(w);
	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

static void every_failing_allocation_leaves_the_base_as_it_was(void **state)
{
	struct world before;
	struct iam_snapshot *base = world_build(&before);
	struct iam_snapshot *next = NULL;
	struct iam_retired *retired = NULL;
	struct world after;
	size_t n = 0;

	(void)state;
	while (next == NULL) {
		struct iam_edit *e = NULL;
		enum iam_err err;

		after = before;
		torture_at(++n);
		err = iam_edit_begin(base, &e);
		if (err == IAM_OK) {
			err = many_changes(e, &after);
			if (err == IAM_OK)
				err = iam_edit_finish(e, &next, &retired);
			else
				iam_edit_abort(e);
		}
		torture_off();
		assert_int_equal(err, next == NULL ? IAM_NO_MEMORY : IAM_OK);
		if (next == NULL) {
			assert_true(pages_agree(base));
			assert_null(world_compare(&before, base));
		}
	}
	assert_true(n > 12);
	assert_null(world_compare(&after, next));
	assert_null(world_compare(&before, base));
	iam_retired_free(retired);
	assert_true(pages_agree(next));
	iam_snapshot_free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_change_does_what_it_says_and_leaves_the_base),
		cmocka_unit_test(an_undone_edit_leaves_no_trace),
		cmocka_unit_test(bad_ids_are_named_and_change_nothing),
		cmocka_unit_test(ids_of_every_length_are_kept_apart),
		cmocka_unit_test(one_change_copies_at_most_160_kib_whatever_the_model),
		cmocka_unit_test(a_long_row_is_changed_in_place),
		cmocka_unit_test(a_user_of_many_groups_has_the_rights_of_each),
		cmocka_unit_test(edits_at_the_ends_of_deep_nesting_are_right_and_bounded),
		cmocka_unit_test(every_failing_allocation_leaves_the_base_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
