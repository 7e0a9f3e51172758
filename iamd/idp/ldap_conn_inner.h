/*
 * ldap_conn_inner - what the files of one connection share: ldap_conn.c and ldap_conn_search.c.
 */
#ifndef IDP_LDAP_CONN_INNER_H
#define IDP_LDAP_CONN_INNER_H

#include <ldap.h>

#include "iamd/idp/ldap_conn.h"

struct ldap_conn {
	LDAP *ld;
	const struct ldap_settings *settings;
	unsigned server;
	int fd; /* libldap's; to look at only */
	bool tls;
	bool kind_known;
	struct ldap_kind kind;
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

#endif
