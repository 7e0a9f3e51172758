/*
 * life - the server's start, its reloads and its end.
 *
 * Does: open what the settings name, start a daemon for each listener, drain in the one
 * order that works: stop accepting, wait, cancel what is parked, wait a little, stop.
 * Does not: handle requests.
 * Invariants: a listening socket is closed only after its daemon has stopped (a loop may
 * still use it), but is shut down before, so that new clients are refused at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "iamd/http/server_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "libacl/base/steal.h"

/* LIMIT: how long cancelled requests get to be answered 503. */
#define CANCEL_MS     1000
#define DRAIN_POLL_MS 5

bool server_is_draining(struct server *s)
{
	bool draining;

	pthread_rwlock_rdlock(&s->state_lock);
	draining = s->is_draining;
	pthread_rwlock_unlock(&s->state_lock);
	return draining;
}

bool server_is_refusing(struct server *s)
{
	bool refusing;

	pthread_rwlock_rdlock(&s->state_lock);
	refusing = s->is_refusing;
	pthread_rwlock_unlock(&s->state_lock);
	return refusing;
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

		*l = (struct listener){.server = s,
			.is_unix = socket->is_unix,
			.is_metrics = socket->is_metrics,
			.is_tls = s->tls != NULL && is_pool(socket)};
		e = server_daemon_start(l, socket, is_pool(socket) ? loops : 1, err);
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
	if (e == IAM_OK && set->local_only)
		e = listen_require_local(&s->sockets, err);
	if (e == IAM_OK && s->sockets.n == 0)
		e = iam_error_set(err, IAM_CONFIG,
			"`listen` names no address to listen on");
	return e;
}

unsigned server_thread_count(const struct server_settings *settings)
{
	return listen_count(settings->listen) + listen_count(settings->metrics_listen) +
		(unsigned)settings->n_passed_fds + settings->loops;
}

enum iam_err server_start(const struct server_settings *settings,
	struct server **ret_server, struct iam_error *err)
{
	struct server *s = calloc(1, sizeof(*s));
	enum iam_err e;

	if (s == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	s->settings = *settings;
	s->proxies_generation = 1;
	pthread_rwlock_init(&s->state_lock, NULL);
	parking_init(&s->parking, settings->ops, server_wake);
	s->watch = watch_new(settings->header_timeout_ms, settings->idle_timeout_ms,
		settings->connection_limit_per_address);
	e = s->watch != NULL ? open_all(s, err)
			     : iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	raise_descriptor_limit((uint64_t)s->sockets.n * settings->connection_limit);
	*ret_server = s; /* before the loops run: handlers read it */
	if (e == IAM_OK)
		e = start_daemons(s, err);
	if (e != IAM_OK) {
		*ret_server = NULL;
		server_free(s);
	}
	return e;
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
	s->proxies_generation++;
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
	for (unsigned i = 0; i < s->n_listeners; i++)
		listen_stop(&s->sockets.sockets[i]);
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
	if (s->n_listeners > 0 && !server_is_draining(s))
		server_drain(s, 0);
	for (unsigned i = 0; i < s->n_listeners; i++) {
		server_daemon_stop(&s->listeners[i]);
		s->sockets.sockets[i].fd = -1; /* the library has closed it */
	}
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
