/* test_await - requests that wait for a revision: each comes back once, in time, whatever happens. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "iamd/api/await.h"
#include "iamd/api/login_record.h"
#include "iamd/sys/clock.h"

/* A request with a server that only counts. */
struct waiting {
	struct req req;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	unsigned suspended, resumed;
};

static struct waiting *waiting_of(struct req *r)
{
	return (struct waiting *)(void *)r;
}

static void count_suspend(struct req *r)
{
	waiting_of(r)->suspended++;
}

static void count_resume(struct req *r)
{
	struct waiting *w = waiting_of(r);

	(void)pthread_mutex_lock(&w->lock);
	w->resumed++;
	(void)pthread_cond_signal(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

static const struct req_io io = {.suspend = count_suspend, .resume = count_resume};

static void on_loop(struct req *r)
{
	(void)r;
}

static struct waiting *waiting_of_caller(const char *uid)
{
	struct waiting *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->req.io = &io;
	w->req.principal.uid = str_c(uid);
	w->req.result = IAM_INTERNAL;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->changed, NULL);
	return w;
}

static struct waiting *waiting_new(void)
{
	return waiting_of_caller("alice");
}

/* Waits for its return; how it ended. */
static enum iam_err come_back(struct waiting *w)
{
	enum iam_err result;

	(void)pthread_mutex_lock(&w->lock);
	while (w->resumed == 0)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	(void)pthread_mutex_unlock(&w->lock);
	result = w->req.result;
	assert_int_equal(w->suspended, 1);
	assert_int_equal(w->resumed, 1);
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
	return result;
}

static void what_is_there_needs_no_wait(void **state)
{
	struct await *a = await_new(7);
	struct waiting *w = waiting_new();

	(void)state;
	assert_int_equal(await_revision(a, &w->req, 7,
			login_share_of(w->req.principal.uid), on_loop), AWAIT_REACHED);
	await_published(a, 9);
	assert_int_equal(await_revision(a, &w->req, 9,
			login_share_of(w->req.principal.uid), on_loop), AWAIT_REACHED);
	await_published(a, 8); /* the newest counts, in whatever order it is told */
	assert_int_equal(await_revision(a, &w->req, 9,
			login_share_of(w->req.principal.uid), on_loop), AWAIT_REACHED);
	assert_int_equal(w->suspended, 0);
	await_stop(a);
	await_free(a);
	free(w);
	await_free(NULL);
	await_published(NULL, 1);
}

static void publication_brings_back_those_that_waited_for_it(void **state)
{
	struct await *a = await_new(1);
	struct waiting *early = waiting_new(), *late = waiting_new();

	(void)state;
	assert_int_equal(await_revision(a, &late->req, 3,
			login_share_of(late->req.principal.uid), on_loop), AWAIT_PARKED);
	assert_int_equal(await_revision(a, &early->req, 2,
			login_share_of(early->req.principal.uid), on_loop), AWAIT_PARKED);
	assert_ptr_equal(early->req.on_loop, on_loop);
	await_published(a, 2);
	assert_int_equal(come_back(early), IAM_OK);
	assert_int_equal(late->resumed, 0);
	await_published(a, 5);
	assert_int_equal(come_back(late), IAM_OK);
	await_stop(a);
	await_free(a);
}

static void who_waits_in_vain_comes_back_in_time(void **state)
{
	struct await *a = await_new(1);
	struct waiting *w = waiting_new();
	int64_t started = clock_mono_ms();

	(void)state;
	assert_int_equal(await_revision(a, &w->req, 2,
			login_share_of(w->req.principal.uid), on_loop), AWAIT_PARKED);
	assert_int_equal(come_back(w), IAM_UNAVAILABLE);
	assert_in_range(clock_mono_ms() - started, AWAIT_MS - 1, AWAIT_MS * 10);
	await_stop(a);
	await_free(a);
}

static const char *const callers[] = {"alice", "bob", "carol", ""};

static void too_many_are_refused_and_a_stop_brings_all_back(void **state)
{
	struct await *a = await_new(1);
	struct waiting *w[AWAIT_MAX];
	struct waiting *more = waiting_of_caller("dave");

	(void)state;
	for (unsigned i = 0; i < AWAIT_MAX; i++) {
		w[i] = waiting_of_caller(callers[i / AWAIT_CALLER_MAX]);
		assert_int_equal(await_revision(a, &w[i]->req, 2 + i,
			login_share_of(w[i]->req.principal.uid), on_loop),
			AWAIT_PARKED);
	}
	assert_int_equal(await_revision(a, &more->req, 2,
			login_share_of(more->req.principal.uid), on_loop), AWAIT_REFUSED);
	assert_int_equal(more->suspended, 0);
	await_stop(a);
	for (unsigned i = 0; i < AWAIT_MAX; i++)
		assert_int_equal(come_back(w[i]), IAM_UNAVAILABLE);
	assert_int_equal(await_revision(a, &more->req, 2,
			login_share_of(more->req.principal.uid), on_loop), AWAIT_REFUSED);
	free(more);
	await_free(a);
}

/* Whoever has all of one's places is refused, others are not; a place that is left is free again. */
static void a_caller_has_a_share_of_the_places(void **state)
{
	struct await *a = await_new(1);
	struct waiting *w[AWAIT_CALLER_MAX];
	struct waiting *more = waiting_new(), *other = waiting_of_caller("bob");
	struct waiting *nobody = waiting_of_caller("");

	(void)state;
	for (unsigned i = 0; i < AWAIT_CALLER_MAX; i++) {
		w[i] = waiting_new();
		assert_int_equal(await_revision(a, &w[i]->req, i == 0 ? 2 : 9,
			login_share_of(w[i]->req.principal.uid), on_loop),
			AWAIT_PARKED);
	}
	assert_int_equal(await_revision(a, &more->req, 2,
			login_share_of(more->req.principal.uid), on_loop), AWAIT_REFUSED);
	assert_int_equal(more->suspended, 0);
	assert_int_equal(await_revision(a, &more->req, 1,
			login_share_of(more->req.principal.uid), on_loop), AWAIT_REACHED);
	assert_int_equal(await_revision(a, &other->req, 9,
			login_share_of(other->req.principal.uid), on_loop), AWAIT_PARKED);
	assert_int_equal(await_revision(a, &nobody->req, 9,
			login_share_of(nobody->req.principal.uid), on_loop), AWAIT_PARKED);
	await_published(a, 2);
	assert_int_equal(come_back(w[0]), IAM_OK);
	assert_int_equal(await_revision(a, &more->req, 9,
			login_share_of(more->req.principal.uid), on_loop), AWAIT_PARKED);
	await_published(a, 9);
	for (unsigned i = 1; i < AWAIT_CALLER_MAX; i++)
		assert_int_equal(come_back(w[i]), IAM_OK);
	assert_int_equal(come_back(more), IAM_OK);
	assert_int_equal(come_back(other), IAM_OK);
	assert_int_equal(come_back(nobody), IAM_OK);
	await_stop(a);
	await_free(a);
}

struct publishing {
	struct await *await;
	int64_t last;
};

static void *publish(void *arg)
{
	const struct timespec pause = {.tv_nsec = 20000};
	struct publishing *p = arg;

	for (int64_t r = 2; r <= p->last; r++) {
		await_published(p->await, r);
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

/* No publication between the look and the wait is missed: nobody has to wait for the time-out. */
static void none_is_missed_while_others_publish(void **state)
{
	struct publishing p = {.await = await_new(1), .last = 3000};
	int64_t started = clock_mono_ms();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, publish, &p), 0);
	for (int64_t r = 1; r <= p.last; r++) {
		struct waiting *w = waiting_new();

		switch (await_revision(p.await, &w->req, r,
			login_share_of(w->req.principal.uid), on_loop)) {
		case AWAIT_REACHED:
			free(w);
			break;
		case AWAIT_PARKED:
			assert_int_equal(come_back(w), IAM_OK);
			break;
		case AWAIT_REFUSED:
			fail();
		}
	}
	(void)pthread_join(thread, NULL);
	assert_true(clock_mono_ms() - started < 60000);
	await_stop(p.await);
	await_free(p.await);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_needs_no_wait),
		cmocka_unit_test(publication_brings_back_those_that_waited_for_it),
		cmocka_unit_test(who_waits_in_vain_comes_back_in_time),
		cmocka_unit_test(too_many_are_refused_and_a_stop_brings_all_back),
		cmocka_unit_test(a_caller_has_a_share_of_the_places),
		cmocka_unit_test(none_is_missed_while_others_publish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
