/*
 * config_doc - a build-time tool: puts the list of options into the manual.
 *
 * usage: config_doc TEMPLATE OUTPUT
 *
 * Copies the template; the line @OPTIONS@ is replaced by what config_print_mdoc() writes. Exactly
 * one such line must be there.
 */
#include <stdio.h>
#include <string.h>

#include "iamd/config.h"

/* LIMIT: bytes of a line of the template. */
#define LINE_MAX_BYTES 1024

static unsigned copy(FILE *in, FILE *out)
{
	char line[LINE_MAX_BYTES];
	unsigned lists = 0;

	while (fgets(line, sizeof(line), in) != NULL) {
		if (strcmp(line, "@OPTIONS@\n") == 0) {
			config_print_mdoc(out);
			lists++;
		} else {
			(void)fputs(line, out);
		}
	}
	return lists;
}

int main(int argc, char **argv)
{
	FILE *in, *out;
	unsigned lists;
	int failed;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: config_doc TEMPLATE OUTPUT\n");
		return 2;
	}
	in = fopen(argv[1], "re");
	out = in == NULL ? NULL : fopen(argv[2], "we");
	if (in == NULL || out == NULL) {
		perror(in == NULL ? argv[1] : argv[2]);
		if (in != NULL)
			(void)fclose(in);
		return 1;
	}
	lists = copy(in, out);
	failed = ferror(in) | ferror(out);
	(void)fclose(in);
	failed |= fclose(out);
	if (lists != 1 || failed != 0) {
		(void)fprintf(stderr, "config_doc: %s: expected one line @OPTIONS@\n",
			argv[1]);
		return 1;
	}
	return 0;
}
