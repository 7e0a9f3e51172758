/*
 * authzen - OpenID's Authorization API 1.0: "may this subject do this to that", on iamd's ACLs.
 *
 * Shared by authzen*.c. Requests are open: unknown members, `properties` and `context` are accepted
 * and decide nothing. What cannot be known (another type of subject, another action, a resource
 * without an ACL) is a plain denial.
 */
#ifndef API_AUTHZEN_H
#define API_AUTHZEN_H

#include <jansson.h>

#include "iamd/api/decide.h"
#include "iamd/http/jsonw.h"
#include "iamd/http/resp.h"

/* ---- authzen_entities.c ---- */

enum authzen_part { AUTHZEN_SUBJECT = 1, AUTHZEN_RESOURCE = 2, AUTHZEN_ACTION = 4 };
#define AUTHZEN_ALL (AUTHZEN_SUBJECT | AUTHZEN_RESOURCE | AUTHZEN_ACTION)

struct authzen_entity {
	struct str type; /* absent: the entity was not given */
	struct str id;   /* absent where it is what a search looks for */
};

/* One question. Strings are borrowed from the request's JSON. */
struct authzen_ask {
	struct authzen_entity subject, resource;
	struct str action; /* absent: not given */
	bool explain;      /* context.explain is true */
};

/* The request's body: what the pipeline has parsed, or else parsed now. IAM_BAD_SCHEMA: no object. */
MUST_CHECK enum iam_err authzen_body(struct req *r);

/*
 * Takes over what the object has of subject, resource, action and context; each replaces what *ask
 * has whole. `searched` (one part, or 0) needs no id and its id (the action as a whole) is not looked
 * at. IAM_BAD_SCHEMA with a text that names the member of a wrong type or the required one.
 */
MUST_CHECK enum iam_err authzen_read(const json_t *object, unsigned searched,
	struct authzen_ask *ask, struct iam_error *err);

/* Are these parts there? IAM_BAD_SCHEMA names the one that is not. */
MUST_CHECK enum iam_err authzen_need(const struct authzen_ask *ask, unsigned parts,
	struct iam_error *err);

/* IAM_BAD_SCHEMA, "`member` is not of type 'type'". */
enum iam_err authzen_wrong_type(const char *member, const char *type,
	struct iam_error *err);

/* Of a type that is known: "user" or "service". */
bool authzen_is_account_type(struct str type, bool *ret_service);

/* May the caller ask about this subject? decide_may_ask(). */
MUST_CHECK enum iam_err authzen_may_ask(const struct req *r, const struct root *root,
	const struct authzen_entity *subject);

/*
 * What a question means to the ACLs. LIMIT: longer ids than any account, resource or action can have
 * are cut behind the point where they have become unknown.
 */
struct authzen_meaning {
	struct str uid, rid, action;
	char uid_text[IAM_UID_MAX_BYTES + 32];
	char rid_text[IAM_RID_MAX_BYTES + 8];
};
/* Borrows from `ask` and from the root's configuration. */
void authzen_meaning(const struct root *root, const struct authzen_ask *ask,
	struct authzen_meaning *ret);

/* Runs `then` on the loop once the revision asked for with X-Iam-At-Least is there. */
MUST_CHECK enum iam_err authzen_start(struct req *r, struct resp *out, req_fn *then);

/* ---- authzen_evaluation.c ---- */

/* Decides a question and writes {"decision", "context"} as an element; `reasons`: also why, if asked. */
MUST_CHECK enum iam_err authzen_write_decision(struct req *r, struct jsonw *w,
	const struct root *root, const struct authzen_ask *ask, bool reasons,
	bool *ret_allow);

/* The body as one question; the handler of single evaluations behind authzen_start(). */
req_fn authzen_evaluate;

/* ---- authzen_page.c ---- */

#define AUTHZEN_PAGE_DEFAULT 100
#define AUTHZEN_PAGE_MAX     1000
/* LIMIT: the longest id a page can end with. */
#define AUTHZEN_ID_MAX_BYTES IAM_RID_MAX_BYTES

struct authzen_page {
	int64_t limit;
	struct str after; /* absent: from the start */
	char after_text[AUTHZEN_ID_MAX_BYTES];
};

/*
 * Reads `page` of a search. A token is the encrypted id a page ended with; it opens only with the
 * query it was made for (searched part, entities, action) and until iamd restarts.
 * Errors: IAM_BAD_SCHEMA (types, limit below 1), IAM_BAD_REQUEST (token).
 */
MUST_CHECK enum iam_err authzen_page_read(struct req *r, const struct root *root,
	unsigned searched, const struct authzen_ask *ask, struct authzen_page *ret);

/* The token of the page behind `last`, in the arena. Errors: IAM_NO_MEMORY. */
MUST_CHECK enum iam_err authzen_page_token(struct req *r, const struct root *root,
	unsigned searched, const struct authzen_ask *ask, struct str last,
	struct str *ret_token);

#endif
