/*
 * login - what the parts of a login share: login.c, and login_ldap.c for what directories decide.
 *
 * r->state is the struct login (login_record.h). Each function runs on one lane and ends with an
 * answer or a hand-off to the next.
 */
#ifndef API_LOGIN_H
#define API_LOGIN_H

#include "iamd/api/login_record.h"
#include "iamd/http/resp.h"

/*
 * The common end: token and record, or (deny_reason) the record and the refusal's error. HASH, SLOW or
 * NET lane: it signs.
 */
enum iam_err login_conclude(struct req *r, struct resp *out, const char *deny_reason);

/* HASH lane: the one computation that a refused login costs, then the refusal with l->deny_reason. */
req_fn login_refused_step;

/*
 * Event loop: is a directory asked about this login? Never for known local and service accounts, and
 * only where one is configured. *ret true: then what is returned is login_post's answer (a hand-off).
 */
enum iam_err login_ldap_begin(struct req *r, bool *ret);

#endif
