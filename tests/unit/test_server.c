/*
 * test_server - the server over real sockets, with a handler table of a few lines.
 *
 * Time is real: deadlines are a few hundred milliseconds, and every wait has an end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "iamd/http/problem.h"
#include "iamd/http/server.h"
#include "iamd/sys/clock.h"

#define WAIT_MS 10000
#define STREAM_BYTES ((size_t)10 << 20)

/* ---- the application under the server ---- */

static struct {
	pthread_mutex_t lock; /* what follows */
	unsigned dispatched;
	unsigned finished;
	unsigned last_status;
	int64_t last_sent;
	char last_client[48];
	char last_peer[48];
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned count_dispatched(void)
{
	unsigned n;

	pthread_mutex_lock(&seen.lock);
	n = seen.dispatched;
	pthread_mutex_unlock(&seen.lock);
	return n;
}

static unsigned count_finished(void)
{
	unsigned n;

	pthread_mutex_lock(&seen.lock);
	n = seen.finished;
	pthread_mutex_unlock(&seen.lock);
	return n;
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	(void)nanosleep(&t, NULL);
}

static int64_t query_number(struct req *r, const char *name)
{
	int64_t n = 0;

	(void)str_to_i64(req_query(r, name, NULL), 0, INT64_MAX, &n);
	return n;
}

/* Byte i of a stream is a function of i, so that a piece lost or sent twice shows. */
static char stream_byte(size_t i)
{
	return (char)('a' + (i / 7 + i / 65536) % 26);
}

struct stream_state {
	size_t at, total, fail_at;
};

static enum iam_err make_piece(struct req *r, void *ctx, struct sb *piece, bool *ret_end)
{
	struct stream_state *st = ctx;

