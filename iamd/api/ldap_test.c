/*
 * ldap_test - a stored directory configuration tried out with one person's name and password.
 *
 * Runs on the NET lane under the directory's share, with connections of its own: what is told is how
 * things are now, not what the health of kept connections remembers. 200: the directory was reached
 * and asked (the code says whether it accepted); 502 with the same object: it was not. Makes no
 * account, no token and no audit row; the password is written nowhere.
 */
#include <stdio.h>

#include "iam/acl.h"
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"
#include "iamd/authn/directories.h"
#include "iamd/authn/password.h"
#include "iamd/idp/ldap_users.h"
#include "iamd/sys/clock.h"

struct ldap_test {
	struct str uid, password;
	struct str directory; /* not of the body */
};

static const struct json_field ldap_test_fields[] = {
	{"uid", JSON_FIELD_STR, offsetof(struct ldap_test, uid), 512, false},
	{"password", JSON_FIELD_SECRET, offsetof(struct ldap_test, password),
		PASSWORD_MAX_BYTES, false},
};
const struct json_schema ldap_test_schema = {ldap_test_fields,
	sizeof ldap_test_fields / sizeof ldap_test_fields[0], sizeof(struct ldap_test),
	false};

/* LIMIT: one test, whatever the configured times add up to. */
#define TEST_MAX_MS 60000

#define REACHED "Directory back-end reached, but "
#define FAILED  "Error during authentication process: "
#define NO_DOOR FAILED "Cannot open connection to directory back-end: "

/* What is answered: a code for programs and a text for people. */
struct outcome {
	unsigned status;
	const char *code;
	struct str text;
};

static struct outcome failed(const char *code, struct str text)
{
	return (struct outcome){502, code, text};
}

static struct outcome invalid(struct str text)
{
	return (struct outcome){200, "SUCCESS_BUT_INVALID_CREDENTIALS", text};
}

static struct outcome of_accepted(struct arena *a, const struct identity *who)
{
	const char *hint = iam_uid_valid(who->name)
		? ""
		: " The name cannot be a user id here: a login works only under a name that can.";

	return (struct outcome){200, "TEST_PASSED",
		arena_fmt(a, "Authentication succeeded: user `%.*s`, DN `%.*s`.%s",
			STR_FMT(who->name), STR_FMT(who->dn), hint)};
}

static struct outcome of_tls(struct arena *a, const struct ldap_settings *s,
	const struct ldap_fault *f)
{
	if (s->tls == LDAP_TLS_LDAPS)
		return failed("ERR_TLS",
			arena_fmt(a, NO_DOOR "socket ssl wrapping error: %s", f->text));
	return failed("ERR_STARTTLS",
		arena_fmt(a, FAILED "%s and StartTLS operation failed: %s",
			s->tls == LDAP_TLS_STARTTLS ? "`enforce-starttls` is set"
						    : "`allow-cleartext` is not set",
			f->text));
}

/* The directory could not be asked about the user. */
static struct outcome of_unavailable(struct arena *a, const struct ldap_settings *s,
	const struct ldap_fault *f, const char *text)
{
	switch (f->state) {
	case LDAP_STATE_UNREACHABLE:
		return failed("ERR_CONNECTION",
			f->connecting
				? arena_fmt(a,
					  NO_DOOR
					  "socket connection error while opening: %s",
					  f->text)
				: arena_fmt(a, FAILED "%s", f->text));
	case LDAP_STATE_TIMEOUT:
		return failed("ERR_TIMEOUT",
			f->connecting
				? arena_fmt(a,
					  NO_DOOR
					  "socket connection error while opening: timed out")
				: arena_fmt(a, FAILED "timed out: %s", f->text));
	case LDAP_STATE_TLS:
		return of_tls(a, s, f);
	case LDAP_STATE_CODE:
		if (f->code == 49 || f->code == 48)
			return failed("ERR_LOOKUP_CREDENTIALS",
				arena_fmt(a,
					REACHED
					"the lookup account's credentials are invalid: Invalid "
					"credentials (%d) response, DN `%.*s`.",
					f->code, STR_FMT(s->lookup_dn)));
		return failed("ERR_DIRECTORY",
			arena_fmt(a, FAILED "%s%s%s", f->text,
				f->diagnostic[0] != '\0' ? ": " : "", f->diagnostic));
	case LDAP_STATE_OK:
	case LDAP_STATE_PROTOCOL:
	case LDAP_STATE_NO_MEMORY:
		break;
	}
	return failed("ERR_DIRECTORY",
		arena_fmt(a, FAILED "%s", f->text[0] != '\0' ? f->text : text));
}

