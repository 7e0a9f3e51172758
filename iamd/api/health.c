/*
 * health - is the process alive, and does it want traffic?
 *
 * Live: a loop answered. Ready: not draining, and the database answers a read.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/services.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

enum iam_err api_health_live(struct req *r, struct resp *out)
{
	(void)r;
	return resp_body(out, 200, TEXT_TYPE, STR("alive\n"));
}

enum iam_err api_health_ready(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	int64_t revision;

	if (r->svc->is_draining(r->svc))
		return resp_body(out, 503, TEXT_TYPE, STR("draining\n"));
	if (db == NULL || store_revision(db, &revision) != IAM_OK)
		return resp_body(out, 503, TEXT_TYPE, STR("database unavailable\n"));
	return resp_body(out, 200, TEXT_TYPE, STR("ready\n"));
}
