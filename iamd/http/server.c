/*
 * server - the adapter to libmicrohttpd: daemons, their callbacks, and nothing else that needs its
 * header.
 *
 * Does: one daemon a listener, requests in and answers out, suspending and resuming, draining.
 * Does not: bind sockets (listen), judge deadlines (conn_watch), own parked requests (call), load
 * certificates (tls), or know what a request means (ops).
 * Invariants: no answer is queued from a body callback; what reaches a handler was sanitised; a
 * connection is suspended only from its own loop; nothing is suspended when a daemon stops.
 */
#include "iamd/http/server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "iamd/http/call.h"
#include "iamd/http/conn_watch.h"
#include "iamd/http/listen.h"
#include "iamd/http/origin.h"
#include "iamd/http/problem.h"
#include "iamd/http/sanitize.h"
#include "iamd/http/tls.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "libacl/base/steal.h"

/* LIMIT: memory of one connection in the library; about half of it holds header fields. */
#define CONNECTION_MEMORY_BYTES 65536
/* LIMIT: how long cancelled requests get to be answered 503. */
#define CANCEL_MS 1000
#define DRAIN_POLL_MS 5

struct listener {
	struct server *server;
	struct MHD_Daemon *daemon;
	bool is_tls;
	bool is_unix;
	bool is_metrics;
};

struct server {
	struct server_settings settings;
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
};

/* One connection: the library's socket context. */
struct link {
	struct listener *listener;
	struct watch_conn *watch;
	struct tls_slot tls;
	char ip[48];
};

static struct link *link_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

struct tls_slot *server_tls_slot(void *session_pointer)
{
	struct link *l = session_pointer == NULL ? NULL : link_of(session_pointer);

	return l == NULL ? NULL : &l->tls;
}

/* ---- connections ---- */

static void address_text(const struct sockaddr *sa, char *buf, size_t size)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	const char *text = NULL;

	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		text = inet_ntop(AF_INET, &v4.sin_addr, buf, (socklen_t)size);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			text = inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], buf, (socklen_t)size);
		else
			text = inet_ntop(AF_INET6, &v6.sin6_addr, buf, (socklen_t)size);
	}
	if (text == NULL)
		(void)snprintf(buf, size, "unix");
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *peer, socklen_t len)
{
	struct listener *l = cls;
	struct server *s = l->server;
	char ip[48];
	bool exempt;

	(void)len;
	if (l->is_unix || watch_may_accept(s->watch, peer))
		return MHD_YES;
	address_text(peer, ip, sizeof(ip));
	pthread_rwlock_rdlock(&s->state_lock);
	exempt = proxy_list_has(s->proxies, false, ip);
	pthread_rwlock_unlock(&s->state_lock);
	return exempt ? MHD_YES : MHD_NO;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = cls;
	const struct sockaddr *peer = NULL;
	struct link *l = *context;
	int fd;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (l == NULL)
			return;
		watch_close(listener->server->watch, l->watch);
		tls_slot_release(&l->tls);
		free(l);
		*context = NULL;
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return;
	if (!listener->is_unix)
		peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
			->client_addr;
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	address_text(peer, l->ip, sizeof(l->ip));
	l->listener = listener;
	l->tls.tls = listener->is_tls ? listener->server->tls : NULL;
	l->watch = watch_open(listener->server->watch, fd, peer);
	if (l->watch == NULL) {
		free(l);
		return;
	}
	*context = l;
}

/* ---- parking ---- */

static void wake(void *connection)
{
	MHD_resume_connection(connection);
}

static void io_suspend(struct req *r)
{
	struct call *c = r->io_conn;

	c->stage = CALL_PARKED;
	watch_work(c->watch);
	MHD_suspend_connection(c->connection);
	call_park(c);
}

static void io_resume(struct req *r)
{
	call_unpark(r->io_conn);
}

static const struct req_io server_io = {.suspend = io_suspend, .resume = io_resume};

/* ---- answers ---- */

static bool add_header(struct req *r, struct MHD_Response *m, struct str name, struct str value)
{
	const char *n = arena_cstr(r->arena, name);
	const char *v = arena_cstr(r->arena, value);

	return n != NULL && v != NULL && MHD_add_response_header(m, n, v) == MHD_YES;
}

