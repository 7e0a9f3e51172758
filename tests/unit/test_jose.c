/*
 * test_jose - tokens that must be refused (security checklist J1, J2, J3, J5, J6, J9) and what is
 * read from those that are good.
 *
 * First of all: the token MACed with our public key, which the library that mints would accept.
 */
#include "tests/unit/jose_fixture.h"

#include <jansson.h>
#include <math.h>
#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>

#include "iamd/authn/jose.h"
#include "iamd/authn/jose_impl.h"

#define NOW 1700000000
#define HEADER "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define PAYLOAD "{\"uid\":\"alice\",\"exp\":1700000100}"

struct fixture {
	struct arena *a;
	EVP_PKEY *pkey;
	struct jose_key *key;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_true(sodium_init() >= 0);
	f->a = arena_new(4096, (size_t)64 << 20);
	f->pkey = EVP_RSA_gen(2048);
	assert_int_equal(jose_key_from_public_pem(fix_public_pem(f->a, f->pkey), &f->key, NULL), IAM_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	jose_key_free(f->key);
	EVP_PKEY_free(f->pkey);
	arena_free(f->a);
	free(f);
	return 0;
}

static enum iam_err verify(struct fixture *f, struct str token)
{
	struct jose_claims c;

	return jose_verify(f->key, token, f->a, &c);
}

static struct str good(struct fixture *f)
{
	return fix_token(f->a, f->pkey, SIGN_RS256, STR(HEADER), STR(PAYLOAD));
}

static void hs256_with_our_public_key_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const algs[] = {"HS256", "RS256", "hs256"};

