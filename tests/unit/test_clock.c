/* Tests of iamd/sys/clock: texts of points in time, and clocks that move forward. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "iamd/sys/clock.h"

static void text_of_a_point_in_time_is_utc_with_microseconds(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{1, "1970-01-01T00:00:00.000001Z"},
		{-1, "1969-12-31T23:59:59.999999Z"},
		{-1000000, "1969-12-31T23:59:59.000000Z"},
		{951782400000000, "2000-02-29T00:00:00.000000Z"},
		{1795355516261800, "2026-11-22T13:51:56.261800Z"},
		{253402300799999999, "9999-12-31T23:59:59.999999Z"},
		{253402300800000000, "9999-12-31T23:59:59.999999Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999999Z"},
		{INT64_MIN, "0000-01-01T00:00:00.000000Z"},
	};
	char buf[28];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_iso_us(cases[i].us, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
	}
}

static void short_buffer_gets_a_cut_text_and_nothing_behind_it(void **state)
{
	char buf[12];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	clock_iso_us(0, buf, 11);
	assert_string_equal(buf, "1970-01-01");
	assert_int_equal(buf[11], 'x');
	clock_iso_us(0, buf, 0);
	assert_string_equal(buf, "1970-01-01");
}

static void monotonic_clock_never_goes_back(void **state)
{
	int64_t before = clock_mono_us();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t now = clock_mono_us();

		assert_true(now >= before);
		before = now;
	}
	assert_in_range(before / 1000, 0, clock_mono_ms());
}

static void wall_clock_units_agree(void **state)
{
	int64_t us = clock_now_us();
	int64_t ms = clock_now_ms();

	(void)state;
	assert_true(us > 1700000000000000);
	assert_true(ms - us / 1000 >= 0 && ms - us / 1000 < 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_a_point_in_time_is_utc_with_microseconds),
		cmocka_unit_test(short_buffer_gets_a_cut_text_and_nothing_behind_it),
		cmocka_unit_test(monotonic_clock_never_goes_back),
		cmocka_unit_test(wall_clock_units_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
