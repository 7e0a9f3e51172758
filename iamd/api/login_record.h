/*
 * login_record - a login's state, and what is written down about it afterwards.
 */
#ifndef API_LOGIN_RECORD_H
#define API_LOGIN_RECORD_H

#include "iamd/api/services.h"
#include "iamd/authn/password.h"
#include "iamd/idp/idp.h"
#include "iamd/store/directories.h"

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
	/* where directories are asked */
	struct sb said;         /* what each of them said, for the audit; empty: none was asked */
	const char *deny_reason; /* of login_refused_step() */
	bool is_unavailable;    /* no decision, for lack of an answer */
	struct str directory;   /* whose turn it is */
	struct str *order;      /* ids of all that may be asked, as it stood at the beginning */
	unsigned n_order, nth;  /* nth: of the next one */
	struct directory_user bound; /* directory absent: not bound to an entry */
	struct identity who;    /* the entry whose password was right */
	int64_t until_ms;       /* monotonic: the end of all asking */
};

/*
 * Row and line of a login (deny_reason NULL: it succeeded), best-effort, never holding the answer.
 * Where directories were asked it is AUDIT_LDAP_LOGIN, and what they said is the reason.
 * A successful one also notes last_login, and hashes the password anew where l->rehash says so.
 */
void login_record(struct req *r, const struct login *l, const char *deny_reason);

/* A key that tells accounts apart where each has its fair share: lanes, waiting requests; never 0. */
uint64_t login_share_of(struct str uid);

#endif
