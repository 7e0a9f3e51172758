/*
 * metrics - counters and histograms in the Prometheus text format.
 *
 * Each thread counts in its own block (no sharing on the hot path); a scrape sums them.
 * The set of metrics is fixed here. Thread-safe. Counting takes no lock (but for a
 * thread's first) and cannot fail.
 */
#ifndef SYS_METRICS_H
#define SYS_METRICS_H

#include <stdint.h>

#include "libacl/base/str.h"

enum metric_counter {
	METRIC_LOGIN_OK,
	METRIC_LOGIN_DENIED,
	METRIC_LOGIN_UNAVAILABLE,
	METRIC_TOKEN_CACHE_HIT,
	METRIC_TOKEN_CACHE_MISS,
	METRIC_PUBLICATIONS,
	METRIC_AUDIT_DROPPED,
	METRIC_LANE_REFUSED,
	METRIC_CONNECTIONS_CUT,    /* by the slow-client deadlines */
	METRIC_REQUESTS_MALFORMED, /* refused by the header sanitiser */
	METRIC_PASSWORD_HASHES,    /* argon2/crypt computations, dummies included */
	METRIC_LDAP_SYNC_OK,
	METRIC_LDAP_SYNC_FAILED,
	METRIC_LDAP_SYNC_STOPPED,
	METRIC_LDAP_SYNC_CANCELLED,
	METRIC_LDAP_SYNC_CHANGES, /* accounts, groups and memberships changed by synchronisations */
	METRIC_COUNTER_COUNT
};

/*
 * LIMIT: at most 128 routes; a route is named once at start (the texts are kept, not copied).
 * Index 0 is "none" (no route matched).
 */
#define METRICS_ROUTES_MAX 128
void metrics_route_name(unsigned route_index, const char *method, const char *pattern);

void metrics_count(enum metric_counter counter, uint64_t n);
uint64_t metrics_value(enum metric_counter counter);

/*
 * One answer of a directory to a login; takes a lock. LIMIT: a directory's id is at most 64 bytes, 64
 * pairs of directory and result are told apart, and what comes later counts as directory "other".
 * `result` is a constant of the program.
 */
void metrics_directory_login(const char *directory, const char *result);

/* One finished request. */
void metrics_request(unsigned route_index, unsigned status, int64_t duration_us);

/* Writes everything known here; the caller adds gauges with metrics_gauge(). */
void metrics_render(struct sb *out);
/* name{labels} value with HELP/TYPE; labels may be NULL, e.g. "lane=\"hash\"". help NULL: no header lines. */
void metrics_gauge(struct sb *out, const char *name, const char *labels, const char *help,
	double value);

#endif
