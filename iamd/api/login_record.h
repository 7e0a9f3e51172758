/*
 * login_record - a login's state, and what is written down about it afterwards.
 */
#ifndef API_LOGIN_RECORD_H
#define API_LOGIN_RECORD_H

#include "iamd/api/services.h"
#include "iamd/authn/password.h"

/* One login across its lanes. Strings are the request's. */
struct login {
	struct user user; /* as read once; only uid is set when unknown */
	bool known;
	bool is_service_login;
	struct str tried_uid;
	struct str password;
	struct str service_token;
	bool has_exp;
	int64_t exp; /* 0 with has_exp: no expiry */
	struct password_params params;
	bool rehash;
	bool cookie_secure;
	int64_t lifetime_s; /* of the cookies */
	struct str token;
	int64_t expires_at_s;
	uint64_t keyset;
};

/*
 * Row and line of a login (deny_reason NULL: it succeeded), best-effort, never holding the answer.
 * A successful one also notes last_login, and hashes the password anew where l->rehash says so.
 */
void login_record(struct req *r, const struct login *l, const char *deny_reason);

/* A key that tells accounts apart where each has its fair share: lanes, waiting requests; never 0. */
uint64_t login_share_of(struct str uid);

#endif
