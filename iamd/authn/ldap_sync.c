/*
 * ldap_sync - the thread of the synchronisation, its schedule, and what callers see of it.
 *
 * Does: one run at a time, by each directory's interval or when asked; logs start, progress and end;
 * keeps a copy of each directory's report for callers. Does not: know how a run works (ldap_sync_run).
 * Invariants: callers and thread share the slots only, under one lock that nobody holds while waiting
 * for anything else; the thread holds no database connection.
 */
#include "iamd/authn/ldap_sync.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "iam/acl.h"
#include "iamd/authn/ldap_sync_impl.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"
#include "libacl/base/str.h"

/* How often the schedule is looked at, and progress told. */
#define TICK_MS     1000
#define PROGRESS_MS 5000
/* A directory that was never read begins soon; one that failed is tried again before its time. */
#define FIRST_AFTER_MS 60000
#define RETRY_MS       300000
/* LIMIT: memory of one run beside its pictures: the names of what it adds. */
#define RUN_BYTES_MAX ((size_t)512 << 20)

struct slot {
	char id[65];
	struct sync_report report;
	char *changes; /* JSON of the last dry run; NULL: none */
	bool wanted, running, cancel;
	bool dry_run, full;
	char actor[IAM_UID_MAX_BYTES + 1];
	int64_t due_ms;
	bool loaded;
	struct sync_known known; /* the thread's own */
};

struct ldap_sync {
	struct directories *directories;
	const struct sync_io *io;
	unsigned long thread;
	pthread_mutex_t slots_mutex;
	pthread_cond_t wake;
	/* guarded by slots_mutex */
	struct slot slots[LDAP_DIRECTORIES_MAX];
	unsigned n_slots;
	bool stopping;
};

struct sync_watch {
	struct ldap_sync *s;
	unsigned slot;
	int64_t told_ms;
};

/* ---- slots ---- */

static void lock(struct ldap_sync *s)
{
	(void)pthread_mutex_lock(&s->slots_mutex);
}

static void unlock(struct ldap_sync *s)
{
	(void)pthread_mutex_unlock(&s->slots_mutex);
}

static struct slot *find(struct ldap_sync *s, struct str id)
{
	for (unsigned i = 0; i < s->n_slots; i++)
		if (str_eq_c(id, s->slots[i].id))
			return &s->slots[i];
	return NULL;
}

/* A free one, or one whose directory is gone: the caller knows that this id is configured. */
static struct slot *make(struct ldap_sync *s, struct str id)
{
	struct slot *slot = NULL;

	if (id.len >= sizeof slot->id)
		return NULL;
	if (s->n_slots < LDAP_DIRECTORIES_MAX)
		slot = &s->slots[s->n_slots++];
	for (unsigned i = 0; slot == NULL && i < s->n_slots; i++) {
		struct directory *d =
			directories_take(s->directories, str_c(s->slots[i].id));

		if (d == NULL && !s->slots[i].running)
			slot = &s->slots[i];
		directories_give(d);
	}
	if (slot == NULL)
		return NULL;
	free(slot->changes);
	sync_known_done(&slot->known);
	memset(slot, 0, sizeof *slot);
	(void)snprintf(slot->id, sizeof slot->id, "%.*s", STR_FMT(id));
	(void)snprintf(slot->report.directory, sizeof slot->report.directory, "%s",
		slot->id);
	return slot;
}

/* The slot of a configured directory; NULL: it is not configured. */
static struct slot *slot_of(struct ldap_sync *s, struct str id)
{
	struct directory *d = directories_take(s->directories, id);
	struct slot *slot = NULL;

	if (d != NULL) {
		slot = find(s, id);
		if (slot == NULL)
			slot = make(s, id);
	}
	directories_give(d);
	return slot;
}

/* ---- what a run tells ---- */

bool sync_watch_cancelled(struct sync_watch *w)
{
	bool yes;

	lock(w->s);
	yes = w->s->stopping || w->s->slots[w->slot].cancel;
	unlock(w->s);
	return yes;
}

static void show(struct sync_run *r)
{
	lock(r->watch->s);
	r->watch->s->slots[r->watch->slot].report = r->report;
	unlock(r->watch->s);
}

