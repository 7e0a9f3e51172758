/*
 * test_lane_call - work done in another lane while the caller waits: a real store, real lanes.
 *
 * The writes are audit rows: they change nothing that would have to be published.
 */
#include "iamd/api/lane_call.h"
#include "iamd/sys/thread.h"
#include "tests/unit/store_fixture.h"

#define CALLERS 6
#define CALLS   40

struct state {
	struct fixture f;
	struct services svc;
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof *s);
	struct lane_config lanes[LANE_COUNT] = {
		[LANE_WRITE] = {.threads = 1, .queue_max = 64, .batch = write_batch},
		[LANE_SLOW] = {.threads = 2, .queue_max = 64},
	};

	assert_non_null(s);
	fixture_init(&s->f);
	lanes[LANE_WRITE].batch_ctx = &s->svc;
	s->svc.store = s->f.store;
	s->svc.lanes = lanes_new(lanes);
	assert_non_null(s->svc.lanes);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	lanes_free(s->svc.lanes);
	fixture_done(&s->f);
	free(s);
	return 0;
}

static int64_t rows(struct state *s)
{
	return eyes_i64(&s->f, "SELECT count(*) FROM audit");
}

static enum iam_err add_row(struct db *w, void *ctx)
{
	unsigned *n_ran = ctx;

	(*n_ran)++;
	return store_audit_add(w,
		&(struct audit_row){
			.action = STR("user-import"), .result = STR("allow")});
}

static enum iam_err add_row_and_fail(struct db *w, void *ctx)
{
	enum iam_err e = add_row(w, ctx);

	return e == IAM_OK ? IAM_USER_EXISTS : e;
}

static void a_write_is_committed_when_the_call_returns(void **state)
{
	struct state *s = *state;
	unsigned n_ran = 0;

	assert_ok(lane_call_write(&s->svc, add_row, &n_ran));
	assert_int_equal(n_ran, 1);
	assert_int_equal(rows(s), 1);
}

static void a_write_that_fails_is_undone_and_says_why(void **state)
{
	struct state *s = *state;
	unsigned n_ran = 0;

	assert_err(lane_call_write(&s->svc, add_row_and_fail, &n_ran), IAM_USER_EXISTS);
	assert_int_equal(n_ran, 1);
	assert_int_equal(rows(s), 0);
}

static enum iam_err count_users(struct db *db, void *ctx)
{
	return store_user_count(db, ctx);
}

static void a_read_sees_what_was_written_before(void **state)
{
	struct state *s = *state;
	int64_t n = -1;

	tx_begin(&s->f);
	assert_ok(user_add(&s->f, "alice", "Alice"));
	tx_commit(&s->f);
	assert_ok(lane_call_read(&s->svc, count_users, &n));
	assert_int_equal(n, 1);
}

static enum iam_err not_there(struct db *db, void *ctx)
{
	(void)db;
	(void)ctx;
	return IAM_NO_USER;
}

static void a_read_tells_its_error(void **state)
{
	struct state *s = *state;

	assert_err(lane_call_read(&s->svc, not_there, NULL), IAM_NO_USER);
}

static void closed_lanes_refuse_and_nothing_runs(void **state)
{
	struct state *s = *state;
	unsigned n_ran = 0;
	int64_t n = -1;

	lanes_close(s->svc.lanes);
	assert_err(lane_call_write(&s->svc, add_row, &n_ran), IAM_UNAVAILABLE);
	assert_err(lane_call_read(&s->svc, count_users, &n), IAM_UNAVAILABLE);
	assert_int_equal(n_ran, 0);
	assert_int_equal(n, -1);
}

/* A batch whose COMMIT fails, whatever its jobs said. */
static void failing_batch(void *ctx, struct lane_job **jobs, size_t n_jobs)
{
	struct services *svc = ctx;
	struct db *w = store_writer(svc->store);

	assert_ok(store_begin(w));
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->run(jobs[i]);
	store_rollback(w);
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->done(jobs[i], IAM_STORE_FULL);
}

static void a_commit_that_fails_is_the_calls_error(void **state)
{
	struct state *s = *state;
	struct services svc = {.store = s->f.store};
	const struct lane_config lanes[LANE_COUNT] = {
		[LANE_WRITE] = {.threads = 1,
			.queue_max = 64,
			.batch = failing_batch,
			.batch_ctx = &svc},
	};
	unsigned n_ran = 0;

	svc.lanes = lanes_new(lanes);
	assert_non_null(svc.lanes);
	assert_err(lane_call_write(&svc, add_row, &n_ran), IAM_STORE_FULL);
	assert_int_equal(n_ran, 1);
	lanes_free(svc.lanes);
	assert_int_equal(rows(s), 0);
}

struct caller {
	struct state *s;
	unsigned n_ran, n_failed;
	int64_t n_read;
};

static void *call_many(void *arg)
{
	struct caller *c = arg;

	for (unsigned i = 0; i < CALLS; i++) {
		if (lane_call_write(&c->s->svc, add_row, &c->n_ran) != IAM_OK)
			c->n_failed++;
		if (lane_call_read(&c->s->svc, count_users, &c->n_read) != IAM_OK)
			c->n_failed++;
	}
	return NULL;
}

static void many_callers_at_once_each_get_their_own_answer(void **state)
{
	struct state *s = *state;
	struct caller callers[CALLERS] = {{0}};
	unsigned long threads[CALLERS];

	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.s = s, .n_read = -1};
		assert_true(thread_start(&threads[i], "caller", call_many, &callers[i]));
	}
	for (unsigned i = 0; i < CALLERS; i++)
		thread_join(threads[i]);
	for (unsigned i = 0; i < CALLERS; i++) {
		assert_int_equal(callers[i].n_ran, CALLS);
		assert_int_equal(callers[i].n_failed, 0);
		assert_int_equal(callers[i].n_read, 0);
	}
	assert_int_equal(rows(s), CALLERS * CALLS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_write_is_committed_when_the_call_returns),
		CASE(a_write_that_fails_is_undone_and_says_why),
		CASE(a_read_sees_what_was_written_before),
		CASE(a_read_tells_its_error),
		CASE(closed_lanes_refuse_and_nothing_runs),
		CASE(a_commit_that_fails_is_the_calls_error),
		CASE(many_callers_at_once_each_get_their_own_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
