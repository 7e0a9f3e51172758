/* Tests of iamd/sys/lane and iamd/sys/thread: order, bounds, shares, batches, closing. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "iamd/sys/lane.h"
#include "iamd/sys/thread.h"

/* A gate that holds jobs until the test opens it. */
struct gate {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_open;
	unsigned entered;
	unsigned done;
};

struct test_job {
	struct lane_job job; /* first: a job pointer is a test_job pointer */
	struct gate *gate;
	unsigned *order; /* done() writes the sequence number here */
	atomic_uint *sequence;
	enum iam_err result;
};

static struct test_job *of(struct lane_job *job)
{
	return (struct test_job *)(void *)job;
}

static void gate_init(struct gate *g, bool is_open)
{
	*g = (struct gate){.is_open = is_open};
	pthread_mutex_init(&g->mutex, NULL);
	pthread_cond_init(&g->changed, NULL);
}

static void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->mutex);
	g->is_open = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->mutex);
}

static void gate_wait_entered(struct gate *g, unsigned n)
{
	pthread_mutex_lock(&g->mutex);
	while (g->entered < n)
		pthread_cond_wait(&g->changed, &g->mutex);
	pthread_mutex_unlock(&g->mutex);
}

static void gate_wait_done(struct gate *g, unsigned n)
{
	pthread_mutex_lock(&g->mutex);
	while (g->done < n)
		pthread_cond_wait(&g->changed, &g->mutex);
	pthread_mutex_unlock(&g->mutex);
}

static void job_run(struct lane_job *job)
{
	struct gate *g = of(job)->gate;

	pthread_mutex_lock(&g->mutex);
	g->entered++;
	pthread_cond_broadcast(&g->changed);
	while (!g->is_open)
		pthread_cond_wait(&g->changed, &g->mutex);
	pthread_mutex_unlock(&g->mutex);
}

static void job_done(struct lane_job *job, enum iam_err result)
{
	struct test_job *t = of(job);
	struct gate *g = t->gate;

	t->result = result;
	if (t->order != NULL)
		*t->order = atomic_fetch_add(t->sequence, 1);
	pthread_mutex_lock(&g->mutex);
	g->done++;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->mutex);
}

static void job_init(struct test_job *t, struct gate *g)
{
	*t = (struct test_job){.job = {.run = job_run, .done = job_done}, .gate = g};
}

static struct lanes *start(enum lane_id lane, struct lane_config config)
{
	struct lane_config configs[LANE_COUNT] = {0};
	struct lanes *l;

	configs[lane] = config;
	l = lanes_new(configs);
	assert_non_null(l);
	return l;
}

static void jobs_of_one_thread_run_in_the_order_of_submission(void **state)
{
	enum { N = 200 };
	struct lanes *l =
		start(LANE_SLOW, (struct lane_config){.threads = 1, .queue_max = N});
	struct test_job jobs[N];
	unsigned order[N];
	atomic_uint sequence = 0;
	struct gate gate;

	(void)state;
	gate_init(&gate, true);
	for (unsigned i = 0; i < N; i++) {
		job_init(&jobs[i], &gate);
		jobs[i].order = &order[i];
		jobs[i].sequence = &sequence;
		jobs[i].result = IAM_INTERNAL;
		assert_true(lane_submit(l, LANE_SLOW, &jobs[i].job));
	}
	lanes_free(l);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(order[i], i);
		assert_int_equal(jobs[i].result, IAM_OK);
	}
}

static void full_queue_refuses_and_takes_again_when_there_is_room(void **state)
{
	struct lanes *l =
		start(LANE_NET, (struct lane_config){.threads = 1, .queue_max = 2});
	struct test_job jobs[4];
	struct gate gate;

	(void)state;
	gate_init(&gate, false);
	for (unsigned i = 0; i < 4; i++)
		job_init(&jobs[i], &gate);
	assert_true(lane_submit(l, LANE_NET, &jobs[0].job));
	gate_wait_entered(&gate, 1); /* it runs now, and is not queued any more */
	assert_true(lane_submit(l, LANE_NET, &jobs[1].job));
	assert_true(lane_submit(l, LANE_NET, &jobs[2].job));
	assert_false(lane_submit(l, LANE_NET, &jobs[3].job));
	assert_int_equal(lane_depth(l, LANE_NET), 3);
	gate_open(&gate);
	gate_wait_done(&gate, 3);
	assert_true(lane_submit(l, LANE_NET, &jobs[3].job));
	lanes_free(l);
	assert_int_equal(gate.done, 4);
}