void sync_watch_state(struct sync_run *r, enum sync_state state)
{
	r->report.state = state;
	show(r);
}

static uint64_t changes_of(const struct sync_report *report)
{
	const char *name;
	uint64_t n = 0;

	for (unsigned i = 1; i < sync_report_numbers(); i++)
		n += sync_report_number(report, i, &name);
	return n - report->skipped;
}

void sync_watch_add(struct sync_run *r, const struct sync_report *more)
{
	int64_t now = clock_mono_ms();

	sync_report_add(&r->report, more);
	show(r);
	if (now - r->watch->told_ms < PROGRESS_MS)
		return;
	r->watch->told_ms = now;
	log_event(LOG_LEVEL_INFO, "ldap.sync_progress",
		LOG_CSTR("directory", r->report.directory),
		LOG_CSTR("state", sync_state_name(r->report.state)),
		LOG_INT("entries_read", r->report.entries_read),
		LOG_INT("changes", changes_of(&r->report)));
}

/* ---- one run ---- */

static void log_end(const struct sync_report *report)
{
	bool fine = report->error[0] == '\0';

	log_event(fine ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "ldap.sync_end",
		LOG_CSTR("directory", report->directory),
		LOG_CSTR("result",
			report->cancelled         ? "cancelled"
				: report->stopped ? "stopped"
				: fine            ? "ok"
						  : "failed"),
		LOG_CSTR("error", report->error), LOG_INT("full", report->full),
		LOG_INT("dry_run", report->dry_run),
		LOG_INT("entries_read", report->entries_read),
		LOG_INT("changes", changes_of(report)),
		LOG_INT("skipped", report->skipped),
		LOG_INT("ms", report->finished_ms - report->started_ms));
	metrics_count(report->cancelled   ? METRIC_LDAP_SYNC_CANCELLED
			: report->stopped ? METRIC_LDAP_SYNC_STOPPED
			: fine            ? METRIC_LDAP_SYNC_OK
					  : METRIC_LDAP_SYNC_FAILED,
		1);
	if (!report->dry_run && !report->stopped)
		metrics_count(METRIC_LDAP_SYNC_CHANGES, changes_of(report));
}

/* When a directory is to be read again. */
static int64_t next_due(const struct directory *dir, const struct sync_report *report)
{
	int64_t interval = dir->settings->sync_interval_s * 1000;

	if (interval == 0)
		return INT64_MAX;
	if (report->finished_ms == 0)
		return clock_now_ms() +
			(interval < FIRST_AFTER_MS ? interval : FIRST_AFTER_MS);
	if (report->error[0] != '\0' && !report->stopped && interval > RETRY_MS)
		interval = RETRY_MS;
	return report->finished_ms + interval;
}

static void take_results(struct ldap_sync *s, struct sync_run *r)
{
	struct slot *slot = &s->slots[r->watch->slot];

	lock(s);
	r->report.state = SYNC_IDLE;
	slot->report = r->report;
	free(slot->changes);
	slot->changes = r->changes.ptr == NULL ? NULL : strdup(r->changes.ptr);
	slot->running = slot->cancel = false;
	slot->due_ms = next_due(r->dir, &r->report);
	unlock(s);
}

/* The slot is marked as running; nobody else writes to it but to cancel. */
static void run_slot(struct ldap_sync *s, unsigned index, struct directory *dir)
{
	struct slot *slot = &s->slots[index];
	struct sync_watch watch = {.s = s, .slot = index, .told_ms = clock_mono_ms()};
	struct sync_run r = {.directories = s->directories,
		.dir = dir,
		.io = s->io,
		.watch = &watch,
		.known = &slot->known,
		.arena = arena_new(65536, RUN_BYTES_MAX),
		.dry_run = slot->dry_run,
		.full = slot->full,
		.actor = str_c(slot->actor),
		.now_ms = clock_now_ms()};

	r.report.succeeded_ms = slot->report.succeeded_ms;
	(void)snprintf(r.report.directory, sizeof r.report.directory, "%s", slot->id);
	r.report.dry_run = r.dry_run;
	r.report.started_ms = r.now_ms;
	sync_watch_state(&r, SYNC_READING);
	log_event(LOG_LEVEL_INFO, "ldap.sync_start", LOG_CSTR("directory", slot->id),
		LOG_STR("actor", r.actor), LOG_INT("dry_run", r.dry_run));
	if (r.arena != NULL)
		sync_run(&r);
	else
		(void)snprintf(r.report.error, sizeof r.report.error, "out of memory");
	log_end(&r.report);
	take_results(s, &r);
	arena_free(r.arena);
}

