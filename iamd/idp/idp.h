/*
 * idp - what an identity source says: the words that login, import and synchronisation share.
 *
 * A source returns data; whether an account is made of it is authn/'s decision. It never falls
 * through to another source by itself: UNAVAILABLE is neither "wrong password" nor "not mine".
 */
#ifndef IDP_IDP_H
#define IDP_IDP_H

#include <stdbool.h>
#include <stdint.h>

#include "iam/err.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

enum idp_result {
	IDP_ACCEPTED,     /* the password is right and the account may log in */
	IDP_REJECTED,     /* wrong password */
	IDP_UNKNOWN_USER, /* no entry, or more than one, for that name */
	IDP_DISABLED,     /* disabled or locked there */
	IDP_EXPIRED,      /* account or password expired, or the password must be changed */
	IDP_UNAVAILABLE,  /* no answer in time, or none that can be used */
	IDP_RESULT_COUNT
};
/* "accepted", "rejected" ...: metrics and audit. */
const char *idp_result_name(enum idp_result r);

/* LIMIT: bytes of a subject in its text form. */
#define IDP_SUBJECT_MAX 128

/* A person as the source knows them. Strings are the caller's arena's. */
struct identity {
	struct str source;      /* id of the directory */
	struct str subject;     /* `entryuuid:...` or its like (ldap_users.h): for ever the same person */
	struct str name;        /* the login attribute's value in the entry's spelling; may break our id rule */
	struct str dn;
	struct str description; /* "" where the entry has none */
	struct str email;       /* "" */
	bool disabled;          /* the entry says so (userAccountControl and the like) */
};

#endif
