/*
 * lane - bounded queues with their own threads.
 *
 * One mutex per lane guards its queue; the jobs run outside of it. A batch is what happens to be
 * queued when the thread comes back (no artificial wait): alone a job is not delayed, under load
 * batches grow by themselves. Does not time out or cancel jobs: a job that waits for somebody
 * else carries its own deadline. Order is that of submission, but for jobs whose key runs as often as
 * it may: those wait, and later ones of other keys pass them.
 * Invariants: a job is linked in at most one queue; after done() was called the lane does not
 * touch the job again (its owner may have freed it); queued jobs run even when the lane closes.
 */
#include "iamd/sys/lane.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "iamd/sys/thread.h"

#define NICE_LEVEL 10

/* One share key with jobs queued or running. */
struct share {
	uint64_t key;
	unsigned count;   /* queued and running */
	unsigned running; /* with share_running_max only */
};

struct lane {
	struct lane_config config;
	const char *name;
	unsigned long *threads;
	unsigned n_threads;

	pthread_mutex_t queue_mutex; /* guards what follows */
	pthread_cond_t work;
	struct lane_job *head;
	struct lane_job *tail;
	size_t n_queued;
	bool is_closing;
	/*
	 * LIMIT: at most queue_max + threads keys, scanned one by one: a scan of the longest table
	 * costs far less than the hash it admits.
	 */
	struct share *shares;
	size_t n_shares;

	atomic_size_t
		depth; /* queued and running; written under the mutex, read without */
};

struct lanes {
	struct lane lane[LANE_COUNT];
};

static const char *const lane_names[LANE_COUNT] = {
	[LANE_INLINE] = "inline",
	[LANE_WRITE] = "write",
	[LANE_HASH] = "hash",
	[LANE_SLOW] = "slow",
	[LANE_NET] = "net",
};

static struct share *share_find(struct lane *lane, uint64_t key)
{
	for (size_t i = 0; i < lane->n_shares; i++)
		if (lane->shares[i].key == key)
			return &lane->shares[i];
	return NULL;
}

/* False when the key has all the jobs it may have. Called with the mutex held. */
static bool share_take(struct lane *lane, uint64_t key)
{
	struct share *share;

	if (key == 0 || lane->config.share_max == 0)
		return true;
	share = share_find(lane, key);
	if (share == NULL) {
		lane->shares[lane->n_shares++] = (struct share){.key = key, .count = 1};
		return true;
	}
	if (share->count >= lane->config.share_max)
		return false;
	share->count++;
	return true;
}

static void share_give_back(struct lane *lane, uint64_t key)
{
	struct share *share;

	if (key == 0 || lane->config.share_max == 0)
		return;
	share = share_find(lane, key);
	if (share == NULL)
		return;
	if (lane->config.share_running_max > 0) {
		share->running--;
		/* A queued job may be free to run now; any waiting thread can take it. */
		if (lane->head != NULL)
			pthread_cond_signal(&lane->work);
	}
	if (--share->count == 0)
		*share = lane->shares[--lane->n_shares];
}

/* May one more job of that key run? Then it counts as running. Called with the mutex held. */
static bool share_may_run(struct lane *lane, uint64_t key)
{
	struct share *share;

	if (key == 0 || lane->config.share_running_max == 0)
		return true;
	share = share_find(lane, key);
	if (share == NULL || share->running >= lane->config.share_running_max)
		return false;
	share->running++;
	return true;
}

bool lane_submit(struct lanes *l, enum lane_id id, struct lane_job *job)
{
	struct lane *lane = &l->lane[id];
	size_t limit = lane->config.queue_max;
	bool accepted;

	if (id == LANE_INLINE || lane->n_threads == 0)
		return false;
	if (job->best_effort)
		limit /= 2;

	pthread_mutex_lock(&lane->queue_mutex);
	accepted = !lane->is_closing && lane->n_queued < limit &&
		share_take(lane, job->share);
	if (accepted) {
		job->next = NULL;
		if (lane->tail == NULL)
			lane->head = job;
		else
			lane->tail->next = job;
		lane->tail = job;
		lane->n_queued++;
		atomic_fetch_add(&lane->depth, 1);
		pthread_cond_signal(&lane->work);
	}
	pthread_mutex_unlock(&lane->queue_mutex);
	return accepted;
}

size_t lane_depth(const struct lanes *l, enum lane_id id)
{
	return atomic_load(&l->lane[id].depth);
}

/*
 * Unlinks the first job that may run; NULL: there is none. Called with the mutex held. LIMIT: a scan
 * of queue_max jobs and as many keys at worst, on lanes that wait for the network anyway.
 */
static struct lane_job *lane_pick(struct lane *lane)
{
	struct lane_job *before = NULL;
	struct lane_job *job = lane->head;

	while (job != NULL && !share_may_run(lane, job->share)) {
		before = job;
		job = job->next;
	}
	if (job == NULL)
		return NULL;
	if (before == NULL)
		lane->head = job->next;
	else
		before->next = job->next;
	if (lane->tail == job)
		lane->tail = before;
	job->next = NULL;
	lane->n_queued--;
	return job;
}

