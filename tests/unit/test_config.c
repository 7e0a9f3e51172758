/* Tests of iamd/config*: the file's grammar, precedence, ranges, rules, dump, manual, reload. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "iamd/config.h"
#include "iamd/config_value.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

static struct config *parsed(const char *text)
{
	struct iam_error err = {0};
	struct config *c = NULL;

	if (config_parse(str_c(text), "t.conf", &c, &err) != IAM_OK)
		fail_msg("\"%s\": %s", text, err.text);
	return c;
}

static void assert_refused(const char *text, const char *why)
{
	struct iam_error err = {0};
	struct config *c = NULL;

	assert_int_equal(config_parse(str_c(text), "t.conf", &c, &err), IAM_CONFIG);
	assert_null(c);
	if (strcmp(err.text, why) != 0)
		fail_msg("\"%s\": \"%s\" instead of \"%s\"", text, err.text, why);
}

static void empty_file_gives_the_defaults(void **state)
{
	struct config *c = parsed("");

	(void)state;
	assert_string_equal(c->state_dir, "/var/lib/iamd");
	assert_string_equal(c->database, "");
	assert_string_equal(c->listen, "127.0.0.1:8101");
	assert_int_equal(c->api_access, API_ENFORCE);
	assert_int_equal(c->token_lifetime, 5 * 86400);
	assert_int_equal(c->connection_limit, 8192);
	assert_false(c->cookie_secure);
	assert_int_equal(c->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config_check(c, NULL), IAM_OK);
	config_free(c);
	config_free(NULL);
}

static void file_grammar_is_one_assignment_a_line(void **state)
{
	struct config *c = parsed("# comment = 1\n"
				  "; another\n"
				  "\n"
				  "  loops=3  \r\n"
				  "state_dir = /a b/c ; no comment # here\n"
				  "\tlisten\t=\t[::1]:80\n"
				  "database = x=y:z\n"
				  "access_log =\n"
				  "log_level = debug");

	(void)state;
	assert_int_equal(c->loops, 3);
	assert_string_equal(c->state_dir, "/a b/c ; no comment # here");
	assert_string_equal(c->listen, "[::1]:80");
	assert_string_equal(c->database, "x=y:z");
	assert_string_equal(c->access_log, "");
	assert_int_equal(c->log_level, LOG_LEVEL_DEBUG);
	config_free(c);
}

static void mistakes_in_the_file_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"\n\nlops = 3",
			"t.conf:3: there is no option \"lops\"; see iamd.conf(5)"},
		{"loops = 65", "t.conf:1: loops: must be a whole number from 0 to 64"},
		{"loops = -1", "t.conf:1: loops: must be a whole number from 0 to 64"},
		{"loops = 0x3", "t.conf:1: loops: must be a whole number from 0 to 64"},
		{"loops = 3 ; three",
			"t.conf:1: loops: must be a whole number from 0 to 64"},
		{"loops =", "t.conf:1: loops: must be a whole number from 0 to 64"},
		{"loops = 99999999999999999999",
			"t.conf:1: loops: must be a whole number from 0 to 64"},
		{"loops = 1\n\nloops = 1", "t.conf:3: loops: given twice"},
		{"#\n[server]\nloops = 1",
			"t.conf:2: there are no sections; write name = value"},
		{"loops: 1", "t.conf:1: expected name = value"},
		{"loops", "t.conf:1: expected name = value"},
		{"= 1", "t.conf:1: expected name = value"},
		{"listen = 127.0.0.1:1\n   ,127.0.0.2:1",
			"t.conf:2: expected name = value"},
		{"cookie_secure = true", "t.conf:1: cookie_secure: must be yes or no"},
		{"api_access = Enforce",
			"t.conf:1: api_access: must be enforce or gateway"},
		{"log_level = trace",
			"t.conf:1: log_level: must be debug, info, warning or error"},
		{"id_token_provider_key =",
			"t.conf:1: id_token_provider_key: must be text of 1 to 64 bytes"},
		{"state_dir = a\x01",
			"t.conf:1: state_dir: must be text of at most 1024 bytes"},
		{"state_dir = \xff",
			"t.conf:1: state_dir: must be text of at most 1024 bytes"},
		{"\xef\xbb\xbfloops = 1",
			"t.conf:1: there is no option \"\xef\xbb\xbfloops\"; see iamd.conf(5)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(cases[i].text, cases[i].why);
}

static void nul_byte_is_an_error_wherever_it_stands(void **state)
{
	const struct str cases[] = {STR("loops = 1\0 2"), STR("# a\0b"), STR("\0")};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct iam_error err;
		struct config *c;

		assert_int_equal(config_parse(cases[i], "t.conf", &c, &err), IAM_CONFIG);
		assert_string_equal(err.text, "t.conf:1: NUL byte");
	}
}

static void longest_value_fits_and_an_over_long_line_is_an_error(void **state)
{
	static char text[20000];
	struct config *c;
	int n = snprintf(text, sizeof(text), "superuser_service_account_public_key = ");

	(void)state;
	memset(text + n, 'k', 8192);
	c = parsed(text);
	assert_int_equal(strlen(c->superuser_service_account_public_key), 8192);
	config_free(c);
	text[n + 8192] = 'k';
	assert_refused(text,
		"t.conf:1: superuser_service_account_public_key: must be text of "
		"at most 8192 bytes");
	memset(text, '#', 16384);
	text[16384] = '\0';
	c = parsed(text);
	config_free(c);
	text[16384] = '#';
	assert_refused(text, "t.conf:1: the line is too long");
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} cases[] = {
		{"60", 60},
		{"60s", 60},
		{"5m", 300},
		{"2h", 7200},
		{"5d", 432000},
		{"3650d", 315360000},
		{"3651d", -1},
		{"59", -1},
		{"s", -1},
		{"5 m", -1},
		{"5mm", -1},
		{"5w", -1},
		{"-5m", -1},
		{"5.5h", -1},
		{"", -1},
		{"9223372036854775807d", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = parsed("");
		char text[64];
		enum iam_err e;

		(void)snprintf(text, sizeof(text), "token_lifetime=%s", cases[i].text);
		e = config_set(c, text, NULL);
		assert_int_equal(e, cases[i].seconds < 0 ? IAM_CONFIG : IAM_OK);
		assert_int_equal(c->token_lifetime,
			cases[i].seconds < 0 ? 432000 : cases[i].seconds);
		config_free(c);
	}
}

static void later_source_wins(void **state)
{
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);
	struct iam_error err;
	struct config *c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "loops = 2\nlisten = unix:/f\nlog_level = error\n",
				 45),
		45);
	(void)close(fd);
	assert_int_equal(setenv("IAMD_LOOPS", "3", 1), 0);
	assert_int_equal(setenv("IAMD_LOG_LEVEL", "warning", 1), 0);
	assert_int_equal(config_load(path, &c, &err), IAM_OK);
	assert_int_equal(c->loops, 3);
	assert_string_equal(c->listen, "unix:/f");
	assert_int_equal(c->log_level, LOG_LEVEL_WARNING);
	assert_int_equal(config_set(c, "loops = 4", &err), IAM_OK);
	assert_int_equal(c->loops, 4);
	config_free(c);

	assert_int_equal(setenv("IAMD_LOOPS", "many", 1), 0);
	assert_int_equal(config_load(path, &c, &err), IAM_CONFIG);
	assert_string_equal(err.text,
		"environment IAMD_LOOPS: loops: must be a whole number from 0 to 64");
	(void)unsetenv("IAMD_LOOPS");
	(void)unsetenv("IAMD_LOG_LEVEL");
	(void)unlink(path);
	assert_int_equal(config_load(path, &c, &err), IAM_NOT_FOUND);
	assert_int_equal(config_load("/tmp", &c, &err), IAM_IO);
}

static void every_option_has_its_variable(void **state)
{
	(void)state;
	for (unsigned i = 0; i < config_option_count; i++) {
		char name[64] = "IAMD_", shown[OPTION_TEXT_BYTES];
		const struct option *o = &config_options[i];
		struct config *defaults = parsed("");
		struct iam_error err;
		struct config *c;
		size_t n = strlen(o->name);

		assert_true(n + 6 <= sizeof(name));
		for (size_t k = 0; k <= n; k++)
			name[5 + k] = (char)toupper((unsigned char)o->name[k]);
		/* a value of no kind but text; the text options take it */
		assert_int_equal(setenv(name, "%", 1), 0);
		if (config_load(NULL, &c, &err) == IAM_OK) {
			assert_int_equal(o->kind, OPTION_STR);
			assert_string_equal(option_format(c, o, shown), "%");
			config_free(c);
		} else {
			assert_int_not_equal(o->kind, OPTION_STR);
			assert_non_null(strstr(err.text, o->name));
		}
		(void)unsetenv(name);
		config_free(defaults);
	}
}

