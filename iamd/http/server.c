/*
 * server - the adapter to libmicrohttpd: daemons, their callbacks, and nothing else that
 * needs its header.
 *
 * Does: one daemon a listener, requests in and answers out, suspending and resuming,
 * draining.
 * Does not: bind sockets (listen), judge deadlines (conn_watch), own parked requests
 * (call), load certificates (tls), or know what a request means (ops).
 * Invariants: no answer is queued from a body callback; what reaches a handler was
 * sanitised; a connection is suspended only from its own loop; nothing is suspended when
 * a daemon stops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "iamd/http/answers.h"
#include "iamd/http/head.h"
#include "iamd/http/problem.h"
#include "iamd/http/server_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"

/*
 * LIMIT: memory of one connection in the library: a target of 8 KiB and 32 KiB of header fields fit. The
 * library clears all of it at every request, so more costs time (64 KiB: 0.5 us a request).
 */
#define CONNECTION_MEMORY_BYTES 49152

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

static enum MHD_Result on_accept(void *cls, const struct sockaddr *peer, socklen_t len)
{
	struct listener *l = cls;
	struct server *s = l->server;
	char ip[48];
	bool exempt;

	(void)len;
	if (l->is_unix || watch_may_accept(s->watch, peer))
		return MHD_YES;
	listen_peer_text(peer, ip, sizeof(ip));
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
		peer = MHD_get_connection_info(connection,
			MHD_CONNECTION_INFO_CLIENT_ADDRESS)
			       ->client_addr;
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		     ->connect_fd;
	listen_peer_text(peer, l->ip, sizeof(l->ip));
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

void server_wake(void *connection)
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

static bool add_header(struct req *r, struct MHD_Response *m, struct str name,
	struct str value)
{
	const char *n = arena_cstr(r->arena, name);
	const char *v = arena_cstr(r->arena, value);

	return n != NULL && v != NULL && MHD_add_response_header(m, n, v) == MHD_YES;
}

static struct server *server_of(struct call *c)
{
	return link_of(c->connection)->listener->server;
}

static bool add_fields(struct req *r, struct MHD_Response *m, const struct resp *out)
{
	bool fine = true;

	if (out->content_type != NULL)
		fine = MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE,
			       out->content_type) == MHD_YES;
	for (unsigned i = 0; fine && i < out->n_headers; i++)
		fine = add_header(r, m, out->headers[i].name, out->headers[i].value);
	return fine;
}

static enum MHD_Result queue(struct call *c, struct MHD_Response *m)
{
	bool is_quick = !c->has_body && !c->was_parked; /* else it began long ago, perhaps */

	c->stage = CALL_QUEUED;
	watch_send(c->watch, is_quick ? c->req->started_us / 1000 : clock_mono_ms(),
		c->out.body.len);
	return m == NULL ? MHD_NO : MHD_queue_response(c->connection, c->out.status, m);
}

/*
 * Queues `m` with the headers of the answer; drops the reference. MHD_NO closes the
 * connection.
 */
static enum MHD_Result send_response(struct call *c, struct MHD_Response *m)
{
	bool fine = m != NULL && add_fields(c->req, m, &c->out);
	enum MHD_Result result;

	if (fine && c->req->echoed_id.ptr != NULL)
		fine = add_header(c->req, m, STR("X-Request-ID"), c->req->echoed_id);
	if (fine && (c->out.close || c->is_draining))
		fine = MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close") ==
			MHD_YES;
	result = queue(c, fine ? m : NULL);
	if (m != NULL)
		MHD_destroy_response(m);
	return result;
}

static struct MHD_Response *response_of(struct str body, enum MHD_ResponseMemoryMode mode)
{
	return MHD_create_response_from_buffer(body.len,
		(void *)(uintptr_t)(body.ptr == NULL ? "" : body.ptr), mode);
}

static void response_free(void *made)
{
	MHD_destroy_response(made);
}

/* One that this thread has made before, or makes now for this and later requests; may be NULL. */
static struct MHD_Response *kept_response(struct call *c)
{
	struct MHD_Response *m = answers_find(&c->out);

	if (m != NULL)
		return m;
	m = response_of(c->out.body, MHD_RESPMEM_MUST_COPY);
	if (m == NULL)
		return NULL;
	if (add_fields(c->req, m, &c->out) && answers_keep(&c->out, m, response_free))
		return m;
	MHD_destroy_response(m);
	return NULL;
}

static enum MHD_Result send_body(struct call *c)
{
	struct MHD_Response *m = NULL;

	c->sent_bytes = c->req->method == HTTP_HEAD ? 0 : (int64_t)c->out.body.len;
	if (c->out.repeats && !c->out.close && !c->is_draining &&
		c->req->echoed_id.ptr == NULL)
		m = kept_response(c);
	if (m != NULL)
		return queue(c, m);
	/*
	 * the arena or the handler's buffer outlives the answer: no copy, and nothing is
	 * written
	 */
	return send_response(c, response_of(c->out.body, MHD_RESPMEM_PERSISTENT));
}

