/*
 * ldap_conn - opens connections and binds on them.
 *
 * Does: dial, TLS by StartTLS or from the start, simple and EXTERNAL binds. The socket is made by
 * ldap_dial() and given to libldap connected and non-blocking; libldap is only used through its
 * asynchronous calls, each followed by ldap_result() with what is left of the deadline.
 * Does not: search (ldap_conn_search.c), keep connections (ldap_pool.c), follow referrals.
 * Invariants: after a failed StartTLS or handshake the handle is gone before anything else is sent on
  * it; an answer of another kind than was asked for is no answer.
 */
#include "iamd/idp/ldap_conn.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openldap.h>

#include "iamd/idp/ldap_ber.h"
#include "iamd/idp/ldap_conn_inner.h"
#include "iamd/idp/ldap_dial.h"
#include "iamd/sys/clock.h"

#define CONTROL_POLICY  "1.3.6.1.4.1.42.2.27.8.5.1"
#define CONTROL_EXPIRED "2.16.840.1.113730.3.4.4" /* 389-ds: password expired */

/* LIMIT: bytes of a DN to bind as. */
#define DN_MAX_BYTES 16384

/* ------------------------------------------------------------------ faults */

void ldap_fault_init(struct ldap_fault *f)
{
	*f = (struct ldap_fault){
		.ppolicy_error = -1, .ppolicy_expires_s = -1, .ppolicy_grace = -1};
}

bool ldap_fault_set(struct ldap_fault *f, enum ldap_state state, const char *fmt, ...)
{
	va_list args;

	f->state = state;
	va_start(args, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
	return false;
}

bool ldap_fault_local(const struct ldap_conn *c, struct ldap_fault *f, int rc)
{
	const struct ldap_server *to = &c->settings->servers[c->server];

	switch (rc) {
	case LDAP_NO_MEMORY:
		return ldap_fault_set(f, LDAP_STATE_NO_MEMORY, "out of memory");
	case LDAP_TIMEOUT:
		return ldap_fault_set(f, LDAP_STATE_TIMEOUT,
			"no answer from %.200s:%u in time", to->host.ptr,
			(unsigned)to->port);
	case LDAP_SERVER_DOWN:
	case LDAP_CONNECT_ERROR:
		return ldap_fault_set(f, LDAP_STATE_UNREACHABLE,
			"the connection to %.200s:%u was lost", to->host.ptr,
			(unsigned)to->port);
	case LDAP_FILTER_ERROR:
		f->code = 87;
		return ldap_fault_set(f, LDAP_STATE_CODE, "bad search filter");
	default:
		return ldap_fault_set(f, LDAP_STATE_PROTOCOL,
			"the answer of %.200s:%u cannot be used", to->host.ptr,
			(unsigned)to->port);
	}
}

bool ldap_fault_code(struct ldap_fault *f, int code)
{
	f->code = code;
	return ldap_fault_set(f, LDAP_STATE_CODE, "%.200s (%d)%s%s",
		ldap_err2string(code), code, f->diagnostic[0] == '\0' ? "" : ": ",
		f->diagnostic);
}

static void keep_diagnostic(struct ldap_fault *f, const char *text)
{
	size_t i = 0;

	for (; text != NULL && text[i] != '\0' && i + 1 < sizeof(f->diagnostic); i++)
		f->diagnostic[i] =
			(char)(text[i] >= 0x20 && text[i] < 0x7F ? text[i] : '?');
	f->diagnostic[i] = '\0';
}

/* ------------------------------------------------------------------ answers */

/* How often ldap_conn_set_stop()'s function is asked. */
#define STOP_EACH_MS 250

void ldap_conn_set_stop(struct ldap_conn *c, ldap_stop_fn *stop, void *ctx)
{
	c->stop = stop;
	c->stop_ctx = ctx;
}

/* ldap_result() in slices, so that somebody may end the wait. 0: the deadline, or the end of it. */
static int wait_result(struct ldap_conn *c, int id, int all, int64_t deadline_ms,
	LDAPMessage **ret)
{
	for (;;) {
		int64_t slice_ms = clock_mono_ms() + STOP_EACH_MS;
		bool last = c->stop == NULL || slice_ms >= deadline_ms;
		struct timeval left = ldap_time_left(last ? deadline_ms : slice_ms);
		int type;

		errno = 0;
		type = ldap_result(c->ld, id, all, &left, ret);
		if (type != 0 || last || c->stop(c->stop_ctx))
			return type;
	}
}

LDAPMessage *ldap_conn_next(struct ldap_conn *c, int id, int all, int64_t deadline_ms,
	struct ldap_fault *f)
{
	LDAPMessage *m = NULL;
	int code = LDAP_OTHER;
	int type = wait_result(c, id, all, deadline_ms, &m);

	if (type > 0 && m != NULL)
		return m;
	if (type == 0) {
		(void)ldap_abandon_ext(c->ld, id, NULL, NULL);
		(void)ldap_fault_local(c, f, LDAP_TIMEOUT);
		return NULL;
	}
	/* A message beyond LDAP_MESSAGE_MAX looks like a lost connection but for errno. */
	if (errno == ERANGE)
		code = LDAP_DECODING_ERROR;
	else
		(void)ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, &code);
	if (code > 0) /* of a notice of disconnection */
		code = LDAP_SERVER_DOWN;
	(void)ldap_fault_local(c, f, code);
	return NULL;
}

