/*
 * main - the command line of iamd, and nothing else.
 *
 * Exit status: 0 done, 1 failed while starting or running, 2 usage or configuration.
 */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

#include "iam/version.h"
#include "iamd/api/routes.h"
#include "iamd/app.h"
#include "iamd/authn/password.h"
#include "iamd/idp/ldap_conn.h"
#include "iamd/sys/secret.h"
#include "iamd/sys/thread.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum command { RUN, CHECK_CONFIG, DUMP_CONFIG, HASH_PASSWORD, ROTATE_KEY, PRINT_ROUTES };

#define OVERRIDES_MAX 64

struct cli {
	enum command command;
	struct app_options app;
	const char *overrides[OVERRIDES_MAX];
};

static const char usage_text[] =
	"Usage: iamd [--config FILE] [--set NAME=VALUE ...] [COMMAND]\n"
	"\n"
	"Without a command: run in the foreground until SIGTERM.\n"
	"\n"
	"  --config FILE      read options from FILE (see iamd.conf(5))\n"
	"  --set NAME=VALUE   override one option; may be repeated\n"
	"\n"
	"Commands\n"
	"  --check-config     read and check the configuration, then exit\n"
	"  --dump-config      print every option with its value, then exit\n"
	"  --hash-password    read a password, print its hash for superuser_password_hash\n"
	"  --rotate-key       make a new signing key; the former one still verifies\n"
	"  --print-routes     print the table of routes\n"
	"  --version          print the version\n"
	"  --help             print this text\n"
	"\n"
	"Example: iamd --set state_dir=./var --set listen=127.0.0.1:8101\n";

static int fail(int status, const char *text)
{
	fprintf(stderr, "iamd: %s\n", text);
	return status;
}

