/*
 * sanitize - what the HTTP library lets through and we do not.
 *
 * Two or odd Content-Lengths, Content-Length with Transfer-Encoding, any
 * Transfer-Encoding but exactly "chunked", field names that are no tokens (a space before
 * ':'), two Hosts, a Host that is no authority (also empty: a folded value vanishes) or
 * (HTTP/1.1) none, targets that do not begin with '/', NUL in the target (raw or
 * encoded), raw controls in it, bad escapes in the path (in the query they only make
 * their parameter absent), controls other than HTAB in values (bytes >= 0x80 are fine).
 * Pure; works on a struct req whose headers are filled in.
 */
#ifndef HTTP_SANITIZE_H
#define HTTP_SANITIZE_H

#include "iamd/http/req.h"

/* LIMIT: request target (answer 414) and the sum of all header bytes (431). */
#define SANITIZE_TARGET_MAX 8192
#define SANITIZE_HEADERS_MAX 32768

/*
 * 0 if fine, else the status to answer (400, 414, 431) before closing; *ret_why: a static
 * text for the log.
 */
unsigned sanitize_request(const struct req *r, const char **ret_why);

/*
 * For a parser that cuts lines in place by writing NUL over their ends: where the line after
 * "name: value" CRLF begins. NULL when this is no such line (folded, cut by a NUL, bare LF).
 * It looks at no byte behind the line's own end.
 */
const char *sanitize_next_line(const char *name, size_t name_len, const char *value,
	size_t value_len);

#endif
