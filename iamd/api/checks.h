/*
 * checks - what every request must pass before its handler runs, one function a rule.
 *
 * Event loop only. checks_enforce() and checks_gateway() are the two orders; they return IAM_OK with
 * out->status == 0 when the handler may run, and with a status when the answer is ready (OPTIONS).
 */
#ifndef API_CHECKS_H
#define API_CHECKS_H

#include "iamd/api/services.h"

enum iam_err checks_enforce(struct req *r, struct resp *out);
enum iam_err checks_gateway(struct req *r, struct resp *out);

/* Enforce mode: does the route's guard let the caller pass? Always true in gateway mode. */
bool checks_permitted(const struct req *r, const struct root *root);

/* Does the Accept header admit application/json (where the path answers in it)? IAM_NOT_ACCEPTABLE. */
enum iam_err checks_accept(const struct req *r);

/* Sets r->match, r->route and r->params. IAM_NO_ROUTE, IAM_BAD_METHOD. Called once, before the body. */
enum iam_err checks_route(struct req *r);

/* Notes X-Request-ID for the answer where the route echoes it. */
void checks_echo_id(struct req *r);

/* Is `accept` (a header value; absent: anything) satisfied by this type ("application", "json")? */
bool accept_admits(struct str accept, struct str type, struct str subtype);

#endif
