/*
 * replay_main - runs a fuzz target over files, without libFuzzer.
 *
 * usage: replay_NAME FILE-OR-DIRECTORY...
 *
 * Each regular file (directories are read one level deep, in name order) is handed to
 * LLVMFuzzerTestOneInput() in a heap block of exactly its size, so that the address sanitizer sees
 * the first byte read too many. The empty input always comes first. A missing path is skipped: a
 * target may have no regression yet. It fails when no file was found at all, because a target
 * without a corpus tests nothing. On a crash the name of the input is the last line printed.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target may have it; libFuzzer calls it once at start. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

/* LIMIT: inputs longer than 1 MiB are a mistake; targets themselves stop at 64 KiB. */
#define INPUT_MAX ((size_t)1024 * 1024)

static const char *running = "(start)";

static void on_crash(int sig)
{
	static const char text[] = "\nreplay: crashed on ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
		write(STDERR_FILENO, running, strlen(running)) < 0 ||
		write(STDERR_FILENO, "\n", 1) < 0)
		_exit(125);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void run_bytes(const char *name, const uint8_t *data, size_t size)
{
	running = name;
	if (LLVMFuzzerTestOneInput(data, size) != 0) {
		(void)fprintf(stderr, "replay: %s: the target did not return 0\n", name);
		exit(1);
	}
}

static size_t run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	FILE *f = fopen(path, "rb");

	if (data == NULL || f == NULL || size > INPUT_MAX || fread(data, 1, size, f) != size) {
		(void)fprintf(stderr, "replay: cannot read %s (%zu bytes)\n", path, size);
		exit(1);
	}
	(void)fclose(f);
	run_bytes(path, data, size);
	free(data);
	return 1;
}

static size_t run_directory(const char *path)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	size_t files = 0;

	for (int i = 0; i < n; i++) {
		char file[4096];
		struct stat st;
		int len = snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);

		if (len > 0 && (size_t)len < sizeof(file) && names[i]->d_name[0] != '.' &&
			stat(file, &st) == 0 && S_ISREG(st.st_mode))
			files += run_file(file, (size_t)st.st_size);
		free(names[i]);
	}
	free(names);
	return files;
}

int main(int argc, char **argv)
{
	size_t files = 0;

	(void)signal(SIGABRT, on_crash);
	if (LLVMFuzzerInitialize != NULL)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	run_bytes("(the empty input)", (const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			files += run_directory(argv[i]);
		else
			files += run_file(argv[i], (size_t)st.st_size);
	}
	printf("%s: %zu inputs\n", argv[0], files);
	if (files == 0)
		(void)fprintf(stderr, "replay: no input found\n");
	return files == 0 ? 1 : 0;
}
