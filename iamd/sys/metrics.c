/*
 * metrics - per-thread blocks of counters, summed when somebody scrapes.
 *
 * A thread writes only its own block, with relaxed loads and stores (no locked instruction, no
 * shared cache line); a scrape reads all blocks under the list's mutex. The block of a thread that
 * ends is added to a total, so that no count is lost and no block outlives its thread.
 * A scrape is not a snapshot: a request may be in one series and not yet in another.
 * Invariant: only its thread writes a block; `ended` is written with the mutex held.
 */
#include "iamd/sys/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/sys/thread.h"

/* Upper bounds of the duration histogram. */
static const struct {
	int64_t us;
	const char *seconds;
} buckets[] = {
	{100, "0.0001"},
	{250, "0.00025"},
	{500, "0.0005"},
	{1000, "0.001"},
	{2500, "0.0025"},
	{5000, "0.005"},
	{10000, "0.01"},
	{25000, "0.025"},
	{50000, "0.05"},
	{100000, "0.1"},
	{250000, "0.25"},
	{500000, "0.5"},
	{1000000, "1"},
	{2500000, "2.5"},
	{5000000, "5"},
	{10000000, "10"},
};
#define N_BUCKETS (sizeof(buckets) / sizeof(buckets[0]))

/* The statuses we answer; the last place counts all others. */
static const unsigned short statuses[] = {200, 201, 202, 204, 302, 303, 304, 400, 401,
	403, 404, 405, 406, 408, 409, 413, 415, 429, 431, 500, 501, 502, 503};
#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))

/* Counters of one metric stand together; the first of them has its help. */
static const struct {
	const char *name;
	const char *labels;
	const char *help;
} counters[METRIC_COUNTER_COUNT] = {
	/* clang-format off */
	[METRIC_LOGIN_OK] = {"iamd_logins_total", "result=\"ok\"",
		"Login attempts by result."},
	[METRIC_LOGIN_DENIED] = {"iamd_logins_total", "result=\"denied\"", NULL},
	[METRIC_LOGIN_UNAVAILABLE] = {"iamd_logins_total", "result=\"unavailable\"", NULL},
	[METRIC_TOKEN_CACHE_HIT] = {"iamd_token_cache_lookups_total", "result=\"hit\"",
		"Look-ups of presented tokens among those verified before."},
	[METRIC_TOKEN_CACHE_MISS] = {"iamd_token_cache_lookups_total", "result=\"miss\"", NULL},
	[METRIC_PUBLICATIONS] = {"iamd_publications_total", NULL,
		"Revisions of the permission model made visible to readers."},
	[METRIC_AUDIT_DROPPED] = {"iamd_audit_dropped_total", NULL,
		"Audit records that could not be stored."},
	[METRIC_LANE_REFUSED] = {"iamd_lane_refused_total", NULL,
		"Jobs refused because the queue of their lane was full."},
	[METRIC_CONNECTIONS_CUT] = {"iamd_connections_cut_total", NULL,
		"Connections closed because the client was too slow."},
	[METRIC_REQUESTS_MALFORMED] = {"iamd_requests_malformed_total", NULL,
		"Requests refused before routing because of their headers."},
	[METRIC_PASSWORD_HASHES] = {"iamd_password_hashes_total", NULL,
		"Password hash computations, those for unknown users included."},
	[METRIC_LDAP_SYNC_OK] = {"iamd_ldap_sync_runs_total", "result=\"ok\"",
		"Synchronisations with a directory that ended."},
	[METRIC_LDAP_SYNC_FAILED] = {"iamd_ldap_sync_runs_total", "result=\"failed\"", NULL},
	[METRIC_LDAP_SYNC_STOPPED] = {"iamd_ldap_sync_runs_total", "result=\"stopped\"", NULL},
	[METRIC_LDAP_SYNC_CANCELLED] = {"iamd_ldap_sync_runs_total", "result=\"cancelled\"", NULL},
	[METRIC_LDAP_SYNC_CHANGES] = {"iamd_ldap_sync_changes_total", NULL,
		"Accounts, groups and memberships changed by synchronisations."},
	/* clang-format on */
};

struct route_counts {
	_Atomic uint64_t by_status[N_STATUSES + 1];
	_Atomic uint64_t by_bucket[N_BUCKETS + 1]; /* not cumulative; last: all longer */
	_Atomic uint64_t sum_us;
};

struct counts {
	_Atomic uint64_t counters[METRIC_COUNTER_COUNT];
	struct route_counts routes[METRICS_ROUTES_MAX];
};

struct block {
	struct block *next; /* guarded by list_mutex */
	struct block *prev;
	struct counts counts;
};

struct route_name {
	const char *method;
	const char *pattern;
};

/* Answers of directories: their ids are not known before, and each takes a network's time. */
#define DIRECTORY_COUNTS_MAX 64
struct directory_count {
	char directory[65];
	const char *result;
	uint64_t n;
};
static pthread_mutex_t directories_mutex = PTHREAD_MUTEX_INITIALIZER; /* the next two */
static struct directory_count
	directory_counts[DIRECTORY_COUNTS_MAX + 1]; /* last: other */
