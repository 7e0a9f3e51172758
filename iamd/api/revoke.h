/* revoke - one token is ended: shared by logout and POST /auth/revoke. */
#ifndef API_REVOKE_H
#define API_REVOKE_H

#include "iamd/api/services.h"
#include "iamd/audit/audit.h"
#include "iamd/authn/authn.h"

struct revocation {
	unsigned char digest[JOSE_DIGEST_BYTES];
	int64_t expires_at_s; /* 0: never */
	struct str uid;
};

/* In the arena; NULL without memory. */
struct revocation *revocation_of(struct req *r, struct str token,
	const struct token_facts *facts);

/* WRITE lane: the revocation and its audit row. */
MUST_CHECK enum iam_err revoke_write(struct req *r, const struct revocation *rv,
	enum audit_action action);

#endif
