/*
 * pipeline - the order of checks between the server and a handler.
 *
 * enforce: Accept (406), route (404, 405), size (413), authentication (401), cross-site and
 * permission (403), media type (415), UTF-8 and JSON (400), schema (400), handler.
 * gateway: Accept, body (400, 415), route, schema, handler: the order the original's clients know.
 */
#ifndef API_PIPELINE_H
#define API_PIPELINE_H

#include "iamd/api/services.h"

extern const struct server_ops pipeline_ops;

/*
 * For a request that comes back to its loop without having been on a lane: runs fn as its handler,
 * unless its caller's tokens ended meanwhile (401). Its error is answered, its hand-off followed.
 */
void pipeline_come_back(struct req *r, req_fn *fn);

/*
 * Whatever changes data is judged once more where it is changed, by the newest root; and where
 * that does not show yet what this batch did to the rights in question, in the next batch
 * (*ret_put_off: do nothing now). Requests that go to the WRITE lane are judged before their
 * function runs; this is for those that have something written while they are elsewhere
 * (lane_call.h). WRITE lane only, the request waits.
 */
MUST_CHECK enum iam_err pipeline_judge_again(struct req *r, struct db *w, bool *ret_put_off);

#endif