static size_t n_directory_counts;

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct block *blocks;
static struct counts ended; /* of threads that are gone */
static struct route_name route_names[METRICS_ROUTES_MAX] = {{"none", "none"}};

/* By the only writer of the value. */
static void add(_Atomic uint64_t *value, uint64_t n)
{
	uint64_t now = atomic_load_explicit(value, memory_order_relaxed);

	atomic_store_explicit(value, now + n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void route_add(struct route_counts *to, const struct route_counts *from)
{
	for (size_t i = 0; i <= N_STATUSES; i++)
		add(&to->by_status[i], get(&from->by_status[i]));
	for (size_t i = 0; i <= N_BUCKETS; i++)
		add(&to->by_bucket[i], get(&from->by_bucket[i]));
	add(&to->sum_us, get(&from->sum_us));
}

static void block_free(void *value)
{
	struct block *b = value;

	pthread_mutex_lock(&list_mutex);
	for (size_t i = 0; i < METRIC_COUNTER_COUNT; i++)
		add(&ended.counters[i], get(&b->counts.counters[i]));
	for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
		route_add(&ended.routes[i], &b->counts.routes[i]);
	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		blocks = b->next;
	if (b->next != NULL)
		b->next->prev = b->prev;
	pthread_mutex_unlock(&list_mutex);
	free(b);
}

/* NULL without memory: then this thread does not count. */
static struct counts *mine(void)
{
	struct block *b = thread_get(THREAD_METRICS);

	if (b != NULL)
		return &b->counts;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	pthread_mutex_lock(&list_mutex);
	b->next = blocks;
	if (blocks != NULL)
		blocks->prev = b;
	blocks = b;
	pthread_mutex_unlock(&list_mutex);
	thread_set(THREAD_METRICS, b, block_free);
	return &b->counts;
}

void metrics_route_name(unsigned route_index, const char *method, const char *pattern)
{
	if (route_index >= METRICS_ROUTES_MAX)
		return;
	pthread_mutex_lock(&list_mutex);
	route_names[route_index] =
		(struct route_name){.method = method, .pattern = pattern};
	pthread_mutex_unlock(&list_mutex);
}

void metrics_count(enum metric_counter counter, uint64_t n)
{
	struct counts *c = mine();

	if (c != NULL)
		add(&c->counters[counter], n);
}

/* With the mutex held. */
static struct directory_count *directory_count(const char *directory, const char *result)
{
	struct directory_count *c;

	for (size_t i = 0; i < n_directory_counts; i++)
		if (strcmp(directory_counts[i].directory, directory) == 0 &&
			strcmp(directory_counts[i].result, result) == 0)
			return &directory_counts[i];
	if (n_directory_counts == DIRECTORY_COUNTS_MAX)
		return &directory_counts[DIRECTORY_COUNTS_MAX];
	c = &directory_counts[n_directory_counts++];
	(void)snprintf(c->directory, sizeof(c->directory), "%s", directory);
	c->result = result;
	return c;
}

void metrics_directory_login(const char *directory, const char *result)
{
	pthread_mutex_lock(&directories_mutex);
	directory_count(directory, result)->n++;
	pthread_mutex_unlock(&directories_mutex);
}

uint64_t metrics_value(enum metric_counter counter)
{
	uint64_t sum;

	pthread_mutex_lock(&list_mutex);
	sum = get(&ended.counters[counter]);
	for (const struct block *b = blocks; b != NULL; b = b->next)
		sum += get(&b->counts.counters[counter]);
	pthread_mutex_unlock(&list_mutex);
	return sum;
}

void metrics_request(unsigned route_index, unsigned status, int64_t duration_us)
{
	struct counts *c = mine();
	struct route_counts *route;
	size_t s = 0, b = 0;

	if (c == NULL)
		return;
	if (route_index >= METRICS_ROUTES_MAX)
		route_index = 0;
	if (duration_us < 0)
		duration_us = 0;
	route = &c->routes[route_index];
	while (s < N_STATUSES && statuses[s] != status)
		s++;
	while (b < N_BUCKETS && duration_us > buckets[b].us)
		b++;
	add(&route->by_status[s], 1);
	add(&route->by_bucket[b], 1);
	add(&route->sum_us, (uint64_t)duration_us);
}

static void render_head(struct sb *out, const char *name, const char *type,
	const char *help)
{
	sb_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label value: backslash, quote and line feed are escaped. */
static void render_label(struct sb *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			sb_add_char(out, '\\');
		if (*text == '\n')
			sb_add_c(out, "\\n");
		else
			sb_add_char(out, *text);
	}
}

static void render_route_labels(struct sb *out, unsigned route)
{
	const struct route_name *name = &route_names[route];

	sb_add_c(out, "method=\"");
	render_label(out, name->method == NULL ? "unnamed" : name->method);
	sb_add_c(out, "\",route=\"");
	if (name->pattern != NULL)
		render_label(out, name->pattern);
	else
		sb_addf(out, "%u", route);
	sb_add_c(out, "\"");
}

static void render_counters(struct sb *out, const struct counts *sum)
{
	for (unsigned i = 0; i < METRIC_COUNTER_COUNT; i++) {
		if (counters[i].help != NULL)
			render_head(out, counters[i].name, "counter", counters[i].help);
		sb_add_c(out, counters[i].name);
		if (counters[i].labels != NULL)
			sb_addf(out, "{%s}", counters[i].labels);
		sb_addf(out, " %" PRIu64 "\n", get(&sum->counters[i]));
	}
}

static void render_requests(struct sb *out, const struct counts *sum)
{
	render_head(out, "iamd_http_requests_total", "counter",
		"Finished requests by method, route and status.");
	for (unsigned i = 0; i < METRICS_ROUTES_MAX; i++) {
		for (size_t s = 0; s <= N_STATUSES; s++) {
			uint64_t n = get(&sum->routes[i].by_status[s]);

			if (n == 0)
				continue;
			sb_add_c(out, "iamd_http_requests_total{");
			render_route_labels(out, i);
			if (s == N_STATUSES)
				sb_add_c(out, ",status=\"other\"");
			else
				sb_addf(out, ",status=\"%u\"", (unsigned)statuses[s]);
			sb_addf(out, "} %" PRIu64 "\n", n);
		}
	}
}

static void render_histogram(struct sb *out, unsigned route,
	const struct route_counts *counts)
{
	uint64_t n = 0, sum_us = get(&counts->sum_us);

	for (size_t b = 0; b <= N_BUCKETS; b++) {
		n += get(&counts->by_bucket[b]);
		sb_add_c(out, "iamd_http_request_duration_seconds_bucket{");
		render_route_labels(out, route);
		sb_addf(out, ",le=\"%s\"} %" PRIu64 "\n",
			b == N_BUCKETS ? "+Inf" : buckets[b].seconds, n);
	}
	sb_add_c(out, "iamd_http_request_duration_seconds_sum{");
	render_route_labels(out, route);
	sb_addf(out, "} %" PRIu64 ".%06" PRIu64 "\n", sum_us / 1000000, sum_us % 1000000);
	sb_add_c(out, "iamd_http_request_duration_seconds_count{");
	render_route_labels(out, route);
	sb_addf(out, "} %" PRIu64 "\n", n);
}

static bool route_is_used(const struct route_counts *counts)
{
	for (size_t s = 0; s <= N_STATUSES; s++)
		if (get(&counts->by_status[s]) > 0)
			return true;
	return false;
}

static void render_durations(struct sb *out, const struct counts *sum)
{
	render_head(out, "iamd_http_request_duration_seconds", "histogram",
		"Time from the first byte of a request to the end of its answer.");
	for (unsigned i = 0; i < METRICS_ROUTES_MAX; i++)
		if (route_is_used(&sum->routes[i]))
			render_histogram(out, i, &sum->routes[i]);
}

static void render_directories(struct sb *out)
{
	pthread_mutex_lock(&directories_mutex);
	render_head(out, "iamd_directory_logins_total", "counter",
		"What directories answered to logins, by directory and result.");
	for (size_t i = 0; i <= DIRECTORY_COUNTS_MAX; i++) {
		const struct directory_count *c = &directory_counts[i];

		if (c->n == 0)
			continue;
		sb_add_c(out, "iamd_directory_logins_total{directory=\"");
		render_label(out, i == DIRECTORY_COUNTS_MAX ? "other" : c->directory);
		sb_addf(out, "\",result=\"%s\"} %" PRIu64 "\n",
			i == DIRECTORY_COUNTS_MAX ? "other" : c->result, c->n);
	}
	pthread_mutex_unlock(&directories_mutex);
}

static void sum_all(struct counts *sum)
{
	for (size_t i = 0; i < METRIC_COUNTER_COUNT; i++)
		add(&sum->counters[i], get(&ended.counters[i]));
	for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
		route_add(&sum->routes[i], &ended.routes[i]);
	for (const struct block *b = blocks; b != NULL; b = b->next) {
		for (size_t i = 0; i < METRIC_COUNTER_COUNT; i++)
			add(&sum->counters[i], get(&b->counts.counters[i]));
		for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
			route_add(&sum->routes[i], &b->counts.routes[i]);
	}
}

void metrics_render(struct sb *out)
{
	struct counts *sum = calloc(1, sizeof(*sum));

	if (sum == NULL) {
		out->failed = true;
		return;
	}
	pthread_mutex_lock(&list_mutex);
	sum_all(sum);
	render_counters(out, sum);
	render_requests(out, sum);
	render_durations(out, sum);
	render_directories(out);
	pthread_mutex_unlock(&list_mutex);
	free(sum);
}

void metrics_gauge(struct sb *out, const char *name, const char *labels, const char *help,
	double value)
{
	if (help != NULL)
		render_head(out, name, "gauge", help);
	sb_add_c(out, name);
	if (labels != NULL)
		sb_addf(out, "{%s}", labels);
	sb_addf(out, " %.15g\n", value);
}
