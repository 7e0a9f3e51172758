/* Tests of iamd/sys/log: lines that cannot be forged, and the access log's buffers and files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "iamd/sys/log.h"
#include "iamd/sys/thread.h"
#include "libacl/base/str.h"

#define OUTPUT_MAX ((size_t)1024 * 1024)

static char folder[] = "/tmp/test_log.XXXXXX";
static char output[OUTPUT_MAX];

static const char *path_of(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static size_t read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t len = 0;

	if (f != NULL) {
		len = fread(output, 1, sizeof(output) - 1, f);
		(void)fclose(f);
	}
	output[len] = '\0';
	return len;
}

static int saved_stderr;

static void capture_begin(void)
{
	int fd = open(path_of("stderr"),
		O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	(void)close(fd);
}

/* What was written to standard error, in `output`. */
static size_t capture_end(void)
{
	(void)dup2(saved_stderr, STDERR_FILENO);
	(void)close(saved_stderr);
	return read_file(path_of("stderr"));
}

static void event_is_one_line_of_logfmt(void **state)
{
	const char *rest;

	(void)state;
	capture_begin();
	log_event(LOG_LEVEL_WARNING, "store.open",
		LOG_CSTR("path", "/var/lib/iamd/iamd.db"), LOG_INT("users", -12));
	capture_end();
	assert_memory_equal(output, "time=20", 7);
	rest = strchr(output, ' ');
	assert_non_null(rest);
	assert_int_equal(rest - output,
		(ptrdiff_t)strlen("time=2026-11-22T13:51:56.261800Z"));
	assert_string_equal(rest,
		" level=warning event=store.open path=/var/lib/iamd/iamd.db users=-12\n");
}

static void value_is_quoted_and_escaped_when_it_is_odd(void **state)
{
	const struct {
		struct str value;
		const char *shown;
	} cases[] = {
		{STR("plain-1.2:3/4"), "plain-1.2:3/4"},
		{STR(""), "\"\""},
		{STR_NONE, "\"\""},
		{STR("a b"), "\"a b\""},
		{STR("a=b"), "\"a=b\""},
		{STR("say \"hi\""), "\"say \\\"hi\\\"\""},
		{STR("back\\slash"), "\"back\\\\slash\""},
		{STR("x\nlevel=error event=forged"), "\"x\\nlevel=error event=forged\""},
		{STR("\r\t"), "\"\\r\\t\""},
		{STR("nul\0byte"), "\"nul\\x00byte\""},
		{STR("\x1b[31m"), "\"\\x1b[31m\""},
		{STR("\x7f"), "\"\\x7f\""},
		{STR("J\xc3\xb6rg"), "\"J\xc3\xb6rg\""},
		{STR("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\""},
		{STR("\xff\xfe"), "\"\\xff\\xfe\""},
		{STR("cut \xe2\x82"), "\"cut \\xe2\\x82\""},
		{STR("\xc0\xaf"), "\"\\xc0\\xaf\""},
		{STR("\xc2\x9b[m"), "\"\\xc2\\x9b[m\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[128];
		const char *shown;

		capture_begin();
		log_event(LOG_LEVEL_ERROR, "e", LOG_STR("v", cases[i].value));
		capture_end();
		(void)snprintf(expected, sizeof(expected), " event=e v=%s\n",
			cases[i].shown);
		shown = strstr(output, " event=");
		assert_non_null(shown);
		assert_string_equal(shown, expected);
	}
}

static void levels_below_the_set_one_are_silent(void **state)
{
	(void)state;
	capture_begin();
	log_set_level(LOG_LEVEL_WARNING);
	assert_false(log_enabled(LOG_LEVEL_INFO));
	assert_true(log_enabled(LOG_LEVEL_WARNING));
	log_event(LOG_LEVEL_INFO, "hidden", LOG_INT("n", 1));
	log_raw(STR("audit lines are always written"));
	log_set_level(LOG_LEVEL_DEBUG);
	log_event(LOG_LEVEL_DEBUG, "shown", LOG_INT("n", 1));
	log_set_level(LOG_LEVEL_INFO);
	capture_end();
	assert_null(strstr(output, "hidden"));
	assert_non_null(strstr(output, "level=debug event=shown n=1\n"));
	assert_memory_equal(output, "audit lines are always written\n", 31);
}

static void too_long_line_loses_whole_fields_and_says_so(void **state)
{
	static char big[20000];
	size_t len;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	capture_begin();
	log_event(LOG_LEVEL_INFO, "big", LOG_INT("first", 1), LOG_CSTR("second", big),
		LOG_INT("third", 3));
	len = capture_end();
	assert_true(len < 8192);
	assert_non_null(strstr(output, " event=big first=1 cut=yes\n"));
	assert_null(strstr(output, "third"));

	capture_begin();
	log_raw(str_c(big));
	len = capture_end();
	assert_in_range(len, 8000, 8193);
	assert_string_equal(output + len - 9, " cut=yes\n");
}

static void raw_line_stays_one_line(void **state)
{
	(void)state;
	capture_begin();
	log_raw(STR("type=audit uid=\"J\xc3\xb6rg\nx\""));
	capture_end();
	assert_string_equal(output, "type=audit uid=\"J\xc3\xb6rg\\nx\"\n");
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_event(LOG_LEVEL_INFO, "from.thread", LOG_CSTR("who", arg),
			LOG_CSTR("pad", "0123456789012345678901234567890123456789"),
			LOG_INT("end", 1));
	return NULL;
}

static void lines_of_several_threads_never_mix(void **state)
{
	char names[4][4] = {"aa", "bb", "cc", "dd"};
	unsigned long threads[4];
	struct str rest;
	unsigned lines = 0;
	size_t len;

	(void)state;
	capture_begin();
	for (int i = 0; i < 4; i++)
		assert_true(thread_start(&threads[i], "log", log_many, names[i]));
	for (int i = 0; i < 4; i++)
		thread_join(threads[i]);
	len = capture_end();
	rest = (struct str){.ptr = output, .len = len};
	while (rest.ptr != NULL && rest.len > 0) {
		struct str line = str_split(&rest, '\n');

		assert_true(str_starts(line, STR("time=20")));
		assert_true(str_ends(line, STR("456789 end=1")));
		lines++;
	}
	assert_int_equal(lines, 2000);
}

/* --- access log --- */

static unsigned count_lines(const char *path)
{
	size_t len = read_file(path);
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += output[i] == '\n';
	return n;
}

static void access_log_that_is_off_writes_nothing(void **state)
{
	(void)state;
	assert_true(access_log_open(NULL));
	assert_true(access_log_open(""));
	assert_false(access_log_enabled());
	access_log_add(STR("lost"));
	assert_true(access_log_open(path_of("access")));
	assert_true(access_log_enabled());
	access_log_flush_all();
	assert_int_equal(count_lines(path_of("access")), 0);
	access_log_close();
}

static void access_lines_are_gathered_until_flushed(void **state)
{
	struct stat st;

	(void)state;
	assert_true(access_log_open(path_of("gathered")));
	access_log_add(STR("GET /a 200"));
	access_log_add(STR("GET /b 404"));
	assert_int_equal(count_lines(path_of("gathered")), 0);
	access_log_flush_all();
	assert_int_equal(count_lines(path_of("gathered")), 2);
	assert_string_equal(output, "GET /a 200\nGET /b 404\n");
	assert_int_equal(stat(path_of("gathered"), &st), 0);
	assert_int_equal(st.st_mode & 0007, 0);
	access_log_add(STR("GET /c 200"));
	access_log_close();
	assert_int_equal(count_lines(path_of("gathered")), 3);
	access_log_add(STR("after"));
	access_log_flush_all();
	assert_int_equal(count_lines(path_of("gathered")), 3);
}

static void full_buffer_is_written_by_itself_in_whole_lines(void **state)
{
	char line[1000];
	size_t len;

	(void)state;
	memset(line, 'y', sizeof(line));
	assert_true(access_log_open(path_of("full")));
	for (int i = 0; i < 66; i++)
		access_log_add((struct str){.ptr = line, .len = sizeof(line)});
	len = read_file(path_of("full"));
	assert_int_equal(len, 65 * 1001);
	access_log_close();
	assert_int_equal(read_file(path_of("full")), 66 * 1001);
}

static void *access_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3000; i++)
		access_log_add(STR("0123456789 a line of a thread 9876543210"));
	return NULL;
}

