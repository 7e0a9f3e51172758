/*
 * jsonw - writes pretty JSON (2 spaces, "key": value, UTF-8 unescaped) straight into a
 * builder.
 *
 * The form is the wire contract's: the same bytes as a pretty-printer with indent 2 and
 * one final newline (jsonw_end_document). Empty containers are [] and {}. No tree is
 * made, so that long lists cost no memory. Controls, '"' and '\\' are escaped. LIMIT:
 * nesting 16.
 */
#ifndef HTTP_JSONW_H
#define HTTP_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "libacl/base/str.h"

struct jsonw {
	struct sb *out;
	unsigned depth;
	bool any[16]; /* something stands in the container of this depth already */
};

void jsonw_init(struct jsonw *w, struct sb *out);
/* The builder to write on to (streams change it between pieces). */
void jsonw_set_out(struct jsonw *w, struct sb *out);

void jsonw_object(struct jsonw *w);               /* as an element or the document */
void jsonw_object_key(struct jsonw *w, const char *key);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_array_key(struct jsonw *w, const char *key);
void jsonw_array_end(struct jsonw *w);

void jsonw_str(struct jsonw *w, const char *key, struct str value); /* key NULL: array element */
void jsonw_key_str(struct jsonw *w, struct str key, struct str value); /* key from data */
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_null(struct jsonw *w, const char *key);
void jsonw_end_document(struct jsonw *w); /* the newline */

/*
 * Compact JSON string literal with quotes; ascii_only: everything above 0x7e as \uXXXX.
 */
void jsonw_quote(struct sb *out, struct str s, bool ascii_only);

#endif
