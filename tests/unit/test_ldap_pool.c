/*
 * test_ldap_pool - many threads with one pool, against a server of a few lines: no race, nothing lost.
 *
 * What a pool does one step after the other is tested against real directories (tests/idp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "iamd/idp/ldap_ber.h"
#include "iamd/idp/ldap_pool.h"
#include "iamd/sys/clock.h"

#define THREADS  6
#define ROUNDS   150
#define CLIENTS  256
#define BUF_SIZE 4096

/* ------------------------------------------------------------------ a server: no StartTLS, all may bind */

struct server {
	int listener;
	uint16_t port;
	int stop[2]; /* a pipe */
	pthread_t thread;
	struct pollfd fds[CLIENTS];
	size_t len[CLIENTS];
	char buf[CLIENTS][BUF_SIZE];
	size_t n;
};

static bool answer(int fd, struct str message)
{
	char ok[] = "\x30\x0c\x02\x01\x00\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
	struct str body, id, content;
	unsigned tag = 0;
	size_t at = 5;

	if (!ldap_ber_expect(&message, BER_SEQUENCE, &body) ||
		!ldap_ber_expect(&body, BER_INTEGER, &id) || id.len != 1 ||
		!ldap_ber_take(&body, &tag, &content))
		return false;
	if (tag != 0x60 && tag != 0x77) /* unbind, abandon */
		return false;
	ok[4] = id.ptr[0];
	ok[at] = (char)(tag + 1);
	ok[at + 4] = tag == 0x77 ? 2 : 0; /* protocolError to StartTLS */
	return send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) == sizeof(ok) - 1;
}

/* False: this client is gone. */
static bool serve(struct server *s, size_t i)
{
	ssize_t got = recv(s->fds[i].fd, s->buf[i] + s->len[i], BUF_SIZE - s->len[i], 0);

	if (got <= 0)
		return false;
	s->len[i] += (size_t)got;
	for (;;) {
		struct str rest = {s->buf[i], s->len[i]};
		struct str content;
		unsigned tag;
		size_t used;

		if (!ldap_ber_take(&rest, &tag, &content))
			return true;
		used = s->len[i] - rest.len;
		if (!answer(s->fds[i].fd, (struct str){s->buf[i], used}))
			return false;
		memmove(s->buf[i], s->buf[i] + used, rest.len);
		s->len[i] = rest.len;
	}
}

static void drop(struct server *s, size_t i)
{
	(void)close(s->fds[i].fd);
	s->n--;
	s->fds[i] = s->fds[s->n];
	s->len[i] = s->len[s->n];
	memcpy(s->buf[i], s->buf[s->n], BUF_SIZE);
}

static void *run_server(void *arg)
{
	struct server *s = arg;

	for (;;) {
		if (poll(s->fds, s->n, 10000) <= 0 || s->fds[0].revents != 0)
			break;
		if (s->fds[1].revents != 0 && s->n < CLIENTS) {
			s->fds[s->n] = (struct pollfd){
				.fd = accept(s->listener, NULL, NULL), .events = POLLIN};
			s->len[s->n++] = 0;
		}
		for (size_t i = s->n; i-- > 2;)
			if (s->fds[i].revents != 0 && !serve(s, i))
				drop(s, i);
	}
	while (s->n > 2)
		drop(s, s->n - 1);
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(at);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 256), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(pipe(s->stop), 0);
	s->port = ntohs(at.sin_port);
	s->fds[0] = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = s->listener, .events = POLLIN};
	s->n = 2;
	assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void server_stop(struct server *s)
{
	assert_int_equal(write(s->stop[1], "x", 1), 1);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->stop[0]);
	(void)close(s->stop[1]);
	(void)close(s->listener);
}

/* ------------------------------------------------------------------ callers */

static struct server server;
static struct ldap_settings settings;
static struct ldap_pool *pool;

struct caller {
	unsigned seed, good, none, bad;
};

static unsigned next_random(struct caller *c)
{
	c->seed = c->seed * 1103515245U + 12345U;
	return c->seed >> 16;
}

static void one_call(struct caller *c)
{
	unsigned dice = next_random(c);
	enum ldap_use use = dice % 2 == 0 ? LDAP_USE_BIND : LDAP_USE_LOOKUP;
	struct ldap_fault f;
	bool kept;
	struct ldap_conn *conn =
		ldap_pool_take(pool, use, clock_mono_ms() + 5000, &kept, &f);

	if (conn == NULL) {
		c->none++;
		return;
	}
	if (ldap_conn_bind(conn, STR("cn=x"), STR("y"), true, clock_mono_ms() + 5000, &f))
		c->good++;
	else
		c->bad++;
	if (dice % 32 == 7) /* as if it had died */
		f.state = kept && dice % 512 != 7 ? LDAP_STATE_UNREACHABLE
						  : LDAP_STATE_TIMEOUT;
	ldap_pool_give(pool, use, conn, &f);
}

static void *run_caller(void *arg)
{
	struct caller *c = arg;

	int64_t end_ms = clock_mono_ms() + 30000;
	unsigned none = 0;

	for (int i = 0; c->good < ROUNDS && clock_mono_ms() < end_ms; i++) {
		struct ldap_server_health h[LDAP_SERVERS_MAX];

		one_call(c);
		if (i % 16 == 3)
			ldap_pool_tend(pool);
		if (i % 16 == 5)
			ldap_pool_health(pool, h);
		if (c->none > none) /* down for a second */
			(void)usleep(5000);
		none = c->none;
	}
	return NULL;
}

static unsigned count_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void many_threads_share_a_pool(void **state)
{
	struct caller callers[THREADS] = {{0}};
	pthread_t threads[THREADS];

	unsigned files;

	(void)state;
	server_start(&server);
	files = count_files();
	settings = (struct ldap_settings){.n_servers = 1,
		.allow_cleartext = true,
		.connect_timeout_ms = 5000,
		.operation_timeout_ms = 5000,
		.lookup_dn = STR("cn=lookup"),
		.lookup_password = STR("secret")};
	settings.servers[0] = (struct ldap_server){STR("127.0.0.1"), server.port};
	pool = ldap_pool_new(&settings);
	for (unsigned i = 0; i < THREADS; i++) {
		callers[i].seed = i + 1;
		assert_int_equal(pthread_create(&threads[i], NULL, run_caller,
					 &callers[i]),
			0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);

		assert_int_equal(callers[i].bad, 0);
		assert_int_equal(callers[i].good, ROUNDS);
	}

	ldap_pool_free(pool);
	server_stop(&server);
	assert_int_equal(count_files(), files - 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(many_threads_share_a_pool)};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