	for (size_t i = 0; i < 3; i++) {
		struct str header = arena_fmt(f->a, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", algs[i]);

		assert_int_equal(verify(f, fix_token(f->a, f->pkey, SIGN_HS256_WITH_PEM, header,
					   STR(PAYLOAD))), IAM_BAD_TOKEN);
	}
}

static void a_good_token_is_accepted(void **state)
{
	struct fixture *f = *state;
	struct jose_claims c;

	assert_int_equal(jose_verify(f->key, good(f), f->a, &c), IAM_OK);
	assert_true(str_eq_c(c.uid, "alice"));
	assert_true(c.has_exp);
	assert_true(fabs(c.exp - 1700000100) < 0.5);
	assert_false(c.has_nbf || c.has_iat || c.has_gen || c.has_aud || c.bad_time);
	assert_null(c.jti.ptr);
}

static void only_rs256_by_its_exact_name_is_accepted(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *alg; /* as JSON */
		enum signer how;
		enum iam_err want;
	} rows[] = {
		{"\"RS256\"", SIGN_RS256, IAM_OK},
		{"\"none\"", SIGN_NOTHING, IAM_BAD_TOKEN},
		{"\"None\"", SIGN_NOTHING, IAM_BAD_TOKEN},
		{"\"NONE\"", SIGN_NOTHING, IAM_BAD_TOKEN},
		{"\"none\"", SIGN_RS256, IAM_BAD_TOKEN},
		{"\"\"", SIGN_RS256, IAM_BAD_TOKEN},
		{"\"rs256\"", SIGN_RS256, IAM_BAD_TOKEN},
		{"\"Rs256\"", SIGN_RS256, IAM_BAD_TOKEN},
		{"\"RS256 \"", SIGN_RS256, IAM_BAD_TOKEN},
		{"\"RS384\"", SIGN_RS384, IAM_BAD_TOKEN},
		{"\"RS256\"", SIGN_RS384, IAM_BAD_TOKEN},
		{"\"RS512\"", SIGN_RS512, IAM_BAD_TOKEN},
		{"\"PS256\"", SIGN_PS256, IAM_BAD_TOKEN},
		{"\"RS256\"", SIGN_PS256, IAM_BAD_TOKEN},
		{"\"ES256\"", SIGN_RS256, IAM_BAD_TOKEN},
		{"\"RS256\"", SIGN_NOTHING, IAM_BAD_TOKEN},
		{"null", SIGN_RS256, IAM_BAD_TOKEN},
		{"256", SIGN_RS256, IAM_BAD_TOKEN},
		{"[\"RS256\"]", SIGN_RS256, IAM_BAD_TOKEN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str header = arena_fmt(f->a, "{\"alg\":%s,\"typ\":\"JWT\"}", rows[i].alg);
		struct str token = fix_token(f->a, f->pkey, rows[i].how, header, STR(PAYLOAD));

		if (verify(f, token) != rows[i].want)
			fail_msg("row %zu: alg %s", i, rows[i].alg);
	}
}

/* Everything here is signed correctly: only the form may make the difference. */
static void headers(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *header;
		enum iam_err want;
	} rows[] = {
		{"{\"alg\":\"RS256\"}", IAM_OK},
		{"{\"typ\":\"jwt\",\"alg\":\"RS256\"}", IAM_OK},
		{" {\"alg\" : \"RS256\"} ", IAM_OK},
		{"{\"alg\":\"RS256\",\"kid\":\"x\",\"cty\":\"y\",\"x\":{\"y\":[1]}}", IAM_OK},
		/* pointers to other keys: never followed, our key decides */
		{"{\"alg\":\"RS256\",\"jku\":\"https://evil.example/jwks\"}", IAM_OK},
		{"{\"alg\":\"RS256\",\"x5u\":\"file:///etc/passwd\",\"x5c\":[\"AA\"]}", IAM_OK},
		{"{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", IAM_OK},
		/* extensions we do not understand */
		{"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"crit\":[]}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"crit\":null}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"b64\":true}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"zip\":\"DEF\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"enc\":\"A256GCM\"}", IAM_BAD_TOKEN},
		/* other kinds of token */
		{"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"typ\":\"\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"typ\":1}", IAM_BAD_TOKEN},
		/* duplicates, at any depth */
		{"{\"alg\":\"RS256\",\"alg\":\"RS256\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"none\",\"alg\":\"RS256\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"\\u0061lg\":\"RS256\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"x\":{\"a\":1,\"a\":2}}", IAM_BAD_TOKEN},
		/* no JSON object */
		{"{\"alg\":\"RS256\"}x", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\"}{}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\"", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\\u0000\"}", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"\\u0000\":1}", IAM_BAD_TOKEN},
		{"{'alg':'RS256'}", IAM_BAD_TOKEN},
		{"[\"RS256\"]", IAM_BAD_TOKEN},
		{"\"RS256\"", IAM_BAD_TOKEN},
		{"{\"alg\":\"RS256\",\"x\":\"\xff\"}", IAM_BAD_TOKEN},
		{"{}", IAM_BAD_TOKEN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str token = fix_token(f->a, f->pkey, SIGN_RS256, str_c(rows[i].header), STR(PAYLOAD));

		if (verify(f, token) != rows[i].want)
			fail_msg("header %s", rows[i].header);
	}
}

static void claims(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *payload;
		enum iam_err form;  /* jose_verify */
		enum iam_err times; /* jose_times_ok at NOW */
	} rows[] = {
		{"{\"uid\":\"a\"}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":1700000001}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":1700000000}", IAM_OK, IAM_TOKEN_EXPIRED},
		{"{\"uid\":\"a\",\"exp\":1699999999}", IAM_OK, IAM_TOKEN_EXPIRED},
		{"{\"uid\":\"a\",\"exp\":1700000000.5}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":1699999999.5}", IAM_OK, IAM_TOKEN_EXPIRED},
		{"{\"uid\":\"a\",\"exp\":1.7e9}", IAM_OK, IAM_TOKEN_EXPIRED},
		{"{\"uid\":\"a\",\"exp\":1e300}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":0}", IAM_OK, IAM_TOKEN_EXPIRED},
		{"{\"uid\":\"a\",\"exp\":-5}", IAM_OK, IAM_TOKEN_EXPIRED},
		{"{\"uid\":\"a\",\"exp\":9223372036854775807}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":\"1700000100\"}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"exp\":\"never\"}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"exp\":null}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"exp\":true}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"exp\":[1700000100]}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"nbf\":1700000000}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"nbf\":1700000001}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"nbf\":\"0\"}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"iat\":1800000000}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"iat\":\"today\"}", IAM_OK, IAM_BAD_TOKEN},
		{"{\"uid\":\"a\",\"gen\":7}", IAM_OK, IAM_OK},
		{"{\"uid\":\"a\",\"gen\":7.0}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"gen\":\"7\"}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"gen\":null}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"gen\":9223372036854775808}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":1e999}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":NaN}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"exp\":Infinity}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\",\"uid\":\"b\"}", IAM_BAD_TOKEN, IAM_OK},
		{"{\"uid\":\"a\\u0000b\"}", IAM_BAD_TOKEN, IAM_OK},
		{"[]", IAM_BAD_TOKEN, IAM_OK},
		{"\"alice\"", IAM_BAD_TOKEN, IAM_OK},
		{"null", IAM_BAD_TOKEN, IAM_OK},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str token = fix_token(f->a, f->pkey, SIGN_RS256, STR(HEADER), str_c(rows[i].payload));
		struct jose_claims c;
		enum iam_err e = jose_verify(f->key, token, f->a, &c);

		if (e != rows[i].form)
			fail_msg("form of %s: %s", rows[i].payload, iam_err_name(e));
		if (e == IAM_OK && jose_times_ok(&c, NOW) != rows[i].times)
			fail_msg("times of %s", rows[i].payload);
	}
}