bool ldap_conn_parse(struct ldap_conn *c, LDAPMessage *m, struct ldap_answer *ret,
	struct ldap_fault *f)
{
	char *diagnostic = NULL;
	int code = LDAP_OTHER;
	int rc = ldap_parse_result(c->ld, m, &code, NULL, &diagnostic, NULL,
		&ret->controls, 1);

	if (rc != LDAP_SUCCESS)
		return ldap_fault_local(c, f, LDAP_DECODING_ERROR);
	keep_diagnostic(f, diagnostic);
	ldap_memfree(diagnostic);
	c->used = true;
	ret->code = code;
	return true;
}

/*
 * The one answer to an operation that has one. libldap does not look at its kind: a search result with
 * "success" in it would pass for a successful bind.
 */
static bool answer_take(struct ldap_conn *c, int id, int type, int64_t deadline_ms,
	struct ldap_answer *ret, struct ldap_fault *f)
{
	LDAPMessage *m = ldap_conn_next(c, id, LDAP_MSG_ALL, deadline_ms, f);

	if (m == NULL)
		return false;
	if (ldap_msgtype(m) == type)
		return ldap_conn_parse(c, m, ret, f);
	(void)ldap_msgfree(m);
	return ldap_fault_local(c, f, LDAP_DECODING_ERROR);
}

/* ------------------------------------------------------------------ the handle */

static pthread_once_t started = PTHREAD_ONCE_INIT;

/* libldap reads no ldap.conf, no ~/.ldaprc and no LDAP* variables: only our settings count. */
static void start(void)
{
	int version = LDAP_VERSION3;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): main() calls before there are threads */
	(void)setenv("LDAPNOINIT", "1", 1);
	(void)ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version);
}

void ldap_conn_start(void)
{
	(void)pthread_once(&started, start);
}

static bool set_options(LDAP *ld, Sockbuf **ret_sb)
{
	int version = LDAP_VERSION3;
	ber_len_t max = LDAP_MESSAGE_MAX;
	/* CONNECT_ASYNC: else a handshake with a silent server spins for ever. */
	return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) ==
		LDAP_OPT_SUCCESS &&
		ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) ==
		LDAP_OPT_SUCCESS &&
		ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == LDAP_OPT_SUCCESS &&
		ldap_set_option(ld, LDAP_OPT_CONNECT_ASYNC, LDAP_OPT_ON) ==
		LDAP_OPT_SUCCESS &&
		ldap_get_option(ld, LDAP_OPT_SOCKBUF, ret_sb) == LDAP_OPT_SUCCESS &&
		*ret_sb != NULL &&
		ber_sockbuf_ctrl(*ret_sb, LBER_SB_OPT_SET_MAX_INCOMING, &max) == 1;
}

static LDAP *handle_new(const struct ldap_server *to, int fd, bool ldaps,
	Sockbuf **ret_sb)
{
	bool v6 = str_find(to->host, ':') >= 0;
	char url[LDAP_TEXT_MAX + 32];
	LDAP *ld = NULL;
	int n = snprintf(url, sizeof(url), "%s://%s%s%s:%u", ldaps ? "ldaps" : "ldap",
		v6 ? "[" : "", to->host.ptr, v6 ? "]" : "", (unsigned)to->port);

	if (n < 0 || (size_t)n >= sizeof(url) ||
		ldap_init_fd(fd, LDAP_PROTO_TCP, url, &ld) != LDAP_SUCCESS) {
		(void)close(fd);
		return NULL;
	}
	if (!set_options(ld, ret_sb)) {
		(void)ldap_unbind_ext(ld, NULL, NULL);
		return NULL;
	}
	return ld;
}