	(void)r;
	if (st->fail_at != 0 && st->at >= st->fail_at)
		return IAM_STORE;
	while (piece->len < RESP_PIECE_BYTES && st->at < st->total)
		sb_add_char(piece, stream_byte(st->at++));
	*ret_end = st->at == st->total;
	return st->fail_at == 1 ? IAM_STORE : IAM_OK;
}

static struct req *req_of(struct lane_job *job)
{
	return (struct req *)(void *)((char *)job - offsetof(struct req, job));
}

static void slow_run(struct lane_job *job)
{
	struct req *r = req_of(job);

	sleep_ms((long)query_number(r, "ms"));
	/* touches the request after the sleep: a use after free would show here */
	(void)resp_body(r->out, 200, "text/plain",
		arena_fmt(r->arena, "slow %.*s %.*s", STR_FMT(r->path),
			STR_FMT(req_header(r, "Host"))));
}

static void slow_done(struct lane_job *job, enum iam_err result)
{
	struct req *r = req_of(job);

	(void)result;
	r->io->resume(r);
}

static struct lanes *app_lanes;

static void go_slow(struct req *r)
{
	r->job.run = slow_run;
	r->job.done = slow_done;
	r->io->suspend(r);
	if (!lane_submit(app_lanes, LANE_SLOW, &r->job)) {
		problem_write(r, IAM_UNAVAILABLE, r->out);
		r->io->resume(r);
	}
}

static void app_begin(struct req *r, struct resp *out)
{
	r->body_max = 4096;
	if (str_eq_c(r->path, "/early"))
		problem_write(r, IAM_NO_ROUTE, out);
}

static void app_stream(struct req *r, struct resp *out)
{
	struct stream_state *st = arena_alloc(r->arena, sizeof(*st));

	st->total = (size_t)query_number(r, "bytes");
	st->fail_at = (size_t)query_number(r, "fail");
	(void)resp_stream(out, make_piece, st);
}

static void app_dispatch(struct req *r, struct resp *out)
{
	if (r->body_too_large) {
		problem_write(r, IAM_TOO_LARGE, out);
		return;
	}
	pthread_mutex_lock(&seen.lock);
	seen.dispatched++;
	(void)snprintf(seen.last_client, sizeof(seen.last_client), "%s", r->client_ip);
	(void)snprintf(seen.last_peer, sizeof(seen.last_peer), "%s", r->peer_ip);
	pthread_mutex_unlock(&seen.lock);
	if (str_eq_c(r->path, "/echo"))
		(void)resp_body(out, 200, "text/plain", r->body);
	else if (str_eq_c(r->path, "/slow") || str_eq_c(r->path, "/twice"))
		go_slow(r);
	else if (str_eq_c(r->path, "/stream"))
		app_stream(r, out);
	else if (str_eq_c(r->path, "/empty"))
		(void)resp_empty(out, 204, false);
	else if (str_eq_c(r->path, "/created"))
		(void)resp_empty(out, 201, true);
	else if (str_eq_c(r->path, "/raw"))
		(void)resp_body(out, 200, "text/plain",
			arena_fmt(r->arena, "%.*s?%.*s", STR_FMT(r->path), STR_FMT(r->query)));
	else if (!str_eq_c(r->path, "/nothing"))
		(void)resp_body(out, 200, "text/plain", STR("hello"));
}

static void app_resumed(struct req *r, struct resp *out)
{
	(void)out;
	if (str_eq_c(r->path, "/twice") && r->state == NULL) {
		r->state = r;
		go_slow(r);
	}
}

static void app_finished(struct req *r, const struct resp *out, int64_t sent_bytes)
{
	pthread_mutex_lock(&seen.lock);
	seen.finished++;
	seen.last_status = out->status;
	seen.last_sent = sent_bytes;
	pthread_mutex_unlock(&seen.lock);
	assert_non_null(r->io);
}

static const struct server_ops app_ops = {.begin = app_begin,
	.dispatch = app_dispatch,
	.resumed = app_resumed,
	.finished = app_finished};

/* ---- fixture ---- */

struct fixture {
	struct server *server;
	struct server_settings settings;
	int port;
	char dir[64];
	char path[100];
	char listen[160];
};

static void start(struct fixture *f)
{
	struct iam_error err = {.text = ""};
	char address[160];

	if (server_start(&f->settings, &f->server, &err) != IAM_OK)
		fail_msg("%s", err.text);
	assert_true(server_address(f->server, 0, address, sizeof(address)));
	for (const char *p = address; *p != '\0'; p++)
		if (*p == ':')
			f->port = 0;
		else
			f->port = f->port * 10 + (*p >= '0' && *p <= '9' ? *p - '0' : 0);
}

static int setup(void **state)
{
	const struct lane_config lanes[LANE_COUNT] = {
		[LANE_SLOW] = {.threads = 2, .queue_max = 512}};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/iamd-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	(void)snprintf(f->listen, sizeof(f->listen), "127.0.0.1:0,unix:%s", f->path);
	app_lanes = lanes_new(lanes);
	assert_non_null(app_lanes);
	f->settings = (struct server_settings){.ops = &app_ops,
		.lanes = app_lanes,
		.listen = f->listen,
		.metrics_listen = "",
		.tls_certificate_file = "",
		.tls_key_file = "",
		.loops = 2,
		.connection_limit = 1000,
		.connection_limit_per_address = 10,
		.header_timeout_ms = 10000,
		.idle_timeout_ms = 60000,
		.trusted_proxies = "unix:"};
	pthread_mutex_lock(&seen.lock);
	seen.dispatched = 0;
	seen.finished = 0;
	pthread_mutex_unlock(&seen.lock);
	*state = f;
	return 0;
}

static int setup_started(void **state)
{
	(void)setup(state);
	start(*state);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->server != NULL)
		server_drain(f->server, 0);
	lanes_free(app_lanes);
	server_free(f->server);
	assert_int_equal(access(f->path, F_OK), -1); /* the socket file is gone */
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

/* ---- a small client ---- */

static int dial(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void put(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		text += n;
		len -= (size_t)n;
	}
}

static void puts_to(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

/* Up to `size` bytes; 0: end (or reset, with *ret_reset); fails the test after WAIT_MS. */
static size_t get(int fd, char *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, WAIT_MS) != 1)
		fail_msg("no answer within %d ms", WAIT_MS);
	n = recv(fd, buf, size, 0);
	return n < 0 ? 0 : (size_t)n;
}

struct answer {
	int status;
	char head[8192];
	char *body; /* dechunked */
	size_t body_len;
	bool is_complete; /* as framed; without framing: always */
	bool is_chunked;
	bool is_closed;   /* the connection ended */
};

static void answer_done(struct answer *a)
{
	free(a->body);
	a->body = NULL;
	a->body_len = 0;
}

/* The header's value in the head; NULL if missing. */
static const char *field(const struct answer *a, const char *name)
{
	static char value[512];

	for (const char *line = strchr(a->head, '\n'); line != NULL; line = strchr(line, '\n')) {
		size_t len = strlen(name);

		line++;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			size_t size = strcspn(line + len + 2, "\r");

			assert_true(size < sizeof(value));
			memcpy(value, line + len + 2, size);
			value[size] = '\0';
			return value;
		}
	}
	return NULL;
}

static size_t number(const char *text, unsigned base)
{
	size_t n = 0;

	for (; *text != '\0' && strchr("0123456789abcdefABCDEF", *text) != NULL; text++) {
		unsigned c = (unsigned)*text | 0x20U;

		n = n * base + (c >= 'a' ? c - 'a' + 10 : c - ('0' | 0x20U));
	}
	return n;
}