static void command_line_override_needs_name_and_value(void **state)
{
	struct config *c = parsed("");
	struct iam_error err;

	(void)state;
	assert_int_equal(config_set(c, "loops", &err), IAM_CONFIG);
	assert_string_equal(err.text, "--set: expected NAME=VALUE");
	assert_int_equal(config_set(c, "loop=1", &err), IAM_CONFIG);
	assert_string_equal(err.text,
		"--set: there is no option \"loop\"; see iamd.conf(5)");
	assert_int_equal(config_set(c, "loops=x", &err), IAM_CONFIG);
	assert_string_equal(err.text,
		"--set: loops: must be a whole number from 0 to 64");
	assert_int_equal(config_set(c, "database=", &err), IAM_OK);
	assert_string_equal(c->database, "");
	config_free(c);
}

static void errors_never_show_a_value(void **state)
{
	struct config *c = parsed("");
	struct iam_error err = {0};

	(void)state;
	assert_int_equal(config_set(c, "superuser_password_hash=S3CRET\x01", &err),
		IAM_CONFIG);
	assert_null(strstr(err.text, "S3CRET"));
	config_free(c);
}

static void rules_between_options_are_checked(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: good */
	} cases[] = {
		{"listen = none", NULL},
		{"listen = 0.0.0.0:8101, [::]:8101, unix:/run/iamd.sock", NULL},
		{"listen = 127.0.0.1:0", NULL},
		{"listen = ", "listen"},
		{"listen = 127.0.0.1", "listen"},
		{"listen = localhost:80", "listen"},
		{"listen = 127.0.0.1:65536", "listen"},
		{"listen = 127.0.0.1:", "listen"},
		{"listen = :80", "listen"},
		{"listen = ::1:80", "listen"},
		{"listen = [127.0.0.1]:80", "listen"},
		{"listen = [::1]80", "listen"},
		{"listen = 127.0.0.1:80,", "listen"},
		{"listen = 127.0.0.1:80,none", "listen"},
		{"listen = unix:relative", "listen"},
		{"listen = unix:/", "listen"},
		{"metrics_listen = 10.0.0.1:9100", NULL},
		{"metrics_listen = unix:/x", "metrics_listen"},
		{"api_access = gateway", NULL},
		{"api_access = gateway\nlisten = 127.9.9.9:1,[::1]:1,unix:/run/x", NULL},
		{"api_access = gateway\nlisten = 127.0.0.1:1,0.0.0.0:1", "listen"},
		{"api_access = gateway\nlisten = [::]:1", "listen"},
		{"api_access = gateway\nlisten = [::ffff:10.0.0.1]:1", "listen"},
		{"api_access = gateway\nmetrics_listen = 10.0.0.1:9100",
			"metrics_listen"},
		{"tls_certificate_file = /c\ntls_key_file = /k", NULL},
		{"tls_certificate_file = /c", "tls_certificate_file and tls_key_file"},
		{"tls_key_file = /k", "tls_certificate_file and tls_key_file"},
		{"id_token_issuer = https://i", "id_token_issuer and id_token_audience"},
		{"superuser_username = admin\nsuperuser_password_hash = $6$x", NULL},
		{"superuser_username = admin", "superuser_username and"},
		{"superuser_password_hash = $6$x", "superuser_username and"},
		{"superuser_username = a/b\nsuperuser_password_hash = $6$x",
			"superuser_username: not"},
		{"superuser_username = anonymous\nsuperuser_password_hash = $6$x",
			"superuser_username: not"},
		{"superuser_service_account_uid = s\nsuperuser_service_account_public_key = k",
			NULL},
		{"superuser_service_account_uid = s",
			"superuser_service_account_uid and"},
		{"superuser_service_account_uid = s s\nsuperuser_service_account_public_key = "
		 "k",
			"superuser_service_account_uid: not"},
		{"signing_key_bits = 3072", NULL},
		{"signing_key_bits = 2049", "signing_key_bits"},
		{"trusted_proxies = ", NULL},
		{"trusted_proxies = 10.0.0.0/8, fe80::/10 ,unix:,192.168.1.1", NULL},
		{"trusted_proxies = 10.0.0.0/33", "trusted_proxies"},
		{"trusted_proxies = fe80::/129", "trusted_proxies"},
		{"trusted_proxies = proxy.example", "trusted_proxies"},
		{"trusted_proxies = 10.0.0.0/", "trusted_proxies"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = parsed(cases[i].text);
		struct iam_error err = {0};
		enum iam_err e = config_check(c, &err);

		if (e != (cases[i].why == NULL ? IAM_OK : IAM_CONFIG))
			fail_msg("\"%s\": %s %s", cases[i].text, iam_err_name(e),
				err.text);
		if (cases[i].why != NULL)
			assert_memory_equal(err.text, cases[i].why, strlen(cases[i].why));
		config_free(c);
	}
}