static void best_effort_job_is_refused_when_the_queue_is_half_full(void **state)
{
	struct lanes *l =
		start(LANE_SLOW, (struct lane_config){.threads = 1, .queue_max = 4});
	struct test_job jobs[5];
	struct gate gate;

	(void)state;
	gate_init(&gate, false);
	for (unsigned i = 0; i < 5; i++)
		job_init(&jobs[i], &gate);
	assert_true(lane_submit(l, LANE_SLOW, &jobs[0].job));
	gate_wait_entered(&gate, 1);
	jobs[1].job.best_effort = true;
	assert_true(lane_submit(l, LANE_SLOW, &jobs[1].job));
	assert_true(lane_submit(l, LANE_SLOW, &jobs[2].job));
	jobs[3].job.best_effort = true;
	assert_false(lane_submit(l, LANE_SLOW, &jobs[3].job));
	assert_true(lane_submit(l, LANE_SLOW, &jobs[4].job));
	gate_open(&gate);
	lanes_free(l);
	assert_int_equal(gate.done, 4);
}

static void one_account_cannot_take_the_whole_queue(void **state)
{
	struct lanes *l = start(LANE_HASH,
		(struct lane_config){
			.threads = 1, .queue_max = 16, .share_max = 2, .nice = true});
	struct test_job jobs[6];
	struct gate gate;

	(void)state;
	gate_init(&gate, false);
	for (unsigned i = 0; i < 6; i++) {
		job_init(&jobs[i], &gate);
		jobs[i].job.share = 7;
	}
	assert_true(lane_submit(l, LANE_HASH, &jobs[0].job));
	gate_wait_entered(&gate, 1);
	assert_true(lane_submit(l, LANE_HASH, &jobs[1].job)); /* one runs, one waits */
	assert_false(lane_submit(l, LANE_HASH, &jobs[2].job));
	jobs[3].job.share = 8;
	assert_true(lane_submit(l, LANE_HASH, &jobs[3].job));
	jobs[4].job.share = 0; /* no key: no limit but the queue's */
	assert_true(lane_submit(l, LANE_HASH, &jobs[4].job));
	gate_open(&gate);
	gate_wait_done(&gate, 4);
	assert_true(lane_submit(l, LANE_HASH, &jobs[2].job));
	assert_true(lane_submit(l, LANE_HASH, &jobs[5].job));
	lanes_free(l);
	assert_int_equal(gate.done, 6);
}

/* One silent outsider: its jobs hold half of the threads, those of the others run at once. */
static void one_key_holds_only_its_part_of_the_threads(void **state)
{
	enum { SILENT = 6, OTHERS = 21 };
	struct lanes *l = start(LANE_NET,
		(struct lane_config){.threads = 4,
			.queue_max = 64,
			.share_max = 32,
			.share_running_max = 2});
	struct test_job silent[SILENT], others[OTHERS];
	struct gate closed, open;

	(void)state;
	gate_init(&closed, false);
	gate_init(&open, true);
	for (unsigned i = 0; i < SILENT; i++) {
		job_init(&silent[i], &closed);
		silent[i].job.share = 1;
		assert_true(lane_submit(l, LANE_NET, &silent[i].job));
	}
	gate_wait_entered(&closed, 2);
	for (unsigned i = 0; i < OTHERS; i++) {
		job_init(&others[i], &open);
		others[i].job.share = i % 3; /* 0: of nobody; 1: behind the silent ones */
		assert_true(lane_submit(l, LANE_NET, &others[i].job));
	}
	gate_wait_done(&open, OTHERS - OTHERS / 3); /* all but those of key 1 */
	pthread_mutex_lock(&closed.mutex);
	assert_int_equal(closed.entered, 2);
	pthread_mutex_unlock(&closed.mutex);
	gate_open(&closed);
	gate_wait_done(&open, OTHERS);
	gate_wait_done(&closed, SILENT);
	lanes_free(l);
}

static void nothing_done(struct lane_job *job, enum iam_err result)
{
	(void)job;
	(void)result;
}