static void claims_are_read_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct jose_claims c;
	struct str token = fix_token(f->a, f->pkey, SIGN_RS256, STR(HEADER),
		STR("{\"uid\":\"b\\u00f6b\",\"jti\":\"j\",\"exp\":2.5,\"nbf\":1,\"iat\":2,"
		    "\"gen\":-3,\"aud\":null}"));

	assert_int_equal(jose_verify(f->key, token, f->a, &c), IAM_OK);
	assert_true(str_eq_c(c.uid, "b\xc3\xb6"
				    "b"));
	assert_true(str_eq_c(c.jti, "j"));
	assert_true(c.has_exp && c.has_nbf && c.has_iat && c.has_gen && c.has_aud && !c.bad_time);
	assert_true(c.exp > 2.4 && c.exp < 2.6);
	assert_int_equal(c.gen, -3);

	token = fix_token(f->a, f->pkey, SIGN_RS256, STR(HEADER), STR("{\"uid\":7,\"jti\":[]}"));
	assert_int_equal(jose_verify(f->key, token, f->a, &c), IAM_OK);
	assert_null(c.uid.ptr);
	assert_null(c.jti.ptr);
	assert_false(c.has_aud);
}

/* Each is the good token with one change to its text. */
static void one_token_has_one_spelling(void **state)
{
	struct fixture *f = *state;
	struct str t = good(f);
	struct str h = str_sub(t, 0, (size_t)str_find(t, '.'));
	struct str rest = str_sub(t, h.len + 1, t.len);
	struct str p = str_sub(rest, 0, (size_t)str_find(rest, '.'));
	struct str s = str_sub(rest, p.len + 1, rest.len);
	const struct str bad[] = {
		arena_fmt(f->a, "%s=", t.ptr),
		arena_fmt(f->a, "%s==", t.ptr),
		arena_fmt(f->a, "%sA", t.ptr),
		arena_fmt(f->a, "%s.", t.ptr),
		arena_fmt(f->a, "%s.AAAA", t.ptr),
		arena_fmt(f->a, "%s.AAAA.AAAA", t.ptr),
		arena_fmt(f->a, ".%s", t.ptr),
		arena_fmt(f->a, " %s", t.ptr),
		arena_fmt(f->a, "%s ", t.ptr),
		arena_fmt(f->a, "%s\n", t.ptr),
		arena_fmt(f->a, "\"%s\"", t.ptr),
		arena_fmt(f->a, "%.*s\n.%.*s.%.*s", STR_FMT(h), STR_FMT(p), STR_FMT(s)),
		arena_fmt(f->a, "%.*s.%.*s", STR_FMT(h), STR_FMT(p)),
		arena_fmt(f->a, "%.*s.%.*s.", STR_FMT(h), STR_FMT(p)),
		arena_fmt(f->a, "%.*s..%.*s", STR_FMT(h), STR_FMT(s)),
		arena_fmt(f->a, ".%.*s.%.*s", STR_FMT(p), STR_FMT(s)),
		arena_fmt(f->a, "%.*s.%.*s.%.*s", STR_FMT(p), STR_FMT(h), STR_FMT(s)),
		arena_fmt(f->a, "%.*s.%.*s.%.*s", STR_FMT(h), STR_FMT(p), STR_FMT(str_sub(s, 0, s.len - 4))),
		arena_fmt(f->a, "%.*s.%.*s.AAAA%.*s", STR_FMT(h), STR_FMT(p), STR_FMT(s)),
		str_sub(t, 0, t.len - 1),
		STR(""),
		STR("."),
		STR(".."),
		STR("..."),
		STR("abc"),
		STR_NONE,
		(struct str){.ptr = t.ptr, .len = 0},
		(struct str){.ptr = arena_fmt(f->a, "%s%c", t.ptr, 0).ptr, .len = t.len + 1},
	};

	assert_int_equal(verify(f, t), IAM_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (verify(f, bad[i]) != IAM_BAD_TOKEN)
			fail_msg("%zu: %.*s", i, STR_FMT(bad[i]));
	}
}

