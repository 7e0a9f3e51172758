/*
 * pipeline - the order of checks, and the way onto a lane and back; see pipeline.h.
 *
 * Runs on the event loop but for lane_run() and lane_done(). A request belongs to the loop until it
 * is suspended, then to the lane until it is resumed.
 */
#include "iamd/api/pipeline.h"

#include <string.h>

#include "iamd/api/access.h"
#include "iamd/api/checks.h"
#include "iamd/api/routes.h"
#include "iamd/api/write_batch.h"
#include "iamd/authz/guard.h"
#include "iamd/authz/pending.h"
#include "iamd/authz/sessions.h"
#include "iamd/http/problem.h"
#include "iamd/store/changes.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"

/* A refused call of our own interface: who, method and route, the path's id. */
static void audit_refusal(struct req *r, enum iam_err e)
{
	struct str action = arena_fmt(r->arena, "%s %s", http_method_name(r->route->method),
		r->route->pattern);

	audit_decision(r,
		&(struct decision_event){
			.uid = r->principal.uid,
			.rid = r->params[0],
			.action = action,
			.reason = e == IAM_CROSS_SITE ? STR("cross-site") : STR("no-grant"),
		});
}

static void answer_error(struct req *r, struct resp *out, enum iam_err e)
{
	if ((e == IAM_FORBIDDEN || e == IAM_CROSS_SITE) && r->route != NULL)
		audit_refusal(r, e);
	if (e == IAM_BAD_METHOD && r->match != NULL) {
		struct str allow = router_allow(r->match, true, r->arena);

		problem_write(r, e, out);
		if (resp_header(out, "Allow", allow) != IAM_OK)
			problem_write(r, IAM_INTERNAL, out);
		return;
	}
	problem_write(r, e, out);
}

/* ---- lanes ---- */

static struct req *req_of(struct lane_job *job)
{
	return (struct req *)(void *)((char *)job - offsetof(struct req, job));
}

/* LIMIT: how often a request lets the batch it came in be published first. */
#define PUT_OFF_MAX 100

/* A request may have waited behind the very change that ended its caller's tokens. */
static bool is_still_good(struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct session now;

	if (r->svc->gateway || r->route->auth != AUTH_REQUIRED)
		return true;
	return sessions_find(scope.root, r->principal.uid, &now) && now.enabled &&
		now.gen == r->principal.gen;
}

/* Did an earlier request of this batch change what the judgement of this one rests on? */
static bool is_unsettled(const struct req *r, const struct root *root,
	const struct changes *earlier)
{
	if (r->svc->gateway || r->route->auth != AUTH_REQUIRED)
		return false;
	if (pending_takes(root, earlier, r->principal.uid))
		return true;
	return !authz_is_superuser(root, r->principal.uid) &&
		pending_protects(root, earlier);
}

enum iam_err pipeline_judge_again(struct req *r, struct db *w, bool *ret_put_off)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	if (!is_still_good(r))
		return IAM_UNAUTHENTICATED;
	if (!checks_permitted(r, scope.root))
		return IAM_FORBIDDEN;
	*ret_put_off = is_unsettled(r, scope.root, store_changes(w));
	return *ret_put_off && r->n_put_off++ == PUT_OFF_MAX ? IAM_UNAVAILABLE : IAM_OK;
}

static enum iam_err write_step(struct db *w, void *ctx)
{
	struct req *r = ctx;
	bool put_off = false;
	enum iam_err e = pipeline_judge_again(r, w, &put_off);

	if (e != IAM_OK)
		return e;
	if (put_off)
		return req_hand_off(r, LANE_WRITE, r->lane_fn);
	return r->lane_fn(r, r->out);
}

static enum lane_id take_next_lane(struct req *r)
{
	enum lane_id lane = r->next_lane;

	r->next_lane = LANE_INLINE;
	return lane;
}

static void lane_run(struct lane_job *job)
{
	struct req *r = req_of(job);

	r->result = r->lane_fn(r, r->out);
}

static void lane_run_write(struct lane_job *job)
{
	struct req *r = req_of(job);

	r->result = write_in_savepoint(r->svc, write_step, r);
}

static void finish_on_lane(struct req *r)
{
	if (r->settled != NULL)
		r->settled(r);
	if (r->result != IAM_OK)
		answer_error(r, r->out, r->result);
	else if (r->audit_line.ptr != NULL)
		log_raw(r->audit_line);
	r->io->resume(r);
}

