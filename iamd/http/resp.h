/*
 * resp - the answer a handler prepares; the server sends it.
 *
 * Strings are borrowed: from the request's arena, or static. One owner: whoever owns the
 * request.
 */
#ifndef HTTP_RESP_H
#define HTTP_RESP_H

#include <stdbool.h>

#include "iamd/http/req.h"

#define RESP_JSON_TYPE "application/json; charset=utf-8"
/* LIMIT: header fields of one answer. */
#define RESP_HEADERS_MAX 16

/*
 * A long body in pieces, on the SLOW lane: append some 64 KiB (LIMIT: 256) to `piece`, set *ret_end
 * after the last. Keeps its position in r->state or ctx. No read transaction may stay
 * open between calls.
 */
typedef enum iam_err resp_stream_fn(struct req *r, void *ctx, struct sb *piece, bool *ret_end);
#define RESP_PIECE_BYTES 65536

struct resp {
	unsigned status;          /* 0: nothing prepared yet */
	const char *content_type; /* NULL: none */
	struct str body;
	resp_stream_fn *stream;
	void *stream_ctx;
	struct req_header headers[RESP_HEADERS_MAX];
	unsigned n_headers;
	bool close;               /* close the connection afterwards */
	bool repeats;             /* said often and no secret: resp_repeats() */
};

/* Forgets all that was prepared. */
void resp_reset(struct resp *out);

/*
 * Adds a header. The value must live as long as the request and hold no CR, LF or NUL
 * (else IAM_INTERNAL).
 */
MUST_CHECK enum iam_err resp_header(struct resp *out, const char *name, struct str value);

/*
 * The same will be said to many requests and holds nothing that must not outlive this one: the
 * server may keep it (http/answers.h).
 */
void resp_repeats(struct resp *out);

/* An empty answer: 201 and 200 with the JSON type (`with_type`), 204 without any. */
enum iam_err resp_empty(struct resp *out, unsigned status, bool with_type);

/* A finished body. */
enum iam_err resp_body(struct resp *out, unsigned status, const char *content_type, struct str body);

/* 200, JSON type, streamed on the SLOW lane. */
enum iam_err resp_stream(struct resp *out, resp_stream_fn *fn, void *ctx);

#endif