struct turns {
	struct lane_job job;
	atomic_uint *running;
	atomic_uint *most;
	unsigned *next; /* only the one that runs may look at it */
	unsigned number;
	bool in_order;
};

static void turns_run(struct lane_job *job)
{
	struct turns *t = (struct turns *)(void *)job;

	if (atomic_fetch_add(t->running, 1) > 0)
		atomic_store(t->most, 2);
	t->in_order = *t->next == t->number;
	*t->next = t->number + 1;
	sched_yield();
	atomic_fetch_sub(t->running, 1);
}

static void a_key_may_run_one_job_at_a_time_in_order(void **state)
{
	enum { N = 200 };
	struct lanes *l = start(LANE_NET,
		(struct lane_config){.threads = 3,
			.queue_max = N,
			.share_max = N,
			.share_running_max = 1});
	struct turns jobs[N];
	atomic_uint running = 0, most = 1;
	unsigned next = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		jobs[i] = (struct turns){
			.job = {.run = turns_run, .done = nothing_done, .share = 9},
			.running = &running,
			.most = &most,
			.next = &next,
			.number = i};
		assert_true(lane_submit(l, LANE_NET, &jobs[i].job));
	}
	lanes_free(l); /* threads that wait for the key's turn end, too */
	assert_int_equal(next, N);
	assert_int_equal(atomic_load(&most), 1);
	for (unsigned i = 0; i < N; i++)
		assert_true(jobs[i].in_order);
}

/* run() may set the share for the lane that comes next. */
static void change_share(struct lane_job *job)
{
	job_run(job);
	job->share = 77;
}

static void the_share_given_back_is_the_one_that_was_taken(void **state)
{
	struct lanes *l = start(LANE_NET,
		(struct lane_config){.threads = 1,
			.queue_max = 4,
			.share_max = 1,
			.share_running_max = 1});
	struct test_job jobs[3];
	struct gate gate;

	(void)state;
	gate_init(&gate, true);
	for (unsigned i = 0; i < 3; i++) {
		job_init(&jobs[i], &gate);
		jobs[i].job.run = change_share;
		jobs[i].job.share = 5;
		assert_true(lane_submit(l, LANE_NET, &jobs[i].job));
		gate_wait_done(&gate, i + 1);
	}
	lanes_free(l);
	assert_int_equal(gate.done, 3);
}

struct chain {
	struct lane_job job;
	struct lanes *lanes;
	atomic_uint left;
	atomic_uint refused;
};

static void chain_run(struct lane_job *job)
{
	(void)job;
}

static void chain_done(struct lane_job *job, enum iam_err result)
{
	struct chain *c = (struct chain *)(void *)job;

	(void)result;
	if (atomic_fetch_sub(&c->left, 1) > 1 && !lane_submit(c->lanes, LANE_HASH, job))
		atomic_fetch_add(&c->refused, 1);
}

static void share_is_free_again_before_the_answer_leaves(void **state)
{
	struct lanes *l = start(LANE_HASH,
		(struct lane_config){.threads = 1, .queue_max = 4, .share_max = 1});
	struct chain c = {
		.job = {.run = chain_run, .done = chain_done, .share = 5}, .lanes = l};

	(void)state;
	atomic_init(&c.left, 100);
	atomic_init(&c.refused, 0);
	assert_true(lane_submit(l, LANE_HASH, &c.job));
	while (atomic_load(&c.left) > 0 && atomic_load(&c.refused) == 0)
		sched_yield();
	assert_int_equal(atomic_load(&c.refused), 0);
	lanes_free(l);
}

struct batches {
	struct gate *gate;
	size_t sizes[16];
	size_t n;
};

static void batch(void *ctx, struct lane_job **jobs, size_t n_jobs)
{
	struct batches *b = ctx;

	assert_true(b->n < 16);
	b->sizes[b->n++] = n_jobs;
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->run(jobs[i]);
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->done(jobs[i], i == 0 ? IAM_OK : IAM_STORE_FULL);
}