/* One line (with its end) byte by byte. False at the end of the connection. */
static bool get_line(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && get(fd, buf + len, 1) == 1) {
		len++;
		if (buf[len - 1] == '\n') {
			buf[len] = '\0';
			return true;
		}
	}
	return false;
}

static bool get_exactly(int fd, struct answer *a, size_t len)
{
	a->body = realloc(a->body, a->body_len + len + 1);
	assert_non_null(a->body);
	while (len > 0) {
		size_t n = get(fd, a->body + a->body_len, len);

		if (n == 0)
			return false;
		a->body_len += n;
		len -= n;
	}
	a->body[a->body_len] = '\0';
	return true;
}

static bool get_chunks(int fd, struct answer *a)
{
	char line[64];

	for (;;) {
		size_t len;

		if (!get_line(fd, line, sizeof(line)))
			return false;
		len = number(line, 16);
		if (len > 0 && !get_exactly(fd, a, len))
			return false;
		if (!get_line(fd, line, sizeof(line)))
			return false;
		if (len == 0)
			return true;
	}
}

static void get_to_end(int fd, struct answer *a)
{
	char buf[65536];
	size_t n;

	while ((n = get(fd, buf, sizeof(buf))) > 0) {
		a->body = realloc(a->body, a->body_len + n + 1);
		assert_non_null(a->body);
		memcpy(a->body + a->body_len, buf, n);
		a->body_len += n;
		a->body[a->body_len] = '\0';
	}
	a->is_closed = true;
}

/* has_body false: the answer to HEAD. Status 0: the connection ended without an answer. */
static struct answer read_answer(int fd, bool has_body)
{
	struct answer a = {.status = 0};
	size_t at = 0;
	const char *length;
	const char *coding;

	while (at + 1 < sizeof(a.head) && get_line(fd, a.head + at, sizeof(a.head) - at)) {
		size_t len = strlen(a.head + at);

		at += len;
		if (len == 2)
			break;
	}
	if (at < 12) {
		a.is_closed = true;
		return a;
	}
	a.status = (int)number(a.head + 9, 10);
	length = field(&a, "Content-Length");
	a.is_complete = true;
	if (!has_body || a.status == 204)
		return a;
	if (length != NULL) {
		a.is_complete = get_exactly(fd, &a, number(length, 10));
		return a;
	}
	coding = field(&a, "Transfer-Encoding");
	a.is_chunked = coding != NULL;
	if (a.is_chunked)
		a.is_complete = get_chunks(fd, &a);
	else
		get_to_end(fd, &a);
	return a;
}

static struct answer ask(int fd, const char *request)
{
	puts_to(fd, request);
	return read_answer(fd, true);
}

static bool is_ended(int fd)
{
	char c;

	return get(fd, &c, 1) == 0;
}

static void assert_body(const struct answer *a, const char *text)
{
	assert_int_equal(a->body_len, strlen(text));
	assert_memory_equal(a->body == NULL ? "" : a->body, text, strlen(text));
}

static void assert_stream(const struct answer *a, size_t total)
{
	assert_int_equal(a->body_len, total);
	for (size_t i = 0; i < total; i++)
		if (a->body[i] != stream_byte(i))
			fail_msg("byte %zu differs", i);
}

static void wait_finished(unsigned n)
{
	int64_t until = clock_mono_ms() + WAIT_MS;

	while (count_finished() < n && clock_mono_ms() < until)
		sleep_ms(2);
	assert_int_equal(count_finished(), n);
}

/* ---- tests ---- */

static void one_connection_serves_many_requests(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);

	for (int i = 0; i < 100; i++) {
		struct answer a = ask(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");

		assert_int_equal(a.status, 200);
		assert_body(&a, "hello");
		assert_string_equal(field(&a, "Content-Type"), "text/plain");
		assert_non_null(field(&a, "Date"));
		answer_done(&a);
	}
	wait_finished(100);
	assert_int_equal(server_connections(f->server), 1);
	(void)close(fd);
}

static void keep_alive_of_http10_is_honoured(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

	assert_body(&a, "hello");
	answer_done(&a);
	a = ask(fd, "GET /hello HTTP/1.0\r\n\r\n");
	assert_body(&a, "hello");
	assert_true(is_ended(fd));
	answer_done(&a);
	(void)close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a;

	puts_to(fd, "GET /raw?1 HTTP/1.1\r\nHost: x\r\n\r\n"
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
		"GET /slow?ms=20 HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /raw?4 HTTP/1.1\r\nHost: x\r\n\r\n");
	a = read_answer(fd, true);
	assert_body(&a, "/raw?1");
	answer_done(&a);
	a = read_answer(fd, true);
	assert_body(&a, "two");
	answer_done(&a);
	a = read_answer(fd, true);
	assert_body(&a, "slow /slow x");
	answer_done(&a);
	a = read_answer(fd, true);
	assert_body(&a, "/raw?4");
	answer_done(&a);
	(void)close(fd);
}

