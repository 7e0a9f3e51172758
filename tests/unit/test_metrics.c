/* Tests of iamd/sys/metrics: counts of all threads, the text format, histograms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"

#define TEXT_MAX ((size_t)4 * 1024 * 1024)

static bool has_line(const struct sb *text, const char *line)
{
	struct str rest = sb_str(text);

	while (rest.ptr != NULL)
		if (str_eq_c(str_split(&rest, '\n'), line))
			return true;
	return false;
}

static void assert_rendered(const char *line)
{
	struct sb out;

	sb_init_heap(&out, TEXT_MAX);
	metrics_render(&out);
	assert_false(out.failed);
	if (!has_line(&out, line))
		fail_msg("no line %s in\n%.*s", line, STR_FMT(sb_str(&out)));
	sb_done(&out);
}

enum { THREADS = 4, ROUNDS = 5000 };

static void *count_much(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		metrics_count(METRIC_LANE_REFUSED, 1);
		metrics_request(3, i % 2 == 0 ? 200 : 204, 300);
	}
	return NULL;
}

/* Scraped all the while; the counts of ended threads stay. */
static void nothing_counted_by_a_thread_is_lost(void **state)
{
	unsigned long threads[THREADS];
	uint64_t last = 0;

	(void)state;
	metrics_route_name(3, "GET", "/users/{uid}");
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < THREADS; i++)
			assert_true(thread_start(&threads[i], "count", count_much, NULL));
		for (int i = 0; i < 50; i++) {
			uint64_t now = metrics_value(METRIC_LANE_REFUSED);
			struct sb out;

			assert_true(now >= last);
			last = now;
			sb_init_heap(&out, TEXT_MAX);
			metrics_render(&out);
			sb_done(&out);
		}
		for (int i = 0; i < THREADS; i++)
			thread_join(threads[i]);
	}
	assert_int_equal(metrics_value(METRIC_LANE_REFUSED), 3 * THREADS * ROUNDS);
	assert_rendered("iamd_lane_refused_total 60000");
	assert_rendered("iamd_http_requests_total{method=\"GET\",route=\"/users/{uid}\","
			"status=\"204\"} 30000");
	assert_rendered("iamd_http_request_duration_seconds_sum{method=\"GET\","
			"route=\"/users/{uid}\"} 18.000000");
}

static void durations_fall_into_cumulative_buckets(void **state)
{
	(void)state;
	metrics_route_name(5, "PUT", "/groups/{gid}");
	metrics_request(5, 201, -5); /* a clock that jumped: counted as nothing */
	metrics_request(5, 201, 100);
	metrics_request(5, 201, 101);
	metrics_request(5, 201, 10000000);
	metrics_request(5, 201, 10000001);
#define BUCKET \
	"iamd_http_request_duration_seconds_bucket{method=\"PUT\",route=\"/groups/{gid}\",le="
	assert_rendered(BUCKET "\"0.0001\"} 2");
	assert_rendered(BUCKET "\"0.00025\"} 3");
	assert_rendered(BUCKET "\"5\"} 3");
	assert_rendered(BUCKET "\"10\"} 4");
	assert_rendered(BUCKET "\"+Inf\"} 5");
	assert_rendered("iamd_http_request_duration_seconds_count{method=\"PUT\","
			"route=\"/groups/{gid}\"} 5");
	assert_rendered("iamd_http_request_duration_seconds_sum{method=\"PUT\","
			"route=\"/groups/{gid}\"} 20.000202");
}

static void unknown_statuses_and_routes_have_a_place(void **state)
{
	(void)state;
	metrics_request(0, 404, 10);
	metrics_request(METRICS_ROUTES_MAX, 418, 10);
	assert_rendered(
		"iamd_http_requests_total{method=\"none\",route=\"none\",status=\"404\"} 1");
	assert_rendered(
		"iamd_http_requests_total{method=\"none\",route=\"none\",status=\"other\"} 1");
}

