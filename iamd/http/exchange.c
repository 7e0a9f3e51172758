/*
 * exchange - the order of things between a request's header and its answer.
 *
 * Does: who the peer is, sanitising, sizes, calling begin, dispatch and resumed.
 * Does not: read or write sockets, or know the HTTP library.
 * Invariant: an answer given before the body was read closes the connection; one to a
 * request without a body waits for exchange_run(), because only then keep-alive survives.
 */
#include <string.h>

#include "iamd/http/problem.h"
#include "iamd/http/sanitize.h"
#include "iamd/http/server_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"

/*
 * Whether the peer is a trusted proxy is asked once a connection and list, not at each
 * request. With the state's lock.
 */
static bool is_trusted(const struct server *s, struct link *l)
{
	if (l->proxies_seen != s->proxies_generation) {
		l->proxies_seen = s->proxies_generation;
		l->is_trusted =
			proxy_list_has(s->proxies, l->listener->is_unix, l->ip);
	}
	return l->is_trusted;
}

/* What the connection and its listener know about the request. */
static void set_peer(struct call *c, struct link *l)
{
	struct server *s = l->listener->server;
	struct req *r = c->req;

	r->peer_is_unix = l->listener->is_unix;
	r->tls = l->listener->is_tls;
	r->metrics_listener = l->listener->is_metrics;
	memcpy(r->peer_ip, l->ip, sizeof(r->peer_ip));
	pthread_rwlock_rdlock(&s->state_lock);
	r->peer_is_trusted = is_trusted(s, l);
	c->is_draining = s->is_draining;
	origin_resolve_client(r, s->proxies);
	pthread_rwlock_unlock(&s->state_lock);
	req_adopt_id(r);
}

static enum exchange_next refuse(struct call *c, unsigned status, const char *why)
{
	struct req *r = c->req;

	log_event(LOG_LEVEL_DEBUG, "http.refused", LOG_CSTR("why", why),
		LOG_INT("status", status), LOG_CSTR("peer", r->peer_ip));
	metrics_count(METRIC_REQUESTS_MALFORMED, 1);
	resp_reset(&c->out);
	if (status == 400)
		problem_write(r, req_fail(r, IAM_BAD_REQUEST, "Bad request: %s.", why),
			&c->out);
	else
		(void)resp_body(&c->out, status, NULL, STR(""));
	c->out.close = true;
	return EXCHANGE_SEND;
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

enum exchange_next exchange_begin(struct call *c, struct link *l, unsigned status,
	const char *why)
{
	struct req *r = c->req;
	int64_t length;

	set_peer(c, l);
	if (status == 0)
		status = sanitize_request(r, &why);
	if (status != 0)
		return refuse(c, status, why);
	read_framing(c);
	c->stage = CALL_BODY;
	c->parking->ops->begin(r, &c->out);
	if (!c->has_body)
		return EXCHANGE_WAIT;
	if (c->stage == CALL_PARKED) {
		c->is_body_unread = true;
		return EXCHANGE_WAIT;
	}
	if (c->out.status == 0 && r->has_content_length &&
		!str_to_i64(req_header(r, "Content-Length"), 0, (int64_t)r->body_max,
			&length))
		problem_write(r, IAM_TOO_LARGE, &c->out);
	if (c->out.status != 0) {
		c->out.close = true;
		return EXCHANGE_SEND;
	}
	watch_body(c->watch, clock_mono_ms());
	return EXCHANGE_WAIT;
}

/* After a wait: a drain may have begun. */
static void look_again(struct call *c, const struct link *l)
{
	c->is_draining = server_is_draining(l->listener->server);
}

/* The handler has returned; it may have parked the request. */
static enum exchange_next after_handler(struct call *c)
{
	if (c->stage == CALL_PARKED)
		return EXCHANGE_WAIT;
	if (c->out.status == 0)
		problem_write(c->req, IAM_INTERNAL, &c->out);
	return EXCHANGE_SEND;
}

enum exchange_next exchange_run(struct call *c, const struct link *l)
{
	call_body_done(c);
	c->stage = CALL_RUNNING;
	if (c->has_body)
		look_again(c, l);
	c->req->body_too_large = c->body_too_large;
	if (c->body.failed)
		problem_write(c->req, IAM_NO_MEMORY, &c->out);
	else if (c->out.status == 0)
		c->parking->ops->dispatch(c->req, &c->out);
	return after_handler(c);
}

enum exchange_next exchange_resume(struct call *c, const struct link *l)
{
	enum exchange_next next;

	look_again(c, l);
	c->stage = CALL_RUNNING;
	c->parking->ops->resumed(c->req, &c->out);
	next = after_handler(c);
	if (c->is_body_unread)
		c->out.close = true;
	return next;
}
