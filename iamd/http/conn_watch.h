/*
 * conn_watch - which connections are open, what each is waiting for, and until when.
 *
 * Absolute deadlines: a byte a second does not extend them. The loops tell the phase, the
 * maintenance thread cuts what is late by shutdown(2), which the loop then sees as an end
 * of file. Also counts connections per address. Thread-safe; a connection's phase is told
 * by its own loop.
 */
#ifndef HTTP_CONN_WATCH_H
#define HTTP_CONN_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * LIMIT: a body brings at least this after its first 5 s; an answer is taken at least
 * this fast.
 */
#define WATCH_BYTES_PER_S 1024
#define WATCH_BODY_GRACE_MS 5000

struct watch;
struct watch_conn;

/* limit_per_address 0: none. NULL without memory. */
struct watch *watch_new(int64_t header_timeout_ms, int64_t idle_timeout_ms,
	unsigned limit_per_address);
/* No connection may be left. NULL is fine. */
void watch_free(struct watch *w);

/*
 * May this address open one more? IPv6 is counted by /64. Unix sockets and loopback
 * always may.
 */
bool watch_may_accept(struct watch *w, const struct sockaddr *peer);

/*
 * A connection begins, waiting for its header. NULL without memory. It owns nothing of
 * fd.
 */
struct watch_conn *watch_open(struct watch *w, int fd, const struct sockaddr *peer);
/* It ends; call before the descriptor is closed. NULL is fine. */
void watch_close(struct watch *w, struct watch_conn *c);

/* The request line has come (after idling: the header's time begins now). */
void watch_header(struct watch_conn *c, int64_t now_ms);
/* The header is complete; the body's time begins. */
void watch_body(struct watch_conn *c, int64_t now_ms);
/* So many bytes of body have come. */
void watch_body_bytes(struct watch_conn *c, uint64_t bytes);
/* We are busy; the client owes nothing. */
void watch_work(struct watch_conn *c);
/* So many bytes are on their way to the client. */
void watch_send(struct watch_conn *c, int64_t now_ms, uint64_t bytes);
/* Between two requests. */
void watch_idle(struct watch_conn *c, int64_t now_ms);

/*
 * Cuts what is late, and returns how many those were. Also cuts, uncounted, connections whose client
 * has gone in the middle of a request: seen at two sweeps in a row.
 */
unsigned watch_sweep(struct watch *w, int64_t now_ms);
/* Cuts what waits for a request of which no byte has come (drain). */
unsigned watch_cut_idle(struct watch *w);

unsigned watch_count(struct watch *w);

#endif
