/*
 * test_keyring_crash - a key is made, or rotated, by a process that dies at each of its file
 * operations in turn (security checklist C6): the next start finds whole keys, the one that signed
 * before among them, and can do again what was cut off.
 *
 * The calls that change files are replaced by ones that count, and end the process before the n-th
 * (a write is then half done). The replacements go to the kernel directly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iamd/authn/keyring.h"
#include "iamd/sys/log.h"
#include "iamd/sys/secret.h"

#define DIED 77

static int calls_left = -1; /* negative: live */

static bool dies_now(void)
{
	return calls_left >= 0 && calls_left-- == 0;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	if (dies_now()) {
		(void)syscall(SYS_write, fd, buf, n / 2);
		_exit(DIED);
	}
	return syscall(SYS_write, fd, buf, n);
}

int fsync(int fd)
{
	if (dies_now())
		_exit(DIED);
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *old, const char *new)
{
	if (dies_now())
		_exit(DIED);
	return (int)syscall(SYS_rename, old, new);
}

int link(const char *from, const char *to)
{
	if (dies_now())
		_exit(DIED);
	return (int)syscall(SYS_link, from, to);
}

int unlink(const char *name)
{
	if (dies_now())
		_exit(DIED);
	return (int)syscall(SYS_unlink, name);
}

int mkdir(const char *path, mode_t mode)
{
	if (dies_now())
		_exit(DIED);
	return (int)syscall(SYS_mkdir, path, mode);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)where;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

struct place {
	char dir[64];
	char signing[128];
	char former[128];
	struct keyring_settings settings;
};

static void place_init(struct place *p)
{
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/iamd-crash-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->signing, sizeof(p->signing), "%s/state/signing.pem", p->dir);
	(void)snprintf(p->former, sizeof(p->former), "%s/state/former", p->dir);
	p->settings = (struct keyring_settings){
		.signing_key_file = p->signing,
		.may_create = true,
		.bits = 2048,
		.verification_key_files = "",
		.former_keys_dir = p->former,
	};
}

static void place_done(struct place *p)
{
	assert_int_equal(nftw(p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct keyring *load(struct place *p)
{
	struct keyring *k = NULL;
	struct iam_error err = {0};

	if (keyring_load(&p->settings, &k, &err) != IAM_OK)
		fail_msg("%s", err.text);
	return k;
}

/* Runs it in a process that dies before its n-th file operation. True: it did; false: it was done before. */
static bool dies(struct place *p, enum iam_err (*run)(struct place *p), int n)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		calls_left = n;
		_exit(run(p) == IAM_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
	return WEXITSTATUS(status) == DIED;
}

/* A key costs a tenth of a second: one serves all rounds. */
static char *make_key(void)
{
	char *text = calloc(1, 8192);
	struct place p;
	FILE *f;

	place_init(&p);
	keyring_free(load(&p));
	f = fopen(p.signing, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, 8191, f) > 1000);
	assert_int_equal(fclose(f), 0);
	place_done(&p);
	return text;
}

static void put_key(struct place *p, const char *pem)
{
	assert_int_equal(secret_file_create(p->signing, (struct str){.ptr = pem, .len = strlen(pem)}, NULL), IAM_OK);
}

static enum iam_err rotate(struct place *p)
{
	return keyring_rotate(&p->settings, NULL);
}

static enum iam_err first_start(struct place *p)
{
	struct keyring *k = NULL;
	enum iam_err e = keyring_load(&p->settings, &k, NULL);

	keyring_free(k);
	return e;
}

static void a_rotation_cut_off_anywhere_loses_no_key(void **state)
{
	(void)state;
	char *pem = make_key();
	bool died = true;
	int n;

	for (n = 0; died; n++) {
		struct place p;
		struct keyring *k;
		char old[65];

		place_init(&p);
		put_key(&p, pem);
		k = load(&p);
		(void)snprintf(old, sizeof(old), "%s", jose_key_kid(keyring_key(k, 0)));
		keyring_free(k);

		died = dies(&p, rotate, n);
		k = load(&p);
		assert_non_null(keyring_find(k, (struct str){.ptr = old, .len = 64}));
		/* either nothing happened, or all of it */
		assert_int_equal(keyring_count(k), strcmp(jose_key_kid(keyring_key(k, 0)), old) == 0 ? 1 : 2);
		keyring_free(k);

		assert_int_equal(keyring_rotate(&p.settings, NULL), IAM_OK);
		k = load(&p);
		assert_non_null(keyring_find(k, (struct str){.ptr = old, .len = 64}));
		assert_string_not_equal(jose_key_kid(keyring_key(k, 0)), old);
		keyring_free(k);
		place_done(&p);
	}
	assert_true(n > 8); /* the operations were seen at all */
	free(pem);
}

static void a_first_start_cut_off_anywhere_can_be_done_again(void **state)
{
	(void)state;
	bool died = true;
	int n;

	for (n = 0; died; n++) {
		struct place p;

		place_init(&p);
		died = dies(&p, first_start, n);
		keyring_free(load(&p));
		keyring_free(load(&p));
		place_done(&p);
	}
	assert_true(n > 4);
}

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR); /* a log line is a write, too */
	return sodium_init() >= 0 && keyring_init(NULL) == IAM_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rotation_cut_off_anywhere_loses_no_key),
		cmocka_unit_test(a_first_start_cut_off_anywhere_can_be_done_again),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
