/*
 * The audit trail keeps everything but old denials, which anybody can make.
 */
#include "tests/unit/store_fixture.h"

static void add_rows(struct fixture *f, unsigned n, const char *result)
{
	tx_begin(f);
	for (unsigned i = 0; i < n; i++)
		assert_ok(store_audit_add(f->w,
			&(struct audit_row){.at_us = i, .action = STR("password-login"),
				.actor = STR("u"), .result = str_c(result)}));
	tx_commit(f);
}

static int64_t trim(struct fixture *f, int64_t keep, int64_t limit)
{
	int64_t removed = -1;

	tx_begin(f);
	assert_ok(store_audit_trim_denied(f->w, keep, limit, &removed));
	tx_commit(f);
	return removed;
}

static void only_the_oldest_denials_go(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	add_rows(&f, 3, "allow");
	add_rows(&f, 10, "deny");
	add_rows(&f, 2, "allow");
	assert_int_equal(trim(&f, 10, 100), 0);
	assert_int_equal(trim(&f, 4, 100), 6);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM audit WHERE result = 'allow'"), 5);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM audit WHERE result = 'deny'"), 4);
	/* The latest stayed. */
	assert_int_equal(
		eyes_i64(&f, "SELECT min(at_us) FROM audit WHERE result = 'deny'"), 6);
	fixture_done(&f);
}

static void no_more_than_the_limit_go_at_once(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	add_rows(&f, 10, "deny");
	assert_int_equal(trim(&f, 1, 5), 5);
	assert_int_equal(trim(&f, 1, 5), 4);
	assert_int_equal(trim(&f, 1, 5), 0);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_oldest_denials_go),
		cmocka_unit_test(no_more_than_the_limit_go_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
