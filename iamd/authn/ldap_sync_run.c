/*
 * ldap_sync_run - one run: read, compare, apply, write down.
 *
 * Which way: everything is read where it is asked for, where nothing is known of the last run, and
 * every FULL_AFTER; else what changed since. People and groups that are gone change nothing that a
 * search for changes finds, so all ids are compared as well, at most SWEEP_AFTER apart; whatever that
 * or a change cannot settle ends in a full run, which is the one way that takes anything away from
 * somebody for not being there.
 */
#include <stdio.h>
#include <string.h>

#include "iamd/audit/audit.h"
#include "iamd/authn/ldap_sync_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

#define FULL_AFTER_MS  (INT64_C(4) * 3600 * 1000)
#define SWEEP_AFTER_MS (INT64_C(15) * 60 * 1000)

struct work {
	struct sync_run *r;
	struct directory_sync last;
	struct sync_mark since, mark;
	struct sync_stored stored;
	struct sync_picture picture;
	struct sync_plan plan;
	struct str cookie; /* as it was found */
	bool whole;        /* the picture is everything */
};

/* ---- where the last run stands ---- */

static enum iam_err get_last(struct db *db, void *arg)
{
	struct work *wk = arg;

	return store_directory_sync_get(db, wk->r->arena, wk->r->dir->settings->id,
		&wk->last);
}

/* "value swept_ms" */
static void read_mark(struct work *wk)
{
	struct str rest = wk->last.cookie;

	wk->cookie = rest;
	wk->since.kind = wk->last.kind;
	wk->since.server = wk->last.server;
	wk->since.value = str_split(&rest, ' ');
	(void)str_to_i64(rest, 0, INT64_MAX, &wk->since.swept_ms);
}

static bool is_due(int64_t now_ms, int64_t last_ms, int64_t after_ms)
{
	return now_ms - last_ms >= after_ms || last_ms > now_ms;
}

static bool must_be_whole(const struct work *wk)
{
	const struct sync_run *r = wk->r;

	return r->full || wk->since.kind.len == 0 || wk->since.value.len == 0 ||
		is_due(r->now_ms, wk->last.full_ms, FULL_AFTER_MS);
}

/* Is there anybody whose grace period is over? */
static bool has_overdue(const struct work *wk)
{
	int64_t before = wk->r->now_ms - wk->r->dir->settings->grace_period_s * 1000;

	for (size_t i = 0; i < wk->stored.n_users; i++) {
		int64_t since = wk->stored.users[i].missing_since_ms;

		if (since != 0 && since <= before)
			return true;
	}
	for (size_t i = 0; i < wk->stored.n_groups; i++) {
		int64_t since = wk->stored.groups[i].missing_since_ms;

		if (since != 0 && since <= before)
			return true;
	}
	return false;
}

/* ---- comparing ---- */

static enum iam_err compare(struct work *wk)
{
	const struct ldap_settings *s = wk->r->dir->settings;
	const struct sync_rules rules = {.known = wk->r->known,
		.all = s->sync_scope == LDAP_SYNC_ALL,
		.nested = s->nested_groups,
		.complete = wk->whole,
		.now_ms = wk->r->now_ms,
		.grace_ms = s->grace_period_s * 1000,
		.max_vanished_percent = s->sync_max_vanished};

	enum iam_err e;

	sync_watch_state(wk->r, SYNC_COMPARING);
	e = sync_plan_make(&wk->picture, &wk->stored, &rules, &wk->plan);
	if (e == IAM_OK && wk->whole)
		e = sync_known_learn(&wk->picture, &wk->plan, wk->r->known);
	return e;
}

/* Reads everything, or (`since`) what changed. */
static enum iam_err read_picture(struct work *wk, const struct sync_mark *since)
{
	const struct ldap_settings *s = wk->r->dir->settings;
	bool groups = since != NULL || s->sync_scope == LDAP_SYNC_ALL ||
		wk->stored.n_groups > 0;
	enum iam_err e;

