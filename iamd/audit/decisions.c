/*
 * decisions - a queue of audit events that never holds up who fills it; see decisions.h.
 *
 * Two batches of fixed size: events go into one under a mutex that is held for a look-up and a copy,
 * while the thread writes the other out. What is equal to an event of the batch only raises its count.
 * Invariants: a batch is in the hands of the mutex or of the thread, never both; nothing is written,
 * allocated or waited for with the mutex held; no event is lost without being counted.
 */
#include "iamd/audit/decisions.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "iamd/audit/audit.h"
#include "iamd/http/origin.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"
#include "libacl/base/map.h"

/* LIMIT: distinct events of one period, and the bytes of their texts. */
#define EVENTS_MAX 4096
#define TEXT_MAX   ((size_t)2 << 20)
/* Twice the events, so that a free place is near. */
#define SLOTS 8192
/* LIMIT: of what was asked, as much is kept as a valid value may have. */
#define ACTION_MAX 128
#define REASON_MAX 64
/* LIMIT: and as much of what is none, or may be a secret. */
#define EXCERPT_MAX 16
/* LIMIT: rows handed over at once. */
#define ROWS_AT_ONCE  256
#define ROWS_PAUSE_MS 20

/* What makes two events equal. */
struct key {
	struct str uid, rid, action, reason, source_ip;
	bool allow;
};

struct event {
	uint64_t hash;
	struct key key;
	int64_t at_us; /* of the first */
	char request_id[33];
	uint64_t count;
};

struct batch {
	struct event events[EVENTS_MAX];
	uint16_t slots[SLOTS]; /* 1 + index of an event; 0: free */
	unsigned n;
	char text[TEXT_MAX];
	size_t text_len;
	uint64_t dropped;
};

struct decision_log {
	struct decision_log_settings settings;
	struct map_seed seed;
	unsigned long thread;
	bool has_thread;
	pthread_cond_t wake;

	pthread_mutex_t mutex; /* guards what follows */
	bool is_stopping;
	struct batch *filling; /* what is in it, too */

	struct batch *writing; /* the thread's; after its end the owner's */
};

/* ---- into the queue ---- */

