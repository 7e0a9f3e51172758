/*
 * conn_watch - the registry of open connections.
 *
 * Does: phases, deadlines, cutting by shutdown(2), counts per address.
 * Does not: close descriptors (the loops own them) or look at bytes.
 * Invariants: a connection in the list has an open descriptor, since it leaves the list,
 * under the same lock that a sweep holds, before its loop closes it. Lock order: list,
 * then connection.
 */
#include "iamd/http/conn_watch.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "iamd/sys/clock.h"

/* LIMIT: hash chains of addresses; longer chains only cost time. */
#define BUCKETS 1024

enum phase { PHASE_HEADER, PHASE_BODY, PHASE_WORK, PHASE_SEND, PHASE_IDLE };

struct address {
	struct address *next;
	unsigned char key[16];
	unsigned count;
};

struct watch_conn {
	struct watch_conn *prev, *next; /* the list's lock */
	struct watch *watch;
	struct address *address; /* NULL: not counted */
	int fd;
	pthread_mutex_t phase_lock; /* what follows */
	enum phase phase;
	bool has_request_line;
	bool is_cut;
	bool seems_gone;     /* at the last sweep; unset by whatever happens */
	int64_t deadline_ms; /* BODY: when the body began */
	uint64_t body_bytes;
};

struct watch {
	int64_t header_timeout_ms;
	int64_t idle_timeout_ms;
	unsigned limit_per_address;
	pthread_mutex_t list_lock; /* what follows, and membership */
	struct watch_conn *first;
	unsigned n;
	struct address *addresses[BUCKETS];
};

struct watch *watch_new(int64_t header_timeout_ms, int64_t idle_timeout_ms,
	unsigned limit_per_address)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->header_timeout_ms = header_timeout_ms;
	w->idle_timeout_ms = idle_timeout_ms;
	w->limit_per_address = limit_per_address;
	pthread_mutex_init(&w->list_lock, NULL);
	return w;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	pthread_mutex_destroy(&w->list_lock);
	free(w);
}

/* The bytes an address is counted by. False: not counted (Unix sockets, loopback). */
static bool address_key(const struct sockaddr *peer, unsigned char key[16])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(key, 0, 16);
	if (peer == NULL)
		return false;
	if (peer->sa_family == AF_INET) {
		memcpy(&v4, peer, sizeof(v4));
		memset(key + 10, 0xFF, 2);
		memcpy(key + 12, &v4.sin_addr, 4);
		return key[12] != 127;
	}
	if (peer->sa_family != AF_INET6)
		return false;
	memcpy(&v6, peer, sizeof(v6));
	if (IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr))
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		memcpy(key, &v6.sin6_addr, 16);
		return key[12] != 127;
	}
	memcpy(key, &v6.sin6_addr, 8);
	return true;
}

static struct address **find_address(struct watch *w, const unsigned char key[16])
{
	uint64_t high;
	uint64_t low;
	struct address **at;

	memcpy(&high, key, 8);
	memcpy(&low, key + 8, 8);
	high = (high ^ low * 0x9E3779B97F4A7C15U) * 0xD6E8FEB86659FD93U;
	at = &w->addresses[(high >> 32) % BUCKETS];
	while (*at != NULL && memcmp((*at)->key, key, 16) != 0)
		at = &(*at)->next;
	return at;
}

bool watch_may_accept(struct watch *w, const struct sockaddr *peer)
{
	unsigned char key[16];
	const struct address *a;
	bool fine;

	if (w->limit_per_address == 0 || !address_key(peer, key))
		return true;
	pthread_mutex_lock(&w->list_lock);
	a = *find_address(w, key);
	fine = a == NULL || a->count < w->limit_per_address;
	pthread_mutex_unlock(&w->list_lock);
	return fine;
}

/* With the list's lock. Without memory the connection is just not counted. */
static struct address *count_up(struct watch *w, const unsigned char key[16])
{
	struct address **at = find_address(w, key);

	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at == NULL)
			return NULL;
		memcpy((*at)->key, key, 16);
	}
	(*at)->count++;
	return *at;
}

static void count_down(struct watch *w, struct address *a)
{
	struct address **at;

	if (a == NULL || --a->count > 0)
		return;
	at = find_address(w, a->key);
	*at = a->next;
	free(a);
}

struct watch_conn *watch_open(struct watch *w, int fd, const struct sockaddr *peer)
{
	struct watch_conn *c = calloc(1, sizeof(*c));
	unsigned char key[16];

	if (c == NULL)
		return NULL;
	c->watch = w;
	c->fd = fd;
	c->phase = PHASE_HEADER;
	c->deadline_ms = clock_mono_ms() + w->header_timeout_ms;
	pthread_mutex_init(&c->phase_lock, NULL);
	pthread_mutex_lock(&w->list_lock);
	if (address_key(peer, key))
		c->address = count_up(w, key);
	c->next = w->first;
	if (c->next != NULL)
		c->next->prev = c;
	w->first = c;
	w->n++;
	pthread_mutex_unlock(&w->list_lock);
	return c;
}

void watch_close(struct watch *w, struct watch_conn *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&w->list_lock);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		w->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	w->n--;
	count_down(w, c->address);
	pthread_mutex_unlock(&w->list_lock);
	pthread_mutex_destroy(&c->phase_lock);
	free(c);
}