/* ---- the schedule ---- */

struct loading {
	struct arena *a;
	struct str id;
	struct directory_sync last;
};

static enum iam_err load_last(struct db *db, void *arg)
{
	struct loading *l = arg;

	return store_directory_sync_get(db, l->a, l->id, &l->last);
}

/* The report of the last run before iamd was started. */
static void load(struct ldap_sync *s, const struct directory *dir)
{
	struct loading l = {.a = arena_new(4096, 1 << 20), .id = dir->settings->id};
	struct slot *slot;
	enum iam_err e = IAM_NO_MEMORY;

	if (l.a != NULL)
		e = s->io->read(s->io->ctx, load_last, &l);
	lock(s);
	slot = find(s, dir->settings->id);
	if (slot != NULL && !slot->loaded && e == IAM_OK) {
		if (slot->report.started_ms == 0 && !slot->wanted)
			sync_report_load(l.last.report, &slot->report);
		slot->due_ms = next_due(dir, &slot->report);
		slot->loaded = true;
	}
	unlock(s);
	arena_free(l.a);
}

/* Makes slots for new directories. */
static void survey(struct ldap_sync *s)
{
	for (unsigned n = 0; n < LDAP_DIRECTORIES_MAX; n++) {
		struct directory *dir = directories_login_order(s->directories, n);
		struct slot *slot;
		bool is_new;

		if (dir == NULL)
			return;
		lock(s);
		slot = find(s, dir->settings->id);
		if (slot == NULL)
			slot = make(s, dir->settings->id);
		is_new = slot != NULL && !slot->loaded;
		unlock(s);
		if (is_new)
			load(s, dir);
		directories_give(dir);
	}
}

/* The next one to run, marked as running; false: none. What was asked for goes first. */
static bool pick(struct ldap_sync *s, unsigned *ret_index)
{
	int64_t now = clock_now_ms();
	unsigned best = LDAP_DIRECTORIES_MAX;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = &s->slots[i];

		if (slot->wanted &&
			(best == LDAP_DIRECTORIES_MAX || !s->slots[best].wanted))
			best = i;
		if (slot->loaded && slot->due_ms <= now && best == LDAP_DIRECTORIES_MAX)
			best = i;
	}
	if (best == LDAP_DIRECTORIES_MAX)
		return false;
	if (!s->slots[best].wanted) {
		s->slots[best].dry_run = s->slots[best].full = false;
		(void)snprintf(s->slots[best].actor, sizeof s->slots[best].actor,
			"schedule");
	}
	s->slots[best].wanted = false;
	s->slots[best].running = true;
	*ret_index = best;
	return true;
}

/* Waits for a request or a tick. */
static void wait_tick(struct ldap_sync *s)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TICK_MS / 1000;
	(void)pthread_cond_timedwait(&s->wake, &s->slots_mutex, &until);
}

static void drop_slot(struct ldap_sync *s, unsigned index)
{
	struct slot *slot = &s->slots[index];

	lock(s);
	slot->running = slot->cancel = false;
	slot->report.state = SYNC_IDLE;
	slot->loaded = false;
	slot->due_ms = INT64_MAX;
	unlock(s);
}

static void *sync_thread(void *arg)
{
	struct ldap_sync *s = arg;

	for (;;) {
		struct directory *dir;
		unsigned index = 0;
		bool any, stop;

		survey(s);
		lock(s);
		any = !s->stopping && pick(s, &index);
		if (!any && !s->stopping)
			wait_tick(s);
		stop = s->stopping;
		unlock(s);
		if (stop)
			break;
		if (!any)
			continue;
		dir = directories_take(s->directories, str_c(s->slots[index].id));
		if (dir != NULL)
			run_slot(s, index, dir);
		else
			drop_slot(s, index); /* deleted since */
		directories_give(dir);
	}
	return NULL;
}

