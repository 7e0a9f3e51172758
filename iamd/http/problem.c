/*
 * problem - errors on the wire.
 *
 * Does: status, title, code and headers of every enum iam_err; the one-line JSON body.
 * Does not: log, or show what failed inside (paths, SQL): for the kinds marked `is_mute`
 * the caller's own text never leaves the process.
 * Invariant: every error has a row in the table; a row that is missing has status 0 and
 * answers 500 (a unit test walks the whole enum).
 */
#include "iamd/http/problem.h"

#include "iamd/http/jsonw.h"

#define PROBLEM_TYPE "application/json; charset=UTF-8"
/* LIMIT: a title, a text of 319 bytes (six-fold when all of it is escaped) and a code. */
#define PROBLEM_MAX_BYTES 4096

struct kind {
	unsigned status;
	const char *code;  /* NULL: no such member */
	const char *title; /* NULL: the status line */
	bool is_empty;     /* no body */
	bool is_mute;      /* default text only */
	bool challenges;   /* WWW-Authenticate */
};

#define CODED(status_, code_) \
	{ \
		.status = (status_), .code = (code_) \
	}
#define EMPTY(status_) \
	{ \
		.status = (status_), .is_empty = true \
	}
#define BODY_CHECK \
	{ \
		.status = 400, .title = "Bad Request" \
	}
#define DOWN \
	{ \
		.status = 503, .code = "ERR_UNAVAILABLE", .is_mute = true \
	}
#define BROKEN \
	{ \
		.status = 500, .is_mute = true \
	}
#define LOCKED(code_) \
	{ \
		.status = 401, .code = (code_), .challenges = true \
	}