static struct outcome judge(struct arena *a, const struct ldap_settings *s,
	enum idp_result result, const struct ldap_test *t, const struct identity *who,
	const struct ldap_fault *f, const char *text)
{
	switch (result) {
	case IDP_ACCEPTED:
		return of_accepted(a, who);
	case IDP_UNKNOWN_USER:
		return invalid(arena_fmt(a,
			REACHED "search for username `%.*s` did not yield match: %s",
			STR_FMT(t->uid), f->text[0] != '\0' ? f->text : text));
	case IDP_REJECTED:
		return invalid(arena_fmt(a,
			REACHED "user-given credentials are invalid: Invalid credentials "
				"(%d) response, DN `%.*s`.%s%s",
			f->code, STR_FMT(who->dn), f->code == 49 ? "" : " ",
			f->code == 49 ? "" : text));
	case IDP_DISABLED:
	case IDP_EXPIRED:
		return invalid(arena_fmt(a,
			REACHED "the user cannot log in: %s, DN `%.*s`.", text,
			STR_FMT(who->dn)));
	case IDP_UNAVAILABLE:
	case IDP_RESULT_COUNT:
		break;
	}
	return of_unavailable(a, s, f, text);
}

static enum iam_err answer(struct req *r, struct resp *out, const struct outcome *o)
{
	struct json_doc d;

	if (o->text.ptr == NULL)
		return IAM_NO_MEMORY;
	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_str(&d.w, "code", str_c(o->code));
	jsonw_str(&d.w, "description", o->text);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, o->status);
}

static enum iam_err not_configured(struct req *r, const struct ldap_test *t)
{
	if (req_param(r, "id").ptr == NULL)
		return IAM_LDAP_NOT_CONFIGURED;
	return req_fail(r, IAM_NO_DIRECTORY, "Directory with id `%.*s` not known.",
		STR_FMT(t->directory));
}

static int64_t test_until(const struct ldap_settings *s)
{
	int64_t ms = s->connect_timeout_ms + 4 * s->operation_timeout_ms;

	return clock_mono_ms() + (ms < TEST_MAX_MS ? ms : TEST_MAX_MS);
}

static enum iam_err test_step(struct req *r, struct resp *out)
{
	const struct ldap_test *t = r->state;
	struct directory *dir = directories_take(r->svc->directories, t->directory);
	struct identity who = {.dn = STR_NONE};
	struct ldap_fault fault;
	struct ldap_pool *pool;
	struct outcome o;
	const char *text;
	enum idp_result result;

	if (dir == NULL)
		return not_configured(r, t);
	pool = ldap_pool_new(dir->settings);
	if (pool == NULL) {
		directories_give(dir);
		return IAM_NO_MEMORY;
	}
	result = ldap_user_verify(pool, dir->settings, t->uid, t->password, r->arena,
		test_until(dir->settings), &who, &text, &fault);
	o = judge(r->arena, dir->settings, result, t, &who, &fault, text);
	ldap_pool_free(pool);
	directories_give(dir);
	return answer(r, out, &o);
}

enum iam_err api_ldap_test(struct req *r, struct resp *out)
{
	struct ldap_test *t = r->input;
	struct directory *dir;

	(void)out;
	t->directory = req_param(r, "id");
	if (t->directory.ptr == NULL)
		t->directory = STR("default");
	if (t->uid.len == 0 || t->password.len == 0)
		return req_fail(r, IAM_BAD_DATA,
			"`uid` and `password` must not be empty strings");
	dir = directories_take(r->svc->directories, t->directory);
	if (dir == NULL)
		return not_configured(r, t);
	r->job.share = dir->share;
	directories_give(dir);
	r->state = t;
	return req_hand_off(r, LANE_NET, test_step);
}
