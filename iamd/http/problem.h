/*
 * problem - the one place that turns an enum iam_err into an HTTP answer.
 *
 * {"title": "400 Bad Request", "description": "...", "code": "ERR_..."} on one line with
 * a final newline absent, `content-type: application/json; charset=UTF-8`, `vary:
 * Accept`; no `code` member where none applies; 404 and 405 of routing, and 406 to a
 * client that accepts neither, are empty. Adds WWW-Authenticate: acsjwt to
 * IAM_BAD_CREDENTIALS and IAM_UNAUTHENTICATED, Retry-After to 503 and 429.
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "iamd/http/resp.h"

unsigned problem_status(enum iam_err e);

/*
 * Replaces what `out` holds. Text from r->error if set, else the default. Never fails
 * (falls back to an empty 500).
 */
void problem_write(struct req *r, enum iam_err e, struct resp *out);

#endif
