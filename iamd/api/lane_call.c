/*
 * lane_call - a thread waits for a piece of work in another lane; see lane_call.h.
 *
 * The job lives on the caller's stack: submitted, the call returns only after done(), whatever
 * becomes of the lane (queued jobs run even while the lanes close).
 */
#include "iamd/api/lane_call.h"

#include <pthread.h>

#include "iamd/sys/metrics.h"

struct call {
	struct lane_job job; /* first: a job pointer is a call pointer */
	struct services *svc;
	write_fn *fn; /* a read_fn is the same type */
	void *ctx;
	enum iam_err result;
	pthread_mutex_t done_mutex;
	pthread_cond_t done;
	bool is_done; /* guarded by done_mutex */
};

static struct call *call_of(struct lane_job *job)
{
	return (struct call *)(void *)job;
}

static void run_write(struct lane_job *job)
{
	struct call *c = call_of(job);

	c->result = write_in_savepoint(c->svc, c->fn, c->ctx);
}

static void run_read(struct lane_job *job)
{
	struct call *c = call_of(job);
	struct db *db = store_reader(c->svc->store);

	c->result = db == NULL ? IAM_UNAVAILABLE : c->fn(db, c->ctx);
}

static void call_done(struct lane_job *job, enum iam_err result)
{
	struct call *c = call_of(job);

	(void)pthread_mutex_lock(&c->done_mutex);
	if (result != IAM_OK)
		c->result = result; /* what it did was undone with its batch */
	c->is_done = true;
	(void)pthread_cond_signal(&c->done);
	(void)pthread_mutex_unlock(&c->done_mutex);
}

static enum iam_err submit_and_wait(struct call *c, enum lane_id lane)
{
	if (!lane_submit(c->svc->lanes, lane, &c->job)) {
		metrics_count(METRIC_LANE_REFUSED, 1);
		return IAM_UNAVAILABLE;
	}
	(void)pthread_mutex_lock(&c->done_mutex);
	while (!c->is_done)
		(void)pthread_cond_wait(&c->done, &c->done_mutex);
	(void)pthread_mutex_unlock(&c->done_mutex);
	return c->result;
}

static enum iam_err call(struct call *c, enum lane_id lane)
{
	enum iam_err e;

	(void)pthread_mutex_init(&c->done_mutex, NULL);
	(void)pthread_cond_init(&c->done, NULL);
	e = submit_and_wait(c, lane);
	(void)pthread_cond_destroy(&c->done);
	(void)pthread_mutex_destroy(&c->done_mutex);
	return e;
}

enum iam_err lane_call_write(struct services *svc, write_fn *fn, void *ctx)
{
	struct call c = {.job = {.run = run_write, .done = call_done},
		.svc = svc,
		.fn = fn,
		.ctx = ctx};

	return call(&c, LANE_WRITE);
}

enum iam_err lane_call_read(struct services *svc, read_fn *fn, void *ctx)
{
	struct call c = {.job = {.run = run_read, .done = call_done},
		.svc = svc,
		.fn = fn,
		.ctx = ctx};

	return call(&c, LANE_SLOW);
}
