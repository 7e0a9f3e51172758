/*
 * test_keyring - key files that are taken and refused, look-up by kid, the published key set,
 * rotation with its crashes, and where the private key lives (security checklist J6, J7, J8).
 */
#include "tests/unit/jose_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iamd/authn/jose_sign.h"
#include "iamd/authn/keyring.h"

struct fixture {
	struct arena *a;
	char dir[64];
	char *signing; /* dir/state/signing.pem */
	char *former;  /* dir/state/former */
	EVP_PKEY *rsa;
};

static int setup(void **state)
{
	struct fixture *f;

	if (sodium_init() < 0 || keyring_init(NULL) != IAM_OK || keyring_init(NULL) != IAM_OK)
		return -1;
	f = calloc(1, sizeof(*f));
	f->a = arena_new(4096, (size_t)64 << 20);
	f->rsa = EVP_RSA_gen(2048);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	EVP_PKEY_free(f->rsa);
	arena_free(f->a);
	free(f);
	return 0;
}

static int fresh_dir(void **state)
{
	struct fixture *f = *state;

	snprintf(f->dir, sizeof(f->dir), "/tmp/iamd-keyring-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->signing = arena_cstr(f->a, arena_fmt(f->a, "%s/state/signing.pem", f->dir));
	f->former = arena_cstr(f->a, arena_fmt(f->a, "%s/state/former", f->dir));
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static int remove_dir(void **state)
{
	struct fixture *f = *state;

	return nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct keyring_settings settings(const struct fixture *f)
{
	return (struct keyring_settings){
		.signing_key_file = f->signing,
		.may_create = true,
		.bits = 2048,
		.verification_key_files = "",
		.former_keys_dir = f->former,
	};
}

static char *file(struct fixture *f, const char *name, struct str text, mode_t mode)
{
	char *path = arena_cstr(f->a, arena_fmt(f->a, "%s/%s", f->dir, name));
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text.ptr, 1, text.len, out), text.len);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static struct str content(struct fixture *f, const char *path)
{
	char buf[16384];
	FILE *in = fopen(path, "r");
	size_t len;

	assert_non_null(in);
	len = fread(buf, 1, sizeof(buf), in);
	assert_int_equal(fclose(in), 0);
	return arena_str(f->a, (struct str){.ptr = buf, .len = len});
}

static struct keyring *load(const struct keyring_settings *s)
{
	struct keyring *k = NULL;
	struct iam_error err = {0};

	if (keyring_load(s, &k, &err) != IAM_OK)
		fail_msg("%s", err.text);
	return k;
}

static void assert_refused(const struct keyring_settings *s, enum iam_err want, const char *file, const char *why)
{
	struct keyring *k = (struct keyring *)1;
	struct iam_error err = {0};

	assert_int_equal(keyring_load(s, &k, &err), want);
	assert_ptr_equal(k, (void *)1);
	if (strstr(err.text, file) == NULL || (why != NULL && strstr(err.text, why) == NULL))
		fail_msg("text: %s", err.text);
}

static void a_missing_key_is_made_only_when_allowed(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct keyring *k;
	char *kid;
	struct stat st;

	s.may_create = false;
	assert_refused(&s, IAM_CONFIG, f->signing, NULL);
	assert_int_equal(access(f->signing, F_OK), -1);

	s.may_create = true;
	k = load(&s);
	kid = arena_cstr(f->a, str_c(jose_key_kid(keyring_key(k, 0))));
	assert_int_equal(keyring_count(k), 1);
	assert_int_equal(stat(f->signing, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(str_starts(content(f, f->signing), STR("-----BEGIN PRIVATE KEY-----\n")));
	keyring_free(k);

	s.may_create = false;
	k = load(&s);
	assert_string_equal(jose_key_kid(keyring_key(k, 0)), kid);
	assert_null(keyring_key(k, 1));
	keyring_free(k);
}

static void sizes_of_new_keys_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);

	s.bits = 1024;
	assert_refused(&s, IAM_CONFIG, "2048", NULL);
	s.bits = 16384;
	assert_refused(&s, IAM_CONFIG, "8192", NULL);
	assert_int_equal(access(f->signing, F_OK), -1);
}

static void a_signing_key_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0666};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		s.signing_key_file = file(f, "key.pem", fix_private_pem(f->a, f->rsa), modes[i]);
		assert_refused(&s, IAM_CONFIG, "key.pem", NULL);
	}
	s.signing_key_file = file(f, "key.pem", fix_private_pem(f->a, f->rsa), 0400);
	keyring_free(load(&s));
}

