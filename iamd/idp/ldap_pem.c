/*
 * ldap_pem - certificates and a key in PEM, judged before they are stored.
 *
 * Every block is read; one that is broken, of another kind or encrypted is named. Does not judge
 * dates, chains or names: the connection does, against the server of that moment.
 */
#include "iamd/idp/ldap_pem.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "libacl/base/str.h"

/* LIMIT: blocks of one text; each costs a parse. */
#define BLOCKS_MAX 256

struct pem {
	unsigned n_certs, n_keys, n_blocks;
	X509 *first;
	EVP_PKEY *key;
	const char *problem; /* NULL: none so far */
};

struct block {
	char *label;
	unsigned char *der;
	long len;
};

static void pem_done(struct pem *p)
{
	X509_free(p->first);
	EVP_PKEY_free(p->key);
	ERR_clear_error();
}

static void take_cert(struct pem *p, const struct block *b)
{
	const unsigned char *at = b->der;
	X509 *cert = d2i_X509(NULL, &at, b->len);

	if (cert == NULL || at != b->der + b->len) {
		p->problem = "has a certificate that cannot be read: copy it anew, whole";
		X509_free(cert);
		return;
	}
	p->n_certs++;
	if (p->first == NULL)
		p->first = cert;
	else
		X509_free(cert);
}

static void take_key(struct pem *p, const struct block *b, const char *headers)
{
	const unsigned char *at = b->der;
	EVP_PKEY *key;

	if (headers[0] != '\0') {
		p->problem = "has an encrypted private key: give it without a passphrase";
		return;
	}
	key = d2i_AutoPrivateKey(NULL, &at, b->len);
	if (key == NULL || at != b->der + b->len) {
		p->problem = "has a private key that cannot be read: copy it anew, whole";
		EVP_PKEY_free(key);
		return;
	}
	p->n_keys++;
	EVP_PKEY_free(p->key);
	p->key = key;
}

static void take_block(struct pem *p, const struct block *b, const char *headers)
{
	if (strcmp(b->label, "CERTIFICATE") == 0)
		take_cert(p, b);
	else if (strcmp(b->label, "ENCRYPTED PRIVATE KEY") == 0)
		p->problem = "has an encrypted private key: give it without a passphrase";
	else if (str_ends(str_c(b->label), STR("PRIVATE KEY")))
		take_key(p, b, headers);
	else if (strcmp(b->label, "EC PARAMETERS") != 0)
		p->problem =
			"has a block that is neither a certificate nor a private key";
}

/* False at the end, and at a block that is none. */
static bool next_block(struct pem *p, BIO *bio)
{
	struct block b = {.label = NULL};
	char *headers = NULL;
	bool more = PEM_read_bio(bio, &b.label, &headers, &b.der, &b.len) == 1;

	if (more && ++p->n_blocks > BLOCKS_MAX)
		p->problem = "has more than 256 blocks";
	else if (more)
		take_block(p, &b, headers);
	else if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		p->problem =
			"has a block that is not PEM: copy it anew, from BEGIN to END";
	OPENSSL_free(b.label);
	OPENSSL_free(headers);
	OPENSSL_clear_free(b.der, b.der == NULL ? 0 : (size_t)b.len);
	ERR_clear_error();
	return more && p->problem == NULL;
}

static void read_all(struct pem *p, struct str text)
{
	BIO *bio = text.len > INT_MAX ? NULL : BIO_new_mem_buf(text.ptr, (int)text.len);

	ERR_clear_error();
	while (bio != NULL && next_block(p, bio))
		;
	if (bio == NULL)
		p->problem = "cannot be read: out of memory";
	else if (p->problem == NULL && p->n_certs == 0)
		p->problem = "holds no certificate (-----BEGIN CERTIFICATE-----)";
	BIO_free(bio);
}

static enum iam_err verdict(struct pem *p, struct iam_error *err)
{
	const char *problem = p->problem;

	pem_done(p);
	return problem == NULL
		? IAM_OK
		: iam_error_set(err, IAM_LDAP_CONFIG_INVALID, "%s", problem);
}

enum iam_err ldap_pem_check_certs(struct str text, struct iam_error *err)
{
	struct pem p = {.n_certs = 0};

	read_all(&p, text);
	if (p.problem == NULL && p.n_keys > 0)
		p.problem = "holds a private key: that belongs into `client-cert`";
	return verdict(&p, err);
}

enum iam_err ldap_pem_check_pair(struct str text, struct iam_error *err)
{
	struct pem p = {.n_certs = 0};

	read_all(&p, text);
	if (p.problem == NULL && p.n_keys != 1)
		p.problem = p.n_keys == 0
			? "holds no private key: put it before the certificate"
			: "holds more than one private key: leave that of `client-cert` only";
	if (p.problem == NULL && X509_check_private_key(p.first, p.key) != 1)
		p.problem = "has a private key that is not that of its first certificate";
	return verdict(&p, err);
}
