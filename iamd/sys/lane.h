/*
 * lane - where slow work runs, so that an event loop never waits.
 *
 * A lane is a bounded queue with its own threads. A job belongs to the submitter; the lane links
 * it while queued and never frees it. For each job the lane calls run() and then done(), both on
 * one of its threads. The WRITE lane has one thread and hands whole batches (at most
 * LANE_BATCH_MAX) to the batch function given at start, which opens a transaction, calls run() of
 * each, commits, and only then done() of each.
 * Thread-safe. Queues: LIMIT per lane in struct lane_config.
 */
#ifndef SYS_LANE_H
#define SYS_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iam/err.h"

enum lane_id { LANE_INLINE, LANE_WRITE, LANE_HASH, LANE_SLOW, LANE_NET, LANE_COUNT };

#define LANE_BATCH_MAX 64

struct lane_job {
	struct lane_job *next; /* the lane's while queued */
	void (*run)(struct lane_job *job);
	/* result: IAM_OK; in a batch lane that of the commit */
	void (*done)(struct lane_job *job, enum iam_err result);
	uint64_t share;   /* HASH, SLOW: account key for fair shares; NET: the outsider's; 0: none */
	bool best_effort; /* WRITE: may be refused when the queue is half full */
};

typedef void lane_batch_fn(void *ctx, struct lane_job **jobs, size_t n_jobs);

struct lane_config {
	unsigned threads; /* 0: the lane is not started */
	unsigned queue_max;
	unsigned share_max;   /* jobs of one key queued or running at once; 0: no limit */
	/*
	 * Jobs of one key running at once; what is over it stays queued, and jobs of other keys pass
	 * by. Needs share_max; not for batches. 0: no limit.
	 */
	unsigned share_running_max;
	bool nice;            /* lower priority */
	lane_batch_fn *batch; /* NULL: run() and done() one by one */
	void *batch_ctx;
};

struct lanes;

/* NULL when a thread cannot be started. configs[LANE_INLINE] is ignored. */
struct lanes *lanes_new(const struct lane_config configs[LANE_COUNT]);

/* False when the queue (or the job's share of it) is full, or the lanes are closing: done() is not called. */
bool lane_submit(struct lanes *l, enum lane_id id, struct lane_job *job);

/* Jobs queued and running now. */
size_t lane_depth(const struct lanes *l, enum lane_id id);

/* Refuse new jobs from now on; queued ones still run. */
void lanes_close(struct lanes *l);

/*
 * Close, wait for all queued jobs, end the threads. Submitting afterwards is still safe, and
 * refused: event loops may outlive the lanes. Call once.
 */
void lanes_stop(struct lanes *l);

/* After lanes_stop() (which it does if need be), when nobody can submit any more. NULL is fine. */
void lanes_free(struct lanes *l);

#endif