static void the_target_reaches_the_handler_undecoded(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /raw?a=%2F+%25&b HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_body(&a, "/raw?a=%2F+%25&b");
	answer_done(&a);
	(void)close(fd);
}

static void bodies_come_whole_chunked_or_counted(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n");

	assert_body(&a, "abcdefg");
	answer_done(&a);
	a = ask(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd");
	assert_body(&a, "abcd");
	answer_done(&a);
	a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(a.status, 200);
	assert_body(&a, "");
	answer_done(&a);
	(void)close(fd);
}

static void a_body_over_the_cap_is_413(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	char chunk[5200];
	struct answer a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n");

	/* refused before a byte of it was read, and closed because the rest would follow */
	assert_int_equal(a.status, 413);
	assert_non_null(strstr(a.body, "ERR_TOO_LARGE"));
	assert_true(is_ended(fd));
	answer_done(&a);
	(void)close(fd);

	fd = dial(f->port);
	puts_to(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	memset(chunk, 'x', sizeof(chunk));
	puts_to(fd, "1388\r\n");
	put(fd, chunk, 5000);
	puts_to(fd, "\r\n0\r\n\r\n");
	a = read_answer(fd, true);
	assert_int_equal(a.status, 413);
	answer_done(&a);
	(void)close(fd);
	assert_int_equal(count_dispatched(), 0);
}

static void a_chunked_body_without_end_is_cut(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	char chunk[1031];
	bool ended = false;

	memset(chunk, 'x', sizeof(chunk));
	memcpy(chunk, "400\r\n", 5);
	memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
	puts_to(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 100 && !ended; i++) {
		ended = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0;
		sleep_ms(1);
	}
	assert_true(ended);
	(void)close(fd);
	assert_int_equal(count_dispatched(), 0);
}

static void malformed_requests_are_refused_and_closed(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: a\001b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
		/* these the library reads otherwise than a proxy would */
		"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\nY: z\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Len: 3\r\n gth\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.0\r\n: a\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
		/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one request in two lines */
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n"
		"Content-Length: 5\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = dial(f->port);
		struct answer a = ask(fd, bad[i]);
		int status = a.status;

		/* the library repeats the head of some refusals of its own; nothing else may follow */
		answer_done(&a);
		get_to_end(fd, &a);
		if (status != 400 || (a.body != NULL && strstr(a.body, "200 OK") != NULL))
			fail_msg("case %zu: status %d: %s", i, status, bad[i]);
		answer_done(&a);
		(void)close(fd);
	}
	assert_int_equal(count_dispatched(), 0);
}

static void a_nul_in_the_head_is_refused(void **state)
{
	const struct str bad[] = {
		STR("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: x\r\nX: a\0\r\nY: z\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: x\r\nX\0Y: z\r\n\r\n"),
		STR("GET / HTTP/1.1\0\r\nHost: x\r\n\r\n"),
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = dial(f->port);
		struct answer a;

		put(fd, bad[i].ptr, bad[i].len);
		a = read_answer(fd, true);
		if (a.status != 0 && a.status != 400)
			fail_msg("case %zu: status %d", i, a.status);
		answer_done(&a);
		(void)close(fd);
	}
	assert_int_equal(count_dispatched(), 0);
}

static void blanks_around_values_are_no_part_of_them(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "\r\nGET /slow HTTP/1.1\r\nHOST:  x \t \r\nA:\r\nB: \r\n"
		"C:d\r\n\r\n");

	assert_body(&a, "slow /slow x");
	answer_done(&a);
	a = ask(fd, "GET /hello HTTP/1.0\r\n\r\n");
	assert_body(&a, "hello");
	answer_done(&a);
	(void)close(fd);
}

static void what_follows_a_refused_request_is_not_served(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_int_equal(a.status, 400);
	assert_true(is_ended(fd));
	assert_int_equal(count_dispatched(), 0);
	answer_done(&a);
	(void)close(fd);
}

