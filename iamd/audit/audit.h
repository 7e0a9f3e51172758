/*
 * audit - who did what, with which result: a row in the database and a line in the log.
 *
 * A change's row stands in the change's own transaction; its log line is written once that is
 * durable. A login is recorded in the next group commit without holding the answer: its line is
 * written at once, and where the row cannot be stored (full disk, full queue) that is counted.
 * Nothing secret is ever given to it.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include "iam/err.h"
#include "iamd/http/req.h"
#include "iamd/store/store.h"

enum audit_action {
#define X(name, text, what) AUDIT_##name,
#include "iamd/audit/audit.def"
#undef X
	AUDIT_ACTION_COUNT
};

const char *audit_action_name(enum audit_action a);

struct audit_event {
	enum audit_action action;
	struct str actor; /* who: a uid; absent: "unauthenticated" */
	struct str
		object; /* whom or what it was done to; for a login the uid that was tried */
	bool allow;
	struct str reason;
};

/* In the WRITE lane: the row now, the line into r->audit_line. Errors: store errors, IAM_NO_MEMORY. */
MUST_CHECK enum iam_err audit_change(struct req *r, struct db *w,
	const struct audit_event *ev);

/* The log line only: `type=audit timestamp=… srcip=… component=bouncer action=… result=… reason=… uid=…`. */
struct str audit_line(struct arena *a, const struct audit_row *row);

/* Fills a row from a request; strings are the request's or the event's. */
void audit_row_fill(struct req *r, const struct audit_event *ev,
	struct audit_row *ret_row);

/*
 * The line of a decision: `type=audit timestamp=... srcip=... authorizer=bouncer uid=... action=... object=...
 * result=... reason=...`, then count where there was more than one, and request, of the first.
 */
struct str audit_decision_line(struct arena *a, const struct audit_row *row,
	uint64_t count);

#endif
