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

#endif
