/*
 * authn - from the bytes a request presents to a principal; see authn.h.
 *
 * The order matters for cost, not for safety: first the thread's cache, then the signature. Whether the user is still good is asked of the published root every time.
 */
#include "iamd/authn/authn.h"

#include <string.h>

#include "iamd/authz/sessions.h"
#include "iamd/http/cookie.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/metrics.h"

/* s up to the first c. */
static struct str before(struct str s, char c)
{
	const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);

	return at == NULL ? s : str_sub(s, 0, (size_t)(at - s.ptr));
}

/* What follows the first `mark` in `text`, up to white space or a comma; absent without it. */
static struct str after_mark(struct str text, struct str mark)
{
	const char *at = memmem(text.ptr, text.len, mark.ptr, mark.len);
	struct str rest;

	if (at == NULL)
		return STR_NONE;
	rest = str_sub(text, (size_t)(at - text.ptr) + mark.len, text.len);
	return before(before(before(rest, ','), ' '), '\t');
}

struct str authn_presented(const struct req *r, bool *ret_by_cookie)
{
	struct str header = req_header(r, "Authorization");
	struct str token;

	*ret_by_cookie = false;
	if (header.ptr != NULL) {
		token = after_mark(header, STR("token="));
		return token.ptr != NULL ? token : after_mark(header, STR("Bearer "));
	}
	for (unsigned i = 0; i < r->n_headers; i++) {
		if (!str_ieq_c(r->headers[i].name, "Cookie"))
			continue;
		token = cookie_find(r->headers[i].value, COOKIE_AUTH);
		if (token.ptr != NULL) {
			*ret_by_cookie = true;
			return token;
		}
	}
	return STR_NONE;
}

static bool is_expired(const struct token_facts *f, int64_t now_s)
{
	return f->expires_at_s != 0 && now_s >= f->expires_at_s;
}

/* The first whole second at which `exp` is no longer in the future. */
static int64_t first_bad_second(double exp)
{
	/* LIMIT: times beyond the year 9999 are as good as for ever. */
	const double max = 253402300799.0;
	int64_t whole;

	if (!(exp < max))
		return (int64_t)max;
	if (exp < 1.0)
		return 1;
	whole = (int64_t)exp;
	return (double)whole < exp ? whole + 1 : whole;
}

static enum iam_err facts_of(const struct jose_claims *c, struct token_facts *f)
{
	memset(f, 0, sizeof *f);
	if (c->uid.ptr == NULL || c->uid.len == 0 || c->uid.len > sizeof f->uid)
		return IAM_BAD_TOKEN;
	memcpy(f->uid, c->uid.ptr, c->uid.len);
	f->uid_len = (uint8_t)c->uid.len;
	f->has_gen = c->has_gen;
	f->gen = c->gen;
	f->expires_at_s = c->has_exp ? first_bad_second(c->exp) : 0;
	return IAM_OK;
}

enum iam_err authn_verify(const struct root *root, struct str token, struct arena *a,
	int64_t now_s, struct token_facts *ret_facts,
	unsigned char ret_digest[JOSE_DIGEST_BYTES])
{
	struct token_cache *cache = token_cache_mine();
	const struct jose_key *key;
	struct jose_claims claims;
	struct token_facts facts;
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct str kid;
	enum iam_err e;

	if (token.ptr == NULL || token.len > JOSE_TOKEN_MAX_BYTES)
		return IAM_BAD_TOKEN;
	if (cache != NULL && token_cache_get(cache, root->keyset, token, &facts, digest)) {
		metrics_count(METRIC_TOKEN_CACHE_HIT, 1);
		if (is_expired(&facts, now_s))
			return IAM_TOKEN_EXPIRED;
		*ret_facts = facts;
		memcpy(ret_digest, digest, sizeof(digest));
		return IAM_OK;
	}
	metrics_count(METRIC_TOKEN_CACHE_MISS, 1);
	e = jose_peek_kid(token, a, &kid);
	if (e != IAM_OK)
		return e;
	key = keyring_find(root->keyring, kid);
	if (key == NULL)
		return IAM_BAD_TOKEN;
	e = jose_verify(key, token, a, &claims);
	if (e != IAM_OK)
		return e;
	e = jose_times_ok(&claims, now_s);
	if (e != IAM_OK)
		return e;
	if (claims.has_aud)
		return IAM_BAD_TOKEN; /* ours carry none: something else signed by our key is no login token */
	e = facts_of(&claims, &facts);
	if (e != IAM_OK)
		return e;
	jose_digest(token, ret_digest);
	if (cache != NULL)
		token_cache_put(cache, root->keyset, token, ret_digest, &facts);
	*ret_facts = facts;
	return IAM_OK;
}

enum iam_err authn_token(const struct root *root, struct str token, struct arena *a,
	int64_t now_s, struct token_facts *ret_facts, int64_t *ret_gen)
{
	unsigned char digest[JOSE_DIGEST_BYTES];
	struct session session;
	struct token_facts facts;
	enum iam_err e;

	e = authn_verify(root, token, a, now_s, &facts, digest);
	if (e != IAM_OK)
		return e;
	if (revoked_find(root, digest))
		return IAM_BAD_TOKEN;
	if (!sessions_find(root, (struct str){facts.uid, facts.uid_len}, &session) ||
		!session.enabled)
		return IAM_BAD_TOKEN;
	if (facts.has_gen) {
		if (facts.gen != session.gen)
			return IAM_BAD_TOKEN;
	} else if (!root->config->accept_foreign_tokens || session.raised) {
		return IAM_BAD_TOKEN;
	}
	*ret_facts = facts;
	if (ret_gen != NULL)
		*ret_gen = session.gen;
	return IAM_OK;
}

enum iam_err authn_request(struct req *r, const struct root *root)
{
	struct token_facts facts;
	int64_t gen;
	bool by_cookie;
	struct str token = authn_presented(r, &by_cookie);
	struct str uid;
	enum iam_err e;

	if (token.ptr == NULL)
		return IAM_UNAUTHENTICATED;
	e = authn_token(root, token, r->arena, clock_now_ms() / 1000, &facts, &gen);
	if (e == IAM_NO_MEMORY)
		return e;
	if (e == IAM_TOKEN_EXPIRED)
		return req_fail(r, IAM_UNAUTHENTICATED,
			"The token has expired; log in again.");
	if (e != IAM_OK)
		return req_fail(r, IAM_UNAUTHENTICATED,
			"The token is not valid; log in again.");
	uid = arena_str(r->arena, (struct str){facts.uid, facts.uid_len});
	if (uid.ptr == NULL)
		return IAM_NO_MEMORY;
	r->principal.uid = uid;
	r->principal.token = token;
	r->principal.gen = gen;
	r->principal.by_cookie = by_cookie;
	return IAM_OK;
}
