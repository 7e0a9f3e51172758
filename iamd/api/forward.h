/*
 * forward - what forward-auth takes from a gateway's headers, and tells back.
 *
 * The original request stands in one pair of headers, by configuration: X-Original-Method and -URI, or
 * X-Forwarded-Method and -Uri. The other pair is ignored. Event loop; no lock, no SQL.
 */
#ifndef API_FORWARD_H
#define API_FORWARD_H

#include "iamd/authz/publish.h"
#include "iamd/http/req.h"

/* LIMIT: bytes of X-Iam-Groups, and of a path to return to. */
#define FORWARD_GROUPS_MAX 2048
#define FORWARD_RETURN_MAX 2048

/*
 * The target of the original request as the gateway got it. NULL, or why there is none:
 * "untrusted-peer" (not of trusted_proxies), "no-original-request", "repeated-header".
 */
const char *forward_original(const struct req *r, const struct config *config,
	struct str *ret_uri);

/* Does the request carry the configured method header, from whomever? */
bool forward_has_method(const struct req *r, const struct config *config);

/*
 * Where to send a browser that must log in: login_page with the parameter `redirect`, the path it came
 * from, if that is one on its own origin. Absent unless the query says redirect=1 and the original
 * request is the navigation of a browser. Errors: IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err forward_login_page(struct req *r, const struct config *config,
	struct str *ret_location);

/*
 * The effective groups of the principal, sorted and parted by commas. *ret_fits false: they are more
 * than fit, *ret_groups is untouched. Errors: IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err forward_groups(struct req *r, const struct root *root,
	struct str *ret_groups, bool *ret_fits);

#endif
