/*
 * ldap_sync_impl - what the files of the synchronisation share with each other and with nobody else.
 *
 * A run belongs to the thread; `watch` is the one thing it shares with callers (ldap_sync.c).
 */
#ifndef AUTHN_LDAP_SYNC_IMPL_H
#define AUTHN_LDAP_SYNC_IMPL_H

#include "iamd/authn/ldap_sync.h"
#include "iamd/authn/ldap_sync_plan.h"

struct sync_watch;

/* One run over one directory. */
struct sync_run {
	struct directories *directories;
	struct directory *dir;
	const struct sync_io *io;
	struct sync_watch *watch;
	struct sync_report report; /* the thread's own; callers see copies */
	struct sync_known *known; /* of this directory, from run to run */
	struct arena *arena;
	bool dry_run, full;
	struct str actor;
	int64_t now_ms;
	struct str changes; /* of a dry run: JSON, in the arena */
};

/* ---- ldap_sync.c: what callers see of the run, behind one lock ---- */

/* Shall the run end? Costs a lock; to be asked for each entry. */
bool sync_watch_cancelled(struct sync_watch *w);
void sync_watch_state(struct sync_run *r, enum sync_state state);
/* Adds what a step did, and logs progress now and then. */
void sync_watch_add(struct sync_run *r, const struct sync_report *more);

/* ---- ldap_sync_stored.c ---- */

/* Reads what is stored of the directory, page by page. */
MUST_CHECK enum iam_err sync_stored_read(const struct sync_io *io, struct str directory,
	struct sync_stored *s);

/* ---- ldap_sync_read.c ---- */

/* Where a delta begins. Strings are the arena's. */
struct sync_mark {
	struct str kind;   /* "", "timestamp", "usn" */
	struct str value;  /* filter value: entries at or behind it are looked at */
	struct str server; /* of "usn" */
	int64_t swept_ms;  /* when all ids were last compared */
};

/*
 * Reads the directory into the picture: everything, or (`since`, may be NULL) what changed. *ret_whole:
 * it was everything (the mark was another server's). *ret_mark: for the next time; kind "" where this
 * server has nothing to tell changes by. Errors: IAM_UNAVAILABLE with report.error set; IAM_CONFLICT:
 * cancelled; as the picture's.
 */
MUST_CHECK enum iam_err sync_read(struct sync_run *r, const struct sync_mark *since,
	bool with_groups, struct sync_picture *p, bool *ret_whole,
	struct sync_mark *ret_mark);

/*
 * Reads the lasting ids of all people and groups. *ret_same: whoever is stored is there, and nobody
 * who had vanished. Errors as above.
 */
MUST_CHECK enum iam_err sync_read_ids(struct sync_run *r, const struct sync_stored *s,
	bool *ret_same);

/* What is stored becomes part of a picture of changes, so that members can be found in it. */
MUST_CHECK enum iam_err sync_picture_fill(struct sync_picture *p, const struct sync_stored *s);

/* ---- ldap_sync_apply.c ---- */

/* LIMIT: operations of one transaction; nobody's login waits longer than for these. */
#define SYNC_BATCH_OPS 300

/*
 * With the first change the stored kind becomes "", until the run's end is written down: a run that ends
 * in between, in whatever way, has taken from people what it was about to give them another way, and
 * only a full one sees that.
 */
MUST_CHECK enum iam_err sync_apply(struct sync_run *r, const struct sync_plan *plan,
	const struct sync_picture *p, const struct sync_stored *s);

/* ---- ldap_sync_report.c ---- */

/* LIMIT: changes a dry run lists. */
#define SYNC_CHANGES_MAX 1000

/* Adds all numbers. */
void sync_report_add(struct sync_report *report, const struct sync_report *more);
/* The counts a plan would come to. */
void sync_report_count(struct sync_report *report, const struct sync_plan *plan);
/* A JSON array of what the plan would change; absent without memory. */
struct str sync_changes_json(struct arena *a, const struct sync_plan *plan,
	const struct sync_picture *p, const struct sync_stored *s);
/* For the store, and back (what cannot be read is left as it is). */
struct str sync_report_save(struct arena *a, const struct sync_report *report);
void sync_report_load(struct str saved, struct sync_report *ret);
/* One line for the audit trail. */
struct str sync_report_line(struct arena *a, const struct sync_report *report);

/* ---- ldap_sync_run.c ---- */

/* The whole run; the report says how it went. Writes the audit row and where it stands. */
void sync_run(struct sync_run *r);

#endif
