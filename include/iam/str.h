/*
 * str - a borrowed view of bytes.
 *
 * A view never owns memory and need not end in NUL. `ptr == NULL` means "absent", which is
 * not the same as empty (`len == 0` with a pointer).
 */
#ifndef IAM_STR_H
#define IAM_STR_H

#include <stddef.h>

struct str {
	const char *ptr;
	size_t len;
};

/* A view of a string literal. */
#define STR(literal) ((struct str){.ptr = "" literal, .len = sizeof(literal) - 1})
#define STR_NONE ((struct str){.ptr = NULL, .len = 0})

/* For "%.*s". */
#define STR_FMT(s) (int)(s).len, ((s).ptr == NULL ? "" : (s).ptr)

#endif
