/* clock - the time, in milliseconds. Thread-safe. */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_now_ms(void);

/* Milliseconds and microseconds of a clock that never jumps. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* "2026-11-22T13:51:56.261800Z" (28 bytes with NUL) into buf. */
void clock_iso_us(int64_t epoch_us, char *buf, size_t size);
int64_t clock_now_us(void);

#endif
