/*
 * audit_rows - rows of decisions, on their way into the database; see audit_rows.h.
 *
 * One job for the rows of one call, in a savepoint of its own: they are stored together with the
 * changes of that group commit, or none of them is. Nobody waits for it.
 */
#include "iamd/api/audit_rows.h"

#include <stdlib.h>

#include "iamd/api/write_batch.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"

/* LIMIT: memory of one job; a row's texts have maxima of about 1.5 KiB. */
#define JOB_BYTES_MAX ((size_t)1 << 20)

struct rows_job {
	struct lane_job job;
	struct services *svc;
	struct arena *arena;
	struct audit_row *rows;
	size_t n;
	enum iam_err result;
};

static void job_free(struct rows_job *rj, bool is_lost)
{
	if (is_lost)
		metrics_count(METRIC_AUDIT_DROPPED, rj->n);
	arena_free(rj->arena);
	free(rj);
}

static enum iam_err rows_write(struct db *w, void *ctx)
{
	struct rows_job *rj = ctx;
	enum iam_err e = IAM_OK;

	for (size_t i = 0; e == IAM_OK && i < rj->n; i++)
		e = store_audit_add(w, &rj->rows[i]);
	return e;
}

static void job_run(struct lane_job *job)
{
	struct rows_job *rj = (struct rows_job *)job;

	rj->result = write_in_savepoint(rj->svc, rows_write, rj);
}

static void job_done(struct lane_job *job, enum iam_err result)
{
	struct rows_job *rj = (struct rows_job *)job;

	job_free(rj, result != IAM_OK || rj->result != IAM_OK);
}

static bool keep(struct arena *a, struct str *s)
{
	struct str copy = arena_str(a, *s);

	if (s->ptr != NULL && copy.ptr == NULL)
		return false;
	*s = copy;
	return true;
}

static bool keep_row(struct arena *a, struct audit_row *row)
{
	return keep(a, &row->action) && keep(a, &row->actor) && keep(a, &row->object) &&
		keep(a, &row->result) && keep(a, &row->reason) &&
		keep(a, &row->source_ip) && keep(a, &row->request_id);
}

static bool keep_rows(struct rows_job *rj, const struct audit_row *rows)
{
	rj->rows = arena_alloc_n(rj->arena, rj->n, sizeof *rj->rows);
	if (rj->rows == NULL)
		return false;
	for (size_t i = 0; i < rj->n; i++) {
		rj->rows[i] = rows[i];
		if (!keep_row(rj->arena, &rj->rows[i]))
			return false;
	}
	return true;
}

void audit_rows_store(void *ctx, const struct audit_row *rows, size_t n_rows)
{
	struct services *svc = ctx;
	struct rows_job *rj = calloc(1, sizeof *rj);

	if (rj == NULL) {
		metrics_count(METRIC_AUDIT_DROPPED, n_rows);
		return;
	}
	*rj = (struct rows_job){
		.job = {.run = job_run, .done = job_done, .best_effort = true},
		.svc = svc,
		.arena = arena_new(16384, JOB_BYTES_MAX),
		.n = n_rows,
	};
	if (rj->arena == NULL || !keep_rows(rj, rows) ||
		!lane_submit(svc->lanes, LANE_WRITE, &rj->job))
		job_free(rj, true);
}

bool audit_wants_allows(void *ctx)
{
	struct services *svc = ctx;
	PUBLISH_SCOPE(svc->publisher, scope);

	return scope.root->config->audit_decisions == AUDIT_ALL;
}
