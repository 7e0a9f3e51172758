/*
 * lane_call - a thread that has no database connection of its own has something done and waits.
 *
 * For the NET lane and the synchronisation's thread, which may wait. Never from an event loop, and
 * never from the WRITE or SLOW lane (it would wait for itself).
 */
#ifndef API_LANE_CALL_H
#define API_LANE_CALL_H

#include "iamd/api/services.h"
#include "iamd/api/write_batch.h"

/* fn in the WRITE lane in a savepoint of its own; returns after COMMIT and publication. IAM_UNAVAILABLE: queue full or closing. */
MUST_CHECK enum iam_err lane_call_write(struct services *svc, write_fn *fn, void *ctx);
/* fn with a reader in the SLOW lane. */
typedef enum iam_err read_fn(struct db *db, void *ctx);
MUST_CHECK enum iam_err lane_call_read(struct services *svc, read_fn *fn, void *ctx);

#endif
