/*
 * ldap_tls_why - a handshake that takes any certificate, and then says what is wrong with it.
 *
 * Does: the same library, trust and name as libldap's handshake. Does not: send a client certificate,
 * a bind or anything else; change what was decided.
 * Invariants: nothing waits longer than the deadline; the socket is closed in any case.
 */
#include "iamd/idp/ldap_tls_why.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "iamd/idp/ldap_ber.h"
#include "iamd/idp/ldap_dial.h"
#include "iamd/sys/clock.h"

/* LIMIT: bytes of the answer to StartTLS. */
#define ANSWER_MAX 1024

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left_ms = deadline_ms - clock_mono_ms();

	return left_ms > 0 && poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms) > 0;
}

/* Has the answer, whole, success in it? */
static bool is_yes(struct str answer)
{
	struct str message, id, body, code;
	int32_t value;

	return ldap_ber_expect(&answer, BER_SEQUENCE, &message) &&
		ldap_ber_expect(&message, BER_INTEGER, &id) &&
		ldap_ber_expect(&message, 0x78, &body) &&
		ldap_ber_expect(&body, BER_ENUMERATED, &code) &&
		ldap_ber_int(code, &value) && value == 0;
}

/* StartTLS (RFC 4511 section 4.14) as message 1. */
static bool starttls(int fd, int64_t deadline_ms)
{
	static const char request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
				      "1.3.6.1.4.1.1466.20037";
	char answer[ANSWER_MAX];
	size_t len = 0;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) !=
		(ssize_t)sizeof(request) - 1)
		return false;
	while (len < sizeof(answer) && wait_for(fd, POLLIN, deadline_ms)) {
		ssize_t n = recv(fd, answer + len, sizeof(answer) - len, 0);
		struct str rest = {answer, len + (n > 0 ? (size_t)n : 0)};
		struct str content;
		unsigned tag;

		if (n <= 0)
			return false;
		len += (size_t)n;
		if (ldap_ber_take(&rest, &tag, &content))
			return is_yes((struct str){answer, len});
	}
	return false;
}

static int handshake(gnutls_session_t session, int fd, int64_t deadline_ms)
{
	for (;;) {
		int rc = gnutls_handshake(session);
		short events =
			gnutls_record_get_direction(session) == 1 ? POLLOUT : POLLIN;

		if (rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_INTERRUPTED)
			return rc;
		if (!wait_for(fd, events, deadline_ms))
			return GNUTLS_E_TIMEDOUT;
	}
}

/* What is wrong with the certificate; false: nothing. */
static bool judge(gnutls_session_t session, const char *host, char *buf, size_t size)
{
	unsigned status = 0;
	gnutls_datum_t text = {NULL, 0};
	int rc = gnutls_certificate_verify_peers3(session, host, &status);

	if (rc < 0) {
		(void)snprintf(buf, size, "%s", gnutls_strerror(rc));
		return true;
	}
	if (status == 0 && strcasecmp(host, "localhost") == 0) {
		(void)snprintf(buf, size,
			"the certificate is not made out to this machine's own name, which libldap "
			"expects for `localhost`");
		return true;
	}
	if (status == 0 ||
		gnutls_certificate_verification_status_print(status,
			gnutls_certificate_type_get(session), &text, 0) < 0)
		return false;
	(void)snprintf(buf, size, "%.200s", (const char *)text.data);
	gnutls_free(text.data);
	return true;
}

static bool explain(gnutls_session_t session, int fd, const char *host,
	int64_t deadline_ms, char *buf, size_t size)
{
	int rc;

	gnutls_transport_set_int(session, fd);
	rc = handshake(session, fd, deadline_ms);
	if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		const char *alert = gnutls_alert_get_name(gnutls_alert_get(session));

		(void)snprintf(buf, size, "the server refused: %s",
			alert == NULL ? "?" : alert);
		return true;
	}
	if (rc != GNUTLS_E_SUCCESS) {
		(void)snprintf(buf, size, "%s", gnutls_strerror(rc));
		return true;
	}
	return judge(session, host, buf, size);
}

static bool with_session(const struct ldap_settings *s, const char *host, int fd,
	int64_t deadline_ms, char *buf, size_t size)
{
	gnutls_certificate_credentials_t trust = NULL;
	gnutls_session_t session = NULL;
	bool found = false;
	gnutls_datum_t ca;

	if (gnutls_certificate_allocate_credentials(&trust) != 0)
		return false;
	memcpy(&ca.data, &s->ca_certs.ptr, sizeof(ca.data)); /* only read */
	ca.size = (unsigned)s->ca_certs.len;
	if (s->ca_certs.ptr != NULL)
		(void)gnutls_certificate_set_x509_trust_mem(trust, &ca,
			GNUTLS_X509_FMT_PEM);
	if (gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) ==
			0 &&
		gnutls_priority_set_direct(session,
			"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL) == 0 &&
		gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust) == 0)
		found = explain(session, fd, host, deadline_ms, buf, size);
	if (session != NULL)
		gnutls_deinit(session);
	gnutls_certificate_free_credentials(trust);
	return found;
}

bool ldap_tls_why(const struct ldap_settings *s, unsigned server, int64_t deadline_ms,
	char *buf, size_t size)
{
	const struct ldap_server *to = &s->servers[server];
	char why[64];
	bool found;
	int fd;

	if (ldap_dial(to->host.ptr, to->port, deadline_ms, &fd, why, sizeof(why)) !=
		LDAP_DIAL_OK)
		return false;
	found = (s->tls == LDAP_TLS_LDAPS || starttls(fd, deadline_ms)) &&
		with_session(s, to->host.ptr, fd, deadline_ms, buf, size);
	(void)close(fd);
	return found;
}
