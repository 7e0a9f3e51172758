/*
 * resp - the answer under preparation.
 *
 * Does: hold a status, a type, headers and a body or a stream of pieces.
 * Does not: own memory, know statuses of errors (problem.c does), or send.
 * Invariant: status 0 means that nothing was prepared; no header value holds CR, LF or
 * NUL.
 */
#include "iamd/http/resp.h"

void resp_reset(struct resp *out)
{
	*out = (struct resp){.status = 0};
}

enum iam_err resp_header(struct resp *out, const char *name, struct str value)
{
	if (out->n_headers == RESP_HEADERS_MAX || value.ptr == NULL)
		return IAM_INTERNAL;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == '\0')
			return IAM_INTERNAL;
	out->headers[out->n_headers++] =
		(struct req_header){.name = str_c(name), .value = value};
	return IAM_OK;
}

void resp_repeats(struct resp *out)
{
	out->repeats = true;
}

enum iam_err resp_empty(struct resp *out, unsigned status, bool with_type)
{
	return resp_body(out, status, with_type ? RESP_JSON_TYPE : NULL, STR(""));
}

enum iam_err resp_body(struct resp *out, unsigned status, const char *content_type,
	struct str body)
{
	out->status = status;
	out->content_type = content_type;
	out->body = body;
	out->stream = NULL;
	out->stream_ctx = NULL;
	return IAM_OK;
}

enum iam_err resp_stream(struct resp *out, resp_stream_fn *fn, void *ctx)
{
	out->status = 200;
	out->content_type = RESP_JSON_TYPE;
	out->body = STR_NONE;
	out->stream = fn;
	out->stream_ctx = ctx;
	return IAM_OK;
}
