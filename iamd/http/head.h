/*
 * head - the fields of a request's head, taken over from the HTTP library one by one.
 *
 * libmicrohttpd 0.9.75 cuts lines in place, glues a folded line's text to the field's
 * *name*, ends values at a NUL, and takes a line without a name for the end of the head:
 * each time the rest means something else to whoever forwarded it. All of that shows as a
 * line that is not where it should be, so with `lines_in_place` each must begin where the
 * one before ended. Pure; on a struct req.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "iamd/http/req.h"

struct head {
	struct req *req;
	const char *next; /* where the next line must begin; NULL: not checked */
	unsigned status;  /* not 0: refuse with it, and why */
	const char *why;
	bool failed; /* no memory */
};

/* version: the library's "HTTP/1.x" at the end of the request line. */
void head_begin(struct head *h, struct req *r, const char *version, bool lines_in_place);

/* Copies one field. False: enough is known, the request will be refused. */
bool head_add(struct head *h, const char *name, size_t name_len, const char *value,
	size_t value_len);

/* The blank line must follow the last field. */
void head_end(struct head *h);

#endif