/* The 256 bytes of a signature leave 4 of the last character's bits unused. */
static void no_other_character_gives_the_same_signature(void **state)
{
	struct fixture *f = *state;
	struct str t = good(f);
	char *copy = arena_cstr(f->a, t);
	unsigned accepted = 0;

	for (int c = 0; c < 256; c++) {
		copy[t.len - 1] = (char)c;
		accepted += verify(f, (struct str){.ptr = copy, .len = t.len}) == IAM_OK;
	}
	assert_int_equal(accepted, 1);
}

static void every_flipped_character_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct str t = good(f);
	char *copy = arena_cstr(f->a, t);

	for (size_t i = 0; i < t.len; i++) {
		char was = copy[i];

		copy[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(verify(f, (struct str){.ptr = copy, .len = t.len}), IAM_BAD_TOKEN);
		copy[i] = was;
	}
	assert_int_equal(verify(f, (struct str){.ptr = copy, .len = t.len}), IAM_OK);
}

static void another_key_of_the_same_size_does_not_verify(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *other = EVP_RSA_gen(2048);

	assert_int_equal(verify(f, fix_token(f->a, other, SIGN_RS256, STR(HEADER), STR(PAYLOAD))), IAM_BAD_TOKEN);
	EVP_PKEY_free(other);
}

static void a_token_is_at_most_8192_bytes(void **state)
{
	struct fixture *f = *state;

	/* 20 + 1 + base64url(n + 12) + 1 + 342 bytes */
	for (size_t pad = 5840; pad < 5880; pad++) {
		struct str payload = arena_fmt(f->a, "{\"uid\":\"%0*d\"}", (int)pad, 0);
		struct str token = fix_token(f->a, f->pkey, SIGN_RS256, STR("{\"alg\":\"RS256\"}"), payload);

		assert_int_equal(verify(f, token), token.len <= 8192 ? IAM_OK : IAM_BAD_TOKEN);
	}
}

static void deep_nesting_is_harmless(void **state)
{
	struct fixture *f = *state;
	struct sb sb;

	sb_init(&sb, f->a, 16384);
	sb_add_c(&sb, "{\"uid\":\"a\",\"x\":");
	for (int i = 0; i < 2800; i++)
		sb_add_char(&sb, '[');
	for (int i = 0; i < 2800; i++)
		sb_add_char(&sb, ']');
	sb_add_char(&sb, '}');
	assert_int_equal(verify(f, fix_token(f->a, f->pkey, SIGN_RS256, STR(HEADER), sb_str(&sb))), IAM_BAD_TOKEN);
}