static void too_many_or_too_large_headers_are_refused(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	char *text = malloc(70000);
	size_t at;
	struct answer a;

	assert_non_null(text);
	at = (size_t)snprintf(text, 70000, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 100; i++)
		at += (size_t)snprintf(text + at, 70000 - at, "X-%d: y\r\n", i);
	(void)snprintf(text + at, 70000 - at, "\r\n");
	a = ask(fd, text);
	assert_int_equal(a.status, 431);
	assert_true(is_ended(fd));
	answer_done(&a);
	(void)close(fd);

	fd = dial(f->port);
	at = (size_t)snprintf(text, 70000, "GET /");
	memset(text + at, 'a', 9000);
	(void)snprintf(text + at + 9000, 70000 - at - 9000, " HTTP/1.1\r\nHost: x\r\n\r\n");
	a = ask(fd, text);
	assert_int_equal(a.status, 414);
	answer_done(&a);
	(void)close(fd);
	free(text);
	assert_int_equal(count_dispatched(), 0);
}

static void empty_answers_have_the_right_fields(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_int_equal(a.status, 204);
	assert_null(field(&a, "Content-Type"));
	answer_done(&a);
	a = ask(fd, "GET /created HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 201);
	assert_string_equal(field(&a, "Content-Length"), "0");
	assert_string_equal(field(&a, "Content-Type"), RESP_JSON_TYPE);
	answer_done(&a);
	puts_to(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	a = read_answer(fd, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(field(&a, "Content-Length"), "5");
	answer_done(&a);
	/* nothing of a body came: the next answer begins where it should */
	a = ask(fd, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 500);
	answer_done(&a);
	(void)close(fd);
}

static void an_early_answer_keeps_a_connection_without_body(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /early HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_int_equal(a.status, 404);
	assert_string_equal(field(&a, "Content-Length"), "0");
	answer_done(&a);
	a = ask(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 200);
	answer_done(&a);
	a = ask(fd, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde");
	assert_int_equal(a.status, 404);
	assert_true(is_ended(fd));
	answer_done(&a);
	(void)close(fd);
}

static void parked_requests_do_not_hold_the_loops(void **state)
{
	struct fixture *f = *state;
	int slow[50];
	int fd;
	struct answer a;

	for (int i = 0; i < 50; i++) {
		slow[i] = dial(f->port);
		puts_to(slow[i], "GET /slow?ms=10 HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	fd = dial(f->port);
	a = ask(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 200);
	answer_done(&a);
	assert_true(count_finished() < 40); /* ours was not last in the line */
	(void)close(fd);
	for (int i = 0; i < 50; i++) {
		a = read_answer(slow[i], true);
		assert_body(&a, "slow /slow x");
		answer_done(&a);
		(void)close(slow[i]);
	}
}

static void a_request_may_be_parked_twice(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /twice?ms=5 HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_body(&a, "slow /twice x");
	answer_done(&a);
	(void)close(fd);
}

static void a_long_answer_is_streamed_to_a_slow_reader(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a;

	puts_to(fd, "GET /stream?bytes=10485760 HTTP/1.1\r\nHost: x\r\n\r\n");
	sleep_ms(200); /* the socket's buffers are full by now */
	a = read_answer(fd, true);
	assert_true(a.is_chunked);
	assert_true(a.is_complete);
	assert_stream(&a, STREAM_BYTES);
	answer_done(&a);
	wait_finished(1);
	assert_int_equal(seen.last_sent, STREAM_BYTES);
	a = ask(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 200);
	answer_done(&a);
	(void)close(fd);
}

static void http10_gets_a_stream_that_ends_by_close(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /stream?bytes=1000000 HTTP/1.0\r\n"
		"Connection: keep-alive\r\n\r\n");

	assert_false(a.is_chunked);
	assert_true(a.is_closed);
	assert_stream(&a, 1000000);
	answer_done(&a);
	(void)close(fd);
}

static void a_short_stream_is_sent_with_its_length(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /stream?bytes=1000 HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_string_equal(field(&a, "Content-Length"), "1000");
	assert_stream(&a, 1000);
	answer_done(&a);
	a = ask(fd, "GET /stream?bytes=0 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_string_equal(field(&a, "Content-Length"), "0");
	answer_done(&a);
	(void)close(fd);
}

static void a_stream_that_fails_at_once_is_an_ordinary_error(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	struct answer a = ask(fd, "GET /stream?bytes=1000&fail=1 HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_int_equal(a.status, 503);
	assert_non_null(field(&a, "Retry-After"));
	answer_done(&a);
	(void)close(fd);
}

static void a_stream_that_breaks_off_does_not_look_complete(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	char buf[65536];
	ssize_t n;
	struct answer a = ask(fd,
		"GET /stream?bytes=1000000&fail=300000 HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_int_equal(a.status, 200);
	assert_false(a.is_complete);
	answer_done(&a);
	(void)close(fd);

	fd = dial(f->port);
	puts_to(fd, "GET /stream?bytes=1000000&fail=300000 HTTP/1.0\r\n\r\n");
	do {
		n = recv(fd, buf, sizeof(buf), 0);
	} while (n > 0);
	assert_int_equal(n, -1); /* reset, not a clean end */
	assert_int_equal(errno, ECONNRESET);
	(void)close(fd);
}

static void clients_may_leave_at_any_time(void **state)
{
	static const char *const requests[] = {
		"GET /slow?ms=30 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /stream?bytes=10000000 HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
		"GET /hello HTTP/1.1\r\nHost: x\r\nX-",
		"GET /he",
		"",
	};
	struct fixture *f = *state;
	const struct linger reset = {.l_onoff = 1};

	for (int round = 0; round < 10; round++) {
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
			int fd = dial(f->port);

			puts_to(fd, requests[i]);
			sleep_ms((long)(round % 3) * 4);
			if (round % 2 == 0)
				(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
					sizeof(reset));
			(void)close(fd);
		}
	}
	for (int i = 0; i < 500 && server_connections(f->server) > 0; i++) {
		if (i % 10 == 0) /* as the maintenance thread does */
			(void)server_sweep(f->server);
		sleep_ms(10);
	}
	assert_int_equal(server_connections(f->server), 0);
}

static void *drain_thread(void *arg)
{
	server_drain(arg, 5000);
	return NULL;
}

static void a_drain_lets_running_requests_finish(void **state)
{
	struct fixture *f = *state;
	int busy = dial(f->port);
	int idle = dial(f->port);
	pthread_t thread;
	struct answer a = ask(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");

	answer_done(&a);
	puts_to(busy, "GET /slow?ms=300 HTTP/1.1\r\nHost: x\r\n\r\n");
	sleep_ms(50);
	assert_int_equal(pthread_create(&thread, NULL, drain_thread, f->server), 0);
	sleep_ms(50);
	assert_int_equal(dial(f->port), -1); /* refused at once */
	assert_true(is_ended(idle));
	a = read_answer(busy, true);
	assert_int_equal(a.status, 200);
	assert_string_equal(field(&a, "Connection"), "close");
	assert_true(is_ended(busy));
	answer_done(&a);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(server_connections(f->server), 0);
	(void)close(busy);
	(void)close(idle);
}

static void a_drain_answers_what_takes_too_long_503(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	int more[20];
	struct answer a;
	int64_t began;

	puts_to(fd, "GET /slow?ms=1500 HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		more[i] = dial(f->port);
		puts_to(more[i], i % 2 == 0 ? "GET /slow?ms=100 HTTP/1.1\r\nHost: x\r\n\r\n" :
			"GET /stream?bytes=50000000 HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	sleep_ms(50);
	began = clock_mono_ms();
	server_drain(f->server, 100);
	assert_true(clock_mono_ms() - began < 1400);
	a = read_answer(fd, true);
	assert_int_equal(a.status, 503);
	assert_string_equal(field(&a, "Connection"), "close");
	assert_true(is_ended(fd));
	answer_done(&a);
	(void)close(fd);
	for (int i = 0; i < 20; i++)
		(void)close(more[i]);
	/* the jobs still run on their requests; teardown waits for the lanes, then frees the server */
}

static void slow_connections_are_swept_and_others_are_not(void **state)
{
	struct fixture *f = *state;
	int slow[200];
	int body;
	int good;
	struct answer a;
	unsigned cut = 0;
	int64_t until;

	f->settings.header_timeout_ms = 300;
	f->settings.idle_timeout_ms = 100000;
	start(f);
	good = dial(f->port);
	a = ask(good, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	answer_done(&a);
	body = dial(f->port);
	puts_to(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
	for (int i = 0; i < 200; i++)
		slow[i] = dial(f->port);
	until = clock_mono_ms() + 3000;
	for (int tick = 0; clock_mono_ms() < until && cut < 200; tick++) {
		/* a byte now and then does not help them */
		for (int i = 0; i < 200; i++)
			(void)send(slow[i], tick < 5 ? &"GET /"[tick] : "a", 1, MSG_NOSIGNAL);
		cut += server_sweep(f->server);
		sleep_ms(30);
	}
	assert_int_equal(cut, 200);
	for (int i = 0; i < 200; i++) {
		assert_true(is_ended(slow[i]));
		(void)close(slow[i]);
	}
	a = ask(good, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 200);
	answer_done(&a);
	(void)close(good);
	(void)close(body);
}

static void an_idle_connection_is_cut(void **state)
{
	struct fixture *f = *state;
	int fd;
	struct answer a;

	f->settings.idle_timeout_ms = 100;
	start(f);
	fd = dial(f->port);
	a = ask(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	answer_done(&a);
	assert_int_equal(server_sweep(f->server), 0);
	sleep_ms(150);
	assert_int_equal(server_sweep(f->server), 1);
	assert_true(is_ended(fd));
	(void)close(fd);
}

static void a_reader_that_does_not_read_is_cut(void **state)
{
	struct fixture *f = *state;
	int fd;
	unsigned cut = 0;

	f->settings.idle_timeout_ms = 100;
	start(f);
	fd = dial(f->port);
	puts_to(fd, "GET /stream?bytes=100000000 HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 300 && cut == 0; i++) {
		sleep_ms(20);
		cut = server_sweep(f->server);
	}
	assert_int_equal(cut, 1);
	wait_finished(1);
	(void)close(fd);
}

static int dial_unix(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void a_unix_socket_serves_and_is_trusted_when_named(void **state)
{
	struct fixture *f = *state;
	int fd = dial_unix(f->path);
	struct stat st;
	struct answer a = ask(fd, "GET /slow?ms=1 HTTP/1.1\r\nHost: x\r\n"
		"X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n\r\n");

	assert_body(&a, "slow /slow x");
	assert_string_equal(seen.last_peer, "unix");
	assert_string_equal(seen.last_client, "203.0.113.9");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	answer_done(&a);
	(void)close(fd);
	/* TCP is not in the list: its header is not believed */
	fd = dial(f->port);
	a = ask(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
	assert_string_equal(seen.last_peer, "127.0.0.1");
	assert_string_equal(seen.last_client, "");
	answer_done(&a);
	(void)close(fd);
}

static void a_served_unix_socket_is_not_taken_over_a_stale_one_is(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct iam_error err;
	struct server *second = NULL;
	int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
	assert_int_equal(bind(stale, (struct sockaddr *)&sun, sizeof(sun)), 0);
	(void)close(stale); /* its file stays, as after a crash */
	start(f);
	assert_int_equal(server_start(&f->settings, &second, &err), IAM_IO);
	assert_non_null(strstr(err.text, f->path));
	assert_null(second);
	assert_int_equal(access(f->path, F_OK), 0);
	(void)close(dial_unix(f->path));
}

static void bad_addresses_are_refused_with_a_text(void **state)
{
	static const char *const bad[] = {"127.0.0.1", "example.org:80", "127.0.0.1:99999",
		"::1:80", "[::1]", ":80", "unix:relative", "127.0.0.1:80x", "none", ""};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct iam_error err = {.text = ""};

		f->settings.listen = bad[i];
		assert_int_equal(server_start(&f->settings, &f->server, &err), IAM_CONFIG);
		assert_true(err.text[0] != '\0');
	}
	f->server = NULL;
}

/* ---- TLS ---- */

static void run_openssl(const char *const *argv)
{
	pid_t pid;
	int status = -1;
	posix_spawn_file_actions_t quiet;

	(void)posix_spawn_file_actions_init(&quiet);
	(void)posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawnp(&pid, "openssl", &quiet, NULL,
		(char *const *)(uintptr_t)argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&quiet);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

struct pair {
	char cert[128];
	char key[128];
};

static struct pair make_pair(const struct fixture *f, const char *name)
{
	struct pair p;
	char subject[64];

	(void)snprintf(p.cert, sizeof(p.cert), "%s/%s.crt", f->dir, name);
	(void)snprintf(p.key, sizeof(p.key), "%s/%s.key", f->dir, name);
	(void)snprintf(subject, sizeof(subject), "/CN=%s", name);
	run_openssl((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject, "-keyout",
		p.key, "-out", p.cert, NULL});
	return p;
}

static void remove_pair(const struct pair *p)
{
	(void)unlink(p->cert);
	(void)unlink(p->key);
}

struct tls_client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
};

static struct tls_client tls_dial(int port)
{
	struct tls_client c = {.fd = dial(port)};
	int rc;

	assert_true(c.fd >= 0);
	assert_int_equal(gnutls_init(&c.session, GNUTLS_CLIENT), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&c.cred), 0);
	assert_int_equal(gnutls_set_default_priority(c.session), 0);
	assert_int_equal(gnutls_credentials_set(c.session, GNUTLS_CRD_CERTIFICATE, c.cred), 0);
	gnutls_transport_set_int(c.session, c.fd);
	do {
		rc = gnutls_handshake(c.session);
	} while (rc < 0 && gnutls_error_is_fatal(rc) == 0);
	if (rc < 0)
		fail_msg("handshake: %s", gnutls_strerror(rc));
	return c;
}

static void tls_hang_up(struct tls_client *c)
{
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->cred);
	(void)close(c->fd);
}

static void assert_tls_hello(struct tls_client *c)
{
	static const char request[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
	char buf[1024] = "";
	size_t len = 0;

	assert_true(gnutls_record_send(c->session, request, sizeof(request) - 1) > 0);
	while (strstr(buf, "hello") == NULL) {
		ssize_t n = gnutls_record_recv(c->session, buf + len, sizeof(buf) - 1 - len);

		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			continue;
		assert_true(n > 0);
		len += (size_t)n;
		buf[len] = '\0';
	}
	assert_non_null(strstr(buf, "200 OK"));
}

static void assert_tls_name(struct tls_client *c, const char *name)
{
	unsigned n = 0;
	const gnutls_datum_t *list = gnutls_certificate_get_peers(c->session, &n);

	assert_true(n > 0);
	assert_non_null(memmem(list[0].data, list[0].size, name, strlen(name)));
}

static void a_certificate_is_replaced_without_dropping_anybody(void **state)
{
	struct fixture *f = *state;
	struct pair first = make_pair(f, "firstcert");
	struct pair second = make_pair(f, "secondcert");
	struct iam_error err = {.text = ""};
	struct tls_client old;
	struct tls_client fresh;
	struct answer a;
	int plain;

	f->settings.tls_certificate_file = first.cert;
	f->settings.tls_key_file = first.key;
	start(f);
	old = tls_dial(f->port);
	assert_tls_name(&old, "firstcert");
	assert_tls_hello(&old);
	/* a key of another certificate, then a missing file: the pair in use stays */
	assert_int_equal(server_reload_tls(f->server, second.cert, first.key, &err), IAM_CONFIG);
	assert_int_equal(server_reload_tls(f->server, "/nonexistent", first.key, &err),
		IAM_CONFIG);
	assert_non_null(strstr(err.text, "/nonexistent"));
	assert_int_equal(server_reload_tls(f->server, second.cert, second.key, &err), IAM_OK);
	fresh = tls_dial(f->port);
	assert_tls_name(&fresh, "secondcert");
	assert_tls_hello(&fresh);
	assert_tls_hello(&old);
	tls_hang_up(&old);
	tls_hang_up(&fresh);
	/* the Unix socket stays plain */
	plain = dial_unix(f->path);
	a = ask(plain, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 200);
	answer_done(&a);
	(void)close(plain);
	remove_pair(&first);
	remove_pair(&second);
}

#define STARTED(name) cmocka_unit_test_setup_teardown(name, setup_started, teardown)
#define STOPPED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(one_connection_serves_many_requests),
		STARTED(keep_alive_of_http10_is_honoured),
		STARTED(pipelined_requests_are_answered_in_order),
		STARTED(the_target_reaches_the_handler_undecoded),
		STARTED(bodies_come_whole_chunked_or_counted),
		STARTED(a_body_over_the_cap_is_413),
		STARTED(a_chunked_body_without_end_is_cut),
		STARTED(malformed_requests_are_refused_and_closed),
		STARTED(a_nul_in_the_head_is_refused),
		STARTED(blanks_around_values_are_no_part_of_them),
		STARTED(what_follows_a_refused_request_is_not_served),
		STARTED(too_many_or_too_large_headers_are_refused),
		STARTED(empty_answers_have_the_right_fields),
		STARTED(an_early_answer_keeps_a_connection_without_body),
		STARTED(parked_requests_do_not_hold_the_loops),
		STARTED(a_request_may_be_parked_twice),
		STARTED(a_long_answer_is_streamed_to_a_slow_reader),
		STARTED(http10_gets_a_stream_that_ends_by_close),
		STARTED(a_short_stream_is_sent_with_its_length),
		STARTED(a_stream_that_fails_at_once_is_an_ordinary_error),
		STARTED(a_stream_that_breaks_off_does_not_look_complete),
		STARTED(clients_may_leave_at_any_time),
		STARTED(a_drain_lets_running_requests_finish),
		STARTED(a_drain_answers_what_takes_too_long_503),
		STOPPED(slow_connections_are_swept_and_others_are_not),
		STOPPED(an_idle_connection_is_cut),
		STOPPED(a_reader_that_does_not_read_is_cut),
		STARTED(a_unix_socket_serves_and_is_trusted_when_named),
		STOPPED(a_served_unix_socket_is_not_taken_over_a_stale_one_is),
		STOPPED(bad_addresses_are_refused_with_a_text),
		STOPPED(a_certificate_is_replaced_without_dropping_anybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
