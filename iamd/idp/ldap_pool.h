/*
 * ldap_pool - the kept connections of one directory, its servers and their health.
 *
 * Servers are tried in order; one that failed is left alone for a while that doubles (1 s to 60 s,
 * jittered), and only one caller at a time probes it; with all of them down a caller is refused at
 * once. Lookup connections (bound as the lookup account) and user-bind connections are never mixed.
 * Thread-safe. Nobody waits under the lock.
 */
#ifndef IDP_LDAP_POOL_H
#define IDP_LDAP_POOL_H

#include "iamd/idp/ldap_conn.h"

enum ldap_use {
	LDAP_USE_LOOKUP, /* bound as settings say: lookup-dn, external or anonymous */
	LDAP_USE_BIND    /* for ldap_conn_bind() of users */
};

/* LIMIT: kept connections of each use, idle ones closed after this long. */
#define LDAP_POOL_KEEP    16
#define LDAP_POOL_IDLE_MS 60000

struct ldap_pool;

/* The settings are borrowed and outlive the pool. NULL: no memory. */
struct ldap_pool *ldap_pool_new(const struct ldap_settings *s);
void ldap_pool_free(struct ldap_pool *p); /* nobody has a connection of it; NULL is fine */

/*
 * A connection, kept or new; fail-over included. A kept one may have died unseen (those that the
 * server has closed are not handed out): *ret_kept tells, and the caller whose first operation on it
 * fails with UNREACHABLE gives it back with that fault and takes another, which is a new one then.
 * NULL with a fault: none to be had by the deadline, or the lookup account was refused (LDAP_STATE_CODE).
 */
struct ldap_conn *ldap_pool_take(struct ldap_pool *p, enum ldap_use use, int64_t deadline_ms,
	bool *ret_kept, struct ldap_fault *fault);
/* Back into the pool, or closed where the fault (NULL: none) says that it is dead; teaches the health. */
void ldap_pool_give(struct ldap_pool *p, enum ldap_use use, struct ldap_conn *c,
	const struct ldap_fault *fault);

/* Closes idle ones; each second from the maintenance thread. */
void ldap_pool_tend(struct ldap_pool *p);

struct ldap_server_health {
	bool up;
	int64_t down_until_ms; /* monotonic */
	unsigned failures;     /* in a row */
};
void ldap_pool_health(struct ldap_pool *p, struct ldap_server_health ret[LDAP_SERVERS_MAX]);

#endif
