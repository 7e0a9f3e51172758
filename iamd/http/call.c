/*
 * call - ownership of requests between loops and lanes; bodies and streams in pieces.
 *
 * Does: the list of parked calls, cancelling them, gathering a body, making pieces.
 * Does not: know the HTTP library; waking a connection is a function it was given.
 * Invariants: exactly one of loop and job may touch req and out at any time, but for a
 * cancelled call, which the loop leaves alone. A call is freed once: by the loop, or, as
 * an orphan, by the job. The call lives in the arena of its request.
 */
#include "iamd/http/call.h"

#include <stddef.h>
#include <string.h>

#include <sodium.h>

/* LIMIT: a piece may exceed its target by the rows added last. */
#define PIECE_MAX_BYTES ((size_t)4 * RESP_PIECE_BYTES)

void parking_init(struct parking *p, const struct server_ops *ops, void (*wake)(void *))
{
	*p = (struct parking){.wake = wake, .ops = ops};
	pthread_mutex_init(&p->calls_lock, NULL);
}

void parking_done(struct parking *p)
{
	pthread_mutex_destroy(&p->calls_lock);
}

/* With the lock. */
static void unlist(struct parking *p, struct call *c)
{
	if (!c->is_listed)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		p->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->prev = NULL;
	c->next = NULL;
	c->is_listed = false;
}

/* With the lock: the connection is valid as long as the job has not unparked it. */
static void cancel(struct parking *p, struct call *c)
{
	unlist(p, c);
	c->is_cancelled = true;
	p->wake(c->connection);
}

void parking_cancel_all(struct parking *p)
{
	pthread_mutex_lock(&p->calls_lock);
	p->refuses = true;
	while (p->first != NULL)
		cancel(p, p->first);
	pthread_mutex_unlock(&p->calls_lock);
}

struct call *call_new(struct parking *p, void *connection, struct str target)
{
	struct req *r = req_new(HTTP_OTHER, STR(""), target);
	struct call *c = r == NULL ? NULL : arena_alloc(r->arena, sizeof(*c));

	if (c == NULL) {
		req_free(r);
		return NULL;
	}
	c->req = r;
	c->parking = p;
	c->connection = connection;
	r->io_conn = c;
	r->out = &c->out;
	return c;
}

static void destroy(struct call *c)
{
	struct resp answered = c->out;

	if (c->final_status != 0)
		answered = (struct resp){.status = c->final_status, .close = true};
	c->parking->ops->finished(c->req, &answered, c->sent_bytes);
	if (c->body.len > 0) /* passwords and tokens come in bodies */
		sodium_memzero(c->body.ptr, c->body.len);
	sb_done(&c->body);
	sb_done(&c->stream.piece);
	req_free(c->req);
}

void call_park(struct call *c)
{
	struct parking *p = c->parking;

	c->was_parked = true;
	pthread_mutex_lock(&p->calls_lock);
	c->job_owns = true;
	if (p->refuses) {
		cancel(p, c);
	} else {
		c->next = p->first;
		if (c->next != NULL)
			c->next->prev = c;
		p->first = c;
		c->is_listed = true;
	}
	pthread_mutex_unlock(&p->calls_lock);
}

void call_unpark(struct call *c)
{
	struct parking *p = c->parking;
	void *connection = c->connection;
	bool cancelled;
	bool orphan;

	pthread_mutex_lock(&p->calls_lock);
	unlist(p, c);
	c->job_owns = false;
	cancelled = c->is_cancelled;
	orphan = c->is_orphan;
	pthread_mutex_unlock(&p->calls_lock);
	if (orphan)
		destroy(c);
	else if (!cancelled)
		p->wake(connection);
}

bool call_is_cancelled(struct call *c)
{
	bool cancelled;

	pthread_mutex_lock(&c->parking->calls_lock);
	cancelled = c->is_cancelled;
	pthread_mutex_unlock(&c->parking->calls_lock);
	return cancelled;
}

void call_end(struct call *c)
{
	bool job_owns;

	if (!c->was_parked) {
		destroy(c);
		return;
	}
	pthread_mutex_lock(&c->parking->calls_lock);
	job_owns = c->job_owns;
	c->is_orphan = job_owns;
	pthread_mutex_unlock(&c->parking->calls_lock);
	if (!job_owns)
		destroy(c);
}

bool call_take_body(struct call *c, const char *data, size_t size)
{
	size_t cap = c->req->body_max;

	if (c->body.max != cap)
		sb_init_heap(&c->body, cap);
	c->body_bytes += size;
	if (!c->body_too_large && size <= cap - c->body.len)
		sb_add(&c->body, (struct str){.ptr = data, .len = size});
	else
		c->body_too_large = true;
	return c->body_bytes / 2 <= cap;
}

void call_body_done(struct call *c)
{
	if (c->has_body)
		c->req->body = sb_str(&c->body);
}

void call_make_piece_now(struct call *c)
{
	sb_reset(&c->stream.piece);
	c->stream.piece.max = PIECE_MAX_BYTES;
	c->stream.at = 0;
	c->stream.error = c->out.stream(c->req, c->out.stream_ctx, &c->stream.piece,
		&c->stream.is_end);
	if (c->stream.error == IAM_OK && c->stream.piece.failed)
		c->stream.error = IAM_NO_MEMORY;
}

static struct call *call_of(struct lane_job *job)
{
	return (struct call *)(void *)((char *)job - offsetof(struct call, stream.job));
}

static void run_piece(struct lane_job *job)
{
	call_make_piece_now(call_of(job));
}

static void piece_done(struct lane_job *job, enum iam_err result)
{
	(void)result; /* SLOW has no commit that could fail */
	call_unpark(call_of(job));
}

bool call_make_piece(struct call *c, struct lanes *lanes)
{
	c->stream.job = (struct lane_job){.run = run_piece, .done = piece_done};
	return lanes != NULL && lane_submit(lanes, LANE_SLOW, &c->stream.job);
}

size_t call_read_piece(struct call *c, char *buf, size_t size)
{
	struct str left = str_sub(sb_str(&c->stream.piece), c->stream.at, SIZE_MAX);

	if (left.len > size)
		left.len = size;
	if (left.len > 0)
		memcpy(buf, left.ptr, left.len);
	c->stream.at += left.len;
	return left.len;
}