static struct str encrypted_pem(struct fixture *f)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str pem;
	char *text;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, f->rsa, EVP_aes_128_cbc(), "pass", 4, NULL, NULL), 1);
	pem.len = (size_t)BIO_get_mem_data(bio, &text);
	pem = arena_str(f->a, (struct str){.ptr = text, .len = pem.len});
	BIO_free(bio);
	return pem;
}

static struct str pem_of(struct fixture *f, EVP_PKEY *key)
{
	struct str pem = fix_private_pem(f->a, key);

	EVP_PKEY_free(key);
	return pem;
}

/* Our public numbers with another key's private ones. */
static struct str mixed_up_pem(struct fixture *f)
{
	static const char *const public_names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E};
	static const char *const private_names[] = {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
	EVP_PKEY *other = EVP_RSA_gen(2048);
	EVP_PKEY *mixed = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	BIGNUM *numbers[8] = {NULL};
	struct str pem;

	for (size_t i = 0; i < 8; i++) {
		const char *name = i < 2 ? public_names[i] : private_names[i - 2];

		assert_int_equal(EVP_PKEY_get_bn_param(i < 2 ? f->rsa : other, name, &numbers[i]), 1);
		assert_int_equal(OSSL_PARAM_BLD_push_BN(bld, name, numbers[i]), 1);
	}
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &mixed, EVP_PKEY_KEYPAIR, params), 1);
	pem = pem_of(f, mixed);
	for (size_t i = 0; i < 8; i++)
		BN_free(numbers[i]);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	return pem;
}

static void files_that_are_no_signing_key_are_refused(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	const struct {
		struct str text;
		const char *why;
	} rows[] = {
		{STR(""), "private key"},
		{STR("hello"), "private key"},
		{STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "private key"},
		{fix_public_pem(f->a, f->rsa), "private key"},
		{encrypted_pem(f), "unencrypted"},
		{pem_of(f, EVP_EC_gen("P-256")), "must be of type RSA"},
		{pem_of(f, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), "must be of type RSA"},
		{pem_of(f, EVP_RSA_gen(1024)), "at least 2048 bits"},
		{mixed_up_pem(f), "does not fit"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s.signing_key_file = file(f, "key.pem", rows[i].text, 0600);
		assert_refused(&s, IAM_CONFIG, "key.pem", rows[i].why);
	}
	s.signing_key_file = f->dir; /* a folder */
	assert_refused(&s, IAM_CONFIG, f->dir, NULL);
}

static void the_old_form_of_a_private_key_is_taken(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	BIO *bio = BIO_new(BIO_s_mem());
	struct jose_key *want = NULL;
	struct keyring *k;
	struct str pem;
	char *text;

	assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, f->rsa, NULL, NULL, 0, NULL, NULL), 1);
	pem.len = (size_t)BIO_get_mem_data(bio, &text);
	pem.ptr = text;
	assert_true(str_starts(pem, STR("-----BEGIN RSA PRIVATE KEY-----")));
	s.signing_key_file = file(f, "key.pem", pem, 0600);
	k = load(&s);
	assert_int_equal(jose_key_from_public_pem(fix_public_pem(f->a, f->rsa), &want, NULL), IAM_OK);
	assert_string_equal(jose_key_kid(keyring_key(k, 0)), jose_key_kid(want));
	jose_key_free(want);
	keyring_free(k);
	BIO_free(bio);
}