static void enter(struct watch_conn *c, enum phase phase, int64_t deadline_ms)
{
	pthread_mutex_lock(&c->phase_lock);
	c->phase = phase;
	c->deadline_ms = deadline_ms;
	c->body_bytes = 0;
	c->has_request_line = phase != PHASE_IDLE;
	c->seems_gone = false;
	pthread_mutex_unlock(&c->phase_lock);
}

void watch_header(struct watch_conn *c, int64_t now_ms)
{
	pthread_mutex_lock(&c->phase_lock);
	if (c->phase != PHASE_HEADER) /* else it began with the connection */
		c->deadline_ms = now_ms + c->watch->header_timeout_ms;
	c->phase = PHASE_HEADER;
	c->has_request_line = true;
	c->seems_gone = false;
	pthread_mutex_unlock(&c->phase_lock);
}

void watch_body(struct watch_conn *c, int64_t now_ms)
{
	enter(c, PHASE_BODY, now_ms);
}

void watch_body_bytes(struct watch_conn *c, uint64_t bytes)
{
	pthread_mutex_lock(&c->phase_lock);
	c->body_bytes += bytes;
	c->seems_gone = false;
	pthread_mutex_unlock(&c->phase_lock);
}

void watch_work(struct watch_conn *c)
{
	enter(c, PHASE_WORK, 0);
}

void watch_send(struct watch_conn *c, int64_t now_ms, uint64_t bytes)
{
	enter(c, PHASE_SEND,
		now_ms + c->watch->idle_timeout_ms +
			(int64_t)(bytes / WATCH_BYTES_PER_S) * 1000);
}

void watch_idle(struct watch_conn *c, int64_t now_ms)
{
	enter(c, PHASE_IDLE, now_ms + c->watch->idle_timeout_ms);
}

/* With both locks. */
static bool is_late(const struct watch_conn *c, int64_t now_ms)
{
	int64_t owed_ms;

	switch (c->phase) {
	case PHASE_WORK:
		return false;
	case PHASE_BODY:
		owed_ms = now_ms - c->deadline_ms - WATCH_BODY_GRACE_MS;
		return owed_ms > 0 &&
			c->body_bytes * 1000 < (uint64_t)owed_ms * WATCH_BYTES_PER_S;
	case PHASE_HEADER:
	case PHASE_SEND:
	case PHASE_IDLE:
		return now_ms > c->deadline_ms;
	}
	return false;
}

/* No request has begun and none waits in the socket. */
static bool is_quiet(const struct watch_conn *c, int64_t now_ms)
{
	int unread = 0;

	(void)now_ms;
	if (c->has_request_line || (c->phase != PHASE_IDLE && c->phase != PHASE_HEADER))
		return false;
	return ioctl(c->fd, FIONREAD, &unread) != 0 || unread == 0;
}

static unsigned cut(struct watch *w, bool (*should)(const struct watch_conn *, int64_t),
	int64_t now_ms)
{
	unsigned n = 0;

	pthread_mutex_lock(&w->list_lock);
	for (struct watch_conn *c = w->first; c != NULL; c = c->next) {
		pthread_mutex_lock(&c->phase_lock);
		if (!c->is_cut && should(c, now_ms)) {
			c->is_cut = true;
			(void)shutdown(c->fd, SHUT_RDWR);
			n++;
		}
		pthread_mutex_unlock(&c->phase_lock);
	}
	pthread_mutex_unlock(&w->list_lock);
	return n;
}

/*
 * The client sends no more, and what it sent has been read, yet something is missing. When the last
 * bytes and the end come together, the edge-triggered loop reads the bytes and never hears of the
 * end; so it is looked for here.
 */
static bool is_half_closed(const struct watch_conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
	int unread = 0;

	if (c->phase == PHASE_WORK || c->phase == PHASE_SEND)
		return false;
	if (poll(&p, 1, 0) != 1 || (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0)
		return false;
	return ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* Seen twice in a row with nothing in between: the loop is not merely about to tell us. */
static void cut_gone(struct watch *w)
{
	pthread_mutex_lock(&w->list_lock);
	for (struct watch_conn *c = w->first; c != NULL; c = c->next) {
		bool is_gone;

		pthread_mutex_lock(&c->phase_lock);
		is_gone = !c->is_cut && is_half_closed(c);
		if (is_gone && c->seems_gone) {
			c->is_cut = true;
			(void)shutdown(c->fd, SHUT_RDWR);
		}
		c->seems_gone = is_gone;
		pthread_mutex_unlock(&c->phase_lock);
	}
	pthread_mutex_unlock(&w->list_lock);
}

unsigned watch_sweep(struct watch *w, int64_t now_ms)
{
	cut_gone(w);
	return cut(w, is_late, now_ms);
}

unsigned watch_cut_idle(struct watch *w)
{
	return cut(w, is_quiet, 0);
}

unsigned watch_count(struct watch *w)
{
	unsigned n;

	pthread_mutex_lock(&w->list_lock);
	n = w->n;
	pthread_mutex_unlock(&w->list_lock);
	return n;
}