static void what_gathers_during_a_batch_is_the_next_batch(void **state)
{
	enum { N = 1 + LANE_BATCH_MAX + 3 };
	struct gate gate;
	struct batches b = {.gate = &gate};
	struct lanes *l = start(LANE_WRITE,
		(struct lane_config){
			.threads = 1, .queue_max = 256, .batch = batch, .batch_ctx = &b});
	struct test_job jobs[N];

	(void)state;
	gate_init(&gate, false);
	for (unsigned i = 0; i < N; i++)
		job_init(&jobs[i], &gate);
	assert_true(lane_submit(l, LANE_WRITE, &jobs[0].job));
	gate_wait_entered(&gate, 1);
	for (unsigned i = 1; i < N; i++)
		assert_true(lane_submit(l, LANE_WRITE, &jobs[i].job));
	gate_open(&gate);
	lanes_free(l);
	assert_int_equal(b.n, 3);
	assert_int_equal(b.sizes[0], 1);
	assert_int_equal(b.sizes[1], LANE_BATCH_MAX);
	assert_int_equal(b.sizes[2], 3);
	assert_int_equal(gate.done, N);
	assert_int_equal(jobs[1].result, IAM_OK);
	assert_int_equal(jobs[2].result, IAM_STORE_FULL);
}

static void closed_lane_refuses_but_finishes_what_was_queued(void **state)
{
	struct lanes *l =
		start(LANE_SLOW, (struct lane_config){.threads = 2, .queue_max = 8});
	struct test_job jobs[5];
	struct gate gate;

	(void)state;
	gate_init(&gate, false);
	for (unsigned i = 0; i < 5; i++)
		job_init(&jobs[i], &gate);
	for (unsigned i = 0; i < 4; i++)
		assert_true(lane_submit(l, LANE_SLOW, &jobs[i].job));
	lanes_close(l);
	assert_false(lane_submit(l, LANE_SLOW, &jobs[4].job));
	gate_open(&gate);
	lanes_stop(l);
	assert_int_equal(gate.done, 4);
	assert_int_equal(gate.entered, 4);
	/* An event loop may ask until it has ended itself. */
	assert_false(lane_submit(l, LANE_SLOW, &jobs[4].job));
	lanes_free(l);
}

static void lane_that_was_not_started_refuses(void **state)
{
	struct lanes *l =
		start(LANE_SLOW, (struct lane_config){.threads = 1, .queue_max = 1});
	struct test_job job;
	struct gate gate;

	(void)state;
	gate_init(&gate, true);
	job_init(&job, &gate);
	assert_false(lane_submit(l, LANE_NET, &job.job));
	assert_false(lane_submit(l, LANE_INLINE, &job.job));
	assert_int_equal(lane_depth(l, LANE_NET), 0);
	lanes_free(l);
	lanes_free(NULL);
}

/* Many submitters, many threads: nothing is lost, run twice or left in the depth (TSan). */
enum { SUBMITTERS = 4, PER_SUBMITTER = 2000 };

struct counted {
	struct lane_job job;
	atomic_uint *runs;
};

struct submitter {
	struct lanes *lanes;
	struct counted *jobs;
	unsigned accepted;
};

static void counted_run(struct lane_job *job)
{
	struct counted *c = (struct counted *)(void *)job;

	atomic_fetch_add(c->runs, 1);
}

static void counted_done(struct lane_job *job, enum iam_err result)
{
	free(job); /* the lane must not look at it again */
	(void)result;
}

static void *submit_many(void *arg)
{
	struct submitter *s = arg;
	atomic_uint *runs = s->jobs->runs;

	for (unsigned i = 0; i < PER_SUBMITTER; i++) {
		struct counted *c = calloc(1, sizeof(*c));

		c->job.run = counted_run;
		c->job.done = counted_done;
		c->job.share = i % 5;
		c->runs = runs;
		if (lane_submit(s->lanes, LANE_HASH, &c->job))
			s->accepted++;
		else
			free(c);
	}
	return NULL;
}

static void many_threads(struct lane_config config)
{
	struct lanes *l = start(LANE_HASH, config);
	atomic_uint runs = 0;
	struct counted pattern = {.runs = &runs};
	struct submitter submitters[SUBMITTERS];
	unsigned long threads[SUBMITTERS];
	unsigned accepted = 0;

	for (unsigned i = 0; i < SUBMITTERS; i++) {
		submitters[i] = (struct submitter){.lanes = l, .jobs = &pattern};
		assert_true(thread_start(&threads[i], "submitter", submit_many,
			&submitters[i]));
	}
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		thread_join(threads[i]);
		accepted += submitters[i].accepted;
	}
	lanes_close(l);
	while (lane_depth(l, LANE_HASH) > 0)
		sched_yield();
	assert_int_equal(atomic_load(&runs), accepted);
	assert_true(accepted > 0);
	lanes_free(l);
}

