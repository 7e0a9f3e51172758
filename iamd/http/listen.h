/*
 * listen - addresses taken apart, sockets bound.
 *
 * "127.0.0.1:8101", "[::1]:8101", "localhost:8101", "*:8101" (IPv4 and IPv6),
 * "unix:/path", "none". Host names are not looked up. Not thread-safe; used at start and
 * end only.
 */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "iam/err.h"

/* LIMIT: listeners of one process. */
#define LISTEN_MAX 16

struct listen_socket {
	int fd; /* -1: closed or handed over */
	bool is_unix;
	bool is_metrics;
	bool is_passed;  /* from the service manager: its path is not ours to remove */
	bool is_stopped; /* nothing is behind the descriptor any more */
	char path[108];  /* of a Unix socket we made */
	char address[160]; /* what is bound, port 0 resolved */
};

struct listen_set {
	struct listen_socket sockets[LISTEN_MAX];
	unsigned n;
};

/*
 * Number of addresses in a comma-separated list ("none" and "" are none). Binds nothing.
 */
unsigned listen_count(const char *addresses);

/*
 * Binds each address of the list and adds it to *set. A Unix socket is made with mode
 * 0660; one that a dead process left behind is replaced, one that is served by somebody
 * is not.
 * Errors: IAM_CONFIG (syntax), IAM_IO; the text names the address and what to do. The
 * sockets bound before stay in the set: the caller closes it.
 */
MUST_CHECK enum iam_err listen_add(struct listen_set *set, const char *addresses,
	bool is_metrics, struct iam_error *err);

/* Takes over listening sockets 3 .. 3 + n - 1 of the service manager. */
MUST_CHECK enum iam_err listen_adopt(struct listen_set *set, int n_fds, struct iam_error *err);

/*
 * Is every socket, however it came, one that only this machine reaches: Unix, 127.0.0.0/8 or
 * ::1? Judged by what is really bound. Errors: IAM_CONFIG with a text that names the address.
 */
MUST_CHECK enum iam_err listen_require_local(const struct listen_set *set,
	struct iam_error *err);

/*
 * Nobody is accepted from now on, and new clients are refused. The descriptor stays open, but something
 * that never has a client takes the socket's place behind it, so that event loops which know the number
 * need not be told. A passed socket itself is left alone: its queue belongs to whoever the service
 * manager starts next.
 */
void listen_stop(struct listen_socket *s);

/* Closes it if still open and removes the path of a Unix socket we made. Idempotent. */
void listen_close(struct listen_socket *s);
void listen_close_all(struct listen_set *set);

/* A peer's numeric address (IPv4 also where it comes mapped into IPv6), or "unix". */
void listen_peer_text(const struct sockaddr *sa, char *buf, size_t size);

#endif
