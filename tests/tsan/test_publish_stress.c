/*
 * test_publish_stress - publication, lanes and token caches, all at once.
 *
 * Readers look at roots, each root must be one moment: every part of it is written from the same
 * number, and a reader checks them against each other. Readers also send writes through a real
 * WRITE lane, whose batches are installed or aborted at random, and must then see their own write.
 * Meanwhile one thread reloads keyrings, one reclaims, and short-lived threads come and go.
 * Runs for STRESS_MS (default 3000); made for ThreadSanitizer, useful under ASan too: what is freed
 * too early or never shows there.
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "authz_fixture.h"
#include "iamd/authn/token_cache.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/lane.h"
#include "iamd/sys/thread.h"

#define READERS 4
#define USERS   8
/* Readers, the short-lived one, reload, reclaim, the lanes' threads, main. */
#define SLOTS (READERS + 8)

/* cmocka's assertions work on the main thread only. */
#define CHECK(fact) \
	do { \
		if (!(fact)) { \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
				#fact); \
			abort(); \
		} \
	} while (0)

/* LIMIT: of one publication. */
#define ROWS_MAX (USERS + 8)

struct stress {
	struct publisher *p;
	struct lanes *lanes;
	int64_t end_ms;
	_Atomic unsigned reads, writes, aborts, slow_jobs;
	/* the WRITE lane's thread */
	struct db db;
	int64_t revision;
	unsigned random;
};

static bool is_over(const struct stress *s)
{
	return clock_mono_ms() >= s->end_ms;
}

static const char *user_name(unsigned i)
{
	static const char *const names[USERS] = {
		"user0", "user1", "user2", "user3", "user4", "user5", "user6", "user7"};

	return names[i];
}

/* ---- the writer ---- */

/* Every row of publication n, so that a reader can recompute it from the revision. */
static size_t rows_of(int64_t n, struct change rows[ROWS_MAX])
{
	size_t len = 0;

	for (unsigned i = 0; i < USERS; i++)
		rows[len++] = change_of_session(user_name(i), n % 3 != 0, n);
	rows[len++] =
		n % 4 == 0 ? change_gone("guest") : change_of_session("guest", true, n);
	rows[len++] =
		change_of_digest(n % 2 == 0 ? CHANGE_REVOKED : CHANGE_REVOKED_GONE, 0x5a);
	rows[len++] = change_of_grant(
		n % 2 == 1 ? CHANGE_GRANT : CHANGE_GRANT_GONE, "svc:odd", "user0");
	rows[len++] = (struct change){
		.kind = n % 3 == 0 ? CHANGE_MEMBER : CHANGE_MEMBER_GONE,
		.id = STR("inner"),
		.other = STR("user1")};
	rows[len++] = (struct change){
		.kind = n % 5 == 0 ? CHANGE_SUBGROUP_GONE : CHANGE_SUBGROUP,
		.id = STR("outer"),
		.other = STR("inner")};
	rows[len++] = (struct change){.kind = CHANGE_GRANT,
		.id = STR("svc:outer"),
		.other = STR("outer"),
		.subject = IAM_SUBJECT_GROUP,
		.action = IAM_FULL};
	if (n % 7 == 0)
		rows[len++] = (struct change){
			.kind = CHANGE_RESOURCE_GONE, .id = STR("svc:seven")};
	else
		rows[len++] = change_of_grant(CHANGE_GRANT, "svc:seven", "user2");
	return len;
}

static bool may_read(const struct root *root, struct str uid, struct str rid)
{
	return iam_check(root->acl, uid, rid, IAM_READ) == IAM_ALLOW;
}

static void check_facts(const struct root *root)
{
	int64_t n = root->revision;

	CHECK(may_read(root, STR("user0"), STR("svc:odd")) == (n % 2 == 1));
	CHECK(may_read(root, STR("user1"), STR("svc:outer")) ==
		(n % 3 == 0 && n % 5 != 0));
	CHECK(may_read(root, STR("user2"), STR("svc:seven")) == (n % 7 != 0));
}

