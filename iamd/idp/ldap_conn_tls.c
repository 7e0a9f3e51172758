/*
 * ldap_conn_tls - TLS on a connection: what is trusted, the handshake.
 *
 * Does: contexts of libldap (GnuTLS), shared by the connections of one configuration. Does not: decide
 * whether there must be TLS (ldap_conn.c), send anything of LDAP.
 * Invariants: PEM texts reach libldap through memory files that are closed again before a byte is sent;
 * with `ca-certs` the server's certificate and name are verified, whatever else is set.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#include "iamd/idp/ldap_conn_inner.h"
#include "iamd/idp/ldap_tls_why.h"
#include "iamd/sys/clock.h"

/* libldap's timer may end this much before ours. */
#define ROUNDING_MS 20

/* LIMIT: TLS contexts that are kept; the one unused for longest makes room. */
#define TLS_CONTEXTS 64

/* A file of memory with the text, and its path for libldap; -1: none. */
static int memory_file(struct str text, char path[32])
{
	int fd = memfd_create("pem", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return -1;
	while (done < text.len) {
		ssize_t n = write(fd, text.ptr + done, text.len - done);

		if (n <= 0 && errno != EINTR) {
			(void)close(fd);
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	(void)snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static bool set_pems(LDAP *ld, const struct ldap_settings *s, int fds[2])
{
	char path[32];
	int zero = 0;

	if (s->ca_certs.ptr != NULL) {
		fds[0] = memory_file(s->ca_certs, path);
		if (fds[0] < 0 ||
			ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, path) != 0)
			return false;
	}
	if (s->client_cert.ptr != NULL) {
		fds[1] = memory_file(s->client_cert, path);
		if (fds[1] < 0 ||
			ldap_set_option(ld, LDAP_OPT_X_TLS_CERTFILE, path) != 0 ||
			ldap_set_option(ld, LDAP_OPT_X_TLS_KEYFILE, path) != 0)
			return false;
	}
	/* Last: it reads the files. */
	return ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &zero) == LDAP_OPT_SUCCESS;
}

static bool set_verify(LDAP *ld, const struct ldap_settings *s)
{
	int verify =
		s->ca_certs.ptr != NULL ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
	int min = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;

	return ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &verify) ==
		LDAP_OPT_SUCCESS &&
		ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &min) ==
		LDAP_OPT_SUCCESS;
}

static bool tls_configure(LDAP *ld, const struct ldap_settings *s)
{
	int fds[2] = {-1, -1};
	bool fine = set_verify(ld, s) && set_pems(ld, s, fds);

	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return fine;
}

/*
 * TLS contexts by what they were made of. libldap leaks the parsed client certificate of each (26 KiB),
 * and parsing a bundle of authorities takes milliseconds: one serves all connections of a configuration.
 */
struct tls_context {
	unsigned char key[crypto_generichash_BYTES];
	LDAP *ld; /* holds the context; NULL: free */
	uint64_t used;
};

static struct {
	pthread_mutex_t lock;
	uint64_t now;
	struct tls_context slots[TLS_CONTEXTS];
} contexts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void context_key(const struct ldap_settings *s,
	unsigned char key[crypto_generichash_BYTES])
{
	const struct str parts[] = {s->ca_certs, s->client_cert};
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, NULL, 0, crypto_generichash_BYTES);
	for (size_t i = 0; i < 2; i++) {
		size_t len = parts[i].ptr == NULL ? SIZE_MAX : parts[i].len;

		(void)crypto_generichash_update(&h, (const unsigned char *)&len,
			sizeof(len));
		if (parts[i].ptr != NULL)
			(void)crypto_generichash_update(&h,
				(const unsigned char *)parts[i].ptr, parts[i].len);
	}
	(void)crypto_generichash_final(&h, key, crypto_generichash_BYTES);
}

/* The slot of that key, or the one to be used for it; lock held. */
static struct tls_context *context_find(const unsigned char key[crypto_generichash_BYTES])
{
	struct tls_context *oldest = &contexts.slots[0];

	for (size_t i = 0; i < TLS_CONTEXTS; i++) {
		struct tls_context *c = &contexts.slots[i];

		if (c->ld != NULL && memcmp(c->key, key, sizeof(c->key)) == 0)
			return c;
		if (c->ld == NULL || c->used < oldest->used)
			oldest = c;
	}
	if (oldest->ld != NULL)
		(void)ldap_unbind_ext(oldest->ld, NULL, NULL);
	oldest->ld = NULL;
	memcpy(oldest->key, key, sizeof(oldest->key));
	return oldest;
}

static bool context_make(const struct ldap_settings *s, LDAP **ret)
{
	LDAP *ld = NULL;

	if (ldap_initialize(&ld, NULL) != LDAP_SUCCESS)
		return false;
	if (!tls_configure(ld, s)) {
		(void)ldap_unbind_ext(ld, NULL, NULL);
		return false;
	}
	*ret = ld;
	return true;
}

/* Gives `to` the context of the settings. */
static bool context_share(const struct ldap_settings *s, LDAP *to)
{
	unsigned char key[crypto_generichash_BYTES];
	struct tls_context *c;
	void *context = NULL;
	bool fine;

	context_key(s, key);
	pthread_mutex_lock(&contexts.lock);
	c = context_find(key);
	fine = (c->ld != NULL || context_make(s, &c->ld)) &&
		ldap_get_option(c->ld, LDAP_OPT_X_TLS_CTX, &context) ==
			LDAP_OPT_SUCCESS &&
		context != NULL;
	if (fine)
		c->used = ++contexts.now;
	fine = fine &&
		ldap_set_option(to, LDAP_OPT_X_TLS_CTX, context) == LDAP_OPT_SUCCESS;
	pthread_mutex_unlock(&contexts.lock);
	return fine;
}

bool ldap_conn_tls_prepare(struct ldap_conn *c, struct ldap_fault *f)
{
	if (!set_verify(c->ld, c->settings) || !context_share(c->settings, c->ld))
		return ldap_fault_set(f, LDAP_STATE_TLS,
			CANNOT_OPEN
			"socket ssl wrapping error: `ca-certs` or `client-cert` "
			"cannot be used");
	return true;
}

bool ldap_conn_tls_handshake(struct ldap_conn *c, int64_t deadline_ms,
	struct ldap_fault *f)
{
	struct timeval left = ldap_time_left(deadline_ms);
	char why[256];
	int error;

	(void)ldap_set_option(c->ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
	errno = 0;
	if (ldap_install_tls(c->ld) == LDAP_SUCCESS) {
		c->tls = true;
		c->used = false;
		return true;
	}
	error = errno;
	if (clock_mono_ms() + ROUNDING_MS >= deadline_ms)
		return ldap_fault_set(f, LDAP_STATE_TIMEOUT,
			CANNOT_OPEN "socket ssl wrapping error: timed out");
	if (error == ECONNRESET || error == EPIPE)
		return ldap_fault_set(f, LDAP_STATE_TLS,
			CANNOT_OPEN "socket ssl wrapping error: [Errno %d] %s", error,
			strerrordesc_np(error));
	(void)ldap_fault_set(f, LDAP_STATE_TLS,
		CANNOT_OPEN "socket ssl wrapping error: %s",
		ldap_tls_why(c->settings, c->server, deadline_ms, why, sizeof(why))
			? why
			: "the handshake failed");
	return false;
}