/* Waits for work; takes up to max jobs; 0 when the lane is closing and empty. */
static size_t lane_take(struct lane *lane, struct lane_job **jobs, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&lane->queue_mutex);
	while ((jobs[0] = lane_pick(lane)) == NULL &&
		(lane->head != NULL || !lane->is_closing))
		pthread_cond_wait(&lane->work, &lane->queue_mutex);
	if (jobs[0] != NULL)
		n = 1;
	while (n > 0 && n < max && (jobs[n] = lane_pick(lane)) != NULL)
		n++;
	/* Who waits for a job of others to make room learns that nothing more will come. */
	if (lane->is_closing && lane->head == NULL)
		pthread_cond_broadcast(&lane->work);
	pthread_mutex_unlock(&lane->queue_mutex);
	return n;
}

static void lane_give_back_shares(struct lane *lane, const uint64_t *keys, size_t n)
{
	if (lane->config.share_max == 0)
		return;
	pthread_mutex_lock(&lane->queue_mutex);
	for (size_t i = 0; i < n; i++)
		share_give_back(lane, keys[i]);
	pthread_mutex_unlock(&lane->queue_mutex);
}

static void lane_run_batch(struct lane *lane)
{
	struct lane_job *jobs[LANE_BATCH_MAX];
	uint64_t keys[LANE_BATCH_MAX];
	size_t n;

	while ((n = lane_take(lane, jobs, LANE_BATCH_MAX)) > 0) {
		for (size_t i = 0; i < n; i++)
			keys[i] = jobs[i]->share;
		lane->config.batch(lane->config.batch_ctx, jobs, n);
		lane_give_back_shares(lane, keys, n);
		atomic_fetch_sub(&lane->depth, n);
	}
}

static void lane_run_single(struct lane *lane)
{
	struct lane_job *job;

	while (lane_take(lane, &job, 1) > 0) {
		uint64_t key =
			job->share; /* run() may choose another for the next lane */

		job->run(job);
		/* Before done(): who gets the answer may submit the next job at once. */
		lane_give_back_shares(lane, &key, 1);
		job->done(job, IAM_OK);
		atomic_fetch_sub(&lane->depth, 1);
	}
}

static void *lane_main(void *arg)
{
	struct lane *lane = arg;

	/* On Linux the priority of a thread id is that thread's alone. Best effort. */
	if (lane->config.nice)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE_LEVEL);
	if (lane->config.batch != NULL)
		lane_run_batch(lane);
	else
		lane_run_single(lane);
	return NULL;
}

static bool lane_start(struct lane *lane)
{
	const struct lane_config *c = &lane->config;

	if (c->threads == 0)
		return true;
	assert(c->share_running_max == 0 || (c->share_max > 0 && c->batch == NULL));
	lane->threads = calloc(c->threads, sizeof(*lane->threads));
	if (lane->threads == NULL)
		return false;
	if (c->share_max > 0) {
		/* A batch lane's thread runs up to LANE_BATCH_MAX jobs at once. */
		size_t running =
			(size_t)c->threads * (c->batch != NULL ? LANE_BATCH_MAX : 1);

		lane->shares = calloc(c->queue_max + running, sizeof(*lane->shares));
		if (lane->shares == NULL)
			return false;
	}
	for (unsigned i = 0; i < c->threads; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "lane-%s-%u", lane->name, i % 1000);
		if (!thread_start(&lane->threads[i], name, lane_main, lane))
			return false;
		lane->n_threads++;
	}
	return true;
}

struct lanes *lanes_new(const struct lane_config configs[LANE_COUNT])
{
	struct lanes *l = calloc(1, sizeof(*l));
	bool ok = true;

	if (l == NULL)
		return NULL;
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &l->lane[i];

		lane->config = configs[i];
		lane->name = lane_names[i];
		pthread_mutex_init(&lane->queue_mutex, NULL);
		pthread_cond_init(&lane->work, NULL);
		atomic_init(&lane->depth, 0);
	}
	for (unsigned i = LANE_INLINE + 1; i < LANE_COUNT && ok; i++)
		ok = lane_start(&l->lane[i]);
	if (!ok) {
		lanes_free(l);
		return NULL;
	}
	return l;
}

void lanes_close(struct lanes *l)
{
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &l->lane[i];

		pthread_mutex_lock(&lane->queue_mutex);
		lane->is_closing = true;
		pthread_cond_broadcast(&lane->work);
		pthread_mutex_unlock(&lane->queue_mutex);
	}
}

void lanes_stop(struct lanes *l)
{
	lanes_close(l);
	/* All joined before anything is freed: done() in one lane may still ask another. */
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		for (unsigned k = 0; k < l->lane[i].n_threads; k++)
			thread_join(l->lane[i].threads[k]);
		l->lane[i].n_threads = 0;
	}
}

void lanes_free(struct lanes *l)
{
	if (l == NULL)
		return;
	lanes_stop(l);
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &l->lane[i];

		pthread_cond_destroy(&lane->work);
		pthread_mutex_destroy(&lane->queue_mutex);
		free(lane->shares);
		free(lane->threads);
	}
	free(l);
}