	sync_watch_state(wk->r, SYNC_READING);
	sync_plan_done(&wk->plan);
	sync_picture_done(&wk->picture);
	e = sync_picture_init(&wk->picture);
	if (e == IAM_OK)
		e = sync_read(wk->r, since, groups, &wk->picture, &wk->whole, &wk->mark);
	wk->mark.swept_ms = wk->whole ? wk->r->now_ms : wk->since.swept_ms;
	return e;
}

static enum iam_err compare_all(struct work *wk)
{
	enum iam_err e = read_picture(wk, NULL);

	return e == IAM_OK ? compare(wk) : e;
}

/* Has anybody vanished or come back that no change told of? */
static enum iam_err sweep(struct work *wk, bool *ret_same)
{
	enum iam_err e;

	*ret_same = true;
	if (!is_due(wk->r->now_ms, wk->since.swept_ms, SWEEP_AFTER_MS))
		return IAM_OK;
	sync_watch_state(wk->r, SYNC_READING);
	e = sync_read_ids(wk->r, &wk->stored, ret_same);
	if (e == IAM_OK)
		wk->mark.swept_ms = wk->r->now_ms;
	return e;
}

/* What was read of changes, against what is stored; what that cannot settle needs everything. */
static enum iam_err compare_changes(struct work *wk)
{
	bool same = true;
	enum iam_err e = IAM_OK;

	if (!wk->whole)
		e = sync_picture_fill(&wk->picture, &wk->stored);
	if (e == IAM_OK)
		e = compare(wk);
	if (e == IAM_OK && !wk->whole && !wk->plan.needs_whole)
		e = sweep(wk, &same);
	if (e == IAM_OK && !wk->whole && (wk->plan.needs_whole || !same))
		e = compare_all(wk);
	return e;
}

/* Nothing changed, and the ids were compared not long ago: the store need not be read. */
static bool is_quiet(const struct work *wk)
{
	return !wk->whole && wk->picture.n_people == 0 && wk->picture.n_groups == 0 &&
		!is_due(wk->r->now_ms, wk->since.swept_ms, SWEEP_AFTER_MS);
}

static enum iam_err read_stored(struct work *wk)
{
	enum iam_err e = sync_stored_init(&wk->stored);

	return e == IAM_OK
		? sync_stored_read(wk->r->io, wk->r->dir->settings->id, &wk->stored)
		: e;
}

static enum iam_err make_plan(struct work *wk)
{
	bool whole = must_be_whole(wk);
	enum iam_err e = whole ? IAM_OK : read_picture(wk, &wk->since);

	if (e != IAM_OK || (!whole && is_quiet(wk)))
		return e;
	e = read_stored(wk);
	if (e != IAM_OK)
		return e;
	/* Nobody was imported yet: nothing to be brought up to date. */
	if (wk->r->dir->settings->sync_scope == LDAP_SYNC_IMPORTED &&
		wk->stored.n_users + wk->stored.n_groups == 0) {
		sync_picture_done(&wk->picture);
		wk->mark.kind = STR("");
		return IAM_OK;
	}
	return whole || has_overdue(wk) ? compare_all(wk) : compare_changes(wk);
}

/* ---- carrying it out ---- */

static enum iam_err carry_out(struct work *wk)
{
	struct sync_run *r = wk->r;
	const struct sync_report skipped = {.skipped = wk->plan.skipped};

	r->report.full = wk->whole;
	if (wk->plan.stopped || r->dry_run) {
		struct sync_report counts = {.dry_run = true};

		r->report.stopped = wk->plan.stopped;
		if (wk->plan.stopped)
			(void)snprintf(r->report.error, sizeof r->report.error, "%s",
				wk->plan.why);
		sync_report_count(&counts, &wk->plan);
		sync_watch_add(r, &counts);
		r->changes =
			sync_changes_json(r->arena, &wk->plan, &wk->picture, &wk->stored);
		return IAM_OK;
	}
	sync_watch_state(r, SYNC_APPLYING);
	sync_watch_add(r, &skipped);
	if (!sync_plan_is_empty(&wk->plan))
		wk->last.kind = STR("");
	return sync_apply(r, &wk->plan, &wk->picture, &wk->stored);
}