/* A public key nobody knows the private half of, at the price of a random number. */
static struct str cheap_public_pem(struct fixture *f)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_new(), *e = BN_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;
	struct str pem;

	assert_int_equal(BN_rand(n, 2048, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
	assert_int_equal(BN_set_word(e, 65537), 1);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	pem = fix_public_pem(f->a, key);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return pem;
}

static void verification_keys_come_after_the_signing_key(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	char *open = file(f, "open.pem", cheap_public_pem(f), 0644);
	char *own = file(f, "own.pem", pem_of(f, EVP_RSA_gen(2048)), 0600);
	char *twice = file(f, "twice.pem", content(f, open), 0600);
	struct keyring *k;

	s.verification_key_files = arena_fmt(f->a, " %s ,, %s,%s", open, own, twice).ptr;
	k = load(&s);
	assert_int_equal(keyring_count(k), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(keyring_find(k, str_c(jose_key_kid(keyring_key(k, i)))), keyring_key(k, i));
	keyring_free(k);

	s.verification_key_files = file(f, "own.pem", content(f, own), 0640);
	assert_refused(&s, IAM_CONFIG, "own.pem", NULL);
	s.verification_key_files = file(f, "bad.pem", STR("no key"), 0644);
	assert_refused(&s, IAM_CONFIG, "bad.pem", NULL);
	s.verification_key_files = "/nonexistent/key.pem";
	assert_refused(&s, IAM_IO, "/nonexistent/key.pem", NULL);
}

static void kid_is_matched_whole(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct keyring *k;
	struct str kid;

	s.imported = true;
	k = load(&s);
	kid = str_c(jose_key_kid(keyring_key(k, 0)));
	assert_int_equal(kid.len, 64);
	assert_ptr_equal(keyring_find(k, kid), keyring_key(k, 0));
	assert_ptr_equal(keyring_find(k, STR_NONE), keyring_key(k, 0));
	assert_null(keyring_find(k, STR("")));
	assert_null(keyring_find(k, str_sub(kid, 0, 63)));
	assert_null(keyring_find(k, arena_fmt(f->a, "%s ", kid.ptr)));
	assert_null(keyring_find(k, STR("../../etc/passwd")));
	assert_null(keyring_find(k, STR("' OR '1'='1")));
	keyring_free(k);

	s.imported = false; /* then no token of ours ever was without kid */
	k = load(&s);
	assert_null(keyring_find(k, STR_NONE));
	keyring_free(k);
}

static void the_key_set_is_published_in_one_form(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct keyring *k;
	const struct jose_key *a, *b;
	struct str want;

	s.verification_key_files = file(f, "open.pem", cheap_public_pem(f), 0644);
	k = load(&s);
	a = keyring_key(k, 0);
	b = keyring_key(k, 1);
	want = arena_fmt(f->a,
		"{\n  \"keys\": [\n"
		"    {\n      \"kid\": \"%s\",\n      \"kty\": \"RSA\",\n      \"n\": \"%s\",\n"
		"      \"e\": \"AQAB\",\n      \"alg\": \"RS256\",\n      \"use\": \"sig\"\n    },\n"
		"    {\n      \"kid\": \"%s\",\n      \"kty\": \"RSA\",\n      \"n\": \"%s\",\n"
		"      \"e\": \"AQAB\",\n      \"alg\": \"RS256\",\n      \"use\": \"sig\"\n    }\n  ]\n}\n",
		jose_key_kid(a), jose_key_n(a), jose_key_kid(b), jose_key_n(b));
	assert_true(str_eq(keyring_jwks(k), want));
	keyring_free(k);
}

static void a_rotation_keeps_the_old_public_key(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct keyring *k = load(&s);
	char *old = arena_cstr(f->a, str_c(jose_key_kid(keyring_key(k, 0))));
	char *path = arena_cstr(f->a, arena_fmt(f->a, "%s/previous-%s.pem", f->former, old));
	struct stat st;

	keyring_free(k);
	assert_int_equal(keyring_rotate(&s, NULL), IAM_OK);
	k = load(&s);
	assert_int_equal(keyring_count(k), 2);
	assert_string_not_equal(jose_key_kid(keyring_key(k, 0)), old);
	assert_string_equal(jose_key_kid(keyring_key(k, 1)), old);
	assert_true(str_starts(content(f, path), STR("-----BEGIN PUBLIC KEY-----")));
	assert_int_equal(stat(f->signing, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	keyring_free(k);

	assert_int_equal(keyring_rotate(&s, NULL), IAM_OK);
	k = load(&s);
	assert_int_equal(keyring_count(k), 3);
	assert_string_equal(jose_key_kid(keyring_find(k, str_c(old))), old);
	keyring_free(k);
}

/* The steps of a rotation, cut off after each: the signing key of before stays, once. */
static void a_crash_in_a_rotation_loses_no_key(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct keyring *k = load(&s);
	char *old = arena_cstr(f->a, str_c(jose_key_kid(keyring_key(k, 0))));
	char *pem = jose_key_public_pem(keyring_key(k, 0));

	keyring_free(k);
	assert_int_equal(mkdir(f->former, 0700), 0);
	/* the former key is half written, then written, then a draft of the new one lies around */
	file(f, arena_fmt(f->a, "state/former/previous-%s.pem.new", old).ptr, STR("-----BEGIN"), 0600);
	k = load(&s);
	assert_int_equal(keyring_count(k), 1);
	keyring_free(k);
	file(f, arena_fmt(f->a, "state/former/previous-%s.pem", old).ptr, str_c(pem), 0600);
	file(f, "state/signing.pem.0123", STR("-----BEGIN"), 0600);
	k = load(&s);
	assert_int_equal(keyring_count(k), 1);
	assert_string_equal(jose_key_kid(keyring_key(k, 0)), old);
	keyring_free(k);

	assert_int_equal(keyring_rotate(&s, NULL), IAM_OK);
	k = load(&s);
	assert_int_equal(keyring_count(k), 2);
	assert_string_equal(jose_key_kid(keyring_key(k, 1)), old);
	keyring_free(k);
	free(pem);
}

static void one_rotation_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct iam_error err = {0};
	struct str before;
	int fd;

	keyring_free(load(&s));
	before = content(f, f->signing);
	fd = open(arena_fmt(f->a, "%s/state", f->dir).ptr, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(keyring_rotate(&s, &err), IAM_CONFLICT);
	assert_true(str_eq(content(f, f->signing), before));
	close(fd);
	assert_int_equal(keyring_rotate(&s, &err), IAM_OK);
	s.former_keys_dir = NULL;
	assert_int_equal(keyring_rotate(&s, &err), IAM_CONFIG);
}

static void the_newest_former_keys_win(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct str pem[20];
	struct keyring *k;

	keyring_free(load(&s));
	assert_int_equal(mkdir(f->former, 0700), 0);
	for (int i = 0; i < 20; i++) {
		struct timespec t[2] = {{.tv_sec = 1000000 + i}, {.tv_sec = 1000000 + i}};
		char *path;

		pem[i] = cheap_public_pem(f);
		path = file(f, arena_fmt(f->a, "state/former/previous-%d.pem", 99 - i).ptr, pem[i], 0600);
		assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
	}
	file(f, "state/former/other.pem", STR("not looked at"), 0600);
	k = load(&s);
	assert_int_equal(keyring_count(k), KEYRING_MAX);
	for (int i = 0; i < 20; i++) {
		struct jose_key *key = NULL;

		assert_int_equal(jose_key_from_public_pem(pem[i], &key, NULL), IAM_OK);
		assert_true((keyring_find(k, str_c(jose_key_kid(key))) != NULL) == (i >= 20 - (KEYRING_MAX - 1)));
		jose_key_free(key);
	}
	keyring_free(k);
}

static void more_configured_keys_than_fit_are_refused(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct sb list;

	sb_init(&list, f->a, 65536);
	for (int i = 0; i < KEYRING_MAX; i++) {
		struct str name = arena_fmt(f->a, "v%d.pem", i);

		sb_addf(&list, "%s%s", i == 0 ? "" : ",", file(f, name.ptr, cheap_public_pem(f), 0644));
	}
	s.verification_key_files = sb_str(&list).ptr;
	assert_refused(&s, IAM_CONFIG, "v15.pem", "more than 16");
}

/* And leaves it when the keyring goes. */
static void the_private_key_lives_in_the_secure_heap(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	size_t before = CRYPTO_secure_used();
	struct keyring *k = load(&s);

	/* d, both primes, both exponents and the coefficient: at least 3.5 times the modulus */
	assert_true(CRYPTO_secure_used() - before >= 2048 / 8 * 7 / 2);
	keyring_free(k);
	assert_int_equal(CRYPTO_secure_used(), before);
}

static void *sign_often(void *keyring)
{
	struct arena *a = arena_new(4096, (size_t)4 << 20);

	for (int i = 0; i < 100; i++) {
		struct str payload = arena_fmt(a, "{\"gen\":%d}", i);
		struct jose_claims c;
		struct str token;

		assert_int_equal(jose_sign(keyring_signer(keyring), payload, a, &token), IAM_OK);
		assert_int_equal(jose_verify(keyring_key(keyring, 0), token, a, &c), IAM_OK);
		assert_int_equal(c.gen, i);
	}
	arena_free(a);
	return NULL;
}

static void several_threads_may_sign_at_once(void **state)
{
	struct fixture *f = *state;
	struct keyring_settings s = settings(f);
	struct keyring *k = load(&s);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_often, k), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	keyring_free(k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_missing_key_is_made_only_when_allowed),
		TEST(sizes_of_new_keys_are_bounded),
		TEST(a_signing_key_others_may_read_is_refused),
		TEST(files_that_are_no_signing_key_are_refused),
		TEST(the_old_form_of_a_private_key_is_taken),
		TEST(verification_keys_come_after_the_signing_key),
		TEST(kid_is_matched_whole),
		TEST(the_key_set_is_published_in_one_form),
		TEST(a_rotation_keeps_the_old_public_key),
		TEST(a_crash_in_a_rotation_loses_no_key),
		TEST(one_rotation_at_a_time),
		TEST(the_newest_former_keys_win),
		TEST(more_configured_keys_than_fit_are_refused),
		TEST(the_private_key_lives_in_the_secure_heap),
		TEST(several_threads_may_sign_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