static void kid_is_only_a_string(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *header;
		enum iam_err want;
		const char *kid;
	} rows[] = {
		{"{\"alg\":\"RS256\",\"kid\":\"abc\"}", IAM_OK, "abc"},
		{"{\"alg\":\"RS256\"}", IAM_OK, NULL},
		{"{\"kid\":\"../../../dev/null\"}", IAM_OK, "../../../dev/null"},
		{"{\"kid\":\"' OR 1=1 --\"}", IAM_OK, "' OR 1=1 --"},
		{"{\"kid\":\"\"}", IAM_OK, ""},
		{"{\"kid\":null}", IAM_BAD_TOKEN, NULL},
		{"{\"kid\":1}", IAM_BAD_TOKEN, NULL},
		{"{\"kid\":[\"abc\"]}", IAM_BAD_TOKEN, NULL},
		{"{\"kid\":\"a\",\"kid\":\"b\"}", IAM_BAD_TOKEN, NULL},
		{"{\"kid\":\"a\\u0000\"}", IAM_BAD_TOKEN, NULL},
		{"nonsense", IAM_BAD_TOKEN, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str token = fix_token(f->a, f->pkey, SIGN_NOTHING, str_c(rows[i].header), STR("{}"));
		struct str kid = STR("untouched");

		if (jose_peek_kid(token, f->a, &kid) != rows[i].want)
			fail_msg("%s", rows[i].header);
		if (rows[i].want != IAM_OK)
			assert_true(str_eq_c(kid, "untouched"));
		else if (rows[i].kid == NULL)
			assert_null(kid.ptr);
		else
			assert_true(str_eq_c(kid, rows[i].kid));
	}
}

static void without_memory_a_token_is_not_called_bad(void **state)
{
	struct fixture *f = *state;
	struct arena *small = arena_new(64, 64);
	struct str kid = STR("untouched");
	struct jose_claims c;

	assert_int_equal(jose_verify(f->key, good(f), small, &c), IAM_NO_MEMORY);
	(void)arena_alloc(small, 64);
	assert_int_equal(jose_peek_kid(good(f), small, &kid), IAM_NO_MEMORY);
	assert_true(str_eq_c(kid, "untouched"));
	arena_free(small);
}

static void base64url_is_strict(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *want; /* NULL: refused */
	} rows[] = {
		{"", ""}, {"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v", "foo"}, {"Zm9vYmFy", "foobar"},
		{"Zg==", NULL}, {"Zm8=", NULL}, {"Z", NULL}, {"Zm9vY", NULL}, {"A", NULL}, {"Zm9vA", NULL},
		{"Zh", NULL}, {"Zm9", NULL}, {"Zm9vZh", NULL}, /* left-over bits */
		{"Zm9 ", NULL}, {"Zm\n9v", NULL}, {"Zm9v\n", NULL},
		{"-_-_", "\xfb\xff\xbf"}, {"+/+/", NULL}, {"-_+/", NULL}, {"Zm9.", NULL},
		{"\xc3\xa4YQ", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str text = str_c(rows[i].text);
		unsigned char out[16];
		bool ok = jose_b64_decode(text, out);

		if (ok != (rows[i].want != NULL))
			fail_msg("%s", rows[i].text);
		if (ok) {
			assert_int_equal(jose_b64_decoded_len(text.len), strlen(rows[i].want));
			assert_memory_equal(out, rows[i].want, strlen(rows[i].want));
		}
	}
}

static void digest_is_sha256(void **state)
{
	(void)state;
	unsigned char digest[JOSE_DIGEST_BYTES];
	unsigned char want[JOSE_DIGEST_BYTES];

	/* FIPS 180-4 example */
	assert_int_equal(sodium_hex2bin(want, sizeof(want),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 64, NULL, NULL, NULL), 0);
	for (int i = 0; i < 3; i++) {
		jose_digest(STR("abc"), digest);
		assert_memory_equal(digest, want, sizeof(want));
	}
	jose_digest(STR_NONE, digest);
	crypto_hash_sha256(want, (const unsigned char *)"", 0);
	assert_memory_equal(digest, want, sizeof(want));
}

