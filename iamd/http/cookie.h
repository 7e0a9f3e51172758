/*
 * cookie - the Cookie header taken apart (RFC 6265 section 5.4, leniently), and the two
 * Set-Cookie forms. Pure.
 */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "libacl/base/arena.h"
#include "libacl/base/str.h"

#define COOKIE_AUTH "dcos-acs-auth-cookie"
#define COOKIE_INFO "dcos-acs-info-cookie"

/*
 * The first cookie of that name over one header value, without surrounding quotes; absent
 * if none.
 */
struct str cookie_find(struct str header, const char *name);

/* "<name>=<token>; HttpOnly; Max-Age=<n>; Path=/; SameSite=Lax[; Secure]" */
struct str cookie_auth(struct arena *a, struct str token, int64_t max_age_s, bool secure);

/*
 * The info cookie: base64 of ASCII JSON {"uid": …, "description": …, "is_remote": …}
 * (non-ASCII as \uXXXX; a description
 * over 1 KiB in that form is cut), in double quotes when it holds '=' or '/'. Not HttpOnly;
 * SameSite=Lax; Secure too when `secure`.
 */
struct str cookie_info(struct arena *a, struct str uid, struct str description, bool is_remote, int64_t max_age_s,
	bool secure);

/*
 * dcos-acs-auth-cookie=""; expires=Sat, 01 Jan 2000 00:00:00 GMT; HttpOnly; Path=/ —
 * static.
 */
struct str cookie_auth_cleared(void);
struct str cookie_info_cleared(void);

#endif
