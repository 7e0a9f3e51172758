/*
 * crypto_bench - the computations of a login, and nothing around them.
 *
 * crypto_bench pwhash|service SECONDS THREADS
 *   pwhash   verifies an argon2id string of iamd's default parameters (2 passes, 19 MiB)
 *   service  verifies one RS256 signature and makes another, RSA-2048, keys parsed once
 * Prints computations a second of all threads together. Each thread counts whole computations and
 * divides by the time they really took, so that the last one is not lost.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

#define OPSLIMIT     2
#define MEMORY_BYTES ((size_t)19456 * 1024)
#define THREADS_MAX  64
#define PASSWORD     "correct horse battery staple"

/* As long as a token of iamd without its signature. */
static const unsigned char message[240] = "header.payload";

struct work {
	bool (*compute)(struct work *);
	double seconds;
	double rate; /* result */
	bool failed;
	char hash[crypto_pwhash_STRBYTES];
	EVP_PKEY *key;
	unsigned char signature[256];
	size_t signature_len;
};

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool compute_pwhash(struct work *w)
{
	return crypto_pwhash_str_verify(w->hash, PASSWORD, strlen(PASSWORD)) == 0;
}

static bool sign(struct work *w)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	w->signature_len = sizeof(w->signature);
	ok = ctx != NULL &&
		EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, w->key) == 1 &&
		EVP_DigestSign(ctx, w->signature, &w->signature_len, message,
			sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool verify(struct work *w)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	ok = ctx != NULL &&
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, w->key) == 1 &&
		EVP_DigestVerify(ctx, w->signature, w->signature_len, message,
			sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool compute_service(struct work *w)
{
	return verify(w) && sign(w);
}

static void *run(void *arg)
{
	struct work *w = arg;
	double begin = now_s();
	double end = begin;
	unsigned n = 0;

	while (end - begin < w->seconds && !w->failed) {
		w->failed = !w->compute(w);
		n++;
		end = now_s();
	}
	w->rate = n / (end - begin);
	return NULL;
}

static bool prepare(struct work *w, const char *what)
{
	if (strcmp(what, "pwhash") == 0) {
		w->compute = compute_pwhash;
		return crypto_pwhash_str(w->hash, PASSWORD, strlen(PASSWORD), OPSLIMIT,
			       MEMORY_BYTES) == 0;
	}
	w->compute = compute_service;
	w->key = EVP_RSA_gen(2048);
	return strcmp(what, "service") == 0 && w->key != NULL && sign(w);
}

int main(int argc, char **argv)
{
	static struct work works[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	struct work first = {0};
	double rate = 0;
	unsigned long n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

	if (n < 1 || n > THREADS_MAX || sodium_init() < 0 || !prepare(&first, argv[1])) {
		(void)fprintf(stderr,
			"usage: crypto_bench pwhash|service SECONDS THREADS\n");
		return 2;
	}
	first.seconds = strtod(argv[2], NULL);
	for (unsigned long i = 0; i < n; i++) {
		works[i] = first;
		if (pthread_create(&threads[i], NULL, run, &works[i]) != 0)
			return 1;
	}
	for (unsigned long i = 0; i < n; i++) {
		(void)pthread_join(threads[i], NULL);
		if (works[i].failed)
			return 1;
		rate += works[i].rate;
	}
	printf("%.2f\n", rate);
	EVP_PKEY_free(first.key);
	return 0;
}
