/*
 * clock - the time, in milliseconds and microseconds.
 *
 * Wraps clock_gettime(2). Two clocks: the wall clock for what is stored and signed, the monotonic
 * one for deadlines. Does not know time zones: everything is UTC.
 */
#include "iamd/sys/clock.h"

#include <string.h>
#include <time.h>

/* LIMIT: texts cover the years 0000-9999; other times are shown as the nearest end. */
#define YEAR_0000_US (-62167219200LL * 1000000)
#define YEAR_9999_US (253402300800LL * 1000000 - 1)
#define DAY_US       (86400ull * 1000000)

static int64_t clock_us(clockid_t id)
{
	struct timespec ts = {0};

	/* Cannot fail with these two clocks and a valid pointer. */
	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int64_t clock_now_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

/* `digits` decimal digits of value, with leading zeros. Returns what follows them. */
static char *put_digits(char *at, unsigned digits, uint64_t value, char then)
{
	for (unsigned i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	at[digits] = then;
	return at + digits + 1;
}

/*
 * The day's date in the proleptic Gregorian calendar, from its number since -0400-03-01 (counting
 * years from March puts the leap day last). By hand because a line of the access log needs it and
 * gmtime_r() with snprintf() costs a microsecond.
 */
static char *put_date(char *at, uint64_t day)
{
	uint64_t era = day / 146097;
	uint64_t of_era = day % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153; /* 0: March */

	at = put_digits(at, 4, year + era * 400 + (month >= 10) - 400, '-');
	at = put_digits(at, 2, month < 10 ? month + 3 : month - 9, '-');
	return put_digits(at, 2, of_year - (153 * month + 2) / 5 + 1, 'T');
}

void clock_iso_us(int64_t epoch_us, char *buf, size_t size)
{
	char text[32];
	char *at = text;
	uint64_t us, second;
	size_t len;

	if (size == 0)
		return;
	if (epoch_us < YEAR_0000_US)
		epoch_us = YEAR_0000_US;
	if (epoch_us > YEAR_9999_US)
		epoch_us = YEAR_9999_US;
	/* 60 days after a March 1, 400 years earlier: nothing is negative. */
	us = (uint64_t)(epoch_us - YEAR_0000_US) + (146097 - 60) * DAY_US;
	second = us / 1000000 % 86400;
	at = put_date(at, us / DAY_US);
	at = put_digits(at, 2, second / 3600, ':');
	at = put_digits(at, 2, second / 60 % 60, ':');
	at = put_digits(at, 2, second % 60, '.');
	at = put_digits(at, 6, us % 1000000, 'Z');
	len = (size_t)(at - text);
	if (len >= size)
		len = size - 1;
	memcpy(buf, text, len);
	buf[len] = '\0';
}
