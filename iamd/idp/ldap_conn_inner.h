/*
 * ldap_conn_inner - what the files of one connection share: ldap_conn.c, _search.c and _tls.c.
 */
#ifndef IDP_LDAP_CONN_INNER_H
#define IDP_LDAP_CONN_INNER_H

#include <ldap.h>

#include "iamd/idp/ldap_conn.h"
#include "iamd/sys/clock.h"

/* How the texts of LDAP_STATE_TLS and of failures to connect begin. */
#define CANNOT_OPEN "Cannot open connection to directory back-end: "

struct ldap_conn {
	LDAP *ld;
	const struct ldap_settings *settings;
	unsigned server;
	int fd; /* libldap's, as the next; to look at only */
	Sockbuf *sb;
	bool used; /* an answer was read: the session tickets that follow a TLS handshake are through */
	bool tls;
	bool kind_known;
	struct ldap_kind kind;
	ldap_stop_fn *stop;
	void *stop_ctx;
};

/* A final answer, taken apart. `controls` is freed with ldap_controls_free() (NULL is fine). */
struct ldap_answer {
	int code;
	LDAPControl **controls;
};

void ldap_fault_init(struct ldap_fault *f);
/* Returns false, always. */
bool ldap_fault_set(struct ldap_fault *f, enum ldap_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What libldap's return value (not a result code of the server) means. False, always. */
bool ldap_fault_local(const struct ldap_conn *c, struct ldap_fault *f, int rc);

/*
 * The next message of operation `id`, whole (`all` = LDAP_MSG_ALL) or one entry of it; NULL with a
 * fault. On a timeout the operation is abandoned.
 */
LDAPMessage *ldap_conn_next(struct ldap_conn *c, int id, int all, int64_t deadline_ms,
	struct ldap_fault *f);
/* Takes a final message apart and frees it. False with a fault: not one. A code is not a fault yet. */
bool ldap_conn_parse(struct ldap_conn *c, LDAPMessage *m, struct ldap_answer *ret,
	struct ldap_fault *f);
/* The fault of a code: its name, and the server's words (already in f->diagnostic). False, always. */
bool ldap_fault_code(struct ldap_fault *f, int code);

/* What is left, as libldap wants it; at least a millisecond, so that what is there is still read. */
static inline struct timeval ldap_time_left(int64_t deadline_ms)
{
	int64_t ms = deadline_ms - clock_mono_ms();

	if (ms < 1)
		ms = 1;
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* Trust and identity of the settings, before the handshake. False with a fault. */
bool ldap_conn_tls_prepare(struct ldap_conn *c, struct ldap_fault *f);
/* Nothing may be sent on the connection if it fails. */
bool ldap_conn_tls_handshake(struct ldap_conn *c, int64_t deadline_ms,
	struct ldap_fault *f);

#endif
