/*
 * ldap_sync - a directory's synchronisation asked for, looked at, cancelled.
 *
 * The work is the synchronisation's thread's (authn/ldap_sync); these handlers only pass a word to it,
 * under a lock that nobody holds for long, so they run on the event loop. The routes below
 * /ldap/sync are those of the directory `default`.
 */
#include "iamd/authn/ldap_sync.h"

#include <jansson.h>

#include "iamd/api/handlers.h"
#include "iamd/api/services.h"
#include "iamd/http/jsonw.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/metrics.h"

/* LIMIT: a report with the longest names in all of its changes. */
#define REPORT_BYTES_MAX ((size_t)2 << 20)

struct sync_body {
	struct json_bool dry_run, full;
};

static const struct json_field sync_fields[] = {
	{"dry_run", JSON_FIELD_BOOL, offsetof(struct sync_body, dry_run), 0, true},
	{"full", JSON_FIELD_BOOL, offsetof(struct sync_body, full), 0, true},
};
const struct json_schema ldap_sync_schema = {sync_fields,
	sizeof sync_fields / sizeof sync_fields[0], sizeof(struct sync_body), false};

/* The path's; without one it is the old interface's only directory. */
static struct str directory_id(struct req *r)
{
	struct str id = req_param(r, "id");

	return id.ptr != NULL ? id : STR("default");
}

static enum iam_err fail(struct req *r, enum iam_err e, const char *conflict)
{
	if (e == IAM_NO_DIRECTORY)
		return req_fail(r, e, "Directory with id `%.*s` not known.",
			STR_FMT(directory_id(r)));
	return e == IAM_CONFLICT ? req_fail(r, e, "%s", conflict) : e;
}

static void write_time(struct jsonw *w, const char *key, int64_t at_ms)
{
	char when[32];

	if (at_ms == 0) {
		jsonw_null(w, key);
		return;
	}
	clock_iso_us(at_ms * 1000, when, sizeof when);
	/* "2026-11-22T13:51:56.261800Z": milliseconds are what is known. */
	when[23] = 'Z';
	when[24] = '\0';
	jsonw_str(w, key, str_c(when));
}

static void write_change(struct jsonw *w, const json_t *change)
{
	static const char *const names[] = {"change", "uid", "gid", "subgroup"};

	jsonw_object(w);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *text = json_string_value(json_object_get(change, names[i]));

		if (text != NULL)
			jsonw_str(w, names[i], str_c(text));
	}
	jsonw_object_end(w);
}

static void write_changes(struct jsonw *w, struct str changes)
{
	json_t *list = json_loadb(changes.ptr, changes.len, 0, NULL);

	jsonw_array_key(w, "changes");
	for (size_t i = 0; i < json_array_size(list); i++)
		write_change(w, json_array_get(list, i));
	jsonw_array_end(w);
	json_decref(list);
}

static enum iam_err answer(struct req *r, struct resp *out,
	const struct sync_report *report, struct str changes, unsigned status)
{
	struct jsonw w;
	const char *name;

	sb_init_heap(&r->out_heap, REPORT_BYTES_MAX);
	jsonw_init(&w, &r->out_heap);
	jsonw_object(&w);
	jsonw_str(&w, "directory", str_c(report->directory));
	jsonw_str(&w, "state", str_c(sync_state_name(report->state)));
	jsonw_bool(&w, "dry_run", report->dry_run);
	jsonw_bool(&w, "full", report->full);
	jsonw_bool(&w, "cancelled", report->cancelled);
	jsonw_bool(&w, "stopped", report->stopped);
	jsonw_str(&w, "error", str_c(report->error));
	write_time(&w, "started_at", report->started_ms);
	write_time(&w, "finished_at", report->finished_ms);
	write_time(&w, "succeeded_at", report->succeeded_ms);
	for (unsigned i = 0; i < sync_report_numbers(); i++) {
		uint64_t value = sync_report_number(report, i, &name);

		jsonw_int(&w, name, (int64_t)value);
	}
	if (changes.ptr != NULL)
		write_changes(&w, changes);
	jsonw_object_end(&w);
	jsonw_end_document(&w);
	if (r->out_heap.failed)
		return IAM_NO_MEMORY;
	return resp_body(out, status, RESP_JSON_TYPE, sb_str(&r->out_heap));
}

static enum iam_err show(struct req *r, struct resp *out, unsigned status)
{
	struct sync_report report;
	struct str changes;
	enum iam_err e = ldap_sync_last(r->svc->sync, directory_id(r), r->arena, &report,
		&changes);

	return e == IAM_OK ? answer(r, out, &report, changes, status) : fail(r, e, "");
}

enum iam_err api_ldap_sync_post(struct req *r, struct resp *out)
{
	const struct sync_body *b = r->input;
	struct str actor =
		r->principal.uid.ptr != NULL ? r->principal.uid : STR("unauthenticated");
	enum iam_err e = ldap_sync_start(r->svc->sync, directory_id(r),
		b->dry_run.is_set && b->dry_run.value, b->full.is_set && b->full.value,
		actor);

	if (e != IAM_OK)
		return fail(r, e, "A synchronisation is queued or running already.");
	return show(r, out, 202);
}

enum iam_err api_ldap_sync_get(struct req *r, struct resp *out)
{
	return show(r, out, 200);
}

enum iam_err api_ldap_sync_delete(struct req *r, struct resp *out)
{
	enum iam_err e = ldap_sync_cancel(r->svc->sync, directory_id(r));

	if (e != IAM_OK)
		return fail(r, e, "No synchronisation is queued or running.");
	return resp_empty(out, 204, false);
}

/* ---- metrics ---- */

/* LIMIT: a directory's id is at most 64 plain characters. */
static void gauge(struct sb *sb, const struct sync_report *report, const char *name,
	const char *help, double value)
{
	char labels[96];

	(void)snprintf(labels, sizeof labels, "directory=\"%.64s\"", report->directory);
	metrics_gauge(sb, name, labels, help, value);
}

void api_ldap_sync_metrics(struct services *svc, struct sb *sb)
{
	static struct {
		const char *name, *help;
	} const gauges[] = {
		{"iamd_ldap_sync_state",
			"0 idle, 1 queued, 2 reading, 3 comparing, 4 applying."},
		{"iamd_ldap_sync_entries_read",
			"Entries read by the running or last run."},
		{"iamd_ldap_sync_last_success_timestamp_seconds",
			"When a synchronisation last succeeded; 0: never."},
		{"iamd_ldap_sync_last_duration_seconds",
			"How long the last run took; of a running one, 0."},
	};
	struct sync_report reports[LDAP_DIRECTORIES_MAX];
	unsigned n = svc->sync == NULL ? 0 : ldap_sync_reports(svc->sync, reports);

	for (unsigned g = 0; g < sizeof gauges / sizeof gauges[0]; g++) {
		for (unsigned i = 0; i < n; i++) {
			const struct sync_report *s = &reports[i];
			const double values[] = {(double)s->state,
				(double)s->entries_read, (double)s->succeeded_ms / 1000,
				s->finished_ms == 0
					? 0
					: (double)(s->finished_ms - s->started_ms) /
						1000};

			gauge(sb, s, gauges[g].name, i == 0 ? gauges[g].help : NULL,
				values[g]);
		}
	}
}
