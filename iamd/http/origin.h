/*
 * origin - does a state-changing request that carries a cookie come from our own pages?
 *
 * Needs Sec-Fetch-Site same-origin or none, or an Origin equal to the request's own, or
 * neither header (no browser). Also: was the request made over TLS as the client sees it.
 * Pure.
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
/*
 * The client's address: what origin_resolve_client() found, else the peer. Lives in the
 * req.
 */
struct str origin_client_ip(struct req *r);

/*
 * Sets r->client_ip from X-Forwarded-For when the peer is trusted: the last hop that is
 * not itself trusted (or the first of all). The server calls it once a request; the list
 * is only read.
 */
struct proxy_list;
void origin_resolve_client(struct req *r, const struct proxy_list *trusted);

/* "10.0.0.0/8,::1,unix:" taken apart once; membership tests are pure. */
MUST_CHECK enum iam_err proxy_list_parse(const char *text, struct proxy_list **ret_list, struct iam_error *err);
void proxy_list_free(struct proxy_list *l);
bool proxy_list_has(const struct proxy_list *l, bool is_unix, const char *ip);

#endif
