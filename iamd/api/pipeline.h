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
 * Runs fn as the request's handler, on its loop: its error is answered, its hand-off followed. For a
 * request that was suspended by other means than a lane.
 */
void pipeline_run(struct req *r, req_fn *fn);

#endif