static void nothing_is_lost_between_many_threads(void **state)
{
	(void)state;
	many_threads((struct lane_config){
		.threads = 3, .queue_max = 32, .share_max = 20});
	many_threads((struct lane_config){
		.threads = 3, .queue_max = 32, .share_max = 20, .share_running_max = 1});
}

static void nice_run(struct lane_job *job)
{
	of(job)->result = (enum iam_err)getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void nice_lane_lowers_its_own_priority_only(void **state)
{
	int before = getpriority(PRIO_PROCESS, 0);
	struct lanes *l = start(LANE_HASH,
		(struct lane_config){.threads = 1, .queue_max = 1, .nice = true});
	struct test_job job = {.job = {.run = nice_run, .done = nothing_done}};

	(void)state;
	assert_true(lane_submit(l, LANE_HASH, &job.job));
	lanes_free(l);
	assert_true((int)job.result > before || before >= 10);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

/* --- threads --- */

struct seen {
	char name[16];
	bool all_blocked;
	unsigned freed;
};

static void slot_freed(void *value)
{
	struct seen *seen = value;

	seen->freed++;
	if (seen->freed ==
		1) /* a module that uses its slot again while the thread ends */
		thread_set(THREAD_DIGEST, seen, slot_freed);
}

static void *look_around(void *arg)
{
	struct seen *seen = arg;
	sigset_t now;

	(void)pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	(void)pthread_sigmask(SIG_SETMASK, NULL, &now);
	seen->all_blocked = sigismember(&now, SIGTERM) == 1 &&
		sigismember(&now, SIGHUP) == 1 && sigismember(&now, SIGUSR1) == 1 &&
		sigismember(&now, SIGINT) == 1;
	assert_null(thread_get(THREAD_CRYPT));
	thread_set(THREAD_CRYPT, seen, slot_freed);
	assert_ptr_equal(thread_get(THREAD_CRYPT), seen);
	return NULL;
}

static void thread_has_its_name_no_signals_and_frees_its_slots(void **state)
{
	struct seen seen = {0};
	unsigned long thread;

	(void)state;
	assert_true(thread_start(&thread, "a-name-of-more-than-15", look_around, &seen));
	thread_join(thread);
	assert_string_equal(seen.name, "a-name-of-more-");
	assert_true(seen.all_blocked);
	assert_int_equal(seen.freed, 2);
}

static void count_free(void *value)
{
	(*(unsigned *)value)++;
}

static void setting_a_slot_releases_what_was_there(void **state)
{
	unsigned a = 0, b = 0;

	(void)state;
	thread_set(THREAD_DIGEST, &a, count_free);
	thread_set(THREAD_DIGEST, &b, count_free);
	assert_int_equal(a, 1);
	assert_ptr_equal(thread_get(THREAD_DIGEST), &b);
	thread_set(THREAD_DIGEST, NULL, NULL);
	assert_int_equal(b, 1);
	assert_null(thread_get(THREAD_DIGEST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_of_one_thread_run_in_the_order_of_submission),
		cmocka_unit_test(full_queue_refuses_and_takes_again_when_there_is_room),
		cmocka_unit_test(best_effort_job_is_refused_when_the_queue_is_half_full),
		cmocka_unit_test(one_account_cannot_take_the_whole_queue),
		cmocka_unit_test(one_key_holds_only_its_part_of_the_threads),
		cmocka_unit_test(a_key_may_run_one_job_at_a_time_in_order),
		cmocka_unit_test(the_share_given_back_is_the_one_that_was_taken),
		cmocka_unit_test(share_is_free_again_before_the_answer_leaves),
		cmocka_unit_test(what_gathers_during_a_batch_is_the_next_batch),
		cmocka_unit_test(closed_lane_refuses_but_finishes_what_was_queued),
		cmocka_unit_test(lane_that_was_not_started_refuses),
		cmocka_unit_test(nothing_is_lost_between_many_threads),
		cmocka_unit_test(nice_lane_lowers_its_own_priority_only),
		cmocka_unit_test(thread_has_its_name_no_signals_and_frees_its_slots),
		cmocka_unit_test(setting_a_slot_releases_what_was_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