static uint64_t key_hash(const struct map_seed *seed, const struct key *k)
{
	const struct str parts[] = {k->uid, k->rid, k->action, k->reason, k->source_ip};
	uint64_t h = k->allow;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		h = (h ^ map_hash(seed, parts[i])) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static bool key_eq(const struct key *a, const struct key *b)
{
	return a->allow == b->allow && str_eq(a->uid, b->uid) && str_eq(a->rid, b->rid) &&
		str_eq(a->action, b->action) && str_eq(a->reason, b->reason) &&
		str_eq(a->source_ip, b->source_ip);
}

/* The place of the event, or the free one where it belongs. */
static unsigned slot_of(const struct batch *b, uint64_t hash, const struct key *k)
{
	unsigned i = (unsigned)(hash % SLOTS);

	for (; b->slots[i] != 0; i = (i + 1) % SLOTS) {
		const struct event *e = &b->events[b->slots[i] - 1];

		if (e->hash == hash && key_eq(&e->key, k))
			break;
	}
	return i;
}

static struct str text_keep(struct batch *b, struct str s)
{
	char *at = b->text + b->text_len;

	if (s.len > 0)
		memcpy(at, s.ptr, s.len);
	b->text_len += s.len;
	return (struct str){.ptr = at, .len = s.len};
}

static size_t key_size(const struct key *k)
{
	return k->uid.len + k->rid.len + k->action.len + k->reason.len + k->source_ip.len;
}

static void batch_add(struct batch *b, const struct event *ev)
{
	unsigned slot = slot_of(b, ev->hash, &ev->key);
	struct event *e;

	if (b->slots[slot] != 0) {
		b->events[b->slots[slot] - 1].count++;
		return;
	}
	if (b->n == EVENTS_MAX || key_size(&ev->key) > TEXT_MAX - b->text_len) {
		b->dropped++;
		return;
	}
	e = &b->events[b->n++];
	b->slots[slot] = (uint16_t)b->n;
	*e = *ev;
	e->key.uid = text_keep(b, ev->key.uid);
	e->key.rid = text_keep(b, ev->key.rid);
	e->key.action = text_keep(b, ev->key.action);
	e->key.reason = text_keep(b, ev->key.reason);
	e->key.source_ip = text_keep(b, ev->key.source_ip);
}

static struct str at_most(struct str s, const char *if_absent, size_t max)
{
	return s.ptr != NULL ? str_sub(s, 0, max) : str_c(if_absent);
}

/* The three parts of a JWS, as a client sends them. */
static bool is_like_a_token(struct str s)
{
	struct str rest = s;

	if (!str_starts(s, STR("eyJ")) && !str_starts(s, STR("token=eyJ")))
		return false;
	(void)str_split(&rest, '.');
	(void)str_split(&rest, '.');
	return rest.ptr != NULL;
}

struct excerpt {
	char text[EXCERPT_MAX + 3];
};

/* The beginning, whole characters of it; a short text as it is. */
static struct str excerpt_of(struct str s, struct excerpt *x)
{
	size_t len = EXCERPT_MAX;

	if (s.len <= EXCERPT_MAX)
		return s;
	while (len > EXCERPT_MAX - 4 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
		len--;
	memcpy(x->text, s.ptr, len);
	memcpy(x->text + len, "...", 3);
	return (struct str){x->text, len + 3};
}

/* What names no resource may be anything, even the caller's token, sent by mistake. */
static struct str rid_as_asked(struct str rid, struct excerpt *x)
{
	return iam_rid_valid(rid) && !is_like_a_token(rid) ? rid : excerpt_of(rid, x);
}

static struct str action_as_asked(struct str action, struct excerpt *x)
{
	return is_like_a_token(action) ? excerpt_of(action, x) : action;
}

bool audit_wants(const struct req *r, bool allow)
{
	struct decision_log *log = r->decisions;

	return log != NULL && (!allow || log->settings.wants_allows(log->settings.ctx));
}

static void note(struct req *r, const struct decision_event *ev)
{
	struct decision_log *log = r->decisions;
	struct event e = {.at_us = clock_now_us(), .count = 1};
	struct excerpt rid, action;

	e.key = (struct key){
		.uid = at_most(ev->uid, "unauthenticated", IAM_UID_MAX_BYTES),
		.rid = at_most(rid_as_asked(ev->rid, &rid), "", IAM_RID_MAX_BYTES),
		.action = at_most(action_as_asked(ev->action, &action), "", ACTION_MAX),
		.reason = at_most(ev->reason, "", REASON_MAX),
		.source_ip = origin_client_ip(r),
		.allow = ev->allow,
	};
	e.hash = key_hash(&log->seed, &e.key);
	memcpy(e.request_id, r->id, sizeof e.request_id);
	(void)pthread_mutex_lock(&log->mutex);
	batch_add(log->filling, &e);
	(void)pthread_mutex_unlock(&log->mutex);
}

void audit_decision(struct req *r, const struct decision_event *ev)
{
	if (audit_wants(r, ev->allow))
		note(r, ev);
}

/* ---- out of it ---- */

/* Waits; true when the thread shall end. */
static bool wait_or_stop(struct decision_log *log, unsigned ms)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_mutex_lock(&log->mutex);
	while (!log->is_stopping &&
		pthread_cond_timedwait(&log->wake, &log->mutex, &until) != ETIMEDOUT)
		;
	stop = log->is_stopping;
	(void)pthread_mutex_unlock(&log->mutex);
	return stop;
}

static struct audit_row row_of(const struct event *e)
{
	return (struct audit_row){
		.at_us = e->at_us,
		.action = e->key.action,
		.actor = e->key.uid,
		.object = e->key.rid,
		.result = e->key.allow ? STR("allow") : STR("deny"),
		.reason = e->key.reason,
		.source_ip = e->key.source_ip,
		.request_id = str_c(e->request_id),
	};
}

static void write_line(const struct event *e)
{
	struct audit_row row = row_of(e);
	/* LIMIT: the longest line, every byte of it escaped. */
	struct arena *a = arena_new(1024, 32768);
	struct str line = a != NULL ? audit_decision_line(a, &row, e->count) : STR_NONE;

	if (line.ptr != NULL)
		log_raw(line);
	else
		metrics_count(METRIC_AUDIT_DROPPED, 1);
	arena_free(a);
}

/* The rows of events [*next, ...), denials alone, at most ROWS_AT_ONCE. */
static size_t gather_rows(const struct batch *b, unsigned *next, struct arena *a,
	struct audit_row *rows)
{
	size_t n = 0;

	for (; *next < b->n && n < ROWS_AT_ONCE; ++*next) {
		const struct event *e = &b->events[*next];

		if (e->key.allow)
			continue;
		rows[n] = row_of(e);
		if (e->count > 1)
			rows[n].reason = arena_fmt(a, "%.*s (%llu times)",
				STR_FMT(e->key.reason), (unsigned long long)e->count);
		n++;
	}
	return n;
}

/* Not all at once: between them the lane has time for what somebody waits for. */
static void store_rows(struct decision_log *log, const struct batch *b)
{
	struct audit_row rows[ROWS_AT_ONCE];
	unsigned next = 0;
	size_t n;

	while (next < b->n) {
		/* LIMIT: the reasons of ROWS_AT_ONCE rows. */
		struct arena *a = arena_new(4096, (size_t)ROWS_AT_ONCE * 256);

		if (a == NULL) {
			metrics_count(METRIC_AUDIT_DROPPED, b->n - next);
			return;
		}
		n = gather_rows(b, &next, a, rows);
		if (n > 0)
			log->settings.store(log->settings.ctx, rows, n);
		arena_free(a);
		if (next < b->n)
			(void)wait_or_stop(log, ROWS_PAUSE_MS);
	}
}

static void batch_reset(struct batch *b)
{
	memset(b->slots, 0, sizeof b->slots);
	b->n = 0;
	b->text_len = 0;
	b->dropped = 0;
}

/* Takes what was queued; true if there is anything. */
static bool swap(struct decision_log *log)
{
	struct batch *full;

	(void)pthread_mutex_lock(&log->mutex);
	full = log->filling;
	if (full->n > 0) {
		log->filling = log->writing;
		log->writing = full;
	}
	(void)pthread_mutex_unlock(&log->mutex);
	return log->writing == full;
}

static void tell_dropped(uint64_t dropped)
{
	if (dropped == 0)
		return;
	metrics_count(METRIC_AUDIT_DROPPED, dropped);
	log_event(LOG_LEVEL_WARNING, "audit.overflow", LOG_INT("dropped", dropped),
		LOG_CSTR("hint",
			"more distinct decisions in a second than are written down"));
}

static void write_lines(const struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		write_line(&b->events[i]);
	tell_dropped(b->dropped);
}

static void flush(struct decision_log *log)
{
	if (!swap(log))
		return;
	write_lines(log->writing);
	store_rows(log, log->writing);
	batch_reset(log->writing);
}

static void *run(void *arg)
{
	struct decision_log *log = arg;

	while (!wait_or_stop(log, log->settings.period_ms))
		flush(log);
	flush(log);
	return NULL;
}

/* ---- its life ---- */

struct decision_log *decision_log_new(const struct decision_log_settings *settings)
{
	struct decision_log *log = calloc(1, sizeof *log);
	pthread_condattr_t monotonic;

	if (log == NULL)
		return NULL;
	log->settings = *settings;
	if (log->settings.period_ms == 0)
		log->settings.period_ms = 1000;
	(void)pthread_mutex_init(&log->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&log->wake, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	/* Memory that no event has touched takes no room. */
	log->filling = calloc(1, sizeof *log->filling);
	log->writing = calloc(1, sizeof *log->writing);
	log->has_thread = log->filling != NULL && log->writing != NULL &&
		map_seed_random(&log->seed) &&
		thread_start(&log->thread, "audit", run, log);
	if (log->has_thread)
		return log;
	decision_log_free(log);
	return NULL;
}

void decision_log_stop(struct decision_log *log)
{
	if (log == NULL || !log->has_thread)
		return;
	(void)pthread_mutex_lock(&log->mutex);
	log->is_stopping = true;
	(void)pthread_cond_signal(&log->wake);
	(void)pthread_mutex_unlock(&log->mutex);
	thread_join(log->thread);
	log->has_thread = false;
}

/* Events behind the stop: the lines still, no rows any more. */
static void write_late(const struct batch *b)
{
	write_lines(b);
	for (unsigned i = 0; i < b->n; i++)
		if (!b->events[i].key.allow)
			metrics_count(METRIC_AUDIT_DROPPED, 1);
}

void decision_log_free(struct decision_log *log)
{
	if (log == NULL)
		return;
	decision_log_stop(log);
	if (log->filling != NULL)
		write_late(log->filling);
	free(log->filling);
	free(log->writing);
	(void)pthread_cond_destroy(&log->wake);
	(void)pthread_mutex_destroy(&log->mutex);
	free(log);
}
