/*
 * server_impl - what the server's own files share; nobody else includes it.
 *
 * server.c   the HTTP library: daemons and callbacks
 * life.c     start, reload, drain, end
 * exchange.c one request from its header to its answer, without the library
 */
#ifndef HTTP_SERVER_IMPL_H
#define HTTP_SERVER_IMPL_H

#include <pthread.h>
#include <stdbool.h>

#include "iamd/http/call.h"
#include "iamd/http/conn_watch.h"
#include "iamd/http/listen.h"
#include "iamd/http/origin.h"
#include "iamd/http/server.h"
#include "iamd/http/tls.h"

struct MHD_Daemon;

struct listener {
	struct server *server;
	struct MHD_Daemon *daemon;
	bool is_tls;
	bool is_unix;
	bool is_metrics;
};

struct server {
	struct server_settings settings; /* its strings are valid during server_start() only */
	struct listen_set sockets;
	struct listener listeners[LISTEN_MAX];
	unsigned n_listeners;
	struct watch *watch;
	struct parking parking;
	struct tls *tls;
	pthread_rwlock_t state_lock; /* what follows */
	bool is_draining;
	bool is_refusing;
	struct proxy_list *proxies;
	uint64_t proxies_generation; /* from 1, one more at each reload */
};

/* One connection: the library's socket context. */
struct link {
	struct listener *listener;
	struct watch_conn *watch;
	struct tls_slot tls;
	char ip[48];
	uint64_t proxies_seen; /* the list that is_trusted comes from; its loop's */
	bool is_trusted;
};

/* life.c; both take the state's lock */
bool server_is_draining(struct server *s);
bool server_is_refusing(struct server *s);

/* server.c */
void server_wake(void *connection);
MUST_CHECK enum iam_err server_daemon_start(struct listener *l,
	const struct listen_socket *socket, unsigned loops, struct iam_error *err);
/* Ends its threads and connections, and closes its listening descriptor; nothing may be suspended. */
void server_daemon_stop(struct listener *l);

/* exchange.c: what the adapter does next. */
enum exchange_next {
	EXCHANGE_WAIT, /* for the body, or for a job */
	EXCHANGE_SEND  /* c->out is ready: exchange_sends_stream() tells how */
};

/*
 * Method, version and header fields are set; l is the connection's. status: not 0 if the
 * adapter found the head to be refused already, and why.
 */
enum exchange_next exchange_begin(struct call *c, struct link *l, unsigned status,
	const char *why);
/* The body is complete. */
enum exchange_next exchange_run(struct call *c, const struct link *l);
/* The job gave the request back. */
enum exchange_next exchange_resume(struct call *c, const struct link *l);

#endif