static bool is_draining(struct server *s)
{
	bool draining;

	pthread_rwlock_rdlock(&s->state_lock);
	draining = s->is_draining;
	pthread_rwlock_unlock(&s->state_lock);
	return draining;
}

static struct server *server_of(struct call *c)
{
	return link_of(c->connection)->listener->server;
}

/* Queues `m` with the headers of the answer; drops the reference. MHD_NO closes the connection. */
static enum MHD_Result send_response(struct call *c, struct MHD_Response *m)
{
	const struct resp *out = &c->out;
	bool fine = m != NULL;
	enum MHD_Result result = MHD_NO;

	if (fine && out->content_type != NULL)
		fine = MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE,
			out->content_type) == MHD_YES;
	for (unsigned i = 0; fine && i < out->n_headers; i++)
		fine = add_header(c->req, m, out->headers[i].name, out->headers[i].value);
	if (fine && (out->close || is_draining(server_of(c))))
		fine = MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
	c->stage = CALL_QUEUED;
	watch_send(c->watch, clock_mono_ms(), out->body.len);
	if (fine)
		result = MHD_queue_response(c->connection, out->status, m);
	if (m != NULL)
		MHD_destroy_response(m);
	return result;
}

static enum MHD_Result send_body(struct call *c)
{
	struct str body = c->out.body;

	c->sent_bytes = c->req->method == HTTP_HEAD ? 0 : (int64_t)body.len;
	/* the arena or the handler's buffer outlives the answer: no copy, and nothing is written */
	return send_response(c, MHD_create_response_from_buffer(body.len,
		(void *)(uintptr_t)(body.ptr == NULL ? "" : body.ptr), MHD_RESPMEM_PERSISTENT));
}

/* Touches neither request nor answer: a job may still work on them. */
static enum MHD_Result send_cancelled(struct call *c)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"",
		MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	c->stage = CALL_QUEUED;
	c->final_status = MHD_HTTP_SERVICE_UNAVAILABLE;
	watch_send(c->watch, clock_mono_ms(), 0);
	if (m == NULL)
		return MHD_NO;
	if (MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES &&
		MHD_add_response_header(m, MHD_HTTP_HEADER_RETRY_AFTER, "2") == MHD_YES)
		result = MHD_queue_response(c->connection, MHD_HTTP_SERVICE_UNAVAILABLE, m);
	MHD_destroy_response(m);
	return result;
}

/*
 * An answer that breaks off must not look complete. Chunked ones lack their last chunk; to HTTP/1.0
 * the end of the body is the end of the connection, so that one is reset.
 */
static ssize_t break_off(struct call *c)
{
	const struct sockaddr nothing = {.sa_family = AF_UNSPEC};
	int fd = MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;

	if (c->req->http10)
		(void)connect(fd, &nothing, sizeof(nothing));
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The library wants bytes of a stream. */
static ssize_t on_stream(void *cls, uint64_t position, char *buf, size_t max)
{
	struct call *c = cls;
	size_t n;

	(void)position;
	if (call_is_cancelled(c))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = call_read_piece(c, buf, max);
	c->sent_bytes += (int64_t)n;
	if (n > 0)
		return (ssize_t)n;
	if (c->stream.error != IAM_OK)
		return break_off(c);
	if (c->stream.is_end)
		return MHD_CONTENT_READER_END_OF_STREAM;
	watch_work(c->watch);
	MHD_suspend_connection(c->connection);
	call_park(c);
	if (!call_make_piece(c, server_of(c)->settings.lanes)) {
		/* a full lane must not break off what was begun: a piece takes about a millisecond */
		call_make_piece_now(c);
		call_unpark(c);
	}
	return 0;
}

/* The first piece is there: an answer that is all in it, or a failure, needs no stream. */
static enum MHD_Result send_stream(struct call *c)
{
	if (c->stream.error != IAM_OK) {
		problem_write(c->req, c->stream.error, &c->out);
		return send_body(c);
	}
	if (c->stream.is_end) {
		c->out.body = sb_str(&c->stream.piece);
		return send_body(c);
	}
	return send_response(c, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
		RESP_PIECE_BYTES, on_stream, c, NULL));
}

