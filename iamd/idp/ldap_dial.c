/*
 * ldap_dial - resolves with getaddrinfo_a() and connects with poll().
 *
 * Does: give up in time. glibc cannot stop a look-up that has begun, so one that took too long is put
 * aside and freed by a later call. Does not: speak any protocol.
 * Invariants: at most LEFT_MAX look-ups are put aside; no socket outlives a failure.
 */
#include "iamd/idp/ldap_dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iamd/sys/clock.h"
#include "libacl/base/steal.h"

/* LIMIT: look-ups of hanging resolvers that are waited for in the background; more: refused at once. */
#define LEFT_MAX 32

struct lookup {
	struct gaicb cb;
	struct addrinfo hints;
	char service[8];
	char *host;
};

static struct {
	pthread_mutex_t lock;
	struct lookup *slots[LEFT_MAX];
} left = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lookup_free(struct lookup *l)
{
	if (l == NULL)
		return;
	if (l->cb.ar_result != NULL)
		freeaddrinfo(l->cb.ar_result);
	free(l->host);
	free(l);
}

/* Frees what has ended meanwhile; is there a free place? */
static bool left_sweep(void)
{
	bool room = false;

	pthread_mutex_lock(&left.lock);
	for (size_t i = 0; i < LEFT_MAX; i++) {
		if (left.slots[i] != NULL &&
			gai_error(&left.slots[i]->cb) != EAI_INPROGRESS)
			lookup_free(STEAL(left.slots[i]));
		room = room || left.slots[i] == NULL;
	}
	pthread_mutex_unlock(&left.lock);
	return room;
}

/* Without a place it is leaked, which only a race of more than LEFT_MAX callers can bring about. */
static void left_add(struct lookup *l)
{
	pthread_mutex_lock(&left.lock);
	for (size_t i = 0; i < LEFT_MAX; i++)
		if (left.slots[i] == NULL) {
			left.slots[i] = l;
			break;
		}
	pthread_mutex_unlock(&left.lock);
}

static struct lookup *lookup_new(const char *host, uint16_t port)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->host = strdup(host);
	if (l->host == NULL) {
		free(l);
		return NULL;
	}
	(void)snprintf(l->service, sizeof(l->service), "%u", (unsigned)port);
	l->hints.ai_socktype = SOCK_STREAM;
	l->hints.ai_flags = AI_NUMERICSERV;
	l->cb.ar_name = l->host;
	l->cb.ar_service = l->service;
	l->cb.ar_request = &l->hints;
	return l;
}

/* gai_error()'s code, EAI_INPROGRESS when the time is up. */
static int lookup_wait(struct lookup *l, int64_t deadline_ms)
{
	const struct gaicb *list[1] = {&l->cb};
	int e;

	while ((e = gai_error(&l->cb)) == EAI_INPROGRESS) {
		int64_t wait_ms = deadline_ms - clock_mono_ms();
		struct timespec t = {wait_ms / 1000, wait_ms % 1000 * 1000000};

		if (wait_ms <= 0)
			break;
		(void)gai_suspend(list, 1, &t);
	}
	return e;
}

/* *ret is the caller's, to be freed. */
static enum ldap_dial resolve(const char *host, uint16_t port, int64_t deadline_ms,
	struct lookup **ret, char *why, size_t why_size)
{
	struct lookup *l;
	struct gaicb *list[1];
	int e;

	if (!left_sweep()) {
		(void)snprintf(why, why_size,
			"the resolver of host names does not answer");
		return LDAP_DIAL_TIMEOUT;
	}
	l = lookup_new(host, port);
	if (l == NULL)
		return LDAP_DIAL_NO_MEMORY;
	/* An address needs no resolver, hence no other thread. */
	l->hints.ai_flags |= AI_NUMERICHOST;
	e = getaddrinfo(l->host, l->service, &l->hints, &l->cb.ar_result);
	if (e == 0) {
		*ret = l;
		return LDAP_DIAL_OK;
	}
	l->hints.ai_flags &= ~AI_NUMERICHOST;
	l->cb.ar_result = NULL;
	list[0] = &l->cb;
	e = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	if (e == 0)
		e = lookup_wait(l, deadline_ms);
	if (e == 0) {
		*ret = l;
		return LDAP_DIAL_OK;
	}
	if (e == EAI_INPROGRESS) {
		(void)snprintf(why, why_size, "timed out, the name was not resolved");
		if (gai_cancel(&l->cb) == EAI_NOTCANCELED)
			left_add(STEAL(l));
		lookup_free(l);
		return LDAP_DIAL_TIMEOUT;
	}
	(void)snprintf(why, why_size, "no address for the name: %s", gai_strerror(e));
	lookup_free(l);
	return LDAP_DIAL_FAILED;
}

/* errno of the attempt, ETIMEDOUT when the time is up, 0: connected. */
static int connect_one(const struct addrinfo *at, int64_t deadline_ms, int *ret_fd)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int on = 1;
	int error = 0;
	socklen_t size = sizeof(error);
	int64_t wait_ms;

	if (fd < 0)
		return errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, at->ai_addr, at->ai_addrlen) != 0)
		error = errno;
	while (error == EINPROGRESS) {
		wait_ms = deadline_ms - clock_mono_ms();
		if (wait_ms <= 0)
			error = ETIMEDOUT;
		else if (poll(&p, 1, wait_ms > 60000 ? 60000 : (int)wait_ms) > 0 &&
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
	}
	if (error != 0) {
		(void)close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

static enum ldap_dial connect_any(const struct addrinfo *list, int64_t deadline_ms,
	int *ret_fd, char *why, size_t why_size)
{
	int64_t addresses = 0;
	int error = ETIMEDOUT;

	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
		addresses++;
	for (const struct addrinfo *at = list; at != NULL;
		at = at->ai_next, addresses--) {
		int64_t now_ms = clock_mono_ms();

		if (now_ms >= deadline_ms)
			break;
		error = connect_one(at, now_ms + (deadline_ms - now_ms) / addresses,
			ret_fd);
		if (error == 0)
			return LDAP_DIAL_OK;
	}
	if (error == ETIMEDOUT)
		(void)snprintf(why, why_size, "timed out");
	else
		(void)snprintf(why, why_size, "[Errno %d] %s", error,
			strerrordesc_np(error));
	return error == ETIMEDOUT ? LDAP_DIAL_TIMEOUT : LDAP_DIAL_FAILED;
}

enum ldap_dial ldap_dial(const char *host, uint16_t port, int64_t deadline_ms,
	int *ret_fd, char *why, size_t why_size)
{
	struct lookup *l = NULL;
	enum ldap_dial d = resolve(host, port, deadline_ms, &l, why, why_size);

	if (d != LDAP_DIAL_OK)
		return d;
	d = connect_any(l->cb.ar_result, deadline_ms, ret_fd, why, why_size);
	lookup_free(l);
	return d;
}
