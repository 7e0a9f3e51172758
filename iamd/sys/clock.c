/*
 * clock - the time, in milliseconds and microseconds.
 *
 * Wraps clock_gettime(2). Two clocks: the wall clock for what is stored and signed, the monotonic
 * one for deadlines. Does not know time zones: everything is UTC.
 */
#include "iamd/sys/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* LIMIT: texts cover the years 0000-9999; other times are shown as the nearest end. */
#define YEAR_0000_US (-62167219200LL * 1000000)
#define YEAR_9999_US (253402300800LL * 1000000 - 1)

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

void clock_iso_us(int64_t epoch_us, char *buf, size_t size)
{
	struct tm tm = {0};
	char text[80];
	int64_t us;
	time_t seconds;
	size_t len;

	if (size == 0)
		return;
	if (epoch_us < YEAR_0000_US)
		epoch_us = YEAR_0000_US;
	if (epoch_us > YEAR_9999_US)
		epoch_us = YEAR_9999_US;
	us = epoch_us % 1000000;
	seconds = epoch_us / 1000000;
	if (us < 0) { /* C rounds towards zero; before 1970 we need the second before */
		us += 1000000;
		seconds--;
	}
	if (gmtime_r(&seconds, &tm) == NULL) {
		buf[0] = '\0';
		return;
	}
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
		(tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, (int)us);
	len = strlen(text);
	if (len >= size)
		len = size - 1;
	memcpy(buf, text, len);
	buf[len] = '\0';
}