/* ---- callers ---- */

struct ldap_sync *ldap_sync_new(struct directories *d, const struct sync_io *io)
{
	struct ldap_sync *s = calloc(1, sizeof *s);
	pthread_condattr_t attr;

	if (s == NULL)
		return NULL;
	s->directories = d;
	s->io = io;
	(void)pthread_mutex_init(&s->slots_mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (thread_start(&s->thread, "ldap-sync", sync_thread, s))
		return s;
	s->stopping = true;
	ldap_sync_free(s);
	return NULL;
}

void ldap_sync_stop(struct ldap_sync *s)
{
	bool was;

	if (s == NULL)
		return;
	lock(s);
	was = s->stopping;
	s->stopping = true;
	(void)pthread_cond_signal(&s->wake);
	unlock(s);
	if (!was)
		thread_join(s->thread);
}

void ldap_sync_free(struct ldap_sync *s)
{
	if (s == NULL)
		return;
	ldap_sync_stop(s);
	for (unsigned i = 0; i < s->n_slots; i++) {
		free(s->slots[i].changes);
		sync_known_done(&s->slots[i].known);
	}
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_mutex_destroy(&s->slots_mutex);
	free(s);
}

static enum iam_err want(struct slot *slot, bool dry_run, bool full, struct str actor)
{
	int64_t succeeded_ms = slot->report.succeeded_ms;

	if (slot->wanted || slot->running)
		return IAM_CONFLICT;
	slot->wanted = true;
	slot->dry_run = dry_run;
	slot->full = full;
	(void)snprintf(slot->actor, sizeof slot->actor, "%.*s", STR_FMT(actor));
	slot->report = (struct sync_report){.state = SYNC_QUEUED,
		.dry_run = dry_run,
		.full = full,
		.succeeded_ms = succeeded_ms};
	(void)snprintf(slot->report.directory, sizeof slot->report.directory, "%s",
		slot->id);
	return IAM_OK;
}

enum iam_err ldap_sync_start(struct ldap_sync *s, struct str directory, bool dry_run,
	bool full, struct str actor)
{
	struct slot *slot;
	enum iam_err e;

	lock(s);
	slot = slot_of(s, directory);
	e = slot == NULL ? IAM_NO_DIRECTORY : want(slot, dry_run, full, actor);
	if (e == IAM_OK)
		(void)pthread_cond_signal(&s->wake);
	unlock(s);
	return e;
}

enum iam_err ldap_sync_cancel(struct ldap_sync *s, struct str directory)
{
	struct slot *slot;
	enum iam_err e = IAM_OK;

	lock(s);
	slot = slot_of(s, directory);
	if (slot == NULL) {
		e = IAM_NO_DIRECTORY;
	} else if (slot->running) {
		slot->cancel = true;
	} else if (slot->wanted) {
		slot->wanted = false;
		slot->report.state = SYNC_IDLE;
		slot->report.cancelled = true;
	} else {
		e = IAM_CONFLICT;
	}
	unlock(s);
	return e;
}

enum iam_err ldap_sync_last(struct ldap_sync *s, struct str directory, struct arena *a,
	struct sync_report *ret, struct str *ret_changes)
{
	struct slot *slot;
	enum iam_err e = IAM_OK;

	lock(s);
	slot = slot_of(s, directory);
	if (slot == NULL) {
		e = IAM_NO_DIRECTORY;
	} else {
		struct str changes =
			slot->running || slot->wanted ? STR_NONE : str_c(slot->changes);

		changes = changes.ptr == NULL ? changes : arena_str(a, changes);
		*ret = slot->report;
		*ret_changes = changes;
	}
	unlock(s);
	return e;
}

unsigned ldap_sync_reports(struct ldap_sync *s,
	struct sync_report ret[LDAP_DIRECTORIES_MAX])
{
	unsigned n;

	lock(s);
	n = s->n_slots;
	for (unsigned i = 0; i < n; i++)
		ret[i] = s->slots[i].report;
	unlock(s);
	return n;
}
