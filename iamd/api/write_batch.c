/*
 * write_batch - group commit on the WRITE lane; see write_batch.h.
 *
 * Invariant: nothing is published that is not committed, and nothing committed stays unpublished:
 * all that can fail happens before COMMIT, and installing cannot fail.
 */
#include "iamd/api/write_batch.h"

#include <stdlib.h>

#include "iamd/api/await.h"
#include "iamd/store/changes.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"

/* Everything behind the last savepoint: revision, publication, COMMIT. */
static enum iam_err finish(struct services *svc, struct db *w)
{
	struct changes *changes = store_changes(w);
	int64_t revision = 0;
	bool publishes = changes->len > 0;
	enum iam_err e = IAM_OK;

	if (publishes) {
		e = store_revision_next(w, &revision);
		if (e == IAM_OK)
			e = publish_prepare(svc->publisher, changes, revision);
	}
	if (e != IAM_OK) {
		store_rollback(w);
		return e;
	}
	e = store_commit(w);
	if (!publishes)
		return e;
	if (e != IAM_OK) {
		publish_abort(svc->publisher);
		return e;
	}
	publish_install(svc->publisher);
	await_published(svc->await, revision);
	return IAM_OK;
}

void write_batch(void *ctx, struct lane_job **jobs, size_t n_jobs)
{
	struct services *svc = ctx;
	struct db *w = store_writer(svc->store);
	enum iam_err e = store_begin(w);

	if (e == IAM_OK) {
		for (size_t i = 0; i < n_jobs; i++)
			jobs[i]->run(jobs[i]);
		e = finish(svc, w);
	}
	if (e != IAM_OK)
		log_event(LOG_LEVEL_ERROR, "store.commit",
			LOG_CSTR("error", iam_err_name(e)), LOG_INT("requests", n_jobs));
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i]->done(jobs[i], e);
}

enum iam_err write_in_savepoint(struct services *svc, write_fn *fn, void *ctx)
{
	struct db *w = store_writer(svc->store);
	enum iam_err e = store_savepoint(w);

	if (e != IAM_OK)
		return e;
	e = fn(w, ctx);
	if (e == IAM_OK)
		return store_release(w);
	store_rollback_to(w);
	return e;
}

/* One login's record, with copies of all strings behind it. */
struct record_job {
	struct lane_job job;
	struct services *svc;
	struct arena *arena;
	struct login_record rec;
	write_fn *write;
	bool counts; /* a loss is one of the audit trail */
	bool lost;
};

static void record_free(struct record_job *rj, bool is_lost)
{
	if (is_lost && rj->counts)
		metrics_count(METRIC_AUDIT_DROPPED, 1);
	arena_free(rj->arena);
	free(rj);
}

static enum iam_err record_write(struct db *w, void *ctx)
{
	struct login_record *rec = ctx;
	enum iam_err e = store_audit_add(w, &rec->row);

	if (e != IAM_OK || rec->uid.ptr == NULL)
		return e;
	e = store_user_touch_login(w, rec->uid, rec->row.at_us / 1000);
	return e == IAM_NO_USER
		? IAM_OK
		: e; /* deleted since; the row still belongs in the trail */
}

static enum iam_err rehash_write(struct db *w, void *ctx)
{
	struct login_record *rec = ctx;
	enum iam_err e = store_user_rehash(w, rec->uid, rec->old_hash, rec->new_hash);

	return e == IAM_CONFLICT || e == IAM_NO_USER
		? IAM_OK
		: e; /* changed since: the newer one stays */
}

static void record_run(struct lane_job *job)
{
	struct record_job *rj = (struct record_job *)job;

	if (write_in_savepoint(rj->svc, rj->write, &rj->rec) != IAM_OK)
		rj->lost = true;
}

static void record_done(struct lane_job *job, enum iam_err result)
{
	struct record_job *rj = (struct record_job *)job;

	record_free(rj, result != IAM_OK || rj->lost);
}