static enum MHD_Result start_stream(struct call *c)
{
	io_suspend(c->req);
	c->stage = CALL_FIRST_PIECE;
	if (!call_make_piece(c, server_of(c)->settings.lanes)) {
		c->stream.error = IAM_UNAVAILABLE;
		call_unpark(c);
	}
	return MHD_YES;
}

static enum MHD_Result answer(struct call *c)
{
	if (c->out.status == 0)
		problem_write(c->req, IAM_INTERNAL, &c->out);
	if (c->out.stream != NULL && c->req->method != HTTP_HEAD)
		return start_stream(c);
	return send_body(c);
}

/* ---- requests ---- */

static void *on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct listener *listener = cls;
	struct link *l = link_of(connection);
	struct call *c;

	if (l == NULL)
		return NULL;
	c = call_new(&listener->server->parking, connection, str_c(uri));
	if (c == NULL)
		return NULL;
	c->watch = l->watch;
	c->req->svc = listener->server->settings.svc;
	c->req->io = &server_io;
	watch_header(l->watch, c->req->started_us / 1000);
	return c;
}

struct header_walk {
	struct req *req;
	bool failed;
	bool too_many;
};

/* Copies: a cancelled request outlives the library's memory of it. */
static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
	size_t name_len, const char *value, size_t value_len)
{
	struct header_walk *walk = cls;
	struct req *r = walk->req;
	struct str n = arena_str(r->arena, (struct str){.ptr = name, .len = name_len});
	struct str v = value == NULL ? STR("") :
		arena_str(r->arena, (struct str){.ptr = value, .len = value_len});

	(void)kind;
	walk->too_many = r->n_headers == REQ_HEADERS_MAX;
	walk->failed = n.ptr == NULL || v.ptr == NULL;
	if (walk->too_many || walk->failed)
		return MHD_NO;
	r->headers[r->n_headers++] = (struct req_header){.name = n, .value = v};
	return MHD_YES;
}

/* What the connection and its listener know about the request. */
static void set_peer(struct req *r, const struct link *l)
{
	struct server *s = l->listener->server;

	r->peer_is_unix = l->listener->is_unix;
	r->tls = l->listener->is_tls;
	r->metrics_listener = l->listener->is_metrics;
	memcpy(r->peer_ip, l->ip, sizeof(r->peer_ip));
	pthread_rwlock_rdlock(&s->state_lock);
	r->peer_is_trusted = proxy_list_has(s->proxies, r->peer_is_unix, r->peer_ip);
	origin_resolve_client(r, s->proxies);
	pthread_rwlock_unlock(&s->state_lock);
	req_adopt_id(r);
}

static enum MHD_Result refuse(struct call *c, unsigned status, const char *why)
{
	struct req *r = c->req;

	log_event(LOG_LEVEL_DEBUG, "http.refused", LOG_CSTR("why", why), LOG_INT("status", status),
		LOG_CSTR("peer", r->peer_ip));
	resp_reset(&c->out);
	if (status == 400)
		problem_write(r, req_fail(r, IAM_BAD_REQUEST, "Bad request: %s.", why), &c->out);
	else
		(void)resp_body(&c->out, status, NULL, STR(""));
	c->out.close = true;
	return send_body(c);
}

static void read_framing(struct call *c)
{
	struct req *r = c->req;
	int64_t length = 0;

	(void)str_to_i64(req_header(r, "Content-Length"), 0, INT64_MAX, &length);
	r->has_content_length = length > 0;
	r->chunked = req_header_count(r, "Transfer-Encoding") > 0;
	c->has_body = r->has_content_length || r->chunked;
}

/* The header is complete; no byte of the body was read yet, so an answer now closes the connection. */
static enum MHD_Result first_call(struct call *c, const char *method, const char *version)
{
	struct req *r = c->req;
	struct header_walk walk = {.req = r};
	struct link *l = link_of(c->connection);
	const char *why = "";
	unsigned status;
	int64_t length;