static const struct kind kinds[IAM_ERR_COUNT] = {
	[IAM_OK] = BROKEN, /* no error: nobody should ask */
	[IAM_NO_MEMORY] = DOWN,
	[IAM_STORE] = DOWN,
	[IAM_STORE_FULL] = DOWN,
	[IAM_STORE_BUSY] = DOWN,
	[IAM_UNAVAILABLE] = CODED(503, "ERR_UNAVAILABLE"),
	[IAM_IO] = BROKEN,
	[IAM_INTERNAL] = BROKEN,
	[IAM_CONFIG] = BROKEN,
	[IAM_NOT_ACCEPTABLE] = EMPTY(406),
	[IAM_NO_ROUTE] = EMPTY(404),
	[IAM_BAD_METHOD] = EMPTY(405),
	[IAM_TOO_LARGE] = CODED(413, "ERR_TOO_LARGE"),
	[IAM_NO_CONTENT_TYPE] = BODY_CHECK,
	[IAM_EMPTY_BODY] = BODY_CHECK,
	[IAM_BAD_MEDIA_TYPE] = {.status = 415, .title = "Unsupported media type"},
	[IAM_BAD_UTF8] = BODY_CHECK,
	[IAM_BAD_JSON] = BODY_CHECK,
	[IAM_NO_JSON] = BODY_CHECK,
	[IAM_BAD_SCHEMA] = BODY_CHECK,
	[IAM_BAD_REQUEST] = {.status = 400},
	[IAM_UNAUTHENTICATED] = LOCKED("ERR_UNAUTHENTICATED"),
	[IAM_FORBIDDEN] = CODED(403, "ERR_FORBIDDEN"),
	[IAM_CROSS_SITE] = CODED(403, "ERR_CROSS_SITE"),
	[IAM_BAD_CREDENTIALS] = LOCKED("ERR_INVALID_CREDENTIALS"),
	[IAM_BAD_CREDENTIALS_LDAP] = LOCKED("ERR_INVALID_CREDENTIALS_LDAP"),
	[IAM_CANNOT_IMPORT_USER] = CODED(400, "ERR_CANNOT_IMPORT_USER"),
	[IAM_BAD_ID_TOKEN] = {.status = 401},
	[IAM_BAD_TOKEN] = LOCKED("ERR_UNAUTHENTICATED"),
	[IAM_TOKEN_EXPIRED] = LOCKED("ERR_UNAUTHENTICATED"),
	[IAM_BAD_DATA] = CODED(400, "ERR_INVALID_DATA"),
	[IAM_BAD_UID] = CODED(400, "ERR_INVALID_USER_ID"),
	[IAM_BAD_GID] = CODED(400, "ERR_INVALID_GROUP_ID"),
	[IAM_BAD_RID] = CODED(400, "ERR_INVALID_RESOURCE_ID"),
	[IAM_BAD_ACTION] = CODED(400, "ERR_INVALID_ACTION"),
	[IAM_BAD_PUBLIC_KEY] = CODED(400, "ERR_INVALID_PUBLIC_KEY"),
	[IAM_MISSING_QUERY] = CODED(400, "ERR_MISSING_QUERY_PARAMETERS"),
	[IAM_MISSING_QUERY_DECISION] = CODED(400, "ERR_MISSING_QUERY_PARAMETERS"),
	[IAM_NO_USER] = CODED(400, "ERR_UNKNOWN_USER_ID"),
	[IAM_USER_EXISTS] = CODED(409, "ERR_USER_EXISTS"),
	[IAM_NO_GROUP] = CODED(400, "ERR_UNKNOWN_GROUP_ID"),
	[IAM_GROUP_EXISTS] = CODED(409, "ERR_GROUP_EXISTS"),
	[IAM_IN_GROUP] = CODED(409, "ERR_USER_ALREADY_IN_GROUP"),
	[IAM_NOT_IN_GROUP] = CODED(400, "ERR_USER_NOT_IN_GROUP"),
	[IAM_NO_RESOURCE] = CODED(400, "ERR_UNKNOWN_RESOURCE_ID"),
	[IAM_ACL_EXISTS] = CODED(409, "ERR_ACL_EXISTS"),
	[IAM_PERMISSION_EXISTS] = CODED(409, "ERR_PERMISSION_EXISTS"),
	[IAM_USER_NOT_IN_ACL] = CODED(400, "ERR_USER_NOT_IN_ACL"),
	[IAM_GROUP_NOT_IN_ACL] = CODED(400, "ERR_GROUP_NOT_IN_ACL"),
	[IAM_ACTION_NOT_STORED] = CODED(400, "ERR_ACTION_NOT_YET_STORED"),
	[IAM_SUPERUSER_GROUP] = CODED(400, "ERR_IS_SUPERUSER_GROUP"),
	[IAM_SUPERUSER_ACL] = CODED(400, "ERR_IS_SUPERUSER_ACL"),
	[IAM_LAST_SUPERUSER] = CODED(400, "ERR_NO_MORE_SUPERUSERS"),
	[IAM_NO_DIRECTORY] = CODED(400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"),
	[IAM_LDAP_NOT_CONFIGURED] = CODED(400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"),
	[IAM_LDAP_CONFIG_INVALID] = CODED(400, "ERR_LDAP_CONFIG_INVALID"),
	[IAM_LDAP_USER_NOT_FOUND] = CODED(400, "ERR_LDAP_IMPORT_USER_NOT_FOUND"),
	[IAM_LDAP_GROUP_NOT_FOUND] = CODED(400, "ERR_LDAP_IMPORT_GROUP_NOT_FOUND"),
	[IAM_LDAP_SEARCH_FAILED] = CODED(400, "ERR_LDAP_IMPORT_SEARCH_FAILED"),
	[IAM_NO_PROVIDER] = CODED(400, "ERR_UNKNOWN_PROVIDER_ID"),
	[IAM_NOT_FOUND] = {.status = 404},
	[IAM_EXISTS] = {.status = 409},
	[IAM_CONFLICT] = {.status = 409},
};

static const char *status_line(unsigned status)
{
	switch (status) {
	case 400:
		return "400 Bad Request";
	case 401:
		return "401 Unauthorized";
	case 403:
		return "403 Forbidden";
	case 404:
		return "404 Not Found";
	case 409:
		return "409 Conflict";
	case 413:
		return "413 Payload Too Large";
	case 429:
		return "429 Too Many Requests";
	case 503:
		return "503 Service Unavailable";
	default:
		return "500 Internal Server Error";
	}
}

unsigned problem_status(enum iam_err e)
{
	unsigned status = (unsigned)e < IAM_ERR_COUNT ? kinds[e].status : 0;

	return status == 0 ? 500 : status;
}

/*
 * The handler's own wait if it set one, else a short one: everything that is full drains
 * fast.
 */
static struct str retry_after(const struct resp *old, unsigned status)
{
	for (unsigned i = 0; i < old->n_headers; i++)
		if (str_ieq_c(old->headers[i].name, "Retry-After"))
			return old->headers[i].value;
	return status == 429 ? STR("30") : STR("2");
}

static struct str body_text(struct req *r, enum iam_err e, const struct kind *k)
{
	const char *text = iam_err_text(e);
	struct sb sb;

	if (!k->is_mute && r->error.code == e && r->error.text[0] != '\0')
		text = r->error.text;
	sb_init(&sb, r->arena, PROBLEM_MAX_BYTES);
	sb_add(&sb, STR("{\"title\": "));
	jsonw_quote(&sb, str_c(k->title == NULL ? status_line(k->status) : k->title),
		false);
	sb_add(&sb, STR(", \"description\": "));
	jsonw_quote(&sb, str_c(text), false);
	if (k->code != NULL)
		sb_addf(&sb, ", \"code\": \"%s\"", k->code);
	sb_add_char(&sb, '}');
	return sb_str(&sb);
}

void problem_write(struct req *r, enum iam_err e, struct resp *out)
{
	static const struct kind broken = BROKEN;
	const struct kind *k = &broken;
	struct resp old = *out;
	enum iam_err added = IAM_OK;
	struct str body = STR("");

	if ((unsigned)e < IAM_ERR_COUNT && kinds[e].status != 0)
		k = &kinds[e];
	resp_reset(out);
	if (!k->is_empty)
		body = body_text(r, e, k);
	if (body.ptr == NULL) {
		(void)resp_body(out, 500, NULL, STR(""));
		return;
	}
	(void)resp_body(out, k->status, k->is_empty ? NULL : PROBLEM_TYPE, body);
	if (!k->is_empty)
		added = resp_header(out, "Vary", STR("Accept"));
	if (added == IAM_OK && k->challenges)
		added = resp_header(out, "WWW-Authenticate", STR("acsjwt"));
	if (added == IAM_OK && (k->status == 503 || k->status == 429))
		added = resp_header(out, "Retry-After", retry_after(&old, k->status));
	if (added != IAM_OK)
		(void)resp_body(out, 500, NULL, STR(""));
}
