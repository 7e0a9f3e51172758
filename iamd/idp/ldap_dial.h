/*
 * ldap_dial - a TCP connection to a host by name, within a deadline, the name's resolution included.
 *
 * libldap's own connecting waits for the resolver without limit and says little about what failed.
 * Thread-safe.
 */
#ifndef IDP_LDAP_DIAL_H
#define IDP_LDAP_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ldap_dial {
	LDAP_DIAL_OK,
	LDAP_DIAL_TIMEOUT,
	LDAP_DIAL_FAILED, /* refused, no route, no such host */
	LDAP_DIAL_NO_MEMORY
};

/*
 * *ret_fd: a connected socket, non-blocking and close-on-exec. All addresses of the host are tried in
 * the resolver's order, each with its share of the time. `why` gets a text on failure.
 */
enum ldap_dial ldap_dial(const char *host, uint16_t port, int64_t deadline_ms,
	int *ret_fd, char *why, size_t why_size);

#endif
