/*
 * login - password and service token login, and the start of SSO. What directories decide is in
 * login_ldap.c.
 *
 * The account's row (hash or key, enabled, gen) is read once, on the loop; the slow part runs on the
 * HASH lane (passwords) or SLOW (service keys) and signs with that gen, so a change in between yields
 * a dead token. Unknown, disabled, remote and wrong cost the same hash work and get the same answer.
 * The audit row, last_login and a rehash follow without holding the answer.
 */
#include "iamd/api/login.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/api/checks.h"
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/authn/authn.h"
#include "iamd/authn/jwt_mint.h"
#include "iamd/http/cookie.h"
#include "iamd/http/origin.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"

struct login_body {
	struct str uid, password, token;
	const json_t *exp;
};

static const struct json_field login_fields[] = {
	{"uid", JSON_FIELD_STR, offsetof(struct login_body, uid), 0, true},
	{"password", JSON_FIELD_SECRET, offsetof(struct login_body, password), 0, true},
	{"token", JSON_FIELD_SECRET, offsetof(struct login_body, token), 0, true},
	{"exp", JSON_FIELD_ANY, offsetof(struct login_body, exp), 0, true},
};
const struct json_schema login_schema = {login_fields,
	sizeof login_fields / sizeof login_fields[0], sizeof(struct login_body), true};

/* A service login token that lives longer than this is accepted with a warning. */
#define SERVICE_TOKEN_USUAL_S 600

/* ---- the answer ---- */

/* On the loop: what we minted ourselves need not be verified again. */
static void remember_token(struct req *r)
{
	const struct login *l = r->state;
	struct token_facts facts = {
		.uid_len = (uint8_t)l->user.uid.len, .has_gen = true, .gen = l->user.gen};
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct token_cache *cache = token_cache_mine();
	PUBLISH_SCOPE(r->svc->publisher, scope);

	if (cache == NULL || l->token.ptr == NULL || l->keyset != scope.root->keyset)
		return;
	memcpy(facts.uid, l->user.uid.ptr, l->user.uid.len);
	facts.expires_at_s = l->expires_at_s;
	jose_digest(l->token, digest);
	token_cache_put(cache, scope.root->keyset, l->token, digest, &facts);
}

static enum iam_err mint(struct req *r, struct login *l)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct mint m = {
		.uid = l->user.uid,
		.issued_at_s = clock_now_ms() / 1000,
		.gen = l->user.gen,
	};

	l->cookie_secure = scope.root->config->cookie_secure;
	l->lifetime_s = scope.root->config->token_lifetime;
	if (!l->has_exp)
		m.expires_at_s = m.issued_at_s + l->lifetime_s;
	else
		m.expires_at_s = l->exp; /* 0: no expiry */
	l->expires_at_s = m.expires_at_s;
	l->keyset = scope.root->keyset;
	return jwt_mint(scope.root->keyring, &m, r->arena, &l->token);
}

static enum iam_err answer(struct req *r, struct resp *out, struct login *l)
{
	bool secure = l->cookie_secure || origin_is_tls(r);
	struct str auth, info;
	struct json_doc d;
	enum iam_err e;

	auth = cookie_auth(r->arena, l->token, l->lifetime_s, secure);
	info = cookie_info(r->arena, l->user.uid, l->user.description,
		user_is_remote(&l->user), l->lifetime_s, secure);
	if (auth.ptr == NULL || info.ptr == NULL)
		return IAM_NO_MEMORY;
	e = resp_header(out, "Set-Cookie", auth);
	if (e == IAM_OK)
		e = resp_header(out, "Set-Cookie", info);
	if (e == IAM_OK)
		e = resp_header(out, "Cache-Control", STR("no-store"));
	if (e != IAM_OK)
		return e;
	json_doc_begin(&d, r);
	jsonw_object(&d.w);
	jsonw_str(&d.w, "token", l->token);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 200);
}

/* Where a gateway asks, clients know which kind of account they have. */
static enum iam_err refusal(const struct req *r, const struct login *l)
{
	return r->svc->gateway && l->said.len > 0 ? IAM_BAD_CREDENTIALS_LDAP
						  : IAM_BAD_CREDENTIALS;
}

/* The common end of all lanes: token and record, or the one refusal everybody gets. */
enum iam_err login_conclude(struct req *r, struct resp *out, const char *deny_reason)
{
	struct login *l = r->state;
	enum iam_err e;

	if (deny_reason != NULL) {
		metrics_count(METRIC_LOGIN_DENIED, 1);
		login_record(r, l, deny_reason);
		return refusal(r, l);
	}
	e = mint(r, l);
	if (e == IAM_OK)
		e = answer(r, out, l);
	if (e != IAM_OK) {
		metrics_count(METRIC_LOGIN_UNAVAILABLE, 1);
		return e;
	}
	r->on_loop = remember_token;
	metrics_count(METRIC_LOGIN_OK, 1);
	login_record(r, l, NULL);
	return IAM_OK;
}

