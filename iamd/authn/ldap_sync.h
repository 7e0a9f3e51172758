/*
 * ldap_sync - brings accounts and groups that came from a directory up to date with it.
 *
 * One thread runs one synchronisation at a time, by each directory's interval or when asked. It reads
 * the directory (everything, or what changed since the last run), compares with what is stored, and
 * applies the difference in small transactions, so that logins and changes go on meanwhile. A change
 * that would make more than `sync-max-vanished` percent of the users vanish stops the run before
 * anything is applied. What vanished is disabled first and deleted after `grace-period`.
 */
#ifndef AUTHN_LDAP_SYNC_H
#define AUTHN_LDAP_SYNC_H

#include "iamd/authn/directories.h"
#include "iamd/store/directories.h"

/* How it reaches the store: both run fn elsewhere and wait (api/lane_call.h). */
struct sync_io {
	void *ctx;
	enum iam_err (*write)(void *ctx, enum iam_err (*fn)(struct db *w, void *arg), void *arg);
	enum iam_err (*read)(void *ctx, enum iam_err (*fn)(struct db *db, void *arg), void *arg);
};

enum sync_state { SYNC_IDLE, SYNC_QUEUED, SYNC_READING, SYNC_COMPARING, SYNC_APPLYING };
const char *sync_state_name(enum sync_state s);

/* What a run did, or with dry_run would do. */
struct sync_report {
	char directory[65];
	enum sync_state state;
	bool dry_run, full, cancelled, stopped; /* stopped: the safety stop */
	char error[256];                 /* "": none */
	int64_t started_ms, finished_ms; /* 0: not yet */
	int64_t succeeded_ms; /* when a run last ended without an error, a stop or a cancellation; 0: never */
	uint64_t entries_read;
	uint64_t users_added, users_changed, users_vanished, users_deleted, users_back;
	uint64_t groups_added, groups_changed, groups_vanished, groups_deleted;
	uint64_t members_added, members_removed;
	uint64_t skipped; /* names that break our rules, clashes with other accounts */
};

/* The numbers of a report by name ("users_added"), 0 <= i < sync_report_numbers(). */
unsigned sync_report_numbers(void);
uint64_t sync_report_number(const struct sync_report *report, unsigned i, const char **ret_name);

struct ldap_sync;

/* Starts the thread. The two outlive it. NULL: it cannot be started. */
struct ldap_sync *ldap_sync_new(struct directories *d, const struct sync_io *io);
void ldap_sync_stop(struct ldap_sync *s); /* cancels what runs, ends the thread. Before the lanes stop. NULL is fine */
void ldap_sync_free(struct ldap_sync *s);

/*
 * A run as soon as possible. actor: who asked, for the audit trail. Errors: IAM_NO_DIRECTORY,
 * IAM_CONFLICT (one is queued or running).
 */
MUST_CHECK enum iam_err ldap_sync_start(struct ldap_sync *s, struct str directory, bool dry_run, bool full,
	struct str actor);
/* Errors: IAM_NO_DIRECTORY, IAM_CONFLICT (none is running). What is applied stays applied. */
MUST_CHECK enum iam_err ldap_sync_cancel(struct ldap_sync *s, struct str directory);
/* The running or the last run. Errors: IAM_NO_DIRECTORY. *ret_changes: JSON array of at most 1 000 changes of a dry run, a copy in the arena. */
MUST_CHECK enum iam_err ldap_sync_last(struct ldap_sync *s, struct str directory, struct arena *a,
	struct sync_report *ret, struct str *ret_changes);

/* Copies of all reports, for metrics; how many (<= LDAP_DIRECTORIES_MAX). */
unsigned ldap_sync_reports(struct ldap_sync *s, struct sync_report ret[LDAP_DIRECTORIES_MAX]);

#endif