	r->method_text = arena_str(r->arena, str_c(method));
	r->method = http_method_parse(str_c(method));
	r->http10 = strcmp(version, "HTTP/1.0") == 0;
	(void)MHD_get_connection_values_n(c->connection, MHD_HEADER_KIND, on_header, &walk);
	set_peer(r, l);
	if (walk.failed || r->method_text.ptr == NULL)
		return MHD_NO;
	status = walk.too_many ? 431 : sanitize_request(r, &why);
	if (status != 0)
		return refuse(c, status, walk.too_many ? "too many header fields" : why);
	read_framing(c);
	l->listener->server->settings.ops->begin(r, &c->out);
	c->stage = CALL_BODY;
	if (!c->has_body)
		return MHD_YES; /* called again at once; only then keep-alive survives an answer */
	if (c->out.status == 0 && r->has_content_length &&
		!str_to_i64(req_header(r, "Content-Length"), 0, (int64_t)r->body_max, &length))
		problem_write(r, IAM_TOO_LARGE, &c->out);
	if (c->out.status != 0) {
		c->out.close = true;
		return answer(c);
	}
	watch_body(c->watch, clock_mono_ms());
	return MHD_YES;
}

static enum MHD_Result run(struct call *c)
{
	struct server *s = server_of(c);

	call_body_done(c);
	watch_work(c->watch);
	c->stage = CALL_RUNNING;
	if (c->body_too_large || c->body.failed)
		problem_write(c->req, c->body_too_large ? IAM_TOO_LARGE : IAM_NO_MEMORY, &c->out);
	else if (c->out.status == 0)
		s->settings.ops->dispatch(c->req, &c->out);
	return c->stage == CALL_PARKED ? MHD_YES : answer(c);
}

static enum MHD_Result run_on(struct call *c)
{
	c->stage = CALL_RUNNING;
	c->parking->ops->resumed(c->req, &c->out);
	return c->stage == CALL_PARKED ? MHD_YES : answer(c);
}

static bool is_refusing(struct server *s)
{
	bool refusing;

	pthread_rwlock_rdlock(&s->state_lock);
	refusing = s->is_refusing;
	pthread_rwlock_unlock(&s->state_lock);
	return refusing;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **context)
{
	struct listener *l = cls;
	struct call *c = *context;

	(void)connection;
	(void)url;
	if (c == NULL)
		return MHD_NO;
	switch (c->stage) {
	case CALL_NEW:
		if (is_refusing(l->server))
			return send_cancelled(c);
		return first_call(c, method, version);
	case CALL_BODY:
		if (*size == 0)
			return run(c);
		watch_body_bytes(c->watch, *size);
		if (!call_take_body(c, data, *size))
			return MHD_NO;
		*size = 0;
		return MHD_YES;
	case CALL_PARKED:
		return call_is_cancelled(c) ? send_cancelled(c) : run_on(c);
	case CALL_FIRST_PIECE:
		return call_is_cancelled(c) ? send_cancelled(c) : send_stream(c);
	case CALL_RUNNING:
	case CALL_QUEUED:
		*size = 0; /* the rest of a body that was answered already */
		return MHD_YES;
	}
	return MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_RequestTerminationCode code)
{
	struct call *c = *context;

	(void)cls;
	(void)connection;
	if (c == NULL)
		return;
	*context = NULL;
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		watch_idle(c->watch, clock_mono_ms());
	else if (c->stage != CALL_QUEUED)
		c->final_status = 499; /* the client went before it was answered */
	call_end(c);
}

/* ---- daemons ---- */

static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void on_library_log(void *cls, const char *fmt,
	va_list args)
{
	char text[512];

	(void)cls;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	(void)vsnprintf(text, sizeof(text), fmt, args);
	log_event(LOG_LEVEL_DEBUG, "http.library", LOG_STR("text", str_trim(str_c(text))));
}

static struct MHD_OptionItem option(enum MHD_OPTION name, intptr_t value, void *pointer)
{
	return (struct MHD_OptionItem){.option = name, .value = value, .ptr_value = pointer};
}

