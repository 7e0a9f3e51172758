/*
 * decisions - the audit of decisions: what a gateway asked and what it was told.
 *
 * Denials always, allows where `audit_decisions = all`. The caller never waits: an event goes into a
 * bounded queue (LIMIT: 4 096 distinct ones and 2 MiB of text a second), equal ones (all members but
 * time and request) within a second are one line with a count, and what does not fit is counted in
 * iamd_audit_dropped_total and told of in the log once a second. A thread of its own hands lines to
 * the log and rows to the WRITE lane, best-effort, once a second. Rows are made of denials alone:
 * old ones are removed, while allows would fill the disk.
 * Of an object that is no valid rid, and of an object or action with the form of a token, 16 bytes
 * and "..." are kept: what was sent by mistake must not be found in the log.
 */
#ifndef AUDIT_DECISIONS_H
#define AUDIT_DECISIONS_H

#include "iam/rid.h"
#include "iamd/http/req.h"
#include "iamd/store/store.h"

struct decision_log; /* made by app.c, stopped before the lanes are */

struct decision_event {
	struct str uid;    /* the subject; absent: unauthenticated */
	struct str rid;    /* the object; absent: none was found */
	struct str action; /* as asked, valid or not */
	bool allow;
	struct str
		reason; /* "grant", "no-grant", "ambiguous-path" ...: a short constant */
};

/* Any thread; copies what it needs; never blocks on I/O. A NULL log (tests) is fine. */
void audit_decision(struct req *r, const struct decision_event *ev);

/* Would such a decision be written down now? For what costs more to name than to decide. */
bool audit_wants(const struct req *r, bool allow);

/* What the log is told when it is made; every function gets ctx. */
struct decision_log_settings {
	/* Are allows written down? Asked for each of them, on the thread that decides. */
	bool (*wants_allows)(void *ctx);
	/* Copies the rows and returns at once; counts itself what it cannot store. */
	void (*store)(void *ctx, const struct audit_row *rows, size_t n_rows);
	void *ctx;
	unsigned period_ms; /* 0: 1 000 */
};

/* With its thread running; NULL without memory or thread. */
struct decision_log *decision_log_new(const struct decision_log_settings *settings);

/*
 * Writes out what is queued and ends the thread. Events may still come, of requests that outlive it;
 * their lines are written by decision_log_free(), their rows are lost and counted. NULL is fine.
 */
void decision_log_stop(struct decision_log *log);

/* After decision_log_stop() (which it does if need be), when no event can come any more. */
void decision_log_free(struct decision_log *log);

#endif
