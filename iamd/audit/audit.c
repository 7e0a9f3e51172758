/*
 * audit - rows and lines of the audit trail; see audit.h.
 *
 * The line keeps the field names and the order operators' scripts look for; a value that holds a
 * space or anything that could forge a field is quoted and escaped.
 */
#include "iamd/audit/audit.h"

#include <inttypes.h>

#include "iamd/http/origin.h"
#include "iamd/sys/clock.h"

const char *audit_action_name(enum audit_action a)
{
	static const char *const names[] = {
#define X(name, text, what) [AUDIT_##name] = (text),
#include "iamd/audit/audit.def"
#undef X
	};

	return (unsigned)a < AUDIT_ACTION_COUNT ? names[a] : "unknown";
}

void audit_row_fill(struct req *r, const struct audit_event *ev,
	struct audit_row *ret_row)
{
	*ret_row = (struct audit_row){
		.at_us = clock_now_us(),
		.action = str_c(audit_action_name(ev->action)),
		.actor = ev->actor.ptr != NULL ? ev->actor : STR("unauthenticated"),
		.object = ev->object.ptr != NULL ? ev->object : STR(""),
		.result = ev->allow ? STR("allow") : STR("deny"),
		.reason = ev->reason.ptr != NULL ? ev->reason : STR(""),
		.source_ip = origin_client_ip(r),
		.request_id = str_c(r->id),
	};
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.len > 0;
}

static void add_value(struct sb *sb, const char *key, struct str s)
{
	sb_addf(sb, " %s=", key);
	if (is_plain(s)) {
		sb_add(sb, s);
		return;
	}
	sb_add_char(sb, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"' || c == '\\')
			sb_addf(sb, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			sb_addf(sb, "\\x%02x", c);
		else
			sb_add_char(sb, (char)c);
	}
	sb_add_char(sb, '"');
}

struct str audit_line(struct arena *a, const struct audit_row *row)
{
	struct sb sb;
	char when[32];

	/* LIMIT: a line is at most 8 KiB; all its parts have smaller maxima. */
	sb_init(&sb, a, 8192);
	clock_iso_us(row->at_us, when, sizeof when);
	sb_addf(&sb, "type=audit timestamp=%s", when);
	add_value(&sb, "srcip", row->source_ip);
	sb_add_c(&sb, " component=bouncer");
	add_value(&sb, "action", row->action);
	add_value(&sb, "result", row->result);
	add_value(&sb, "reason", row->reason);
	add_value(&sb, "uid", row->actor);
	if (row->object.len > 0)
		add_value(&sb, "object", row->object);
	add_value(&sb, "request", row->request_id);
	return sb_str(&sb);
}

struct str audit_decision_line(struct arena *a, const struct audit_row *row,
	uint64_t count)
{
	struct sb sb;
	char when[32];

	/* LIMIT: a line is at most 8 KiB; all its parts have smaller maxima. */
	sb_init(&sb, a, 8192);
	clock_iso_us(row->at_us, when, sizeof when);
	sb_addf(&sb, "type=audit timestamp=%s", when);
	add_value(&sb, "srcip", row->source_ip);
	sb_add_c(&sb, " authorizer=bouncer");
	add_value(&sb, "uid", row->actor);
	add_value(&sb, "action", row->action);
	add_value(&sb, "object", row->object);
	add_value(&sb, "result", row->result);
	add_value(&sb, "reason", row->reason);
	if (count > 1)
		sb_addf(&sb, " count=%" PRIu64, count);
	add_value(&sb, "request", row->request_id);
	return sb_str(&sb);
}

enum iam_err audit_change(struct req *r, struct db *w, const struct audit_event *ev)
{
	struct audit_row row;
	enum iam_err e;

	audit_row_fill(r, ev, &row);
	e = store_audit_add(w, &row);
	if (e != IAM_OK)
		return e;
	r->audit_line = audit_line(r->arena, &row);
	return r->audit_line.ptr != NULL ? IAM_OK : IAM_NO_MEMORY;
}
