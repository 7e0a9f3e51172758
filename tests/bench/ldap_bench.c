/*
 * ldap_bench - what an LDAP login and a synchronisation cannot be faster than.
 *
 * ldap_bench bind URL CA SECONDS THREADS DN PASSWORD [BASE FILTER LOOKUP-DN LOOKUP-PASSWORD]
 *   each thread binds on a connection of its own, kept, and makes one RS256 signature with a key
 *   parsed once; with BASE a search on a second kept connection goes before each bind.
 *   "%d" in DN and FILTER is the thread's number. Prints logins a second of all threads, and the
 *   CPU time of this program for one of them in microseconds.
 * ldap_bench search URL CA BASE DN PASSWORD
 *   reads every entry below BASE, all attributes, 1 000 a page. Prints entries and seconds.
 *
 * A URL ldap://… gets StartTLS; the server's certificate is held against the file CA. No waiting for
 * ever: a connection gives up after 30 s. What fails ends the program with status 1.
 */
#include <ldap.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#define THREADS_MAX  64
#define PAGE_ENTRIES 1000
#define LIMIT_S      30
#define TEXT_MAX     512

struct server {
	const char *url, *ca;
};

struct work {
	struct server server;
	char dn[TEXT_MAX], filter[TEXT_MAX];
	const char *password, *base, *lookup_dn,
		*lookup_password; /* base NULL: no search */
	double seconds;
	double rate; /* results */
	unsigned count;
	bool failed;
	EVP_PKEY *key;
};

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static bool complain(const char *what, int rc)
{
	if (rc != LDAP_SUCCESS)
		(void)fprintf(stderr, "ldap_bench: %s: %s\n", what, ldap_err2string(rc));
	return rc == LDAP_SUCCESS;
}

static bool set_options(LDAP *ld, const char *ca)
{
	static const int version = LDAP_VERSION3;
	static const int demand = LDAP_OPT_X_TLS_DEMAND;
	static const int as_client = 0;
	static const struct timeval limit = {LIMIT_S, 0};

	return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == 0 &&
		ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
		ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &limit) == 0 &&
		ldap_set_option(ld, LDAP_OPT_TIMEOUT, &limit) == 0 &&
		ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca) == 0 &&
		ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == 0 &&
		ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &as_client) == 0;
}

static bool bind_as(LDAP *ld, const char *dn, const char *password)
{
	char copy[TEXT_MAX];
	struct berval secret = {strlen(password), copy};

	if (secret.bv_len >= sizeof(copy))
		return false;
	memcpy(copy, password, secret.bv_len + 1);
	return complain(dn,
		ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL));
}

/* NULL after a complaint. */
static LDAP *connected(const struct server *s)
{
	LDAP *ld = NULL;

	if (!complain(s->url, ldap_initialize(&ld, s->url)))
		return NULL;
	if (set_options(ld, s->ca) &&
		(strncmp(s->url, "ldap://", 7) != 0 ||
			complain("StartTLS", ldap_start_tls_s(ld, NULL, NULL))))
		return ld;
	(void)ldap_unbind_ext_s(ld, NULL, NULL);
	return NULL;
}

static bool find_one(LDAP *ld, const char *base, const char *filter)
{
	struct timeval limit = {LIMIT_S, 0};
	LDAPMessage *found = NULL;
	bool one;

	one = complain(filter,
		      ldap_search_ext_s(ld, base, LDAP_SCOPE_SUBTREE, filter, NULL, 0,
			      NULL, NULL, &limit, 2, &found)) &&
		ldap_count_entries(ld, found) == 1;
	(void)ldap_msgfree(found);
	return one;
}

