/*
 * ldap_tls_why - why TLS with a server failed, in words. libldap says "(unknown error code)".
 *
 * Makes a connection of its own, goes as far as the handshake and lets GnuTLS judge; nothing else is
 * sent. For after a failure only: it decides nothing.
 */
#ifndef IDP_LDAP_TLS_WHY_H
#define IDP_LDAP_TLS_WHY_H

#include "iamd/idp/ldap_settings.h"

/* Writes a text into buf and returns true, or returns false (buf untouched): nothing found by then. */
bool ldap_tls_why(const struct ldap_settings *s, unsigned server, int64_t deadline_ms,
	char *buf, size_t size);

#endif