static enum iam_err do_work(struct work *wk)
{
	struct sync_run *r = wk->r;
	enum iam_err e = r->io->read(r->io->ctx, get_last, wk);

	if (e != IAM_OK)
		return e;
	read_mark(wk);
	wk->whole = must_be_whole(wk);
	e = make_plan(wk);
	return e == IAM_OK ? carry_out(wk) : e;
}

/* ---- writing it down ---- */

/*
 * Was the configuration replaced while the run went on? Then what was read under the old one says
 * nothing about what will change under the new one.
 */
static enum iam_err forget_if_replaced(struct work *wk, struct db *w)
{
	struct directory *now =
		directories_take(wk->r->directories, wk->r->dir->settings->id);
	struct directory_sync stored;
	enum iam_err e = store_directory_sync_get(w, wk->r->arena,
		wk->r->dir->settings->id, &stored);

	directories_give(now);
	if (e == IAM_OK && (now != wk->r->dir || !str_eq(stored.cookie, wk->cookie)))
		wk->last.kind = wk->last.cookie = wk->last.server = STR("");
	return e;
}

static enum iam_err write_down(struct db *w, void *arg)
{
	struct work *wk = arg;
	struct sync_run *r = wk->r;
	const struct sync_report *report = &r->report;
	const struct audit_row row = {.at_us = clock_now_us(),
		.action = str_c(audit_action_name(AUDIT_DIRECTORY_SYNC)),
		.actor = r->actor,
		.object = r->dir->settings->id,
		.result = report->error[0] == '\0' ? STR("allow") : STR("error"),
		.reason = sync_report_line(r->arena, report),
		.source_ip = STR(""),
		.request_id = STR("")};
	enum iam_err e = store_audit_add(w, &row);

	if (e == IAM_OK)
		e = forget_if_replaced(wk, w);
	if (e != IAM_OK)
		return e;
	wk->last.report = sync_report_save(r->arena, report);
	wk->last.finished_ms = report->finished_ms;
	log_raw(audit_line(r->arena, &row));
	return store_directory_sync_put(w, r->dir->settings->id, &wk->last);
}

/*
 * The next run begins where this one did, if all of it was carried out. If a part was, the kind is "" by
 * now (carry_out(), and in the store sync_apply()): the next one is full.
 */
static void move_mark(struct work *wk)
{
	const struct sync_run *r = wk->r;

	if (r->report.error[0] != '\0' || r->dry_run || r->report.cancelled)
		return;
	wk->last.kind = wk->mark.kind;
	wk->last.server = wk->mark.server;
	wk->last.cookie = arena_fmt(r->arena, "%.*s %lld", STR_FMT(wk->mark.value),
		(long long)wk->mark.swept_ms);
	if (wk->whole)
		wk->last.full_ms = r->now_ms;
}

static void conclude(struct work *wk, enum iam_err e)
{
	struct sync_report *report = &wk->r->report;

	report->cancelled = e == IAM_CONFLICT || sync_watch_cancelled(wk->r->watch);
	if (e != IAM_OK && !report->cancelled && report->error[0] == '\0')
		(void)snprintf(report->error, sizeof report->error, "%s",
			e == IAM_TOO_LARGE ? "the directory is too large"
					   : iam_err_text(e));
	report->finished_ms = clock_now_ms();
	if (e == IAM_OK && !report->cancelled && !report->stopped && !report->dry_run)
		report->succeeded_ms = report->finished_ms;
}

void sync_run(struct sync_run *r)
{
	struct work wk = {.r = r};
	enum iam_err e;

	e = do_work(&wk);
	conclude(&wk, e);
	move_mark(&wk);
	sync_watch_add(r, &(const struct sync_report){.skipped = 0});
	if (r->io->write(r->io->ctx, write_down, &wk) != IAM_OK)
		log_event(LOG_LEVEL_WARNING, "ldap.sync_not_recorded",
			LOG_STR("directory", r->dir->settings->id));
	sync_plan_done(&wk.plan);
	sync_picture_done(&wk.picture);
	sync_stored_done(&wk.stored);
}