/* As long as a token of iamd without its signature. */
static bool sign(EVP_PKEY *key)
{
	static const unsigned char message[240] = "header.payload";
	unsigned char signature[256];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, signature, &len, message, sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* Whole logins only: the last is not cut off, and the time is what they took. */
static void log_in(struct work *w, LDAP *users, LDAP *lookup)
{
	double begin = now_s();
	double end = begin;
	unsigned n = 0;

	while (end - begin < w->seconds && !w->failed) {
		w->failed = (lookup != NULL && !find_one(lookup, w->base, w->filter)) ||
			!bind_as(users, w->dn, w->password) || !sign(w->key);
		n++;
		end = now_s();
	}
	w->count = n;
	w->rate = n / (end - begin);
}

static void *run(void *arg)
{
	struct work *w = arg;
	LDAP *users = connected(&w->server);
	LDAP *lookup = w->base != NULL ? connected(&w->server) : NULL;

	w->failed = users == NULL ||
		(w->base != NULL &&
			(lookup == NULL ||
				!bind_as(lookup, w->lookup_dn, w->lookup_password)));
	if (!w->failed)
		log_in(w, users, lookup);
	if (lookup != NULL)
		(void)ldap_unbind_ext_s(lookup, NULL, NULL);
	if (users != NULL)
		(void)ldap_unbind_ext_s(users, NULL, NULL);
	return NULL;
}

/* The text with the first "%d" replaced. */
static void numbered(char *out, const char *text, unsigned number)
{
	const char *at = strstr(text, "%d");

	if (at == NULL)
		(void)snprintf(out, TEXT_MAX, "%s", text);
	else
		(void)snprintf(out, TEXT_MAX, "%.*s%u%s", (int)(at - text), text, number,
			at + 2);
}

static int measure_binds(int argc, char **argv)
{
	static struct work works[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	unsigned long n = strtoul(argv[5], NULL, 10);
	EVP_PKEY *key = EVP_RSA_gen(2048);
	double rate = 0, begin_us, count = 0;
	int status = 0;

	if (n < 1 || n > THREADS_MAX || key == NULL)
		return 2;
	begin_us = cpu_us();
	for (unsigned i = 0; i < n; i++) {
		struct work *w = &works[i];

		w->server = (struct server){argv[2], argv[3]};
		w->seconds = strtod(argv[4], NULL);
		w->password = argv[7];
		w->key = key;
		numbered(w->dn, argv[6], i);
		if (argc == 12) {
			w->base = argv[8];
			numbered(w->filter, argv[9], i);
			w->lookup_dn = argv[10];
			w->lookup_password = argv[11];
		}
		if (pthread_create(&threads[i], NULL, run, w) != 0)
			return 1;
	}
	for (unsigned i = 0; i < n; i++) {
		(void)pthread_join(threads[i], NULL);
		rate += works[i].rate;
		count += works[i].count;
		status = works[i].failed ? 1 : status;
	}
	EVP_PKEY_free(key);
	if (status == 0)
		printf("%.2f %.1f\n", rate, (cpu_us() - begin_us) / count);
	return status;
}

/* One page. *cookie is that of the page before, and becomes the next one's: empty after the last. */
static bool read_page(LDAP *ld, const char *base, struct berval *cookie, unsigned *count)
{
	LDAPControl *page = NULL, **answered = NULL;
	LDAPMessage *found = NULL;
	ber_int_t estimate;
	bool ok;

	if (ldap_create_page_control(ld, PAGE_ENTRIES,
		    cookie->bv_val != NULL ? cookie : NULL, 1, &page) != LDAP_SUCCESS)
		return false;
	LDAPControl *controls[] = {page, NULL};
	ok = complain(base,
		ldap_search_ext_s(ld, base, LDAP_SCOPE_SUBTREE, "(objectClass=*)", NULL,
			0, controls, NULL, NULL, LDAP_NO_LIMIT, &found));
	ldap_control_free(page);
	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){0, NULL};
	if (ok) {
		*count += (unsigned)ldap_count_entries(ld, found);
		ok = ldap_parse_result(ld, found, NULL, NULL, NULL, NULL, &answered, 0) ==
				LDAP_SUCCESS &&
			answered != NULL &&
			ldap_parse_pageresponse_control(ld, answered[0], &estimate,
				cookie) == LDAP_SUCCESS;
		ldap_controls_free(answered);
	}
	(void)ldap_msgfree(found);
	return ok;
}

static int measure_search(char **argv)
{
	struct server server = {argv[2], argv[3]};
	struct berval cookie = {0, NULL};
	LDAP *ld = connected(&server);
	unsigned count = 0;
	double begin;
	bool ok;

	if (ld == NULL)
		return 1;
	ok = bind_as(ld, argv[5], argv[6]);
	begin = now_s();
	do {
		ok = ok && read_page(ld, argv[4], &cookie, &count);
	} while (ok && cookie.bv_len > 0);
	if (ok)
		printf("%u %.3f\n", count, now_s() - begin);
	ber_memfree(cookie.bv_val);
	(void)ldap_unbind_ext_s(ld, NULL, NULL);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	if ((argc == 8 || argc == 12) && strcmp(argv[1], "bind") == 0)
		return measure_binds(argc, argv);
	if (argc == 7 && strcmp(argv[1], "search") == 0)
		return measure_search(argv);
	(void)fprintf(stderr,
		"usage: ldap_bench bind URL CA SECONDS THREADS DN PASSWORD "
		"[BASE FILTER LOOKUP-DN LOOKUP-PASSWORD]\n"
		"       ldap_bench search URL CA BASE DN PASSWORD\n");
	return 2;
}
