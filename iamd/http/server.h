/*
 * server - sockets, TLS and event loops (libmicrohttpd), and nothing of what requests
 * mean.
 *
 * The life of a request: headers complete -> sanitised, ops->begin (route, body cap; may
 * answer at once by setting out->status, or, where there is a body, suspend the request as
 * dispatch may; the body is then never read and the connection closed) -> body gathered up
 * to r->body_max (past it: 413) -> ops->dispatch, which fills `out`, or suspends the request through r->io and has
 * it resumed later -> ops->resumed on the loop -> sent -> ops->finished, after which the
 * request is freed. `finished` may be called on a lane (a job that outlived a drain) and
 * sees status 499 when the client left before it was answered.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "iamd/http/resp.h"
#include "iamd/sys/lane.h"

struct proxy_list;

struct server_ops {
	void (*begin)(struct req *r, struct resp *out);
	void (*dispatch)(struct req *r, struct resp *out); /* also when r->body_too_large: refuses it */
	void (*resumed)(struct req *r, struct resp *out);
	void (*finished)(struct req *r, const struct resp *out, int64_t sent_bytes);
};

struct server_settings {
	const struct server_ops *ops;
	struct services *svc;        /* given to every request */
	struct lanes *lanes;         /* SLOW produces streamed pieces */
	const char *listen;          /* comma-separated ADDRESS:PORT, unix:/path, or "none" */
	const char *metrics_listen;  /* may be "" */
	const char *tls_certificate_file, *tls_key_file; /* "" : plain */
	unsigned loops;              /* of the first TCP listener; others have one */
	unsigned connection_limit, connection_limit_per_address;
	int64_t header_timeout_ms, idle_timeout_ms;
	const char *trusted_proxies;
	bool local_only;             /* refuse sockets that other machines reach */
	int n_passed_fds;            /* from the service manager, starting at 3 */
};

struct server;

/*
 * Binds, starts the loops; *ret_server is set before they run. Errors: IAM_CONFIG, IAM_IO with a text that names the address
 * and what to do.
 */
MUST_CHECK enum iam_err server_start(const struct server_settings *settings, struct server **ret_server,
	struct iam_error *err);

/*
 * How many threads of it read the published state (to size epoch slots), without starting
 * it.
 */
unsigned server_thread_count(const struct server_settings *settings);

/*
 * New certificate pair from the same or other files; open connections keep theirs. Old
 * stays on error.
 */
MUST_CHECK enum iam_err server_reload_tls(struct server *s, const char *certificate_file, const char *key_file,
	struct iam_error *err);
MUST_CHECK enum iam_err server_reload_proxies(struct server *s, const char *trusted_proxies, struct iam_error *err);

/*
 * Deadlines of slow clients: shuts down connections whose headers take longer than
 * header_timeout, whose body brings less than 1 KiB/s after 5 s, or that idle. The
 * maintenance thread calls it every 250 ms or so. Returns how many were cut.
 */
unsigned server_sweep(struct server *s);

/*
 * Stops accepting, answers keep-alive connections with close, waits for running requests
 * for so long (from now), then has the suspended ones answered 503 and refuses what still
 * comes. May take a second more. Their jobs may still run: the lanes must end before
 * server_free().
 */
void server_drain(struct server *s, int64_t deadline_ms);

/* After server_drain() and after the lanes have ended. */
void server_free(struct server *s);

/* Open connections, for metrics. */
unsigned server_connections(const struct server *s);

/*
 * "127.0.0.1:8101" of the i-th bound TCP listener (port 0 resolved); false past the end.
 * For the start-up log.
 */
bool server_address(const struct server *s, unsigned i, char *buf, size_t size);

#endif
