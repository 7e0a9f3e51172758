/* Tests of iamd/audit/decisions: what is merged, what overflows, what a stop still writes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "iamd/audit/decisions.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"
#include "libacl/base/str.h"

#define OUTPUT_MAX ((size_t)4 << 20)
#define THREADS    4
#define EACH       20000

static char path[] = "/tmp/test_decisions.XXXXXX";
static char output[OUTPUT_MAX];
static int saved_stderr;

/* What the log's thread handed over; read when that thread has ended. */
struct seen {
	size_t calls, rows, allows;
	char last_reason[128];
	size_t last_object_len;
	bool wants_allows;
};

static bool wants_allows(void *ctx)
{
	return ((struct seen *)ctx)->wants_allows;
}

static void store(void *ctx, const struct audit_row *rows, size_t n)
{
	struct seen *s = ctx;

	s->calls++;
	for (size_t i = 0; i < n; i++) {
		s->rows++;
		s->allows += str_eq_c(rows[i].result, "allow");
		memset(s->last_reason, 0, sizeof s->last_reason);
		if (rows[i].reason.len < sizeof s->last_reason)
			memcpy(s->last_reason, rows[i].reason.ptr, rows[i].reason.len);
		s->last_object_len = rows[i].object.len;
	}
}

/* A period that no test lives to see: only a stop flushes. */
static struct decision_log *log_new(struct seen *s)
{
	struct decision_log *log = decision_log_new(&(struct decision_log_settings){
		.wants_allows = wants_allows,
		.store = store,
		.ctx = s,
		.period_ms = 600000,
	});

	assert_non_null(log);
	return log;
}

static struct req *req_of(struct decision_log *log)
{
	struct req *r = req_new(HTTP_GET, STR("GET"), STR("/"));

	assert_non_null(r);
	r->decisions = log;
	(void)snprintf(r->peer_ip, sizeof r->peer_ip, "192.0.2.1");
	return r;
}

static void denied(struct req *r, const char *uid, const char *rid)
{
	audit_decision(r,
		&(struct decision_event){.uid = str_c(uid),
			.rid = str_c(rid),
			.action = STR("full"),
			.reason = STR("no-grant")});
}

static void capture_begin(void)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	(void)close(fd);
}

/* What was written to standard error, in `output`; the number of its audit lines. */
static unsigned capture_end(void)
{
	unsigned lines = 0;
	size_t len = 0;
	FILE *f;

	assert_true(dup2(saved_stderr, STDERR_FILENO) == STDERR_FILENO);
	(void)close(saved_stderr);
	f = fopen(path, "re");
	assert_non_null(f);
	len = fread(output, 1, sizeof output - 1, f);
	(void)fclose(f);
	output[len] = '\0';
	for (const char *p = output; (p = strstr(p, "type=audit ")) != NULL; p++)
		lines += p == output || p[-1] == '\n';
	return lines;
}

static void equal_ones_are_one_line_with_a_count(void **state)
{
	struct seen seen = {0};
	struct decision_log *log = log_new(&seen);
	struct req *r = req_of(log);
	char expected[256];

	(void)state;
	capture_begin();
	for (unsigned i = 0; i < 3; i++)
		denied(r, "bob", "svc:a");
	denied(r, "bob", "svc:b");
	decision_log_stop(log);
	decision_log_free(log);
	assert_int_equal(capture_end(), 2);
	(void)snprintf(expected, sizeof expected,
		" srcip=192.0.2.1 authorizer=bouncer uid=bob action=full object=svc:a "
		"result=deny reason=no-grant count=3 request=%s\n",
		r->id);
	assert_non_null(strstr(output, expected));
	(void)snprintf(expected, sizeof expected,
		"object=svc:b result=deny reason=no-grant request=%s\n", r->id);
	assert_non_null(strstr(output, expected));
	assert_int_equal(seen.rows, 2);
	req_free(r);
}

static void the_request_is_that_of_the_first(void **state)
{
	struct seen seen = {0};
	struct decision_log *log = log_new(&seen);
	struct req *first = req_of(log), *second = req_of(log);

	(void)state;
	(void)snprintf(first->id, sizeof first->id, "the-first");
	(void)snprintf(second->id, sizeof second->id, "the-second");
	capture_begin();
	denied(first, "bob", "svc:a");
	denied(second, "bob", "svc:a");
	decision_log_free(log);
	assert_int_equal(capture_end(), 1);
	assert_non_null(strstr(output, "count=2 request=the-first\n"));
	assert_string_equal(seen.last_reason, "no-grant (2 times)");
	req_free(first);
	req_free(second);
}