/* Connects to the server, without TLS yet. */
static struct ldap_conn *conn_dial(const struct ldap_settings *s, unsigned server,
	int64_t deadline_ms, struct ldap_fault *f)
{
	const struct ldap_server *to = &s->servers[server];
	char why[256] = "out of memory";
	struct ldap_conn *c;
	int fd = -1;
	enum ldap_dial d =
		ldap_dial(to->host.ptr, to->port, deadline_ms, &fd, why, sizeof(why));

	if (d != LDAP_DIAL_OK) {
		(void)ldap_fault_set(f,
			d == LDAP_DIAL_TIMEOUT          ? LDAP_STATE_TIMEOUT
				: d == LDAP_DIAL_FAILED ? LDAP_STATE_UNREACHABLE
							: LDAP_STATE_NO_MEMORY,
			CANNOT_OPEN "socket connection error while opening: %s", why);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		(void)close(fd);
	else
		c->ld = handle_new(to, fd, s->tls == LDAP_TLS_LDAPS, &c->sb);
	if (c == NULL || c->ld == NULL) {
		free(c);
		(void)ldap_fault_set(f, LDAP_STATE_NO_MEMORY,
			CANNOT_OPEN "out of memory");
		return NULL;
	}
	c->settings = s;
	c->server = server;
	c->fd = fd;
	return c;
}

void ldap_conn_close(struct ldap_conn *c)
{
	if (c == NULL)
		return;
	(void)ldap_unbind_ext(c->ld, NULL, NULL);
	free(c);
}

bool ldap_conn_is_tls(const struct ldap_conn *c)
{
	return c->tls;
}

unsigned ldap_conn_server(const struct ldap_conn *c)
{
	return c->server;
}

bool ldap_conn_is_quiet(const struct ldap_conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLRDHUP};

	/* TLS may have read more than it has handed out. */
	return poll(&p, 1, 0) == 0 &&
		ber_sockbuf_ctrl(c->sb, LBER_SB_OPT_DATA_READY, NULL) <= 0;
}

/* ------------------------------------------------------------------ TLS */

static bool starttls(struct ldap_conn *c, int64_t deadline_ms, struct ldap_fault *f)
{
	struct ldap_answer answer = {0};
	int id;
	int rc = ldap_start_tls(c->ld, NULL, NULL, &id);

	f->starttls = true;
	if (rc != LDAP_SUCCESS)
		return ldap_fault_local(c, f, rc);
	if (!answer_take(c, id, LDAP_RES_EXTENDED, deadline_ms, &answer, f))
		return false;
	ldap_controls_free(answer.controls);
	if (answer.code != LDAP_SUCCESS) {
		(void)ldap_fault_code(f, answer.code);
		f->state = LDAP_STATE_TLS;
		return false;
	}
	return ldap_conn_tls_handshake(c, deadline_ms, f);
}

/* The words around what went wrong with StartTLS, by what the settings want. */
static void starttls_text(const struct ldap_settings *s, struct ldap_fault *f)
{
	char why[256];

	(void)snprintf(why, sizeof(why), "%.*s", (int)sizeof(why) - 1,
		strncmp(f->text, CANNOT_OPEN, strlen(CANNOT_OPEN)) == 0
			? f->text + strlen(CANNOT_OPEN)
			: f->text);
	if (s->tls == LDAP_TLS_STARTTLS)
		(void)ldap_fault_set(f, f->state,
			"`enforce-starttls` is set and StartTLS operation failed: %s "
			"(conn.last_error: None)",
			why);
	else
		(void)ldap_fault_set(f, f->state,
			"StartTLS operation failed: %s; without TLS only if `allow-cleartext` is set",
			why);
}

/* Did the server say, in an answer, that it has no StartTLS? */
static bool is_not_offered(const struct ldap_fault *f)
{
	return f->starttls && f->state == LDAP_STATE_TLS && f->code != 0;
}

/* Connected, with TLS; NULL with a fault. */
static struct ldap_conn *open_tls(const struct ldap_settings *s, unsigned server,
	int64_t deadline_ms, struct ldap_fault *f)
{
	struct ldap_conn *c = conn_dial(s, server, deadline_ms, f);

	if (c == NULL)
		return NULL;
	if (ldap_conn_tls_prepare(c, f) &&
		(s->tls == LDAP_TLS_LDAPS ? ldap_conn_tls_handshake(c, deadline_ms, f)
					  : starttls(c, deadline_ms, f)))
		return c;
	ldap_conn_close(c); /* the handle would send what comes next in clear */
	return NULL;
}

