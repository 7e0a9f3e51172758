/*
 * tls - the server's certificate, replaceable while connections are open.
 *
 * A pair (certificate chain and private key) is reference-counted: each connection holds
 * the pair it shook hands with until it ends, so a reload neither breaks a handshake nor
 * drops anybody. PEM files. TLS 1.2 and 1.3. Thread-safe but for tls_new() and
 * tls_free().
 */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <stdint.h>

#include "iam/err.h"

struct tls;
struct tls_pair;

/*
 * What one connection remembers; the server keeps it with the connection, zero at first.
 */
struct tls_slot {
	struct tls *tls;
	struct tls_pair *pair;
};

/* Cipher and protocol choice in GnuTLS's notation. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/*
 * Errors: IAM_CONFIG with a text that names the file: unreadable, no PEM, or a key of
 * another certificate.
 */
MUST_CHECK enum iam_err tls_new(const char *certificate_file, const char *key_file,
	struct tls **ret_tls, struct iam_error *err);
/* No connection may be left. NULL is fine. */
void tls_free(struct tls *tls);

/* From now on new handshakes use this pair; the old one stays on error. */
MUST_CHECK enum iam_err tls_reload(struct tls *tls, const char *certificate_file,
	const char *key_file, struct iam_error *err);

/* The connection has ended. */
void tls_slot_release(struct tls_slot *slot);

/*
 * The gnutls_certificate_retrieve_function3 for the HTTP library, as a number because
 * this header names no GnuTLS type.
 */
intptr_t tls_retrieve_function(void);

/*
 * Implemented by the server: the slot of the connection that GnuTLS knows as this user
 * pointer (the HTTP library stores its connection there). NULL: unknown.
 */
struct tls_slot *server_tls_slot(void *session_pointer);

#endif
