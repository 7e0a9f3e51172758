/*
 * write_batch - group commit: what the WRITE lane does with the jobs it found queued.
 *
 * One transaction; each job in a savepoint of its own; one COMMIT; the changes published as one
 * revision; only then is each request answered. A COMMIT that fails turns every prepared answer
 * into 503 and publishes nothing.
 */
#ifndef API_WRITE_BATCH_H
#define API_WRITE_BATCH_H

#include "iamd/api/services.h"
#include "iamd/audit/audit.h"
#include "iamd/sys/lane.h"

/* lane_batch_fn of LANE_WRITE; ctx is the struct services. */
void write_batch(void *ctx, struct lane_job **jobs, size_t n_jobs);

/*
 * run() of a job inside the batch: `fn` in a savepoint, undone unless it returns IAM_OK.
 */
typedef enum iam_err write_fn(struct db *w, void *ctx);
enum iam_err write_in_savepoint(struct services *svc, write_fn *fn, void *ctx);

/*
 * After a login: audit row and last_login, queued best-effort; the line is logged at once. Copies
 * what it needs. A row that cannot be queued or stored is counted.
 */
struct login_record {
	struct audit_row row;
	struct str uid;                /* whose last_login or hash; absent: nobody's */
	struct str old_hash, new_hash; /* of write_rehash() */
};
void write_login_record(struct services *svc, const struct login_record *rec);

/* A new hash of the same password, if the old one still stands. Best-effort; uses uid and the two hashes. */
void write_rehash(struct services *svc, const struct login_record *rec);

/*
 * A job of the maintenance thread: expired revocations, denials beyond audit_denied_max, checkpoint.
 * Best-effort.
 */
void write_maintenance(struct services *svc);

#endif