static bool submit(struct req *r, enum lane_id lane);

static void lane_done(struct lane_job *job, enum iam_err result)
{
	struct req *r = req_of(job);
	enum lane_id next;

	/* A batch that was undone undoes every answer: an error may rest on what it undid, too. */
	if (result != IAM_OK) {
		r->result = result;
		r->error.text[0] = '\0';
	}
	next = take_next_lane(r);
	if (r->result == IAM_OK && next != LANE_INLINE) {
		if (submit(r, next))
			return;
		r->result = IAM_UNAVAILABLE;
	}
	finish_on_lane(r);
}

/* The request is suspended already. */
static bool submit(struct req *r, enum lane_id lane)
{
	r->job.run = lane == LANE_WRITE ? lane_run_write : lane_run;
	r->job.done = lane_done;
	if (lane_submit(r->svc->lanes, lane, &r->job))
		return true;
	metrics_count(METRIC_LANE_REFUSED, 1);
	return false;
}

static void go_to_lane(struct req *r, enum lane_id lane)
{
	r->io->suspend(r);
	if (submit(r, lane))
		return;
	r->result = IAM_UNAVAILABLE;
	finish_on_lane(r);
}

static void run_on_loop(struct req *r, req_fn *fn)
{
	enum iam_err e = fn(r, r->out);
	enum lane_id lane = take_next_lane(r);

	if (e != IAM_OK)
		answer_error(r, r->out, e);
	else if (lane != LANE_INLINE)
		go_to_lane(r, lane);
}

static void run_handler(struct req *r, struct resp *out)
{
	r->out = out;
	r->lane_fn = r->route->handler;
	if (r->route->lane != LANE_INLINE)
		go_to_lane(r, r->route->lane);
	else
		run_on_loop(r, r->route->handler);
}

void pipeline_come_back(struct req *r, req_fn *fn)
{
	r->on_loop = NULL;
	if (is_still_good(r))
		run_on_loop(r, fn);
	else
		answer_error(r, r->out, IAM_UNAUTHENTICATED);
}

/* ---- the server's callbacks ---- */

/* Too large, unless a check that comes before the size has something to say. */
static void answer_too_large(struct req *r, struct resp *out)
{
	enum iam_err e = IAM_TOO_LARGE;

	if (checks_accept(r) != IAM_OK)
		e = IAM_NOT_ACCEPTABLE;
	else if (!r->svc->gateway && r->match == NULL)
		e = IAM_NO_ROUTE;
	else if (!r->svc->gateway && r->route == NULL)
		e = IAM_BAD_METHOD;
	answer_error(r, out, e);
	out->close = true;
}

static void dispatch(struct req *r, struct resp *out)
{
	enum iam_err e;

	if (r->body_too_large) {
		answer_too_large(r, out);
		return;
	}
	e = r->svc->gateway ? checks_gateway(r, out) : checks_enforce(r, out);
	if (e != IAM_OK)
		answer_error(r, out, e);
	else if (out->status == 0)
		run_handler(r, out);
}

static void begin(struct req *r, struct resp *out)
{
	int64_t length;

	r->decisions = r->svc->decisions;
	if (checks_route(r) == IAM_NO_MEMORY) {
		answer_error(r, out, IAM_NO_MEMORY);
		return;
	}
	if (r->route != NULL && (r->route->flags & ROUTE_ANY) != 0) {
		if (r->has_content_length || r->chunked)
			dispatch(r, out); /* before the body, which nobody reads */
		return;
	}
	checks_echo_id(r);
	r->body_max = r->route != NULL && r->route->body_max != 0 ? r->route->body_max
								  : ROUTE_BODY_DEFAULT;
	if (r->has_content_length &&
		!str_to_i64(req_header(r, "Content-Length"), 0, (int64_t)r->body_max,
			&length))
		answer_too_large(r, out);
}

static void resumed(struct req *r, struct resp *out)
{
	(void)out;
	if (r->on_loop != NULL)
		r->on_loop(r);
}

static void finished(struct req *r, const struct resp *out, int64_t sent_bytes)
{
	int64_t took_us = clock_mono_us() - r->started_us;

	metrics_request(routes_index(r->route), out->status, took_us);
	access_log_request(r, out, sent_bytes, took_us);
}

const struct server_ops pipeline_ops = {
	.begin = begin,
	.dispatch = dispatch,
	.resumed = resumed,
	.finished = finished,
};
