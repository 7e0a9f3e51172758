/*
 * listen - listening sockets from text or from the service manager.
 *
 * Does: parse, bind, listen, describe, and clean up after a process that died.
 * Does not: accept, or resolve names (a start must not wait for a name server).
 * Invariants: every socket is close-on-exec and non-blocking; a Unix socket is never
 * reachable with a wider mode than 0660, not even for a moment.
 */
#include "iamd/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libacl/base/str.h"

/*
 * LIMIT: connections that wait to be accepted; the kernel caps it by net.core.somaxconn.
 */
#define BACKLOG         1024
#define FIRST_PASSED_FD 3

static bool is_none(struct str item)
{
	return item.len == 0 || str_eq_c(item, "none");
}

unsigned listen_count(const char *addresses)
{
	struct str rest = str_c(addresses);
	unsigned n = 0;

	while (rest.ptr != NULL)
		if (!is_none(str_trim(str_split(&rest, ','))))
			n++;
	return n;
}

static enum iam_err io_error(struct iam_error *err, struct str item, const char *what,
	const char *hint)
{
	return iam_error_set(err, IAM_IO, "listen on '%.*s': %s: %s%s", STR_FMT(item),
		what, strerrordesc_np(errno), hint);
}

/* Fills s->address from what the kernel bound. */
static void describe(struct listen_socket *s)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(sa);
	char host[INET6_ADDRSTRLEN];
	char port[8];

	if (s->is_unix || getsockname(s->fd, (struct sockaddr *)&sa, &len) != 0 ||
		getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	(void)snprintf(s->address, sizeof(s->address),
		sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/*
 * A socket file whose server is dead is removed; anything else is left and bind() will
 * complain.
 */
static void remove_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd;

	if (lstat(sun->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) != 0 &&
		errno == ECONNREFUSED)
		(void)unlink(sun->sun_path);
	(void)close(fd);
}

static enum iam_err bind_unix(struct listen_socket *s, struct str item,
	struct iam_error *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct str path = str_sub(item, strlen("unix:"), item.len);

	if (path.len == 0 || path.ptr[0] != '/' || path.len >= sizeof(sun.sun_path))
		return iam_error_set(err, IAM_CONFIG,
			"listen on '%.*s': want an absolute path of at most %zu bytes",
			STR_FMT(item), sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, path.ptr, path.len);
	s->is_unix = true;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return io_error(err, item, "socket", "");
	remove_stale(&sun);
	/* bind() makes the file with the mode of the socket, less the umask */
	if (fchmod(s->fd, 0660) != 0 ||
		bind(s->fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0)
		return io_error(err, item, "bind",
			errno == EADDRINUSE
				? " (another process serves it, or the file is no socket)"
				: "");
	memcpy(s->path, sun.sun_path, sizeof(s->path));
	if (chmod(sun.sun_path, 0660) != 0 || listen(s->fd, BACKLOG) != 0)
		return io_error(err, item, "listen", "");
	(void)snprintf(s->address, sizeof(s->address), "unix:%s", sun.sun_path);
	return IAM_OK;
}

/* "host:port" into text buffers; brackets around an IPv6 host are dropped. */
static bool split_host(struct str item, char host[64], char port[8])
{
	struct str h;
	struct str p;
	size_t at = item.len;
	int64_t number;

	while (at > 0 && item.ptr[at - 1] != ':')
		at--;
	if (at < 2)
		return false;
	h = str_sub(item, 0, at - 1);
	p = str_sub(item, at, item.len);
	if (h.len > 2 && h.ptr[0] == '[' && h.ptr[h.len - 1] == ']')
		h = str_sub(h, 1, h.len - 1);
	else if (str_find(h, ':') >= 0)
		return false;
	if (str_eq_c(h, "localhost"))
		h = STR("127.0.0.1");
	else if (str_eq_c(h, "*"))
		h = STR("::");
	if (h.len >= 64 || p.len >= 8 || !str_to_i64(p, 0, 65535, &number))
		return false;
	(void)snprintf(host, 64, "%.*s", STR_FMT(h));
	(void)snprintf(port, 8, "%.*s", STR_FMT(p));
	return true;
}

static enum iam_err bind_tcp(struct listen_socket *s, struct str item,
	struct iam_error *err)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL;
	const int on = 1;
	int v6_only = item.ptr[0] != '*';
	enum iam_err e = IAM_OK;
	char host[64];
	char port[8];

	if (!split_host(item, host, port) || getaddrinfo(host, port, &hints, &ai) != 0)
		return iam_error_set(err, IAM_CONFIG,
			"listen on '%.*s': want ADDRESS:PORT with a numeric address, "
			"[IPv6]:PORT, *:PORT, unix:/path or none",
			STR_FMT(item));
	s->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0) {
		e = io_error(err, item, "socket", "");
		goto out;
	}
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* accepted sockets inherit it: answers are single writes */
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only,
			sizeof(v6_only));
	if (bind(s->fd, ai->ai_addr, ai->ai_addrlen) != 0)
		e = io_error(err, item, "bind",
			errno == EADDRINUSE
				? " (another process uses this port; stop it or change `listen`)"
				: errno == EACCES
				? " (ports below 1024 need CAP_NET_BIND_SERVICE)"
				: "");
	else if (listen(s->fd, BACKLOG) != 0)
		e = io_error(err, item, "listen", "");
	else
		describe(s);