static void label_values_are_escaped(void **state)
{
	(void)state;
	metrics_route_name(7, "GET", "/a\"b\\c\nd");
	metrics_request(7, 200, 10);
	assert_rendered(
		"iamd_http_requests_total{method=\"GET\",route=\"/a\\\"b\\\\c\\nd\","
		"status=\"200\"} 1");
}

/* What a scraper insists on: HELP and TYPE once per metric, before its samples. */
static void each_metric_has_one_head_before_its_samples(void **state)
{
	char heads[64][80] = {{0}};
	size_t n = 0;
	struct sb out;
	struct str rest;

	(void)state;
	metrics_request(0, 200, 10);
	sb_init_heap(&out, TEXT_MAX);
	metrics_render(&out);
	rest = sb_str(&out);
	while (rest.ptr != NULL && rest.len > 0) {
		struct str line = str_split(&rest, '\n');
		bool is_head = str_starts(line, STR("# TYPE "));
		char name[80];

		if (str_starts(line, STR("# HELP ")))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", STR_FMT(line));
		if (is_head)
			memmove(name, name + 7, sizeof(name) - 7);
		name[strcspn(name, " {")] = '\0';
		if (is_head) {
			for (size_t i = 0; i < n; i++)
				assert_string_not_equal(heads[i], name);
			assert_true(n < 64);
			memcpy(heads[n++], name, sizeof(name));
			continue;
		}
		assert_true(n > 0);
		assert_memory_equal(heads[n - 1], name, strlen(heads[n - 1]));
	}
	assert_true(n > 8);
	sb_done(&out);
}

static void gauge_has_labels_and_head_when_asked(void **state)
{
	struct sb out;

	(void)state;
	sb_init_heap(&out, 4096);
	metrics_gauge(&out, "iamd_lane_depth", "lane=\"hash\"", "Jobs.", 3);
	metrics_gauge(&out, "iamd_lane_depth", "lane=\"net\"", NULL, 0.5);
	metrics_gauge(&out, "iamd_users", NULL, NULL, 1e9);
	assert_string_equal(sb_str(&out).ptr,
		"# HELP iamd_lane_depth Jobs.\n# TYPE iamd_lane_depth gauge\n"
		"iamd_lane_depth{lane=\"hash\"} 3\n"
		"iamd_lane_depth{lane=\"net\"} 0.5\n"
		"iamd_users 1000000000\n");
	sb_done(&out);
}

static void too_small_buffer_fails_and_does_not_cut(void **state)
{
	struct sb out;

	(void)state;
	sb_init_heap(&out, 100);
	metrics_render(&out);
	assert_true(out.failed);
	assert_null(sb_str(&out).ptr);
	sb_done(&out);
}

static void answers_of_directories_are_told_apart_up_to_a_limit(void **state)
{
	char id[80];

	(void)state;
	metrics_directory_login("default", "accepted");
	metrics_directory_login("default", "rejected");
	metrics_directory_login("default", "accepted");
	assert_rendered(
		"iamd_directory_logins_total{directory=\"default\",result=\"accepted\"} 2");
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(id, sizeof(id), "directory-%u", i);
		metrics_directory_login(id, "accepted");
	}
	assert_rendered(
		"iamd_directory_logins_total{directory=\"directory-61\",result=\"accepted\"} 1");
	assert_rendered(
		"iamd_directory_logins_total{directory=\"other\",result=\"other\"} 38");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_counted_by_a_thread_is_lost),
		cmocka_unit_test(answers_of_directories_are_told_apart_up_to_a_limit),
		cmocka_unit_test(durations_fall_into_cumulative_buckets),
		cmocka_unit_test(unknown_statuses_and_routes_have_a_place),
		cmocka_unit_test(label_values_are_escaped),
		cmocka_unit_test(each_metric_has_one_head_before_its_samples),
		cmocka_unit_test(gauge_has_labels_and_head_when_asked),
		cmocka_unit_test(too_small_buffer_fails_and_does_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