static void lines_of_ended_threads_are_written(void **state)
{
	unsigned long threads[4];
	struct str rest;
	unsigned lines = 0;
	size_t len;

	(void)state;
	assert_true(access_log_open(path_of("threads")));
	for (int i = 0; i < 4; i++)
		assert_true(thread_start(&threads[i], "access", access_many, NULL));
	for (int i = 0; i < 20; i++)
		access_log_flush_all();
	for (int i = 0; i < 4; i++)
		thread_join(threads[i]);
	len = read_file(path_of("threads"));
	rest = (struct str){.ptr = output, .len = len};
	while (rest.ptr != NULL && rest.len > 0) {
		assert_true(str_eq_c(str_split(&rest, '\n'),
			"0123456789 a line of a thread 9876543210"));
		lines++;
	}
	assert_int_equal(lines, 12000);
	access_log_close();
}

static void reopen_after_rotation_writes_to_the_new_file(void **state)
{
	(void)state;
	assert_true(access_log_open(path_of("rotated")));
	access_log_add(STR("before"));
	assert_int_equal(rename(path_of("rotated"), path_of("rotated.1")), 0);
	assert_true(access_log_reopen());
	access_log_add(STR("after"));
	access_log_flush_all();
	read_file(path_of("rotated.1"));
	assert_string_equal(output, "before\n");
	read_file(path_of("rotated"));
	assert_string_equal(output, "after\n");
	access_log_close();
	assert_true(access_log_reopen()); /* off: nothing to do */
}

static void file_that_cannot_be_opened_leaves_the_old_one_in_use(void **state)
{
	(void)state;
	assert_true(access_log_open(path_of("kept")));
	assert_false(access_log_open(path_of("no/such/folder")));
	access_log_add(STR("still here"));
	access_log_close();
	read_file(path_of("kept"));
	assert_string_equal(output, "still here\n");
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"stderr", "access", "gathered", "full",
		"threads", "rotated", "rotated.1", "kept"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_is_one_line_of_logfmt),
		cmocka_unit_test(value_is_quoted_and_escaped_when_it_is_odd),
		cmocka_unit_test(levels_below_the_set_one_are_silent),
		cmocka_unit_test(too_long_line_loses_whole_fields_and_says_so),
		cmocka_unit_test(raw_line_stays_one_line),
		cmocka_unit_test(lines_of_several_threads_never_mix),
		cmocka_unit_test(access_log_that_is_off_writes_nothing),
		cmocka_unit_test(access_lines_are_gathered_until_flushed),
		cmocka_unit_test(full_buffer_is_written_by_itself_in_whole_lines),
		cmocka_unit_test(lines_of_ended_threads_are_written),
		cmocka_unit_test(reopen_after_rotation_writes_to_the_new_file),
		cmocka_unit_test(file_that_cannot_be_opened_leaves_the_old_one_in_use),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