/* *ret is freed by the caller. */
static void dump(const struct config *c, char **ret)
{
	size_t size;
	FILE *f = open_memstream(ret, &size);

	assert_non_null(f);
	config_dump(c, f);
	(void)fclose(f);
}

static void dump_is_a_file_that_gives_the_same_configuration(void **state)
{
	struct config *c = parsed("token_lifetime = 90m\nlisten = unix:/run/iamd.sock\n"
				  "cookie_secure = yes\napi_access = gateway\n"
				  "log_level = debug\nloops = 7\ndrain_timeout = 0\n"
				  "superuser_service_account_public_key = a\\nb\n");
	struct config *again;
	char *text;

	(void)state;
	dump(c, &text);
	assert_non_null(strstr(text, "\ntoken_lifetime = 90m\n"));
	assert_non_null(strstr(text, "\naccess_log =\n"));
	again = parsed(text);
	for (unsigned i = 0; i < config_option_count; i++)
		assert_true(option_equal(c, again, &config_options[i]));
	free(text);
	config_free(again);
	config_free(c);
}

static void dump_hides_the_password_hash(void **state)
{
	struct config *c = parsed("superuser_password_hash = $6$salt$hash");
	char *text;

	(void)state;
	dump(c, &text);
	assert_null(strstr(text, "$6$"));
	assert_non_null(strstr(text, "\nsuperuser_password_hash = ********\n"));
	free(text);
	config_free(c);
}