/* Touches neither request nor answer: a job may still work on them. */
static enum MHD_Result send_cancelled(struct call *c)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(0,
		(void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	c->stage = CALL_QUEUED;
	c->final_status = MHD_HTTP_SERVICE_UNAVAILABLE;
	watch_send(c->watch, clock_mono_ms(), 0);
	if (m == NULL)
		return MHD_NO;
	if (MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES &&
		MHD_add_response_header(m, MHD_HTTP_HEADER_RETRY_AFTER, "2") == MHD_YES)
		result = MHD_queue_response(c->connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			m);
	MHD_destroy_response(m);
	return result;
}

/*
 * An answer that breaks off must not look complete. Chunked ones lack their last chunk;
 * to HTTP/1.0 the end of the body is the end of the connection, so that one is reset.
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
	if (c->stream.at == 0)
		watch_send(c->watch, clock_mono_ms(), 0); /* per piece, about 1 KiB/s */
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
		/*
		 * a full lane must not break off what was begun: a piece takes about a
		 * millisecond
		 */
		call_make_piece_now(c);
		call_unpark(c);
	}
	return 0;
}

/*
 * The first piece is there: an answer that is all in it, or a failure, needs no stream.
 */
static enum MHD_Result send_stream(struct call *c)
{
	if (c->stream.error != IAM_OK) {
		problem_write(c->req, c->stream.error, &c->out);
		return send_body(c);
	}
	c->is_draining = server_is_draining(server_of(c));
	if (c->stream.is_end) {
		c->out.body = sb_str(&c->stream.piece);
		return send_body(c);
	}
	return send_response(c,
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, RESP_PIECE_BYTES,
			on_stream, c, NULL));
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

static enum MHD_Result go_on(struct call *c, enum exchange_next next)
{
	if (next == EXCHANGE_WAIT)
		return MHD_YES;
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

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
	size_t name_len, const char *value, size_t value_len)
{
	(void)kind;
	return head_add(cls, name, name_len, value, value_len) ? MHD_YES : MHD_NO;
}

/* No byte of the body was read yet. */
static enum MHD_Result first_call(struct call *c, const char *method, const char *version)
{
	struct req *r = c->req;
	struct head head;

	r->method_text = arena_str(r->arena, str_c(method));
	r->method = http_method_parse(str_c(method));
	r->http10 = strcmp(version, "HTTP/1.0") == 0;
	head_begin(&head, r, version, strcmp(MHD_get_version(), "0.9.75") == 0);
	(void)MHD_get_connection_values_n(c->connection, MHD_HEADER_KIND, on_header,
		&head);
	head_end(&head);
	if (head.failed || r->method_text.ptr == NULL)
		return MHD_NO;
	return go_on(c, exchange_begin(c, link_of(c->connection), head.status, head.why));
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *data,
	size_t *size, void **context)
{
	struct listener *l = cls;
	struct call *c = *context;

	(void)url;
	if (c == NULL)
		return MHD_NO;
	switch (c->stage) {
	case CALL_NEW:
		if (server_is_refusing(l->server))
			return send_cancelled(c);
		return first_call(c, method, version);
	case CALL_BODY:
		if (*size == 0)
			return go_on(c, exchange_run(c, link_of(connection)));
		watch_body_bytes(c->watch, *size);
		if (!call_take_body(c, data, *size))
			return MHD_NO;
		*size = 0;
		return MHD_YES;
	case CALL_PARKED:
		if (call_is_cancelled(c))
			return send_cancelled(c);
		return go_on(c, exchange_resume(c, link_of(connection)));
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

__attribute__((format(printf, 2, 0))) static void on_library_log(void *cls,
	const char *fmt, va_list args)
{
	char text[512];

	(void)cls;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	(void)vsnprintf(text, sizeof(text), fmt, args);
	log_event(LOG_LEVEL_DEBUG, "http.library",
		LOG_STR("text", str_trim(str_c(text))));
}

static struct MHD_OptionItem option(enum MHD_OPTION name, intptr_t value, void *pointer)
{
	return (struct MHD_OptionItem){
		.option = name, .value = value, .ptr_value = pointer};
}

enum iam_err server_daemon_start(struct listener *l, const struct listen_socket *socket,
	unsigned loops, struct iam_error *err)
{
	const struct server_settings *set = &l->server->settings;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_USE_ITC |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	/* ours are the real deadlines; this one catches what they would miss */
	int64_t backstop_s =
		(set->header_timeout_ms + 2 * set->idle_timeout_ms) / 1000 + 15;
	unsigned n = 0;
	struct MHD_OptionItem o[20];

	o[n++] = option(MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_log, NULL);
	o[n++] = option(MHD_OPTION_LISTEN_SOCKET, socket->fd, NULL);
	o[n++] = option(MHD_OPTION_CONNECTION_LIMIT, (intptr_t)set->connection_limit,
		NULL);
	o[n++] = option(MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)backstop_s, NULL);
	o[n++] =
		option(MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL);
	/* its own strictness answers a missing Host without closing, body unread */
	o[n++] = option(MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL);
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
	l->daemon = MHD_start_daemon(flags, 0, on_accept, l, on_request, l,
		MHD_OPTION_ARRAY, o, MHD_OPTION_END);
	if (l->daemon == NULL)
		return iam_error_set(err, IAM_IO,
			"listen on '%s': the event loop does not start (memory, threads or "
			"descriptors are short)",
			socket->address);
	return IAM_OK;
}

void server_daemon_stop(struct listener *l)
{
	MHD_stop_daemon(l->daemon);
	l->daemon = NULL;
}