static enum iam_err start_daemon(struct server *s, struct listener *l,
	struct listen_socket *socket, unsigned loops, struct iam_error *err)
{
	const struct server_settings *set = &s->settings;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_USE_ITC |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	/* ours are the real deadlines; this one catches what they would miss */
	int64_t backstop_s = (set->header_timeout_ms + 2 * set->idle_timeout_ms) / 1000 + 15;
	unsigned n = 0;
	struct MHD_OptionItem o[20];

	o[n++] = option(MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_log, NULL);
	o[n++] = option(MHD_OPTION_LISTEN_SOCKET, socket->fd, NULL);
	o[n++] = option(MHD_OPTION_CONNECTION_LIMIT, (intptr_t)set->connection_limit, NULL);
	o[n++] = option(MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)backstop_s, NULL);
	o[n++] = option(MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL);
	o[n++] = option(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
	o[n++] = option(MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, l);
	o[n++] = option(MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL);
	o[n++] = option(MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, l);
	o[n++] = option(MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, l);
	if (loops > 1)
		o[n++] = option(MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)loops, NULL);
	if (l->is_tls) {
		flags |= MHD_USE_TLS;
		o[n++] = option(MHD_OPTION_HTTPS_PRIORITIES, 0,
			(void *)(uintptr_t)TLS_PRIORITIES);
		o[n++] = option(MHD_OPTION_HTTPS_CERT_CALLBACK2, 0,
			(void *)tls_retrieve_function());
	}
	o[n++] = option(MHD_OPTION_END, 0, NULL);
	l->daemon = MHD_start_daemon(flags, 0, on_accept, l, on_request, l, MHD_OPTION_ARRAY, o,
		MHD_OPTION_END);
	if (l->daemon == NULL)
		return iam_error_set(err, IAM_IO,
			"listen on '%s': the event loop does not start (memory, threads or "
			"descriptors are short)", socket->address);
	return IAM_OK;
}

static bool is_pool(const struct listen_socket *socket)
{
	return !socket->is_unix && !socket->is_metrics;
}

static enum iam_err start_daemons(struct server *s, struct iam_error *err)
{
	unsigned loops = s->settings.loops;

	for (unsigned i = 0; i < s->sockets.n; i++) {
		struct listen_socket *socket = &s->sockets.sockets[i];
		struct listener *l = &s->listeners[i];
		enum iam_err e;

		*l = (struct listener){.server = s, .is_unix = socket->is_unix,
			.is_metrics = socket->is_metrics,
			.is_tls = s->tls != NULL && is_pool(socket)};
		e = start_daemon(s, l, socket, is_pool(socket) ? loops : 1, err);
		if (e != IAM_OK)
			return e;
		s->n_listeners++;
		if (is_pool(socket))
			loops = 1;
	}
	return IAM_OK;
}

/* Descriptors for all connections of all listeners, and some for files. */
static void raise_descriptor_limit(uint64_t connections)
{
	struct rlimit now;
	rlim_t want = (rlim_t)connections + 256;

	if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur >= want)
		return;
	if (now.rlim_max < want)
		log_event(LOG_LEVEL_WARNING, "http.descriptors", LOG_INT("want", want),
			LOG_INT("hard_limit", now.rlim_max),
			LOG_CSTR("hint", "raise LimitNOFILE or lower connection_limit"));
	now.rlim_cur = want < now.rlim_max ? want : now.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &now);
}