static void manual_lists_every_option(void **state)
{
	size_t size;
	char *text;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	config_print_mdoc(f);
	(void)fclose(f);
	for (unsigned i = 0; i < config_option_count; i++) {
		char item[80];

		(void)snprintf(item, sizeof(item), "\n.It Ic %s\n",
			config_options[i].name);
		assert_non_null(strstr(text, item));
	}
	assert_null(strstr(text, "\\n"));
	free(text);
}

static void reload_keeps_what_needs_a_restart(void **state)
{
	struct config *running =
		parsed("listen = 127.0.0.1:1\nloops = 2\ntoken_lifetime = 60\n"
		       "api_access = gateway\n");
	struct config *fresh =
		parsed("listen = 127.0.0.1:2\nloops = 3\ntoken_lifetime = 90\n"
		       "log_level = error\naccess_log = /a\n");

	(void)state;
	assert_int_equal(config_merge(running, fresh), IAM_OK);
	assert_string_equal(fresh->listen, "127.0.0.1:1");
	assert_ptr_not_equal(fresh->listen, running->listen);
	assert_int_equal(fresh->loops, 2);
	assert_int_equal(fresh->api_access, API_GATEWAY);
	assert_int_equal(fresh->token_lifetime, 90);
	assert_int_equal(fresh->log_level, LOG_LEVEL_ERROR);
	assert_string_equal(fresh->access_log, "/a");
	config_free(running);
	config_free(fresh);
}

/* The example is the manual's other half: complete, valid, and nothing but defaults. */
static void example_file_names_every_option_and_changes_nothing(void **state)
{
	const char *path = getenv("EXAMPLE_CONF");
	static char text[65536], live[65536];
	struct config *defaults, *example;
	struct str rest;
	size_t len, n = 0;
	FILE *f;

	(void)state;
	if (path == NULL)
		skip();
	f = fopen(path, "re");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	rest = (struct str){.ptr = text, .len = len};
	while (rest.ptr !=
		NULL) { /* "#name = value" is an option shown with its default */
		struct str line = str_split(&rest, '\n');

		if (line.len > 1 && line.ptr[0] == '#' && line.ptr[1] != ' ')
			line = str_sub(line, 1, line.len);
		n += (size_t)snprintf(live + n, sizeof(live) - n, "%.*s\n",
			STR_FMT(line));
		assert_true(n < sizeof(live));
	}
	defaults = parsed("");
	example = parsed(live);
	for (unsigned i = 0; i < config_option_count; i++) {
		char name[80];

		(void)snprintf(name, sizeof(name), "\n#%s =", config_options[i].name);
		if (strstr(text, name) == NULL)
			fail_msg("%s is missing", config_options[i].name);
		if (!option_equal(defaults, example, &config_options[i]))
			fail_msg("%s is not the default", config_options[i].name);
	}
	config_free(defaults);
	config_free(example);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_file_gives_the_defaults),
		cmocka_unit_test(file_grammar_is_one_assignment_a_line),
		cmocka_unit_test(mistakes_in_the_file_are_named_with_their_line),
		cmocka_unit_test(nul_byte_is_an_error_wherever_it_stands),
		cmocka_unit_test(longest_value_fits_and_an_over_long_line_is_an_error),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(later_source_wins),
		cmocka_unit_test(every_option_has_its_variable),
		cmocka_unit_test(command_line_override_needs_name_and_value),
		cmocka_unit_test(errors_never_show_a_value),
		cmocka_unit_test(rules_between_options_are_checked),
		cmocka_unit_test(dump_is_a_file_that_gives_the_same_configuration),
		cmocka_unit_test(dump_hides_the_password_hash),
		cmocka_unit_test(manual_lists_every_option),
		cmocka_unit_test(reload_keeps_what_needs_a_restart),
		cmocka_unit_test(example_file_names_every_option_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