void ldap_conn_open(const struct ldap_settings *s, unsigned server, int64_t deadline_ms,
	struct ldap_conn **ret, struct ldap_fault *fault)
{
	struct ldap_conn *c;

	*ret = NULL;
	ldap_fault_init(fault);
	ldap_conn_start();
	c = open_tls(s, server, deadline_ms, fault);
	if (c == NULL && s->tls == LDAP_TLS_TRY && s->allow_cleartext &&
		is_not_offered(fault)) {
		ldap_fault_init(fault);
		c = conn_dial(s, server, deadline_ms, fault);
	}
	if (c == NULL) {
		fault->connecting = true;
		if (fault->starttls)
			starttls_text(s, fault);
		return;
	}
	ldap_fault_init(fault);
	*ret = c;
}

/* ------------------------------------------------------------------ binds */

/* What the controls of an answer say of the password. */
static void policy_read(LDAPControl *const *controls, struct ldap_fault *f)
{
	bool expired = false;

	for (; controls != NULL && *controls != NULL; controls++) {
		const LDAPControl *c = *controls;
		struct str value = {c->ldctl_value.bv_val, c->ldctl_value.bv_len};

		if (strcmp(c->ldctl_oid, CONTROL_POLICY) == 0)
			ldap_ber_policy(value, &f->ppolicy_error, &f->ppolicy_expires_s,
				&f->ppolicy_grace);
		else if (strcmp(c->ldctl_oid, CONTROL_EXPIRED) == 0)
			expired = true;
	}
	if (expired && f->ppolicy_error < 0)
		f->ppolicy_error = 0;
}

static bool bind_raw(struct ldap_conn *c, const char *dn, const char *mechanism,
	const struct berval *password, bool policy, int64_t deadline_ms,
	struct ldap_fault *f)
{
	char oid[] = CONTROL_POLICY;
	LDAPControl control = {.ldctl_oid = oid};
	LDAPControl *controls[] = {policy ? &control : NULL, NULL};
	struct ldap_answer answer = {0};
	struct berval copy = *password; /* libldap's type is not const, its use is */
	int id;
	int rc = ldap_sasl_bind(c->ld, dn, mechanism, &copy, controls, NULL, &id);

	if (rc != LDAP_SUCCESS)
		return ldap_fault_local(c, f, rc);
	if (!answer_take(c, id, LDAP_RES_BIND, deadline_ms, &answer, f))
		return false;
	policy_read(answer.controls, f);
	ldap_controls_free(answer.controls);
	return answer.code == LDAP_SUCCESS || ldap_fault_code(f, answer.code);
}

bool ldap_conn_bind(struct ldap_conn *c, struct str dn, struct str password, bool policy,
	int64_t deadline_ms, struct ldap_fault *fault)
{
	char name[DN_MAX_BYTES + 1];
	struct berval value = {.bv_len = password.len};

	ldap_fault_init(fault);
	/*
	 * With an empty name or password it would be an anonymous bind, which succeeds; so it would for
	 * a server that takes a password with NUL for its first bytes only.
	 */
	if (dn.len == 0 || password.len == 0 || str_find(password, '\0') >= 0)
		return ldap_fault_code(fault, LDAP_INVALID_CREDENTIALS);
	/* An answer that is there before the question is not taken for one. */
	if (c->used && !ldap_conn_is_quiet(c))
		return ldap_fault_local(c, fault, LDAP_SERVER_DOWN);
	if (dn.len > DN_MAX_BYTES || str_find(dn, '\0') >= 0)
		return ldap_fault_code(fault, LDAP_INVALID_DN_SYNTAX);
	memcpy(name, dn.ptr, dn.len);
	name[dn.len] = '\0';
	memcpy(&value.bv_val, &password.ptr, sizeof(value.bv_val)); /* only read */
	return bind_raw(c, name, LDAP_SASL_SIMPLE, &value, policy, deadline_ms, fault);
}

bool ldap_conn_bind_anonymous(struct ldap_conn *c, int64_t deadline_ms,
	struct ldap_fault *fault)
{
	char nothing[] = "";

	ldap_fault_init(fault);
	return bind_raw(c, "", LDAP_SASL_SIMPLE, &(struct berval){0, nothing}, false,
		deadline_ms, fault);
}

bool ldap_conn_bind_external(struct ldap_conn *c, int64_t deadline_ms,
	struct ldap_fault *fault)
{
	char nothing[] = "";

	ldap_fault_init(fault);
	return bind_raw(c, "", "EXTERNAL", &(struct berval){0, nothing}, false,
		deadline_ms, fault);
}
