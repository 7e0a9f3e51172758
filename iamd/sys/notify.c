/*
 * notify - the service manager's protocols, without its library.
 *
 * Three small conventions of environment variables and one datagram; see sd_notify(3),
 * sd_watchdog_enabled(3) and sd_listen_fds(3). Where no service manager asks, nothing happens.
 * Reads the environment, which nothing in the daemon changes: any thread may call.
 */
#include "iamd/sys/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libacl/base/str.h"

#define FIRST_FD 3
/* LIMIT: sockets one service is passed. */
#define LISTEN_FDS_MAX 64

static const char *variable(const char *name)
{
	return getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody calls setenv() */
}

bool notify_send(const char *state)
{
	const char *path = variable("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len, state_len = strlen(state);
	ssize_t n;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return false;
	len = strlen(path);
	if (len < 2 || len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@') /* an abstract socket's name begins with NUL */
		address.sun_path[0] = '\0';

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sendto(fd, state, state_len, MSG_NOSIGNAL, (const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
	return n >= 0 && (size_t)n == state_len;
}

/* The variable names our process id. */
static bool is_ours(const char *name, bool if_unset)
{
	const char *text = variable(name);
	int64_t pid;

	if (text == NULL)
		return if_unset;
	return str_to_i64(str_c(text), 1, INT32_MAX, &pid) && pid == getpid();
}

uint64_t notify_watchdog_us(void)
{
	int64_t us;

	if (!is_ours("WATCHDOG_PID", true))
		return 0;
	if (!str_to_i64(str_c(variable("WATCHDOG_USEC")), 1, INT64_MAX, &us))
		return 0;
	return (uint64_t)us;
}

int notify_listen_fds(void)
{
	int64_t n;

	if (!is_ours("LISTEN_PID", false))
		return 0;
	if (!str_to_i64(str_c(variable("LISTEN_FDS")), 1, LISTEN_FDS_MAX, &n))
		return 0;
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)n; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
			return 0;
	}
	return (int)n;
}
