/*
 * origin - does a state-changing request that carries a cookie come from our own pages?
 *
 * Needs Sec-Fetch-Site same-origin or none, or an Origin equal to the request's own, or neither
 * header (no browser). Also: was the request made over TLS as the client sees it. Pure.
 */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include <stdbool.h>

#include "iamd/http/req.h"

bool origin_is_own(const struct req *r);
/* Sec-Fetch-Site says cross-site or same-site. */
bool origin_says_foreign(const struct req *r);
/* Directly, or by X-Forwarded-Proto from a trusted proxy. */
bool origin_is_tls(const struct req *r);
/* The client's address: X-Forwarded-For's last untrusted hop from a trusted proxy, else the peer. In the arena or the req. */
struct str origin_client_ip(struct req *r);

/* "10.0.0.0/8,::1,unix:" taken apart once; membership tests are pure. */
struct proxy_list;
MUST_CHECK enum iam_err proxy_list_parse(const char *text, struct proxy_list **ret_list, struct iam_error *err);
void proxy_list_free(struct proxy_list *l);
bool proxy_list_has(const struct proxy_list *l, bool is_unix, const char *ip);

#endif
