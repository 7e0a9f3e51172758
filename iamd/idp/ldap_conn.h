/*
 * ldap_conn - one connection to one server, with a deadline on every step. The only user of libldap.
 *
 * A connection belongs to one thread at a time. After any error but LDAP_CODE a connection is dead
 * and only good for ldap_conn_close(). Referrals are never followed. Nothing here waits longer than
 * the deadline given (monotonic milliseconds, clock_mono_ms()), whatever the server does; answers
 * are bounded (LIMITs below).
 */
#ifndef IDP_LDAP_CONN_H
#define IDP_LDAP_CONN_H

#include "iamd/idp/ldap_settings.h"

/* LIMIT: one message of the server; entries, values and bytes of one search beside the caller's own. */
#define LDAP_MESSAGE_MAX ((size_t)16 << 20)

struct ldap_conn;

/*
 * Keeps libldap from reading configuration files and variables of its own. To be called once before
 * threads are started (it sets an environment variable); the first connection makes up for it.
 */
void ldap_conn_start(void);

enum ldap_state {
	LDAP_STATE_OK,
	LDAP_STATE_CODE, /* the server answered with a result code other than success */
	LDAP_STATE_TIMEOUT,     /* deadline passed */
	LDAP_STATE_UNREACHABLE, /* refused, reset, no route, no such host */
	LDAP_STATE_TLS,         /* handshake or certificate; or StartTLS refused */
	LDAP_STATE_PROTOCOL,    /* an answer that is none, or too long */
	LDAP_STATE_NO_MEMORY
};

/* Why a step failed. Zeroed: it did not. */
struct ldap_fault {
	enum ldap_state state;
	int code; /* LDAP result code (RFC 4511 section 4.1.9), with LDAP_STATE_CODE */
	char text[512];       /* for people; never holds a secret */
	char diagnostic[256]; /* the server's own words, cut, printable only */
	bool starttls;        /* it was the StartTLS operation */
	bool connecting;      /* no connection was made */
	/* password policy control (draft-behera-ldap-password-policy), -1: not sent */
	int ppolicy_error, ppolicy_expires_s, ppolicy_grace;
};

/*
 * Connects to server `i` of the settings and does TLS as they say. *ret is NULL on failure.
 * LDAP_TLS_TRY: StartTLS; if the server does not offer it, cleartext only with allow_cleartext.
 * The settings must outlive the connection.
 */
void ldap_conn_open(const struct ldap_settings *s, unsigned server, int64_t deadline_ms,
	struct ldap_conn **ret, struct ldap_fault *fault);
void ldap_conn_close(struct ldap_conn *c); /* NULL is fine */
bool ldap_conn_is_tls(const struct ldap_conn *c);
/*
 * Asked four times a second while the connection waits for its server: true ends the step as a timeout
 * would. NULL: nobody is asked.
 */
typedef bool ldap_stop_fn(void *ctx);
void ldap_conn_set_stop(struct ldap_conn *c, ldap_stop_fn *stop, void *ctx);
unsigned ldap_conn_server(const struct ldap_conn *c);
/*
 * Has nothing come that nobody asked for? Of a connection between operations: one that the server has
 * closed, or on which it said good-bye, is not quiet. Costs no round trip.
 */
bool ldap_conn_is_quiet(const struct ldap_conn *c);

/*
 * Simple bind, with the password policy control where `policy`. An empty password is refused here,
 * before any network (RFC 4513 section 5.1.2). After a code the connection is alive and anonymous.
 */
bool ldap_conn_bind(struct ldap_conn *c, struct str dn, struct str password, bool policy,
	int64_t deadline_ms, struct ldap_fault *fault);
bool ldap_conn_bind_anonymous(struct ldap_conn *c, int64_t deadline_ms,
	struct ldap_fault *fault);
bool ldap_conn_bind_external(struct ldap_conn *c, int64_t deadline_ms,
	struct ldap_fault *fault);

/* One entry of an answer; strings and values are valid during the call only. */
struct ldap_entry;
struct ldap_kind;
struct str ldap_entry_dn(const struct ldap_entry *e);
/* Of the connection it came by, as ldap_conn_kind() told it before; nothing special when it was not asked. */
const struct ldap_kind *ldap_entry_kind(const struct ldap_entry *e);
/*
 * The n-th value of an attribute, by its name in any case, options (`;range=0-99`, `;binary`) ignored;
 * absent: no such one.
 */
struct str ldap_entry_value(struct ldap_entry *e, const char *attribute, unsigned n);
unsigned ldap_entry_count(struct ldap_entry *e, const char *attribute);
/*
 * Is the attribute only a range of its values (`member;range=0-1499`)? Then *ret_next is where the next
 * begins; the last range (`-*`) is not one.
 */
bool ldap_entry_range(struct ldap_entry *e, const char *attribute, unsigned *ret_next);

/* Return false to stop: the search is abandoned and counts as done. */
typedef bool ldap_entry_fn(struct ldap_entry *e, void *ctx);

enum ldap_where { LDAP_WHERE_BASE, LDAP_WHERE_ONE, LDAP_WHERE_SUBTREE };

struct ldap_query {
	struct str base;
	enum ldap_where where;
	struct str filter;             /* absent: (objectClass=*) */
	const char *const *attributes; /* NULL-terminated; NULL: all user attributes */
	unsigned
		limit; /* entries; 0: no limit of ours. One more than that is a fault of the caller's to judge */
	unsigned page;             /* RFC 2696 pages of this many (<= 1000); 0: none */
	const void *control_value; /* reserved for content synchronisation; NULL */
};

/*
 * Runs a search; each entry is told once. The deadline is for one page (or the whole without pages);
 * `until_ms` is for all. sizeLimitExceeded with `limit` entries told counts as success.
 */
bool ldap_conn_search(struct ldap_conn *c, const struct ldap_query *q,
	int64_t page_timeout_ms, int64_t until_ms, ldap_entry_fn *each, void *ctx,
	struct ldap_fault *fault);

/* What the server says of itself, read once from its root DSE and kept with the connection. */
struct ldap_kind {
	bool active_directory; /* supportedCapabilities 1.2.840.113556.1.4.800 */
	bool in_chain;         /* matching rule 1.2.840.113556.1.4.1941 works there */
	bool paging;           /* control 1.2.840.113556.1.4.319 */
	bool content_sync;     /* control 1.3.6.1.4.1.4203.1.9.1.1 */
	bool password_policy;  /* control 1.3.6.1.4.1.42.2.27.8.5.1 */
	char vendor[128];
};
/*
 * A server that does not show its root DSE to who is bound (noSuchObject, insufficientAccessRights;
 * operationsError of Active Directory to anybody) is of no special kind; every other failure is one:
 * taken for "nothing special", a busy Active Directory would have other names and ids.
 */
bool ldap_conn_kind(struct ldap_conn *c, int64_t deadline_ms, struct ldap_kind *ret,
	struct ldap_fault *fault);

#endif