out:
	freeaddrinfo(ai);
	return e;
}

static struct listen_socket *next_socket(struct listen_set *set, struct iam_error *err)
{
	struct listen_socket *s = &set->sockets[set->n];

	if (set->n == LISTEN_MAX) {
		(void)iam_error_set(err, IAM_CONFIG,
			"more than %d addresses to listen on", LISTEN_MAX);
		return NULL;
	}
	set->n++;
	*s = (struct listen_socket){.fd = -1};
	return s;
}

enum iam_err listen_add(struct listen_set *set, const char *addresses, bool is_metrics,
	struct iam_error *err)
{
	struct str rest = str_c(addresses);

	while (rest.ptr != NULL) {
		struct str item = str_trim(str_split(&rest, ','));
		struct listen_socket *s;
		enum iam_err e;

		if (is_none(item))
			continue;
		s = next_socket(set, err);
		if (s == NULL)
			return IAM_CONFIG;
		s->is_metrics = is_metrics;
		e = str_starts(item, STR("unix:")) ? bind_unix(s, item, err)
						   : bind_tcp(s, item, err);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

enum iam_err listen_adopt(struct listen_set *set, int n_fds, struct iam_error *err)
{
	for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + n_fds; fd++) {
		struct listen_socket *s = next_socket(set, err);
		int is_listening = 0;
		int family = 0;
		socklen_t len = sizeof(int);
		int flags = fcntl(fd, F_GETFL);

		if (s == NULL)
			return IAM_CONFIG;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0 ||
			is_listening == 0 ||
			getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) != 0)
			return iam_error_set(err, IAM_CONFIG,
				"descriptor %d of the service manager is no listening socket",
				fd);
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		s->fd = fd;
		s->is_passed = true;
		s->is_unix = family == AF_UNIX;
		(void)snprintf(s->address, sizeof(s->address), "fd:%d", fd);
		describe(s);
	}
	return IAM_OK;
}

enum iam_err listen_require_local(const struct listen_set *set, struct iam_error *err)
{
	for (unsigned i = 0; i < set->n; i++) {
		struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
		socklen_t len = sizeof(ss);
		char ip[64] = "";

		if (set->sockets[i].is_unix)
			continue;
		if (getsockname(set->sockets[i].fd, (struct sockaddr *)&ss, &len) == 0)
			listen_peer_text((const struct sockaddr *)&ss, ip, sizeof(ip));
		if (strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0)
			continue;
		return iam_error_set(err, IAM_CONFIG,
			"in gateway mode iamd listens on loopback addresses and Unix sockets "
			"only, not on %s",
			set->sockets[i].address);
	}
	return IAM_OK;
}

/* Without a descriptor to spare the socket stays: its clients are refused by shutdown() all the same. */
static void put_nothing_behind(int fd)
{
	int nothing = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (nothing < 0)
		return;
	(void)dup3(nothing, fd, O_CLOEXEC);
	(void)close(nothing);
}

void listen_stop(struct listen_socket *s)
{
	if (s->path[0] != '\0')
		(void)unlink(s->path);
	s->path[0] = '\0';
	if (s->fd < 0 || s->is_stopped)
		return;
	s->is_stopped = true;
	if (!s->is_passed)
		(void)shutdown(s->fd, SHUT_RDWR);
	put_nothing_behind(s->fd);
}

void listen_close(struct listen_socket *s)
{
	listen_stop(s);
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
}

void listen_close_all(struct listen_set *set)
{
	for (unsigned i = 0; i < set->n; i++)
		listen_close(&set->sockets[i]);
}

void listen_peer_text(const struct sockaddr *sa, char *buf, size_t size)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	const char *text = NULL;

	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		text = inet_ntop(AF_INET, &v4.sin_addr, buf, (socklen_t)size);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			text = inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], buf,
				(socklen_t)size);
		else
			text = inet_ntop(AF_INET6, &v6.sin6_addr, buf, (socklen_t)size);
	}
	if (text == NULL)
		(void)snprintf(buf, size, "unix");
}