static void any_other_member_parts_two_events(void **state)
{
	const struct decision_event events[] = {
		{STR("u"), STR("r"), STR("full"), false, STR("no-grant")},
		{STR("v"), STR("r"), STR("full"), false, STR("no-grant")},
		{STR("u"), STR("s"), STR("full"), false, STR("no-grant")},
		{STR("u"), STR("r"), STR("read"), false, STR("no-grant")},
		{STR("u"), STR("r"), STR("full"), true, STR("no-grant")},
		{STR("u"), STR("r"), STR("full"), false, STR("bad-action")},
		{STR("ur"), STR(""), STR("full"), false, STR("no-grant")},
		{STR_NONE, STR_NONE, STR(""), false, STR("")},
	};
	struct seen seen = {.wants_allows = true};
	struct decision_log *log = log_new(&seen);
	struct req *r = req_of(log);

	(void)state;
	capture_begin();
	for (unsigned i = 0; i < 2 * 8; i++)
		audit_decision(r, &events[i % 8]);
	(void)snprintf(r->peer_ip, sizeof r->peer_ip, "192.0.2.2");
	audit_decision(r, &events[0]);
	decision_log_free(log);
	assert_int_equal(capture_end(), 9);
	assert_non_null(strstr(output, "srcip=192.0.2.2"));
	assert_non_null(strstr(output, "uid=unauthenticated action=\"\" object=\"\""));
	assert_int_equal(seen.rows, 8);
	assert_int_equal(seen.allows, 0);
	req_free(r);
}

static void allows_are_written_where_wanted_and_never_stored(void **state)
{
	const struct decision_event allow = {
		STR("u"), STR("r"), STR("full"), true, STR("grant")};

	(void)state;
	for (unsigned wanted = 0; wanted < 2; wanted++) {
		struct seen seen = {.wants_allows = wanted == 1};
		struct decision_log *log = log_new(&seen);
		struct req *r = req_of(log);

		capture_begin();
		audit_decision(r, &allow);
		decision_log_free(log);
		assert_int_equal(capture_end(), wanted);
		assert_int_equal(seen.rows, 0);
		req_free(r);
	}
}