/* Copies *s into the arena; false without memory. */
static bool keep(struct arena *a, struct str *s)
{
	struct str copy = arena_str(a, *s);

	if (s->ptr != NULL && copy.ptr == NULL)
		return false;
	*s = copy;
	return true;
}

static bool keep_all(struct arena *a, struct login_record *rec)
{
	struct audit_row *row = &rec->row;

	return keep(a, &row->action) && keep(a, &row->actor) && keep(a, &row->object) &&
		keep(a, &row->result) && keep(a, &row->reason) &&
		keep(a, &row->source_ip) && keep(a, &row->request_id) &&
		keep(a, &rec->uid) && keep(a, &rec->old_hash) && keep(a, &rec->new_hash);
}

/* A job with copies of everything in rec; NULL without memory. */
static struct record_job *record_new(struct services *svc, const struct login_record *rec,
	write_fn *write)
{
	struct record_job *rj = calloc(1, sizeof *rj);

	if (rj == NULL)
		return NULL;
	/* LIMIT: ids, reasons and hashes all have far smaller maxima. */
	rj->arena = arena_new(1024, 16384);
	rj->job = (struct lane_job){
		.run = record_run, .done = record_done, .best_effort = true};
	rj->svc = svc;
	rj->write = write;
	rj->rec = *rec;
	if (rj->arena != NULL && keep_all(rj->arena, &rj->rec))
		return rj;
	record_free(rj, false);
	return NULL;
}

void write_login_record(struct services *svc, const struct login_record *rec)
{
	struct record_job *rj = record_new(svc, rec, record_write);

	if (rj == NULL) {
		metrics_count(METRIC_AUDIT_DROPPED, 1);
		return;
	}
	rj->counts = true;
	log_raw(audit_line(rj->arena, &rj->rec.row));
	if (!lane_submit(svc->lanes, LANE_WRITE, &rj->job))
		record_free(rj, true);
}

void write_rehash(struct services *svc, const struct login_record *rec)
{
	struct record_job *rj = record_new(svc, rec, rehash_write);

	if (rj != NULL && !lane_submit(svc->lanes, LANE_WRITE, &rj->job))
		record_free(rj, false);
}

/* LIMIT: audit rows removed in one transaction; more follow in the next. */
#define TRIM_AT_ONCE 5000

struct maintenance_job {
	struct lane_job job;
	struct services *svc;
	int64_t removed; /* audit rows */
};

static int64_t denied_max(struct services *svc)
{
	PUBLISH_SCOPE(svc->publisher, scope);

	return scope.root->config->audit_denied_max;
}

static enum iam_err maintenance_write(struct db *w, void *ctx)
{
	struct maintenance_job *mj = ctx;
	enum iam_err e = store_revocations_expire(w, clock_now_ms() / 1000);

	if (e != IAM_OK)
		return e;
	return store_audit_trim_denied(w, denied_max(mj->svc), TRIM_AT_ONCE,
		&mj->removed);
}

static void maintenance_run(struct lane_job *job)
{
	struct maintenance_job *mj = (struct maintenance_job *)job;
	enum iam_err e = write_in_savepoint(mj->svc, maintenance_write, mj);

	if (e != IAM_OK)
		log_event(LOG_LEVEL_WARNING, "store.maintenance",
			LOG_CSTR("error", iam_err_name(e)));
}

static void maintenance_done(struct lane_job *job, enum iam_err result)
{
	struct maintenance_job *mj = (struct maintenance_job *)job;

	if (result == IAM_OK && mj->removed == TRIM_AT_ONCE)
		write_maintenance(mj->svc); /* there is more */
	else if (result == IAM_OK)
		store_maintain(mj->svc->store);
	free(mj);
}

void write_maintenance(struct services *svc)
{
	struct maintenance_job *mj = calloc(1, sizeof *mj);

	if (mj == NULL)
		return;
	mj->job = (struct lane_job){
		.run = maintenance_run, .done = maintenance_done, .best_effort = true};
	mj->svc = svc;
	if (!lane_submit(svc->lanes, LANE_WRITE, &mj->job))
		free(mj);
}
