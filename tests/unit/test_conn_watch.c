/* test_conn_watch - deadlines and counts, with a clock of its own and socket pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first */
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iamd/http/conn_watch.h"
#include "iamd/sys/clock.h"

struct fixture {
	struct watch *w;
	struct watch_conn *c;
	int fds[2];
	int64_t now;
};

static int setup(void **state)
{
	static struct fixture f;

	f.w = watch_new(1000, 5000, 3);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.fds), 0);
	f.c = watch_open(f.w, f.fds[0], NULL);
	assert_non_null(f.c);
	f.now = clock_mono_ms();
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	watch_close(f->w, f->c);
	assert_int_equal(watch_count(f->w), 0);
	watch_free(f->w);
	(void)close(f->fds[0]);
	(void)close(f->fds[1]);
	return 0;
}

static bool is_cut_at(struct fixture *f, int64_t ms)
{
	return watch_sweep(f->w, f->now + ms) == 1;
}

static void a_header_has_one_deadline_from_the_first_moment(void **state)
{
	struct fixture *f = *state;

	watch_header(f->c, f->now + 900); /* the request line came late: no extension */
	assert_false(is_cut_at(f, 990));
	assert_true(is_cut_at(f, 1100));
	assert_false(is_cut_at(f, 1200)); /* once */
}

static void after_idling_a_header_has_its_own_time(void **state)
{
	struct fixture *f = *state;

	watch_idle(f->c, f->now);
	assert_false(is_cut_at(f, 4900));
	watch_header(f->c, f->now + 4900);
	assert_false(is_cut_at(f, 5800));
	assert_true(is_cut_at(f, 6000));
}

static void idling_ends(void **state)
{
	struct fixture *f = *state;

	watch_idle(f->c, f->now);
	assert_true(is_cut_at(f, 5100));
}

static void a_body_must_bring_a_kibibyte_a_second_after_five(void **state)
{
	struct fixture *f = *state;

	watch_body(f->c, f->now);
	assert_false(is_cut_at(f, WATCH_BODY_GRACE_MS));
	watch_body_bytes(f->c, 10240);
	assert_false(is_cut_at(f, WATCH_BODY_GRACE_MS + 9900));
	assert_true(is_cut_at(f, WATCH_BODY_GRACE_MS + 10100));
}

static void a_byte_a_second_is_cut(void **state)
{
	struct fixture *f = *state;

	watch_body(f->c, f->now);
	for (int s = 1; s <= 5; s++) {
		watch_body_bytes(f->c, 1);
		assert_false(is_cut_at(f, (int64_t)s * 1000));
	}
	assert_true(is_cut_at(f, 5100));
}

static void work_takes_as_long_as_it_takes(void **state)
{
	struct fixture *f = *state;

	watch_work(f->c);
	assert_false(is_cut_at(f, 3600000));
	watch_send(f->c, f->now, 102400);
	assert_false(is_cut_at(f, 5000 + 99000));
	assert_true(is_cut_at(f, 5000 + 101000));
}

static void a_cut_is_an_end_of_file_on_both_sides(void **state)
{
	struct fixture *f = *state;
	char c;

	assert_true(is_cut_at(f, 2000));
	assert_int_equal(read(f->fds[0], &c, 1), 0);
	assert_int_equal(read(f->fds[1], &c, 1), 0);
}

static void a_drain_cuts_only_what_has_sent_nothing(void **state)
{
	struct fixture *f = *state;

	watch_work(f->c);
	assert_int_equal(watch_cut_idle(f->w), 0);
	watch_idle(f->c, f->now);
	assert_int_equal(write(f->fds[1], "G", 1), 1);
	assert_int_equal(watch_cut_idle(f->w), 0); /* a request is on its way */
	{
		char c;

		assert_int_equal(read(f->fds[0], &c, 1), 1);
	}
	assert_int_equal(watch_cut_idle(f->w), 1);
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ss = {.ss_family = AF_INET};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(&ss, &v4, sizeof(v4));
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		memcpy(&ss, &v6, sizeof(v6));
	}
	return ss;
}

static void an_address_has_a_share_of_connections(void **state)
{
	static const struct {
		const char *first, *other;
		bool may; /* after three of `first` */
	} cases[] = {
		{"192.0.2.1", "192.0.2.1", false},
		{"192.0.2.1", "192.0.2.2", true},
		{"192.0.2.1", "::ffff:192.0.2.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"::ffff:127.0.0.9", "127.0.0.9", true},
		{"::1", "::1", true},
		{"2001:db8::1", "2001:db8::2", false}, /* one /64 is one customer */
		{"2001:db8::1", "2001:db8:0:1::1", true},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage first = address(cases[i].first);
		struct sockaddr_storage other = address(cases[i].other);
		struct watch_conn *open[3];

		for (int n = 0; n < 3; n++) {
			assert_true(watch_may_accept(f->w, (struct sockaddr *)&first));
			open[n] = watch_open(f->w, f->fds[0], (struct sockaddr *)&first);
		}
		if (watch_may_accept(f->w, (struct sockaddr *)&other) != cases[i].may)
			fail_msg("case %zu", i);
		for (int n = 0; n < 3; n++) {
			watch_close(f->w, open[n]);
			assert_true(watch_may_accept(f->w, (struct sockaddr *)&other));
		}
	}
	assert_true(watch_may_accept(f->w, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_header_has_one_deadline_from_the_first_moment),
		TEST(after_idling_a_header_has_its_own_time),
		TEST(idling_ends),
		TEST(a_body_must_bring_a_kibibyte_a_second_after_five),
		TEST(a_byte_a_second_is_cut),
		TEST(work_takes_as_long_as_it_takes),
		TEST(a_cut_is_an_end_of_file_on_both_sides),
		TEST(a_drain_cuts_only_what_has_sent_nothing),
		TEST(an_address_has_a_share_of_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