/* ---- passwords (HASH lane) ---- */

static const char *password_deny_reason(const struct login *l, bool matches)
{
	if (!l->known)
		return "unknown user";
	if (user_is_service(&l->user))
		return "service account cannot log in with a password";
	if (user_is_remote(&l->user))
		return l->user.enabled ? "remote user has no local password"
				       : "user is disabled";
	if (!matches)
		return "invalid password provided";
	return l->user.enabled ? NULL : "user is disabled";
}

/* An absent hash costs the same, and matches nothing. */
static enum iam_err verify(struct req *r, struct login *l, struct str hash,
	struct password_verdict *ret_verdict)
{
	enum iam_err e;

	{
		PUBLISH_SCOPE(r->svc->publisher, scope);
		l->params.opslimit = (uint64_t)scope.root->config->argon2_opslimit;
		l->params.memory_bytes =
			(uint64_t)scope.root->config->argon2_memory_kib * 1024;
	}
	e = password_verify(&l->params, l->password, hash, ret_verdict);
	if (e != IAM_OK)
		metrics_count(METRIC_LOGIN_UNAVAILABLE, 1);
	return e;
}

enum iam_err login_refused_step(struct req *r, struct resp *out)
{
	struct login *l = r->state;
	struct password_verdict verdict;
	enum iam_err e = verify(r, l, STR_NONE, &verdict);

	return e == IAM_OK ? login_conclude(r, out, l->deny_reason) : e;
}

static enum iam_err password_step(struct req *r, struct resp *out)
{
	struct login *l = r->state;
	struct password_verdict verdict = {false, false};
	struct str hash =
		l->known && !user_is_remote(&l->user) ? l->user.password_hash : STR_NONE;
	enum iam_err e = verify(r, l, hash, &verdict);

	if (e != IAM_OK)
		return e;
	l->rehash = verdict.ok && verdict.rehash;
	return login_conclude(r, out, password_deny_reason(l, verdict.ok));
}

/* ---- service login tokens (SLOW lane) ---- */

static const char *service_deny_reason(struct req *r, const struct login *l)
{
	struct jose_key *key = NULL;
	struct jose_claims c;
	int64_t now_s = clock_now_ms() / 1000;
	enum iam_err e;

	if (!l->known)
		return "unknown user";
	if (!user_is_service(&l->user))
		return "not a service account";
	if (jose_key_from_public_pem(l->user.public_key, &key, NULL) != IAM_OK)
		return "stored public key is unusable";
	e = jose_verify(key, l->service_token, r->arena, &c);
	jose_key_free(key);
	if (e != IAM_OK)
		return "invalid service login token";
	if (c.has_aud || c.uid.ptr == NULL || !str_eq(c.uid, l->user.uid))
		return "service login token is for something else";
	e = jose_times_ok(&c, now_s);
	if (e != IAM_OK)
		return e == IAM_TOKEN_EXPIRED ? "service login token expired"
					      : "service login token not valid yet";
	if (!l->user.enabled)
		return "user is disabled";
	if (!c.has_exp || c.exp > (double)(now_s + SERVICE_TOKEN_USUAL_S))
		log_event(LOG_LEVEL_WARNING, "login.service_token_long_lived",
			LOG_STR("uid", l->user.uid), LOG_CSTR("request", r->id));
	return NULL;
}

static enum iam_err service_step(struct req *r, struct resp *out)
{
	return login_conclude(r, out, service_deny_reason(r, r->state));
}

/* ---- the body's `exp`, for service logins ---- */

/* As int() of the original's language: integers, fractions cut, and decimal strings. */
static bool to_integer(const json_t *v, int64_t *ret)
{
	if (json_is_integer(v)) {
		*ret = json_integer_value(v);
		return true;
	}
	if (json_is_real(v) && fabs(json_real_value(v)) < 9e15) {
		*ret = (int64_t)json_real_value(v);
		return true;
	}
	if (!json_is_string(v))
		return false;
	return str_to_i64(str_trim((struct str){
				  json_string_value(v), json_string_length(v)}),
		INT64_MIN / 2, INT64_MAX / 2, ret);
}

static enum iam_err read_exp(struct req *r, const json_t *exp, struct login *l)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	const struct config *c = scope.root->config;
	int64_t now_s = clock_now_ms() / 1000;
	int64_t max_s =
		c->token_lifetime_max != 0 ? c->token_lifetime_max : c->token_lifetime;

	if (exp == NULL || json_is_null(exp))
		return IAM_OK;
	if (!to_integer(exp, &l->exp))
		return req_fail(r, IAM_BAD_DATA, "`exp` must be an integer");
	l->has_exp = true;
	if (l->exp == 0) {
		if (c->allow_eternal_tokens)
			return IAM_OK;
		return req_fail(r, IAM_BAD_DATA,
			"`exp` must not be 0: tokens without expiry are switched off");
	}
	if (l->exp <= now_s)
		return req_fail(r, IAM_BAD_DATA, "`exp` must be in the future");
	if (l->exp > now_s + max_s)
		l->exp = now_s + max_s;
	return IAM_OK;
}