static void check_root(const struct root *root)
{
	unsigned char digest[TOKEN_DIGEST_BYTES];
	int64_t n = root->revision;
	struct session found;

	memset(digest, 0x5a, sizeof(digest));
	for (unsigned i = 0; i < USERS; i++) {
		CHECK(sessions_find(root, str_c(user_name(i)), &found));
		CHECK(found.gen == n && found.enabled == (n % 3 != 0));
	}
	CHECK(sessions_find(root, STR("guest"), &found) == (n % 4 != 0));
	CHECK(revoked_find(root, digest) == (n % 2 == 0));
	check_facts(root);
	CHECK(root->keyring->freed != NULL && root->config != NULL);
}

static enum iam_err publish_next(struct stress *s)
{
	struct change rows[ROWS_MAX];
	struct changes changes = {.rows = rows, .len = rows_of(s->revision + 1, rows)};
	enum iam_err e;

	e = publish_prepare(s->p, &changes, s->revision + 1);
	if (e != IAM_OK)
		return e;
	s->random = s->random * 1103515245u + 12345u;
	if ((s->random >> 16) % 4 == 0) {
		publish_abort(s->p);
		atomic_fetch_add(&s->aborts, 1);
		return IAM_STORE;
	}
	s->revision++;
	publish_install(s->p);
	atomic_fetch_add(&s->writes, 1);
	return IAM_OK;
}

static void write_batch(void *ctx, struct lane_job **jobs, size_t n_jobs)
{
	struct stress *s = ctx;
	enum iam_err e;

	CHECK(n_jobs > 0 && n_jobs <= LANE_BATCH_MAX);
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->run(jobs[i]);
	e = publish_next(s);
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->done(jobs[i], e);
}

/* ---- readers ---- */

struct write_job {
	struct lane_job job; /* first */
	struct stress *stress;
	int64_t revision; /* plain fields: the lane must order run, done and the waiter */
	enum iam_err result;
	sem_t done;
};

static void write_run(struct lane_job *job)
{
	struct write_job *w = (struct write_job *)job;

	w->revision = w->stress->revision + 1;
}

static void write_done(struct lane_job *job, enum iam_err result)
{
	struct write_job *w = (struct write_job *)job;

	w->result = result;
	(void)sem_post(&w->done);
}

static void write_and_read_own(struct stress *s)
{
	struct write_job w = {.job = {.run = write_run, .done = write_done},
		.stress = s,
		.revision = -1};
	const struct root *root;

	CHECK(sem_init(&w.done, 0, 0) == 0);
	if (lane_submit(s->lanes, LANE_WRITE, &w.job)) {
		while (sem_wait(&w.done) != 0)
			;
		root = publish_enter(s->p);
		if (w.result == IAM_OK)
			CHECK(root->revision >= w.revision);
		publish_leave(s->p);
	}
	(void)sem_destroy(&w.done);
}

/* What is cached under one key set must never come back under another. */
static void use_token_cache(const struct root *root, unsigned token)
{
	struct token_cache *cache = token_cache_mine();
	unsigned char digest[JOSE_DIGEST_BYTES] = {0};
	struct token_facts facts = {.uid = "user0", .uid_len = 5, .has_gen = true};
	struct str text;

	CHECK(cache != NULL);
	text = (struct str){.ptr = (const char *)&token, .len = sizeof(token)};
	if (token_cache_get(cache, root->keyset, text, &facts, digest)) {
		CHECK(facts.gen == (int64_t)(root->keyset * 1000 + token));
		return;
	}
	facts.gen = (int64_t)(root->keyset * 1000 + token);
	token_cache_put(cache, root->keyset, text, digest, &facts);
}

static void *reader(void *arg)
{
	struct stress *s = arg;

	for (unsigned i = 0; !is_over(s); i++) {
		const struct root *root = publish_enter(s->p);

		check_root(root);
		if (i % 7 == 0) { /* nested, and over another publication perhaps */
			check_root(publish_enter(s->p));
			publish_leave(s->p);
			check_root(root);
		}
		use_token_cache(root, i % 512);
		publish_leave(s->p);
		atomic_fetch_add(&s->reads, 1);
		if (i % 16 == 0)
			write_and_read_own(s);
	}
	return NULL;
}

