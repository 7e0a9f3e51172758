/* Tests of iamd/sys/secret: process protections, and files that hold secrets. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "iamd/sys/secret.h"

static char folder[] = "/tmp/test_secret.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[8][128];
	static unsigned next;
	char *p = path[next++ % 8];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static void process_leaves_no_core_and_cannot_be_read(void **state)
{
	struct rlimit core;
	struct iam_error err;

	(void)state;
	assert_int_equal(secret_init(&err), IAM_OK);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
	assert_int_equal(core.rlim_cur, 0);
	assert_int_equal(core.rlim_max, 0);
	assert_int_equal(secret_init(&err), IAM_OK);
}

static void created_file_is_read_back_and_is_the_owners_alone(void **state)
{
	const char *path = path_of("a/b/key.pem");
	struct iam_error err;
	struct stat st;
	char *data = NULL;
	size_t len = 0;
	mode_t before = umask(0);

	(void)state;
	assert_int_equal(mkdir(path_of("a"), 0700), 0);
	assert_int_equal(chmod(path_of("a"), 0700), 0);
	assert_int_equal(secret_file_create(path, STR("to\0p secret"), &err), IAM_OK);
	(void)umask(before);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(path_of("a/b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(access(path_of("a/b/key.pem.new"), F_OK), -1);

	assert_int_equal(secret_file_read(path, 100, &data, &len, &err), IAM_OK);
	assert_int_equal(len, 11);
	assert_memory_equal(data, "to\0p secret", 12); /* with the NUL behind */
	sodium_free(data);
}

static void existing_file_is_never_replaced(void **state)
{
	struct iam_error err;
	char *data = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(secret_file_create(path_of("one"), STR("first"), &err), IAM_OK);
	assert_int_equal(secret_file_create(path_of("one"), STR("second"), &err),
		IAM_EXISTS);
	assert_int_equal(secret_file_read(path_of("one"), 100, &data, &len, &err),
		IAM_OK);
	assert_string_equal(data, "first");
	sodium_free(data);
}

static void what_a_power_cut_left_behind_is_no_obstacle(void **state)
{
	struct iam_error err;
	FILE *f = fopen(path_of("cut.new"), "we");

	(void)state;
	assert_non_null(f);
	(void)fputs("half a k", f);
	(void)fclose(f);
	assert_int_equal(secret_file_create(path_of("cut"), STR("whole"), &err), IAM_OK);
	assert_int_equal(access(path_of("cut.new"), F_OK), -1);
}

static void file_that_others_may_touch_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644};
	struct iam_error err;
	char *data = NULL;
	size_t len;

	(void)state;
	assert_int_equal(secret_file_create(path_of("mode"), STR("x"), &err), IAM_OK);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path_of("mode"), modes[i]), 0);
		assert_int_equal(secret_file_read(path_of("mode"), 10, &data, &len, &err),
			IAM_CONFIG);
		assert_non_null(strstr(err.text, "0600"));
		assert_null(data);
	}
	assert_int_equal(chmod(path_of("mode"), 0400), 0);
	assert_int_equal(secret_file_read(path_of("mode"), 10, &data, &len, &err),
		IAM_OK);
	sodium_free(data);
}

static void size_limit_is_exact(void **state)
{
	struct iam_error err;
	char *data = NULL;
	size_t len;

	(void)state;
	assert_int_equal(secret_file_create(path_of("size"), STR("12345"), &err), IAM_OK);
	assert_int_equal(secret_file_read(path_of("size"), 4, &data, &len, &err),
		IAM_CONFIG);
	assert_int_equal(secret_file_read(path_of("size"), 5, &data, &len, &err), IAM_OK);
	assert_int_equal(len, 5);
	sodium_free(data);
}

static void things_that_are_no_file_are_errors_not_waits(void **state)
{
	struct iam_error err;
	char *data = NULL;
	size_t len;

	(void)state;
	assert_int_equal(secret_file_read(path_of("none"), 5, &data, &len, &err),
		IAM_NOT_FOUND);
	assert_int_equal(mkdir(path_of("dir"), 0700), 0);
	assert_int_equal(secret_file_read(path_of("dir"), 5, &data, &len, &err),
		IAM_CONFIG);
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	assert_int_equal(secret_file_read(path_of("fifo"), 5, &data, &len, &err),
		IAM_CONFIG);
	assert_int_equal(secret_file_create(path_of("one/below"), STR("x"), &err),
		IAM_IO);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {
		"a/b/key.pem", "a/b", "a", "one", "cut", "mode", "size", "dir", "fifo"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)remove(path_of(names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_leaves_no_core_and_cannot_be_read),
		cmocka_unit_test(created_file_is_read_back_and_is_the_owners_alone),
		cmocka_unit_test(existing_file_is_never_replaced),
		cmocka_unit_test(what_a_power_cut_left_behind_is_no_obstacle),
		cmocka_unit_test(file_that_others_may_touch_is_refused),
		cmocka_unit_test(size_limit_is_exact),
		cmocka_unit_test(things_that_are_no_file_are_errors_not_waits),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
