/* Tests of iamd/sys/notify against the conventions of a service manager. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "iamd/sys/notify.h"

/* A bound datagram socket; name[0] == '@' is abstract. */
static int receiver(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(name);

	assert_true(fd >= 0 && len < sizeof(address.sun_path));
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					 len)),
		0);
	return fd;
}

static void assert_received(const char *name)
{
	char buf[64] = "";
	int fd = receiver(name);

	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_true(notify_send("READY=1\nSTATUS=up"));
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), 17);
	assert_string_equal(buf, "READY=1\nSTATUS=up");
	(void)close(fd);
}

static void state_reaches_path_and_abstract_sockets(void **state)
{
	char path[64], abstract[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/test_notify.%d", (int)getpid());
	(void)snprintf(abstract, sizeof(abstract), "@test_notify.%d", (int)getpid());
	assert_received(path);
	assert_received(abstract);
	assert_false(notify_send("READY=1")); /* nobody is bound any more */
	(void)unlink(path);
}

static void without_a_manager_nothing_is_sent(void **state)
{
	static const char *const values[] = {"", "/", "relative", "vsock:2:1"};
	char long_path[300];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", values[i], 1), 0);
		assert_false(notify_send("READY=1"));
	}
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", long_path, 1), 0);
	assert_false(notify_send("READY=1"));
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_false(notify_send("READY=1"));
}

static void watchdog_counts_only_when_it_is_meant_for_us(void **state)
{
	char pid[16];

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_us(), 0);
	(void)setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_us(), 30000000);
	(void)setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	(void)setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_us(), 30000000);
	(void)setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_us(), 0);
}

static void passed_sockets_are_counted_and_closed_on_exec(void **state)
{
	char pid[16];
	int before = dup(3); /* whatever the test runner has there */
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_int_equal(dup2(fd, 3), 3);
	assert_int_equal(fcntl(3, F_SETFD, 0), 0);
	(void)setenv("LISTEN_FDS", "1", 1);
	(void)unsetenv("LISTEN_PID");
	assert_int_equal(notify_listen_fds(), 0);
	(void)setenv("LISTEN_PID", "1", 1);
	assert_int_equal(notify_listen_fds(), 0);
	assert_int_equal(fcntl(3, F_GETFD), 0);
	(void)setenv("LISTEN_PID", pid, 1);
	assert_int_equal(notify_listen_fds(), 1);
	assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
	(void)setenv("LISTEN_FDS", "-1", 1);
	assert_int_equal(notify_listen_fds(), 0);
	(void)setenv("LISTEN_FDS", "60", 1); /* more than are open */
	assert_int_equal(notify_listen_fds(), 0);
	if (fd != 3)
		(void)close(fd);
	if (before >= 0) {
		(void)dup2(before, 3);
		(void)close(before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_reaches_path_and_abstract_sockets),
		cmocka_unit_test(without_a_manager_nothing_is_sent),
		cmocka_unit_test(watchdog_counts_only_when_it_is_meant_for_us),
		cmocka_unit_test(passed_sockets_are_counted_and_closed_on_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