/* ---- POST /auth/login ---- */

static enum iam_err check_body(struct req *r, const struct login_body *b)
{
	if ((b->password.ptr != NULL) == (b->token.ptr != NULL))
		return req_fail(r, IAM_BAD_REQUEST,
			"Exactly one of `token` and `password` must be provided in the request body");
	if (b->password.ptr != NULL && b->uid.ptr == NULL)
		return req_fail(r, IAM_BAD_REQUEST, "`uid` missing in the request body");
	if ((b->password.ptr != NULL && b->password.len == 0) ||
		(b->uid.ptr != NULL && b->uid.len == 0))
		return req_fail(r, IAM_BAD_REQUEST,
			"`uid` and `password` must not be empty strings");
	return IAM_OK;
}

static enum iam_err find_account(struct req *r, struct str uid, struct login *l)
{
	struct db *db;
	enum iam_err e;

	l->tried_uid = uid;
	l->user.description = STR("");
	if (!iam_uid_valid(uid))
		return IAM_OK; /* cannot exist; treated like any unknown one */
	db = store_reader(r->svc->store);
	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_user_get(db, r->arena, uid, &l->user);
	l->known = e == IAM_OK;
	return e == IAM_NO_USER ? IAM_OK : e;
}

enum iam_err api_login_post(struct req *r, struct resp *out)
{
	const struct login_body *b = r->input;
	struct login *l = arena_alloc(r->arena, sizeof *l);
	enum iam_err e = check_body(r, b);
	bool asks_directory = false;

	(void)out;
	if (l == NULL)
		return IAM_NO_MEMORY;
	if (e != IAM_OK)
		return e;
	if (b->token.ptr != NULL && b->uid.ptr == NULL)
		return IAM_BAD_ID_TOKEN; /* ID-token login is not offered yet */
	r->state = l;
	l->is_service_login = b->token.ptr != NULL;
	l->password = b->password;
	l->service_token = b->token;
	if (l->is_service_login)
		e = read_exp(r, b->exp, l);
	if (e == IAM_OK)
		e = find_account(r, b->uid, l);
	if (e != IAM_OK)
		return e;
	if (l->is_service_login)
		return req_hand_off(r, LANE_SLOW, service_step);
	if (b->password.len > PASSWORD_MAX_BYTES) {
		metrics_count(METRIC_LOGIN_DENIED, 1);
		login_record(r, l, "password too long");
		return IAM_BAD_CREDENTIALS; /* says nothing of the account */
	}
	e = login_ldap_begin(r, &asks_directory);
	if (e != IAM_OK || asks_directory)
		return e;
	r->job.share = login_share_of(b->uid);
	return req_hand_off(r, LANE_HASH, password_step);
}

/* ---- GET /auth/login: the start of SSO ---- */

static void add_unreserved(struct sb *sb, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || strchr("-._~", c) != NULL;

		if (plain)
			sb_add_char(sb, (char)c);
		else
			sb_addf(sb, "%%%02X", c);
	}
}

static bool names_html(const struct req *r)
{
	struct str accept = req_header(r, "Accept");

	for (size_t i = 0; i + 9 <= accept.len; i++)
		if (str_ieq_c(str_sub(accept, i, i + 9), "text/html"))
			return true;
	return false;
}

enum iam_err api_login_start(struct req *r, struct resp *out)
{
	struct str id = req_query(r, "oidc-provider", NULL);
	struct str text;
	struct sb sb;
	enum iam_err e;

	if (id.len == 0)
		id = req_query(r, "saml-provider", NULL);
	if (id.len == 0)
		return IAM_MISSING_QUERY;
	if (id.len > 256)
		return req_fail(r, IAM_BAD_DATA, "The provider ID is too long");
	text = arena_fmt(r->arena, "The login provider with ID '%.*s' is not known",
		STR_FMT(id));
	if (text.ptr == NULL)
		return IAM_NO_MEMORY;
	if (!names_html(r))
		return req_fail(r, IAM_NO_PROVIDER, "%s", text.ptr);
	sb_init(&sb, r->arena, 2048);
	sb_add_c(&sb, "/?iam-error=");
	add_unreserved(&sb, text);
	if (sb.failed)
		return IAM_NO_MEMORY;
	e = resp_header(out, "Location", sb_str(&sb));
	return e == IAM_OK ? resp_empty(out, 303, true) : e;
}
