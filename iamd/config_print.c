/*
 * config_print - the configuration as a file, and as the manual's list.
 *
 * Both walk the table of options, so that neither can forget one. What --dump-config prints is a
 * valid iamd.conf (secrets excepted: the mark in their place is text, too).
 */
#include <string.h>

#include "iamd/config.h"
#include "iamd/config_value.h"
#include "libacl/base/str.h"

#define SECRET_MARK     "********"
#define COMMENT_COLUMNS 78

/* Words of text, wrapped, each line after "# ". */
static void print_comment(const char *text, FILE *out)
{
	struct str rest = str_c(text);
	size_t column = 0;

	while (rest.ptr != NULL) {
		struct str word = str_split(&rest, ' ');

		if (column > 0 && column + 1 + word.len > COMMENT_COLUMNS) {
			(void)fputc('\n', out);
			column = 0;
		}
		column += 1 + word.len;
		(void)fprintf(out, "%s%.*s", column == 1 + word.len ? "# " : " ",
			STR_FMT(word));
	}
	(void)fputc('\n', out);
}

void config_dump(const struct config *c, FILE *out)
{
	for (unsigned i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		char buf[OPTION_TEXT_BYTES];
		const char *value = option_format(c, o, buf);

		if (option_is_secret(o) && value[0] != '\0')
			value = SECRET_MARK;
		print_comment(o->text, out);
		(void)fprintf(out, "%s =%s%s\n\n", o->name, value[0] == '\0' ? "" : " ",
			value);
	}
}

/* One sentence a line; characters that mean something to roff are escaped. */
static void print_mdoc_text(const char *text, FILE *out)
{
	bool is_line_start = true;

	for (const char *p = text; *p != '\0'; p++) {
		if (is_line_start && (*p == '.' || *p == '\''))
			(void)fputs("\\&", out);
		is_line_start = false;
		if (*p == '\\')
			(void)fputs("\\e", out);
		else if (*p == '-')
			(void)fputs("\\-", out);
		else if (*p == ' ' && p > text && p[-1] == '.') {
			(void)fputc('\n', out);
			is_line_start = true;
		} else {
			(void)fputc(*p, out);
		}
	}
	(void)fputc('\n', out);
}

static void print_mdoc_default(const struct option *o, FILE *out)
{
	struct config *c;
	char buf[OPTION_TEXT_BYTES];
	const char *value;

	if (config_parse(STR(""), "", &c, NULL) != IAM_OK)
		return;
	value = option_format(c, o, buf);
	if (value[0] == '\0')
		(void)fputs("Empty by default", out);
	else
		(void)fprintf(out, "Default:\n.Ql %s", value);
	config_free(c);
}

void config_print_mdoc(FILE *out)
{
	(void)fputs(".Bl -tag -width Ds\n", out);
	for (unsigned i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		char valid[OPTION_TEXT_BYTES];

		option_describe(o, valid);
		(void)fprintf(out, ".It Ic %s\n", o->name);
		print_mdoc_text(o->text, out);
		(void)fputs(".br\nValue: ", out);
		print_mdoc_text(valid, out);
		(void)fputs(".br\n", out);
		print_mdoc_default(o, out);
		(void)fprintf(out, "%s\n",
			o->is_reloadable ? "\n(taken over on reload)."
					 : "\n(needs a restart).");
	}
	(void)fputs(".El\n", out);
}