static bool has_text(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static enum iam_err open_all(struct server *s, struct iam_error *err)
{
	const struct server_settings *set = &s->settings;
	enum iam_err e = proxy_list_parse(set->trusted_proxies, &s->proxies, err);

	if (e == IAM_OK && has_text(set->tls_certificate_file))
		e = tls_new(set->tls_certificate_file, set->tls_key_file, &s->tls, err);
	if (e == IAM_OK)
		e = listen_adopt(&s->sockets, set->n_passed_fds, err);
	if (e == IAM_OK)
		e = listen_add(&s->sockets, set->listen, false, err);
	if (e == IAM_OK)
		e = listen_add(&s->sockets, set->metrics_listen, true, err);
	if (e == IAM_OK && s->sockets.n == 0)
		e = iam_error_set(err, IAM_CONFIG, "`listen` names no address to listen on");
	return e;
}

unsigned server_thread_count(const struct server_settings *settings)
{
	return listen_count(settings->listen) + listen_count(settings->metrics_listen) +
		(unsigned)settings->n_passed_fds + settings->loops;
}

enum iam_err server_start(const struct server_settings *settings, struct server **ret_server,
	struct iam_error *err)
{
	struct server *s = calloc(1, sizeof(*s));
	enum iam_err e;

	if (s == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	s->settings = *settings;
	pthread_rwlock_init(&s->state_lock, NULL);
	parking_init(&s->parking, settings->ops, wake);
	s->watch = watch_new(settings->header_timeout_ms, settings->idle_timeout_ms,
		settings->connection_limit_per_address);
	e = s->watch != NULL ? open_all(s, err) :
		iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	raise_descriptor_limit((uint64_t)s->sockets.n * settings->connection_limit);
	if (e == IAM_OK)
		e = start_daemons(s, err);
	if (e != IAM_OK) {
		server_free(s);
		return e;
	}
	*ret_server = STEAL(s);
	return IAM_OK;
}

enum iam_err server_reload_tls(struct server *s, const char *certificate_file,
	const char *key_file, struct iam_error *err)
{
	if (s->tls == NULL && !has_text(certificate_file))
		return IAM_OK;
	if (s->tls == NULL || !has_text(certificate_file))
		return iam_error_set(err, IAM_CONFIG,
			"TLS cannot be switched on or off while running; restart");
	return tls_reload(s->tls, certificate_file, key_file, err);
}

enum iam_err server_reload_proxies(struct server *s, const char *trusted_proxies,
	struct iam_error *err)
{
	struct proxy_list *fresh;
	struct proxy_list *old;
	enum iam_err e = proxy_list_parse(trusted_proxies, &fresh, err);

	if (e != IAM_OK)
		return e;
	pthread_rwlock_wrlock(&s->state_lock);
	old = s->proxies;
	s->proxies = fresh;
	pthread_rwlock_unlock(&s->state_lock);
	proxy_list_free(old);
	return IAM_OK;
}

unsigned server_sweep(struct server *s)
{
	return watch_sweep(s->watch, clock_mono_ms());
}

static void wait_for_none(struct server *s, int64_t until_ms)
{
	const struct timespec poll = {.tv_nsec = DRAIN_POLL_MS * 1000000L};

	while (watch_count(s->watch) > 0 && clock_mono_ms() < until_ms) {
		(void)watch_cut_idle(s->watch);
		(void)watch_sweep(s->watch, clock_mono_ms());
		(void)nanosleep(&poll, NULL);
	}
}

void server_drain(struct server *s, int64_t deadline_ms)
{
	int64_t until_ms = clock_mono_ms() + deadline_ms;

	pthread_rwlock_wrlock(&s->state_lock);
	s->is_draining = true;
	pthread_rwlock_unlock(&s->state_lock);
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (MHD_quiesce_daemon(s->listeners[i].daemon) != MHD_INVALID_SOCKET)
			listen_close(&s->sockets.sockets[i]);
	}
	wait_for_none(s, until_ms);
	pthread_rwlock_wrlock(&s->state_lock);
	s->is_refusing = true;
	pthread_rwlock_unlock(&s->state_lock);
	parking_cancel_all(&s->parking);
	wait_for_none(s, clock_mono_ms() + CANCEL_MS);
}

void server_free(struct server *s)
{
	if (s == NULL)
		return;
	if (s->n_listeners > 0 && !is_draining(s))
		server_drain(s, 0);
	for (unsigned i = 0; i < s->n_listeners; i++)
		MHD_stop_daemon(s->listeners[i].daemon);
	listen_close_all(&s->sockets);
	tls_free(s->tls);
	proxy_list_free(s->proxies);
	watch_free(s->watch);
	parking_done(&s->parking);
	pthread_rwlock_destroy(&s->state_lock);
	free(s);
}

unsigned server_connections(const struct server *s)
{
	return watch_count(s->watch);
}

bool server_address(const struct server *s, unsigned i, char *buf, size_t size)
{
	if (i >= s->sockets.n)
		return false;
	(void)snprintf(buf, size, "%s", s->sockets.sockets[i].address);
	return true;
}
