/*
 * fuzz_config - the parser of iamd.conf.
 *
 * Properties: an accepted file, dumped and parsed again, gives the same configuration (but for the
 * secret, which a dump hides); a refused one leaves a text and no configuration. The rules between
 * options and the command line's override must survive whatever was accepted.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/config.h"
#include "iamd/config_value.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_survives_a_dump(const struct config *c)
{
	struct config *again = NULL;
	struct iam_error err = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	enum iam_err e;

	if (out == NULL)
		return;
	config_dump(c, out);
	if (fclose(out) == 0) {
		e = config_parse((struct str){.ptr = text, .len = len}, "dump", &again,
			&err);
		assert(e == IAM_OK);
		for (unsigned i = 0; i < config_option_count; i++) {
			const struct option *o = &config_options[i];

			assert(option_is_secret(o) || option_equal(c, again, o));
		}
		config_free(again);
	}
	free(text);
}

/* The input's first line as NAME=VALUE of the command line. */
static void override(struct config *c, const uint8_t *data, size_t size)
{
	const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
	char *text =
		strndup((const char *)data, end == NULL ? size : (size_t)(end - data));
	struct iam_error err = {0};

	if (text != NULL && config_set(c, text, &err) != IAM_OK)
		assert(err.text[0] != '\0');
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iam_error err = {0};
	struct config *c = NULL;
	enum iam_err e;

	if (size > INPUT_MAX)
		return 0;
	e = config_parse((struct str){.ptr = (const char *)data, .len = size}, "fuzz", &c,
		&err);
	if (e != IAM_OK) {
		assert(c == NULL && err.text[0] != '\0');
		return 0;
	}
	assert_survives_a_dump(c);
	if (config_check(c, &err) != IAM_OK)
		assert(err.text[0] != '\0');
	override(c, data, size);
	config_free(c);
	return 0;
}
