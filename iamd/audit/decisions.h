/*
 * decisions - the audit of decisions: what a gateway asked and what it was told.
 *
 * Denials always, allows where `audit_decisions = all`. The caller never waits: an event goes into a
 * bounded queue (LIMIT: 4 096 distinct ones a second), equal ones (all members but time and request)
 * within a second are one line and one row with a count, and what does not fit is counted in
 * iamd_audit_dropped_total. A thread of its own hands lines to the log and rows to the WRITE lane,
 * best-effort, once a second.
 */
#ifndef AUDIT_DECISIONS_H
#define AUDIT_DECISIONS_H

#include "iam/rid.h"
#include "iamd/http/req.h"

struct decision_log; /* made by app.c, stopped before the lanes are */

struct decision_event {
	struct str uid;    /* the subject; absent: unauthenticated */
	struct str rid;    /* the object; absent: none was found */
	struct str action; /* as asked, valid or not */
	bool allow;
	struct str reason; /* "grant", "no-grant", "ambiguous-path" ...: a short constant */
};

/* Any thread; copies what it needs; never blocks on I/O. A NULL log (tests) is fine. */
void audit_decision(struct req *r, const struct decision_event *ev);

#endif
