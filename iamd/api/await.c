/*
 * await - requests that wait for a revision to be published; see await.h.
 *
 * A table of waiting requests under one mutex, and a thread that sleeps until the first deadline.
 * Does not read the published state: it is told revisions, and remembers the newest, so that a
 * publication between a caller's look and its wait is not missed.
 * Invariants: whoever takes a request out of the table resumes it, once, without the mutex; a request
 * in the table is suspended.
 */
#include "iamd/api/await.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "iamd/sys/clock.h"
#include "iamd/sys/thread.h"

struct waiter {
	struct req *req;
	int64_t revision;
	int64_t until_ms;
	uint64_t caller; /* callers with equal keys, which is rare, share their places */
};

struct await {
	unsigned long thread;
	pthread_mutex_t waiters_lock; /* what follows */
	pthread_cond_t changed;       /* a waiter more, or the end */
	struct waiter waiters[AWAIT_MAX];
	unsigned n;
	int64_t published;
	bool is_stopping;
};

/* Requests on their way out of the table. */
struct leaving {
	struct req *req[AWAIT_MAX];
	unsigned n;
};

/* With the lock: takes out who has reached its revision, or its time, or all at the end. */
static void take_ready(struct await *w, int64_t now_ms, struct leaving *out)
{
	unsigned i = 0;

	while (i < w->n) {
		struct waiter *at = &w->waiters[i];
		bool reached = at->revision <= w->published;

		if (!reached && at->until_ms > now_ms && !w->is_stopping) {
			i++;
			continue;
		}
		at->req->result = reached ? IAM_OK : IAM_UNAVAILABLE;
		out->req[out->n++] = at->req;
		*at = w->waiters[--w->n];
	}
}

/* Without the lock: the loop, or the end of its connection, may look at the request at once. */
static void resume_all(const struct leaving *out)
{
	for (unsigned i = 0; i < out->n; i++)
		out->req[i]->io->resume(out->req[i]);
}

/* With the lock. */
static void sleep_until_due(struct await *w)
{
	int64_t due_ms = INT64_MAX;
	struct timespec until;

	for (unsigned i = 0; i < w->n; i++)
		if (w->waiters[i].until_ms < due_ms)
			due_ms = w->waiters[i].until_ms;
	if (due_ms == INT64_MAX) {
		(void)pthread_cond_wait(&w->changed, &w->waiters_lock);
		return;
	}
	until.tv_sec = (time_t)(due_ms / 1000);
	until.tv_nsec = (long)(due_ms % 1000) * 1000000;
	(void)pthread_cond_timedwait(&w->changed, &w->waiters_lock, &until);
}

static void *watch_deadlines(void *arg)
{
	struct await *w = arg;
	bool stop = false;

	while (!stop) {
		struct leaving out = {.n = 0};

		(void)pthread_mutex_lock(&w->waiters_lock);
		if (!w->is_stopping)
			sleep_until_due(w);
		stop = w->is_stopping;
		take_ready(w, clock_mono_ms(), &out);
		(void)pthread_mutex_unlock(&w->waiters_lock);
		resume_all(&out);
	}
	return NULL;
}

struct await *await_new(int64_t revision)
{
	struct await *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;

	if (w == NULL)
		return NULL;
	w->published = revision;
	(void)pthread_mutex_init(&w->waiters_lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (thread_start(&w->thread, "await", watch_deadlines, w))
		return w;
	w->is_stopping = true;
	await_free(w);
	return NULL;
}

void await_stop(struct await *w)
{
	(void)pthread_mutex_lock(&w->waiters_lock);
	w->is_stopping = true;
	(void)pthread_cond_signal(&w->changed);
	(void)pthread_mutex_unlock(&w->waiters_lock);
	thread_join(w->thread);
}

void await_free(struct await *w)
{
	if (w == NULL)
		return;
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->waiters_lock);
	free(w);
}

void await_published(struct await *w, int64_t revision)
{
	struct leaving out = {.n = 0};

	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->waiters_lock);
	if (revision > w->published)
		w->published = revision;
	if (w->n > 0)
		take_ready(w, clock_mono_ms(), &out);
	(void)pthread_mutex_unlock(&w->waiters_lock);
	resume_all(&out);
}

/* With the lock. */
static bool has_place(const struct await *w, uint64_t caller)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n; i++)
		n += caller != 0 && w->waiters[i].caller == caller;
	return w->n < AWAIT_MAX && n < AWAIT_CALLER_MAX && !w->is_stopping;
}

enum await_result await_revision(struct await *w, struct req *r, int64_t revision,
	uint64_t caller, void (*on_loop)(struct req *r))
{
	enum await_result result = AWAIT_REFUSED;

	if (w == NULL)
		return result;
	(void)pthread_mutex_lock(&w->waiters_lock);
	if (revision <= w->published) {
		result = AWAIT_REACHED;
	} else if (has_place(w, caller)) {
		r->on_loop = on_loop;
		r->io->suspend(r);
		w->waiters[w->n++] = (struct waiter){.req = r,
			.revision = revision,
			.until_ms = clock_mono_ms() + AWAIT_MS,
			.caller = caller};
		(void)pthread_cond_signal(&w->changed);
		result = AWAIT_PARKED;
	}
	(void)pthread_mutex_unlock(&w->waiters_lock);
	return result;
}