static void *read_once(void *arg)
{
	struct stress *s = arg;

	check_root(publish_enter(s->p));
	publish_leave(s->p);
	return NULL;
}

static void *come_and_go(void *arg)
{
	struct stress *s = arg;

	while (!is_over(s)) {
		unsigned long thread;

		CHECK(thread_start(&thread, "brief", read_once, s));
		thread_join(thread);
	}
	return NULL;
}

static void *reclaim(void *arg)
{
	struct stress *s = arg;

	while (!is_over(s))
		(void)publish_reclaim(s->p);
	return NULL;
}

/* ---- jobs of other lanes that read too ---- */

struct slow_job {
	struct lane_job job; /* first */
	struct stress *stress;
};

static void slow_run(struct lane_job *job)
{
	struct slow_job *j = (struct slow_job *)job;

	(void)read_once(j->stress);
}

static void slow_done(struct lane_job *job, enum iam_err result)
{
	struct slow_job *j = (struct slow_job *)job;

	CHECK(result == IAM_OK);
	atomic_fetch_add(&j->stress->slow_jobs, 1);
	free(j);
}

static void submit_slow(struct stress *s, uint64_t share)
{
	struct slow_job *j = calloc(1, sizeof(*j));

	CHECK(j != NULL);
	j->job = (struct lane_job){.run = slow_run, .done = slow_done, .share = share};
	j->stress = s;
	if (!lane_submit(s->lanes, share % 2 == 0 ? LANE_SLOW : LANE_HASH, &j->job))
		free(j);
}

/* ---- the whole ---- */

static void reload_until_over(struct stress *s, unsigned *freed)
{
	for (unsigned i = 0; !is_over(s); i++) {
		CHECK(publish_reload(s->p, i % 2 == 0 ? fixture_keyring(freed) : NULL,
			      i % 3 == 0 ? fixture_config() : NULL) == IAM_OK);
		for (uint64_t share = 1; share < 40; share++)
			submit_slow(s, share);
	}
}

static int64_t stress_ms(void)
{
	const char *text = getenv("STRESS_MS");
	int64_t ms = 3000;

	(void)str_to_i64(str_c(text), 1, 3600000, &ms);
	return ms;
}

static void start_lanes(struct stress *s)
{
	struct lane_config lanes[LANE_COUNT] = {
		[LANE_WRITE] = {.threads = 1,
			.queue_max = 64,
			.batch = write_batch,
			.batch_ctx = s},
		[LANE_HASH] = {.threads = 1,
			.queue_max = 16,
			.share_max = 2,
			.nice = true},
		[LANE_SLOW] = {.threads = 1, .queue_max = 16},
	};

	s->lanes = lanes_new(lanes);
	assert_non_null(s->lanes);
}

static void readers_see_whole_roots_whatever_writers_do(void **state)
{
	struct stress s = {.random = 42};
	unsigned long threads[READERS + 2];
	unsigned freed = 0;

	(void)state;
	s.p = fixture_publisher(&s.db, SLOTS, &freed);
	while (publish_next(&s) != IAM_OK)
		;
	s.end_ms = clock_mono_ms() + stress_ms();
	start_lanes(&s);
	for (unsigned i = 0; i < READERS; i++)
		assert_true(thread_start(&threads[i], "reader", reader, &s));
	assert_true(thread_start(&threads[READERS], "come-and-go", come_and_go, &s));
	assert_true(thread_start(&threads[READERS + 1], "reclaim", reclaim, &s));
	reload_until_over(&s, &freed);

	for (unsigned i = 0; i < READERS + 2; i++)
		thread_join(threads[i]);
	lanes_free(s.lanes);
	assert_int_equal(publish_reclaim(s.p), 0);
	publisher_free(s.p);
	print_message("reads %u, installed %u, aborted %u, other jobs %u, keyrings %u\n",
		s.reads, s.writes, s.aborts, s.slow_jobs, freed);
	assert_true(s.reads > 0 && s.writes > 0 && s.aborts > 0 && s.slow_jobs > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_whole_roots_whatever_writers_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