static void nothing_from_outside_forges_a_line(void **state)
{
	struct seen seen = {0};
	struct decision_log *log = log_new(&seen);
	struct req *r = req_of(log);
	char longest[4000];

	(void)state;
	memset(longest, 0x01, sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	capture_begin();
	denied(r, "x result=allow", "a\"b\\c\ntype=audit uid=root");
	audit_decision(r,
		&(struct decision_event){.uid = str_c(longest),
			.rid = str_c(longest),
			.action = str_c(longest),
			.reason = str_c(longest)});
	decision_log_free(log);
	assert_int_equal(capture_end(), 2);
	assert_non_null(strstr(output, " uid=\"x result=allow\" "));
	assert_non_null(strstr(output, " object=\"a\\\"b\\\\c\\x0atype=audit...\" "));
	assert_null(strchr(output, 0x01));
	assert_int_equal(seen.last_object_len, strlen("..................."));
	req_free(r);
}

/* A rid that is one is kept whole; what is none, or looks like a token, is not. */
static void what_is_no_rid_or_may_be_a_token_is_cut(void **state)
{
	static const struct {
		const char *rid, *action, *expected;
	} cases[] = {
		{"svc:eyJ.0123456789.0123456789", "full",
			"action=full object=svc:eyJ.0123456789.0123456789 "},
		{"eyJ0123456789-0123456789.x", "full",
			"action=full object=eyJ0123456789-0123456789.x "},
		{"eyJ0123456789abcdefgh.x.y", "eyJabcdefghijklmnopqr..z",
			"action=eyJabcdefghijklm... object=eyJ0123456789abc... "},
		{"token=eyJ0123456789.x.y", "full",
			"action=full object=\"token=eyJ0123456...\" "},
		{"/0123456789abcdefgh", "full",
			"action=full object=/0123456789abcde... "},
		{"/0123456789abcd\xc3\xa9x", "full",
			"action=full object=/0123456789abcd... "},
		{"/0123456789abcde", "full", "action=full object=/0123456789abcde "},
	};
	struct seen seen = {0};
	struct decision_log *log = log_new(&seen);
	struct req *r = req_of(log);

	(void)state;
	capture_begin();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		audit_decision(r,
			&(struct decision_event){.uid = STR("u"),
				.rid = str_c(cases[i].rid),
				.action = str_c(cases[i].action),
				.reason = STR("no-grant")});
	decision_log_free(log);
	assert_int_equal(capture_end(), sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_non_null(strstr(output, cases[i].expected));
	req_free(r);
}

/* The number, with leading zeros up to the length. */
static void number_text(char *buf, size_t len, unsigned number)
{
	for (size_t i = len; i-- > 0; number /= 10)
		buf[i] = (char)('0' + number % 10);
	buf[len] = '\0';
}

/* More than fit, each with a text so long that the text runs out first where `longest` says so. */
static void fill(unsigned n, size_t text_len, unsigned expected_lines)
{
	struct seen seen = {0};
	struct decision_log *log = log_new(&seen);
	struct req *r = req_of(log);
	uint64_t before = metrics_value(METRIC_AUDIT_DROPPED);
	char rid[IAM_RID_MAX_BYTES + 1], expected[64];

	assert_in_range(text_len, 8, IAM_RID_MAX_BYTES);
	capture_begin();
	for (unsigned i = 0; i < n; i++) {
		number_text(rid, text_len, i);
		denied(r, "u", rid);
	}
	denied(r, "u", rid); /* what has no place is not merged either */
	number_text(rid, text_len, 0);
	denied(r, "u", rid); /* what has one still is */
	decision_log_free(log);
	assert_int_equal(capture_end(), expected_lines);
	assert_int_equal(seen.rows, expected_lines);
	assert_int_equal(metrics_value(METRIC_AUDIT_DROPPED) - before,
		n + 1 - expected_lines);
	(void)snprintf(expected, sizeof expected, "event=audit.overflow dropped=%u ",
		n + 1 - expected_lines);
	assert_non_null(strstr(output, expected));
	assert_non_null(strstr(output, "count=2"));
	req_free(r);
}

static void what_does_not_fit_is_counted(void **state)
{
	const unsigned text = 1000; /* and 22 of the other members */

	(void)state;
	fill(4096 + 100, 8, 4096);
	fill(3000, text, (2u << 20) / (text + 22));
}

static void a_stop_writes_everything_and_late_events_keep_their_line(void **state)
{
	struct seen seen = {0};
	struct decision_log *log = log_new(&seen);
	struct req *r = req_of(log);
	uint64_t before = metrics_value(METRIC_AUDIT_DROPPED);

	(void)state;
	capture_begin();
	denied(r, "u", "early");
	decision_log_stop(log);
	assert_int_equal(seen.rows, 1);
	denied(r, "u", "late");
	decision_log_free(log);
	assert_int_equal(capture_end(), 2);
	assert_int_equal(seen.rows, 1);
	assert_int_equal(metrics_value(METRIC_AUDIT_DROPPED) - before, 1);
	decision_log_stop(NULL);
	decision_log_free(NULL);
	req_free(r);
}

static void the_thread_writes_without_being_stopped(void **state)
{
	struct seen seen = {0};
	struct decision_log *log = decision_log_new(&(struct decision_log_settings){
		.wants_allows = wants_allows,
		.store = store,
		.ctx = &seen,
		.period_ms = 10,
	});
	struct req *r = req_of(log);
	char c;
	int ends[2];

	(void)state;
	assert_non_null(log);
	assert_int_equal(pipe(ends), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	denied(r, "u", "r");
	assert_int_equal(read(ends[0], &c, 1), 1); /* waits for the line */
	decision_log_free(log);
	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	(void)close(saved_stderr);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(seen.rows, 1);
	req_free(r);
}

static void nobody_needs_a_log(void **state)
{
	struct req *r = req_of(NULL);

	(void)state;
	denied(r, "u", "r");
	req_free(r);
}

static void *many(void *arg)
{
	struct req *r = req_of(arg);
	char rid[32];

	for (unsigned i = 0; i < EACH; i++) {
		(void)snprintf(rid, sizeof rid, "svc:%u", i % 1000);
		denied(r, "u", rid);
	}
	req_free(r);
	return NULL;
}

/* " count=12 ..." is 12, anything else 1. */
static unsigned long count_behind(const char *p)
{
	const char *const key = " count=";
	unsigned long n = 0;

	if (strncmp(p, key, strlen(key)) != 0)
		return 1;
	for (p += strlen(key); *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (unsigned long)(*p - '0');
	return n;
}

static void threads_lose_no_event(void **state)
{
	struct seen seen = {0};
	struct decision_log *log = decision_log_new(&(struct decision_log_settings){
		.wants_allows = wants_allows,
		.store = store,
		.ctx = &seen,
		.period_ms = 1});
	unsigned long threads[THREADS], total = 0, lines;

	(void)state;
	assert_non_null(log);
	capture_begin();
	for (unsigned i = 0; i < THREADS; i++)
		assert_true(thread_start(&threads[i], "many", many, log));
	for (unsigned i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	decision_log_free(log);
	lines = capture_end();
	for (const char *p = output; (p = strstr(p, "reason=no-grant")) != NULL; p++)
		total += count_behind(p + strlen("reason=no-grant"));
	assert_int_equal(total, (unsigned long)THREADS * EACH);
	assert_int_equal(seen.rows, lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_ones_are_one_line_with_a_count),
		cmocka_unit_test(the_request_is_that_of_the_first),
		cmocka_unit_test(any_other_member_parts_two_events),
		cmocka_unit_test(allows_are_written_where_wanted_and_never_stored),
		cmocka_unit_test(nothing_from_outside_forges_a_line),
		cmocka_unit_test(what_is_no_rid_or_may_be_a_token_is_cut),
		cmocka_unit_test(what_does_not_fit_is_counted),
		cmocka_unit_test(
			a_stop_writes_everything_and_late_events_keep_their_line),
		cmocka_unit_test(the_thread_writes_without_being_stopped),
		cmocka_unit_test(nobody_needs_a_log),
		cmocka_unit_test(threads_lose_no_event),
	};
	int fd = mkstemp(path);
	int failed;

	if (fd < 0)
		return 1;
	(void)close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
