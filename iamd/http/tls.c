/*
 * tls - loads certificate pairs and hands the current one to each handshake.
 *
 * Does: read and check PEM files, count references, swap pairs.
 * Does not: sessions, sockets or protocol choice beyond the priority string; those are
 * the HTTP library's. Client certificates are not asked for.
 * Invariants: a pair is immutable once published; it is freed when neither `current` nor
 * any connection's slot refers to it. References are counted under the lock of struct
 * tls.
 */
#include "iamd/http/tls.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "libacl/base/steal.h"

/* LIMIT: certificates of one chain. */
#define CHAIN_MAX 8

struct tls_pair {
	unsigned references;
	unsigned n_certs;
	gnutls_pcert_st certs[CHAIN_MAX];
	gnutls_privkey_t key;
};

struct tls {
	pthread_mutex_t pairs_lock; /* current, and the references of every pair */
	struct tls_pair *current;
};

static void pair_free(struct tls_pair *p)
{
	for (unsigned i = 0; i < p->n_certs; i++)
		gnutls_pcert_deinit(&p->certs[i]);
	if (p->key != NULL)
		gnutls_privkey_deinit(p->key);
	free(p);
}

static void pair_release(struct tls *tls, struct tls_pair *p)
{
	bool last;

	if (p == NULL)
		return;
	pthread_mutex_lock(&tls->pairs_lock);
	last = --p->references == 0;
	pthread_mutex_unlock(&tls->pairs_lock);
	if (last)
		pair_free(p);
}

static enum iam_err fail(struct iam_error *err, const char *what, const char *file,
	int code)
{
	return iam_error_set(err, IAM_CONFIG, "%s '%s': %s", what, file,
		gnutls_strerror(code));
}

/* GnuTLS compares key and certificate when both go into one credential. */
static int check_match(const gnutls_datum_t *chain, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t cred;
	int rc = gnutls_certificate_allocate_credentials(&cred);

	if (rc < 0)
		return rc;
	rc = gnutls_certificate_set_x509_key_mem(cred, chain, key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(cred);
	return rc;
}

static int import_pair(struct tls_pair *p, const gnutls_datum_t *chain,
	const gnutls_datum_t *key)
{
	unsigned n = CHAIN_MAX;
	int rc = gnutls_pcert_list_import_x509_raw(p->certs, &n, chain,
		GNUTLS_X509_FMT_PEM, 0);

	if (rc < 0)
		return rc;
	p->n_certs = n;
	rc = gnutls_privkey_init(&p->key);
	if (rc < 0)
		return rc;
	rc = gnutls_privkey_import_x509_raw(p->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
	return rc < 0 ? rc : check_match(chain, key);
}

static void forget_secret(gnutls_datum_t *d)
{
	if (d->data != NULL)
		gnutls_memset(d->data, 0, d->size);
	gnutls_free(d->data);
}

static enum iam_err pair_load(const char *certificate_file, const char *key_file,
	struct tls_pair **ret_pair, struct iam_error *err)
{
	gnutls_datum_t chain = {.data = NULL};
	gnutls_datum_t key = {.data = NULL};
	struct tls_pair *p = NULL;
	enum iam_err e = IAM_OK;
	int rc = gnutls_load_file(certificate_file, &chain);

	if (rc < 0)
		return fail(err, "TLS certificate", certificate_file, rc);
	rc = gnutls_load_file(key_file, &key);
	if (rc < 0) {
		e = fail(err, "TLS key", key_file, rc);
		goto out;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		e = iam_error_set(err, IAM_NO_MEMORY, "out of memory");
		goto out;
	}
	p->references = 1;
	rc = import_pair(p, &chain, &key);
	if (rc < 0) {
		e = fail(err, "TLS certificate and key", certificate_file, rc);
		pair_free(p);
		goto out;
	}
	*ret_pair = p;
out:
	gnutls_free(chain.data);
	forget_secret(&key);
	return e;
}

enum iam_err tls_new(const char *certificate_file, const char *key_file,
	struct tls **ret_tls, struct iam_error *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	enum iam_err e;

	if (tls == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	e = pair_load(certificate_file, key_file, &tls->current, err);
	if (e != IAM_OK) {
		free(tls);
		return e;
	}
	pthread_mutex_init(&tls->pairs_lock, NULL);
	*ret_tls = STEAL(tls);
	return IAM_OK;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	pair_release(tls, tls->current);
	pthread_mutex_destroy(&tls->pairs_lock);
	free(tls);
}

enum iam_err tls_reload(struct tls *tls, const char *certificate_file,
	const char *key_file, struct iam_error *err)
{
	struct tls_pair *fresh;
	struct tls_pair *old;
	enum iam_err e = pair_load(certificate_file, key_file, &fresh, err);

	if (e != IAM_OK)
		return e;
	pthread_mutex_lock(&tls->pairs_lock);
	old = tls->current;
	tls->current = fresh;
	pthread_mutex_unlock(&tls->pairs_lock);
	pair_release(tls, old);
	return IAM_OK;
}

void tls_slot_release(struct tls_slot *slot)
{
	if (slot->tls != NULL)
		pair_release(slot->tls, slot->pair);
	slot->pair = NULL;
}

/* Called once a handshake (twice after a HelloRetryRequest): the first pair is kept. */
static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
	gnutls_pcert_st **ret_certs, unsigned int *ret_n_certs,
	gnutls_ocsp_data_st **ret_ocsp, unsigned int *ret_n_ocsp,
	gnutls_privkey_t *ret_key, unsigned int *ret_flags)
{
	struct tls_slot *slot = server_tls_slot(gnutls_session_get_ptr(session));

	(void)info;
	if (slot == NULL || slot->tls == NULL)
		return -1;
	if (slot->pair == NULL) {
		pthread_mutex_lock(&slot->tls->pairs_lock);
		slot->pair = slot->tls->current;
		slot->pair->references++;
		pthread_mutex_unlock(&slot->tls->pairs_lock);
	}
	*ret_certs = slot->pair->certs;
	*ret_n_certs = slot->pair->n_certs;
	*ret_key = slot->pair->key;
	*ret_ocsp = NULL;
	*ret_n_ocsp = 0;
	*ret_flags = 0; /* nothing for GnuTLS to free */
	return 0;
}

intptr_t tls_retrieve_function(void)
{
	gnutls_certificate_retrieve_function3 *fn = retrieve;

	return (intptr_t)fn;
}