/* Vectors made by another implementation; the keys' kid, n and e too. */
static void vectors_of_others(void **state)
{
	struct fixture *f = *state;
	const char *dir = getenv("IAM_VECTORS");
	struct str path;
	json_t *doc, *row;
	size_t i, j;

	assert_non_null(dir);
	path = arena_fmt(f->a, "%s/jose.json", dir);
	doc = json_load_file(path.ptr, 0, NULL);
	assert_true(json_array_size(json_object_get(doc, "keys")) > 1);
	json_array_foreach(json_object_get(doc, "keys"), i, row) {
		struct str pem = str_c(json_string_value(json_object_get(row, "pem")));
		struct jose_key *key = NULL;
		json_t *c;

		assert_int_equal(jose_key_from_public_pem(pem, &key, NULL), IAM_OK);
		assert_string_equal(jose_key_kid(key), json_string_value(json_object_get(row, "kid")));
		assert_string_equal(jose_key_n(key), json_string_value(json_object_get(row, "n")));
		assert_string_equal(jose_key_e(key), json_string_value(json_object_get(row, "e")));
		json_array_foreach(json_object_get(row, "tokens"), j, c) {
			struct str token = str_c(json_string_value(json_object_get(c, "token")));
			const char *uid = json_string_value(json_object_get(c, "uid"));
			bool ok = json_is_true(json_object_get(c, "ok"));
			struct jose_claims got = {0};
			enum iam_err e = jose_verify(key, token, f->a, &got);

			if ((e == IAM_OK) != ok || (uid != NULL && !str_eq_c(got.uid, uid)))
				fail_msg("%s", json_string_value(json_object_get(c, "name")));
		}
		jose_key_free(key);
	}
	json_decref(doc);
}

static struct str pem_of(struct fixture *f, EVP_PKEY *key)
{
	struct str pem = fix_public_pem(f->a, key);

	EVP_PKEY_free(key);
	return pem;
}

static EVP_PKEY *rsa_pss_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static struct str pkcs1_of(struct fixture *f, EVP_PKEY *key, const char *label)
{
	unsigned char *der = NULL;
	int len = i2d_PublicKey(key, &der);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	struct str pem;

	assert_true(len > 0);
	assert_true(PEM_write_bio(bio, label, "", der, len) > 0);
	pem.len = (size_t)BIO_get_mem_data(bio, &text);
	pem = arena_str(f->a, (struct str){.ptr = text, .len = pem.len});
	BIO_free(bio);
	OPENSSL_free(der);
	return pem;
}

/* One byte more behind the key than its DER says. */
static struct str padded_spki_of(struct fixture *f, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	unsigned char *longer = arena_alloc(f->a, (size_t)len + 1);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	struct str pem;

	memcpy(longer, der, (size_t)len);
	assert_true(PEM_write_bio(bio, "PUBLIC KEY", "", longer, len + 1) > 0);
	pem.len = (size_t)BIO_get_mem_data(bio, &text);
	pem = arena_str(f->a, (struct str){.ptr = text, .len = pem.len});
	BIO_free(bio);
	OPENSSL_free(der);
	return pem;
}

static struct str relabel(struct fixture *f, struct str pem, const char *label)
{
	struct str body = str_sub(pem, strlen("-----BEGIN PUBLIC KEY-----"),
		pem.len - strlen("-----END PUBLIC KEY-----\n"));

	return arena_fmt(f->a, "-----BEGIN %s-----%.*s-----END %s-----\n", label, STR_FMT(body), label);
}

static void assert_pem_refused(struct str pem, const char *reason)
{
	struct jose_key *key = (struct jose_key *)1;
	struct iam_error err = {0};

	assert_int_equal(jose_key_from_public_pem(pem, &key, &err), IAM_BAD_PUBLIC_KEY);
	if (reason != NULL && strstr(err.text, reason) == NULL)
		fail_msg("reason: %s", err.text);
	assert_true(err.text[0] != '\0');
	assert_ptr_equal(key, (void *)1);
}

