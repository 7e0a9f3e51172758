/* test_store_revocations - digests of dead tokens. */
#include "tests/unit/store_fixture.h"

static const unsigned char *digest(unsigned char n)
{
	static unsigned char bytes[TOKEN_DIGEST_BYTES];

	memset(bytes, n, sizeof(bytes));
	return bytes;
}

struct found {
	size_t n;
	int64_t expiry[256];
};

static bool gather(const unsigned char *d, int64_t expires_at_s, void *ctx)
{
	struct found *found = ctx;

	assert_memory_equal(d, digest(d[0]), TOKEN_DIGEST_BYTES);
	found->expiry[d[0]] = expires_at_s;
	found->n++;
	return true;
}

static struct found all(struct fixture *f)
{
	struct found found = {.n = 0};

	assert_ok(store_revocations_each(store_reader(f->store), gather, &found));
	return found;
}

static void the_later_expiry_stays_and_never_is_the_latest(void **state)
{
	static const struct {
		int64_t first, second, expected;
	} cases[] = {{100, 200, 200}, {200, 100, 200}, {100, 0, 0}, {0, 100, 0},
		{100, 100, 100}};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const unsigned char *bytes = digest((unsigned char)i);

		assert_ok(store_revocation_add(f.w, bytes, cases[i].first));
		assert_ok(store_revocation_add(f.w, bytes, cases[i].second));
		assert_int_equal(last_change(&f)->kind, CHANGE_REVOKED);
		assert_int_equal(last_change(&f)->expires_at_s, cases[i].expected);
		assert_memory_equal(last_change(&f)->digest, bytes, TOKEN_DIGEST_BYTES);
	}
	tx_commit(&f);
	assert_int_equal(all(&f).n, sizeof(cases) / sizeof(*cases));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(all(&f).expiry[i], cases[i].expected);
	fixture_done(&f);
}

static void what_expired_before_now_goes_and_is_noted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(store_revocation_add(f.w, digest(1), 99));
	assert_ok(store_revocation_add(f.w, digest(2), 100));
	assert_ok(store_revocation_add(f.w, digest(3), 0));
	tx_commit(&f);
	tx_begin(&f);
	assert_ok(store_revocations_expire(f.w, 100));
	assert_int_equal(store_changes(f.w)->len, 1);
	assert_int_equal(last_change(&f)->kind, CHANGE_REVOKED_GONE);
	assert_memory_equal(last_change(&f)->digest, digest(1), TOKEN_DIGEST_BYTES);
	tx_commit(&f);
	assert_int_equal(all(&f).n, 2);
	tx_begin(&f);
	assert_ok(store_revocations_expire(f.w, INT64_MAX));
	tx_commit(&f);
	assert_int_equal(all(&f).n, 1);
	assert_int_equal(all(&f).expiry[3], 0);
	fixture_done(&f);
}

static void revocations_survive_a_restart(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(store_revocation_add(f.w, digest(7), 1234));
	tx_commit(&f);
	fixture_close(&f);
	fixture_open(&f);
	assert_int_equal(all(&f).n, 1);
	assert_int_equal(all(&f).expiry[7], 1234);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_later_expiry_stays_and_never_is_the_latest),
		cmocka_unit_test(what_expired_before_now_goes_and_is_noted),
		cmocka_unit_test(revocations_survive_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
