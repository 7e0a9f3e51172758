/* notify - the service manager's datagram protocol (sd_notify(3), sd_listen_fds(3)). */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Sends e.g. "READY=1\nSTATUS=…" to $NOTIFY_SOCKET; false when unset or it failed. */
bool notify_send(const char *state);

/* Watchdog period in microseconds ($WATCHDOG_USEC, only if $WATCHDOG_PID is ours or unset); 0: none. */
uint64_t notify_watchdog_us(void);

/* Number of sockets passed ($LISTEN_FDS with $LISTEN_PID ours); they start at descriptor 3 and get CLOEXEC. */
int notify_listen_fds(void);

#endif