static void public_keys_that_are_taken(void **state)
{
	struct fixture *f = *state;
	struct str pem = fix_public_pem(f->a, f->pkey);
	const struct str rows[] = {
		pem,
		str_trim(pem),
		arena_fmt(f->a, " \t\r\n%s\n\n ", pem.ptr),
		pkcs1_of(f, f->pkey, "RSA PUBLIC KEY"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct jose_key *key = NULL;

		assert_int_equal(jose_key_from_public_pem(rows[i], &key, NULL), IAM_OK);
		assert_string_equal(jose_key_kid(key), jose_key_kid(f->key));
		jose_key_free(key);
	}
}

static void public_keys_that_are_refused(void **state)
{
	struct fixture *f = *state;
	struct str pem = fix_public_pem(f->a, f->pkey);
	char *cut = arena_cstr(f->a, pem);

	assert_pem_refused(STR(""), NULL);
	assert_pem_refused(STR_NONE, NULL);
	assert_pem_refused(STR("ssh-rsa AAAA"), "PEM");
	assert_pem_refused(STR("-----BEGIN PUBLIC KEY-----"), NULL);
	assert_pem_refused(STR("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"), NULL);
	assert_pem_refused(pem_of(f, EVP_EC_gen("P-256")), "Key must be of type RSA");
	assert_pem_refused(pem_of(f, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), "Key must be of type RSA");
	assert_pem_refused(pem_of(f, rsa_pss_key()), "Key must be of type RSA");
	assert_pem_refused(pem_of(f, EVP_RSA_gen(1024)), "at least 2048 bits");
	assert_pem_refused(pem_of(f, EVP_RSA_gen(2040)), "at least 2048 bits");
	assert_pem_refused(fix_private_pem(f->a, f->pkey), "PEM");
	/* a SubjectPublicKeyInfo under PKCS#1's label, and the other way round */
	assert_pem_refused(relabel(f, pem, "RSA PUBLIC KEY"), NULL);
	assert_pem_refused(pkcs1_of(f, f->pkey, "PUBLIC KEY"), NULL);
	assert_pem_refused(relabel(f, pem, "CERTIFICATE"), NULL);
	assert_pem_refused(padded_spki_of(f, f->pkey), NULL);
	/* more than one block, something around it, something in it */
	assert_pem_refused(arena_fmt(f->a, "%s%s", pem.ptr, pem.ptr), NULL);
	assert_pem_refused(arena_fmt(f->a, "%strailing", pem.ptr), NULL);
	assert_pem_refused(arena_fmt(f->a, "leading\n%s", pem.ptr), NULL);
	assert_pem_refused(arena_fmt(f->a, "%s\xc3\xa4", pem.ptr), "ASCII");
	assert_pem_refused((struct str){.ptr = pem.ptr, .len = pem.len + 1}, "ASCII");
	cut[60] = '!';
	assert_pem_refused(str_c(cut), NULL);
	assert_pem_refused(arena_fmt(f->a, "%s%8192s", pem.ptr, "x"), "longer");
}

static void public_pem_round_trip(void **state)
{
	struct fixture *f = *state;
	char *pem = jose_key_public_pem(f->key);
	struct jose_key *again = NULL;

	assert_non_null(pem);
	assert_string_equal(pem, fix_public_pem(f->a, f->pkey).ptr);
	assert_int_equal(jose_key_from_public_pem(str_c(pem), &again, NULL), IAM_OK);
	assert_string_equal(jose_key_kid(again), jose_key_kid(f->key));
	jose_key_free(again);
	free(pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hs256_with_our_public_key_is_refused),
		cmocka_unit_test(a_good_token_is_accepted),
		cmocka_unit_test(only_rs256_by_its_exact_name_is_accepted),
		cmocka_unit_test(headers),
		cmocka_unit_test(claims),
		cmocka_unit_test(claims_are_read_as_they_are),
		cmocka_unit_test(one_token_has_one_spelling),
		cmocka_unit_test(no_other_character_gives_the_same_signature),
		cmocka_unit_test(every_flipped_character_is_noticed),
		cmocka_unit_test(another_key_of_the_same_size_does_not_verify),
		cmocka_unit_test(a_token_is_at_most_8192_bytes),
		cmocka_unit_test(deep_nesting_is_harmless),
		cmocka_unit_test(kid_is_only_a_string),
		cmocka_unit_test(without_memory_a_token_is_not_called_bad),
		cmocka_unit_test(base64url_is_strict),
		cmocka_unit_test(digest_is_sha256),
		cmocka_unit_test(vectors_of_others),
		cmocka_unit_test(public_keys_that_are_taken),
		cmocka_unit_test(public_keys_that_are_refused),
		cmocka_unit_test(public_pem_round_trip),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