static int fail_err(enum iam_err e, const struct iam_error *err)
{
	return fail(e == IAM_CONFIG || e == IAM_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED,
		err->text[0] != '\0' ? err->text : iam_err_text(e));
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct cli *cli)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 's'},
		{"check-config", no_argument, NULL, 'C'},
		{"dump-config", no_argument, NULL, 'D'},
		{"hash-password", no_argument, NULL, 'H'},
		{"rotate-key", no_argument, NULL, 'R'},
		{"print-routes", no_argument, NULL, 'P'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	cli->app.overrides = cli->overrides;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet */
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			cli->app.config_path = optarg;
			break;
		case 's':
			if (cli->app.n_overrides == OVERRIDES_MAX)
				return fail(EXIT_USAGE, "too many --set");
			cli->overrides[cli->app.n_overrides++] = optarg;
			break;
		case 'C':
			cli->command = CHECK_CONFIG;
			break;
		case 'D':
			cli->command = DUMP_CONFIG;
			break;
		case 'H':
			cli->command = HASH_PASSWORD;
			break;
		case 'R':
			cli->command = ROTATE_KEY;
			break;
		case 'P':
			cli->command = PRINT_ROUTES;
			break;
		case 'V':
			puts("iamd " IAM_VERSION);
			return EXIT_DONE;
		case 'h':
			(void)fputs(usage_text, stdout);
			return EXIT_DONE;
		default:
			return fail(EXIT_USAGE, "try 'iamd --help'");
		}
	}
	if (optind < argc) {
		fprintf(stderr, "iamd: unexpected argument '%s'; try 'iamd --help'\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* ---- --hash-password ---- */

/* One line from standard input, without echo on a terminal. Length, or -1. */
static ssize_t read_password(char *buf, size_t size)
{
	struct termios was, quiet;
	bool tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &was) == 0;
	ssize_t n;
	size_t len = 0;

	if (tty) {
		(void)fputs("Password: ", stderr);
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	do {
		n = read(STDIN_FILENO, buf + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len < size && memchr(buf, '\n', len) == NULL);
	if (tty) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
		(void)fputc('\n', stderr);
	}
	if (n < 0)
		return -1;
	if (memchr(buf, '\n', len) != NULL)
		len = (size_t)((char *)memchr(buf, '\n', len) - buf);
	return (ssize_t)len;
}

static int hash_password(const struct config *c)
{
	char buf[PASSWORD_MAX_BYTES + 2];
	char hash[PASSWORD_HASH_MAX];
	struct password_params params = {
		.opslimit = (uint64_t)c->argon2_opslimit,
		.memory_bytes = (uint64_t)c->argon2_memory_kib * 1024,
	};
	ssize_t n = read_password(buf, sizeof buf);
	enum iam_err e;

	/* What a login can send: JSON strings hold UTF-8, and no NUL is accepted in them. */
	if (n <= 0 || n > PASSWORD_MAX_BYTES || memchr(buf, '\0', (size_t)n) != NULL ||
		!str_is_utf8((struct str){buf, (size_t)n})) {
		sodium_memzero(buf, sizeof buf);
		return fail(EXIT_USAGE,
			"expected a password on standard input: 1 to 1024 bytes of UTF-8 without NUL");
	}
	e = password_hash(&params, (struct str){buf, (size_t)n}, hash);
	sodium_memzero(buf, sizeof buf);
	if (e != IAM_OK)
		return fail(EXIT_FAILED, iam_err_text(e));
	puts(hash);
	return EXIT_DONE;
}

/* ---- the other commands ---- */

static int rotate_key(const struct config *c)
{
	struct iam_error err = {IAM_OK, ""};
	struct keyring_settings settings;
	struct app_key_paths paths;
	enum iam_err e;

	app_keyring_settings(c, &paths, &settings);
	if (settings.imported)
		return fail(EXIT_USAGE,
			"signing_key_file is set, so the key is yours to change: put a new one in "
			"its place, list the former in verification_key_files, send SIGHUP");
	e = keyring_rotate(&settings, &err);
	if (e != IAM_OK)
		return fail_err(e, &err);
	printf("New signing key in %s. Send SIGHUP to the running iamd to use it.\n"
	       "Tokens of the former key stay good: it is kept in %s.\n",
		paths.signing, paths.former);
	return EXIT_DONE;
}

static int run(const struct app_options *options)
{
	struct iam_error err = {IAM_OK, ""};
	struct app app;
	sigset_t set;
	enum iam_err e;

	thread_signals_to_block(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	e = app_start(&app, options, &err);
	if (e != IAM_OK)
		return fail_err(e, &err);
	app_wait(&app);
	app_stop(&app);
	return EXIT_DONE;
}

static int run_command(const struct cli *cli)
{
	struct iam_error err = {IAM_OK, ""};
	struct config *c = NULL;
	enum iam_err e;
	int status = EXIT_DONE;

	if (cli->command == RUN)
		return run(&cli->app);
	if (cli->command == PRINT_ROUTES) {
		routes_print(stdout);
		return EXIT_DONE;
	}
	e = app_config(&cli->app, &c, &err);
	if (e != IAM_OK)
		return fail_err(e, &err);
	if (cli->command == DUMP_CONFIG)
		config_dump(c, stdout);
	else if (cli->command == HASH_PASSWORD)
		status = hash_password(c);
	else if (cli->command == ROTATE_KEY)
		status = rotate_key(c);
	else
		puts("configuration ok");
	config_free(c);
	return status;
}

int main(int argc, char **argv)
{
	struct cli cli = {.command = RUN};
	struct iam_error err = {IAM_OK, ""};
	int status = parse(argc, argv, &cli);
	enum iam_err e;

	if (status >= 0)
		return status;
	/*
	 * An arena for about every thread, so that no loop waits for the lock of a niced thread (with two
	 * arenas it once waited 12 ms), and no growing mmap threshold, so that what big requests free goes
	 * back to the system.
	 */
	(void)mallopt(M_ARENA_MAX, 16); /* NOLINT(concurrency-mt-unsafe): alone yet */
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10); /* NOLINT(concurrency-mt-unsafe) */
	ldap_conn_start();
	e = secret_init(&err);
	if (e == IAM_OK)
		e = keyring_init(&err);
	return e == IAM_OK ? run_command(&cli) : fail_err(e, &err);
}
