/* test_ldap_settings - a directory's configuration: judged, shown, kept, stored and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "iamd/idp/ldap_pem.h"
#include "iamd/idp/ldap_settings.h"

#define MINIMAL \
	"\"host\":\"ldap.example.com\",\"port\":389,\"enforce-starttls\":true,\"use-ldaps\":false"
#define TEMPLATE "\"dntemplate\":\"uid=%(username)s,dc=x\""
#define USERS \
	"\"user-search\":{\"search-base\":\"dc=x\",\"search-filter-template\":\"(uid=%(username)s)\"}"
#define GROUPS \
	"\"group-search\":{\"search-base\":\"dc=x\",\"search-filter-template\":\"(cn=%(groupname)s)\"}"
#define LOOKUP "\"lookup-dn\":\"cn=me\",\"lookup-password\":\"hunter2\""

/* A key and its self-signed certificate, another key, all as JSON strings' insides and as PEM. */
static struct {
	char cert[4096], pair[8192], mismatch[8192], encrypted[8192], other_cert[4096];
} pem;
static struct arena *arena;

/* ---- keys and certificates ---- */

static size_t pem_of(BIO *bio, char *to, size_t size)
{
	char *text = NULL;
	long len = BIO_get_mem_data(bio, &text);

	assert_in_range(len, 1, size - 1);
	memcpy(to, text, (size_t)len);
	to[len] = '\0';
	BIO_free(bio);
	return (size_t)len;
}

static X509 *cert_of(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert;
}

static int make_pems(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = cert_of(key), *stranger = cert_of(other);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	assert_true(sodium_init() >= 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	(void)pem_of(bio, pem.cert, sizeof(pem.cert));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, stranger), 1);
	(void)pem_of(bio, pem.other_cert, sizeof(pem.other_cert));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
		1);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	assert_int_equal(PEM_write_bio_X509(bio, stranger), 1);
	(void)pem_of(bio, pem.pair, sizeof(pem.pair));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, other, NULL, NULL, 0, NULL, NULL),
		1);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	(void)pem_of(bio, pem.mismatch, sizeof(pem.mismatch));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "p",
				 1, NULL, NULL),
		1);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	(void)pem_of(bio, pem.encrypted, sizeof(pem.encrypted));
	X509_free(cert);
	X509_free(stranger);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	return 0;
}

/* ---- parsing ---- */

static int setup(void **state)
{
	(void)state;
	arena = arena_new(4096, 4 << 20);
	return arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static json_t *json_of(const char *text)
{
	json_error_t why;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);

	if (json == NULL)
		fail_msg("%s in %s", why.text, text);
	return json;
}

static enum iam_err parse(const char *text, const struct ldap_settings *stored,
	bool contract_only, struct ldap_settings *ret, struct iam_error *err)
{
	json_t *json = json_of(text);
	enum iam_err e = ldap_settings_parse(arena, json, STR("default"), stored,
		contract_only, ret, err);

	json_decref(json); /* nothing in *ret may point into it */
	return e;
}

static struct ldap_settings parsed(const char *text)
{
	struct ldap_settings s;
	struct iam_error err = {0};

	memset(&s, 0, sizeof(s));
	if (parse(text, NULL, false, &s, &err) != IAM_OK)
		fail_msg("%s: %s", text, err.text);
	return s;
}

/* A body with PEM texts put in; in the arena. */
static const char *with_pem(const char *before, const char *name, const char *text,
	const char *after)
{
	json_t *json = json_string(text);
	char *quoted = json_dumps(json, JSON_ENCODE_ANY);
	const char *body =
		arena_fmt(arena, "%s,\"%s\":%s%s}", before, name, quoted, after).ptr;

	free(quoted);
	json_decref(json);
	assert_non_null(body);
	return body;
}

static void assert_invalid(const char *text, bool contract_only, const char *says)
{
	struct ldap_settings s = {.n_servers = 77};
	struct iam_error err = {0};
	enum iam_err e = parse(text, NULL, contract_only, &s, &err);

	if (e != IAM_LDAP_CONFIG_INVALID || strstr(err.text, says) == NULL)
		fail_msg("%s: %s '%s', expected '%s'", text, iam_err_name(e), err.text,
			says);
	assert_int_equal(s.n_servers, 77);
	assert_null(strstr(err.text, "hunter2"));
}

static const struct {
	const char *text, *says;
} mistakes[] = {
	{"[]", "must be a JSON object"},
	{"{}", "`host` is missing"},
	{"{\"host\":\"a\"}", "`port` is missing"},
	{"{\"host\":\"a\",\"port\":1}", "`enforce-starttls` is missing"},
	{"{\"host\":\"a\",\"port\":1,\"enforce-starttls\":true}",
		"`use-ldaps` is missing"},
	{"{" MINIMAL "}", "give `dntemplate` or `user-search`"},
	{"{" MINIMAL "," TEMPLATE "," USERS "}", "leave out `dntemplate` or"},
	{"{" MINIMAL ",\"dntemplate\":\"uid=x\"}",
		"`dntemplate` lacks the placeholder %(username)s"},
	{"{" MINIMAL ",\"dntemplate\":\"uid=%(groupname)s\"}",
		"placeholder that is not known: write %(username)s"},
	{"{" MINIMAL ",\"dntemplate\":\"uid=%(username)s,o=%(x)s\"}",
		"placeholder that is not known"},
	{"{" MINIMAL
	 ",\"user-search\":{\"search-base\":\"x\",\"search-filter-template\":\"(uid=x)\"}}",
		"`user-search.search-filter-template` lacks"},
	{"{" MINIMAL
	 ",\"user-search\":{\"search-base\":\"x\",\"search-filter-template\":\"((uid=%(username)s)\"}}",
		"parenthesis"},
	{"{" MINIMAL
	 ",\"user-search\":{\"search-base\":\"x\",\"search-filter-template\":\"uid=%(username)s)(\"}}",
		"parenthesis"},
	{"{" MINIMAL ",\"user-search\":{\"search-base\":\"x\"}}",
		"`user-search.search-filter-template` is missing"},
	{"{" MINIMAL ",\"user-search\":{\"search-filter-template\":\"x\"}}",
		"`user-search.search-base` is missing"},
	{"{" MINIMAL ",\"user-search\":\"x\"}", "`user-search` must be an object"},
	{"{" MINIMAL
	 ",\"user-search\":{\"search-base\":\"x\",\"search-filter-template\":\"x\",\"y\":1}}",
		"`user-search` has a member that is not known: it takes search-base, search-filter-template"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"group-search\":{\"search-base\":\"x\",\"search-filter-template\":\"(cn=%(username)s)\"}}",
		"write %(groupname)s"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"group-search\":{\"search-base\":\"x\",\"search-filter-template\":\"(cn=%(groupname)s)\",\"member-attributes\":\"m\"}}",
		"must be a list of at most 8 names"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"group-search\":{\"search-base\":\"x\",\"search-filter-template\":\"(cn=%(groupname)s)\",\"member-attributes\":[1]}}",
		"`group-search.member-attributes` must be a string"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"group-search\":{\"search-base\":\"x\",\"search-filter-template\":\"(cn=%(groupname)s)\",\"member-attributes\":[\"a;b\"]}}",
		"must be an attribute's name"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"group-search\":{\"search-base\":\"x\",\"search-filter-template\":\"(cn=%(groupname)s)\",\"member-attributes\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}}",
		"at most 8 names"},
	{"{" MINIMAL "," TEMPLATE ",\"lookup-password\":\"hunter2\"}",
		"`lookup-password` without `lookup-dn`"},
	{"{" MINIMAL "," TEMPLATE ",\"lookup-dn\":\"cn=me\"}",
		"`lookup-dn` without `lookup-password`"},
	{"{" MINIMAL "," TEMPLATE ",\"lookup-dn\":\"cn=me\",\"lookup-password\":\"\"}",
		"`lookup-password` is empty"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"lookup-dn\":\"cn=me\",\"lookup-password\":\"********\"}",
		"`lookup-password` is the marker ********, but none is stored"},
	{"{" MINIMAL "," TEMPLATE ",\"client-cert\":\"********\"}",
		"`client-cert` is the marker"},
	{"{\"host\":\"a\",\"port\":1,\"enforce-starttls\":true,\"use-ldaps\":true," TEMPLATE
	 "}",
		"both `use-ldaps` and `enforce-starttls`"},
	{"{\"host\":\"a\",\"port\":1,\"enforce-starttls\":1,\"use-ldaps\":true," TEMPLATE
	 "}",
		"`enforce-starttls` must be true or false"},
	{"{\"host\":\"a\",\"port\":0,\"enforce-starttls\":false,\"use-ldaps\":true}",
		"`port` must be a whole number from 1 to 65535"},
	{"{\"host\":\"a\",\"port\":65536,\"enforce-starttls\":false,\"use-ldaps\":true}",
		"from 1 to 65535"},
	{"{\"host\":\"a\",\"port\":\"389\",\"enforce-starttls\":false,\"use-ldaps\":true}",
		"from 1 to 65535"},
	{"{\"host\":\"a\",\"port\":389.0,\"enforce-starttls\":false,\"use-ldaps\":true}",
		"from 1 to 65535"},
	{"{\"host\":\"ldap://a\",\"port\":1}",
		"`host` must be a host's name or address alone"},
	{"{\"host\":\"a:389\",\"port\":1}", "`host` must be a host's name"},
	{"{\"host\":\"[::1]\",\"port\":1}", "without scheme, port or brackets"},
	{"{\"host\":\"a b\",\"port\":1}", "`host` must be a host's name"},
	{"{\"host\":\"-a\",\"port\":1}", "`host` must be a host's name"},
	{"{\"host\":\"b\\u00fccher.de\",\"port\":1}", "`host` must be a host's name"},
	{"{\"host\":\"\",\"port\":1}", "`host` is empty"},
	{"{\"host\":null,\"port\":1}", "`host` must be a string"},
	{"{\"host\":\"a\\u0000b\",\"port\":1}", "`host` has a control character"},
	{"{\"host\":\"a\\nb\",\"port\":1}", "`host` has a control character"},
	{"{" MINIMAL ",\"dntemplate\":\"uid=%(username)s\\u0000,dc=x\"}",
		"`dntemplate` has a control character"},
	{"{" MINIMAL ",\"dntemplate\":\"uid=%(username)s\\u007f\"}",
		"`dntemplate` has a control character"},
	{"{" MINIMAL "," TEMPLATE ",\"ca-certs\":\"hello\"}",
		"`ca-certs` holds no certificate"},
	{"{" MINIMAL "," TEMPLATE
	 ",\"ca-certs\":\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"}",
		"`ca-certs` has a certificate that cannot be read"},
	{"{" MINIMAL "," TEMPLATE ",\"ca-certs\":\"-----BEGIN CERTIFICATE-----\\nAAAA\"}",
		"`ca-certs` has a block that is not PEM"},
	{"{" MINIMAL "," TEMPLATE ",\"ca-certs\":\"a\\u0000b\"}",
		"`ca-certs` has a control character"},
	{"{" MINIMAL "," TEMPLATE ",\"client-cert\":\"x\"}",
		"`client-cert` without `ca-certs`"},
	{"{" MINIMAL "," TEMPLATE ",\"lookup_password\":\"hunter2\"}",
		"unknown member `lookup_password`: known are host"},
	{"{" MINIMAL "," TEMPLATE ",\"hunter2 \":1}", "unknown member: known are"},
	{"{" MINIMAL "," TEMPLATE ",\"id\":\"other\"}",
		"`id` must be that of the path, `default`"},
	{"{" MINIMAL "," TEMPLATE ",\"servers\":{}}", "`servers` must be a list"},
	{"{" MINIMAL "," TEMPLATE ",\"servers\":[{\"host\":\"a\"}]}",
		"each of `servers` must be"},
	{"{" MINIMAL "," TEMPLATE ",\"servers\":[{\"host\":\"a\",\"port\":1,\"x\":1}]}",
		"each of `servers` must be"},
	{"{" MINIMAL "," TEMPLATE ",\"servers\":[{\"host\":\"a/\",\"port\":1}]}",
		"`servers.host` must be a host's name"},
	{"{" MINIMAL "," TEMPLATE ",\"servers\":[{\"host\":\"a\",\"port\":0}]}",
		"`servers.port` must be"},
	{"{" MINIMAL "," TEMPLATE ",\"servers\":[1,2,3,4,5,6,7,8]}",
		"`servers` has 8 entries: at most 7 beside"},
	{"{" MINIMAL "," TEMPLATE ",\"uid-attribute\":\"a=b\"}",
		"`uid-attribute` must be an attribute's name"},
	{"{" MINIMAL "," TEMPLATE ",\"timeouts\":3}", "`timeouts` must be an object"},
	{"{" MINIMAL "," TEMPLATE ",\"timeouts\":{\"bind\":3}}",
		"it takes connect, operation, search"},
	{"{" MINIMAL "," TEMPLATE ",\"timeouts\":{\"connect\":0}}",
		"`timeouts.connect` must be a whole number of seconds from 1 to 60"},
	{"{" MINIMAL "," TEMPLATE ",\"timeouts\":{\"search\":601}}",
		"`timeouts.search` must be"},
	{"{" MINIMAL "," TEMPLATE ",\"sync-interval\":-1}",
		"`sync-interval` must be a whole number from 0 to 2592000"},
	{"{" MINIMAL "," TEMPLATE ",\"sync-scope\":\"some\"}",
		"`sync-scope` must be \"imported\" or \"all\""},
	{"{" MINIMAL "," TEMPLATE ",\"sync-scope\":\"all\"}", "needs `user-search`"},
	{"{" MINIMAL "," TEMPLATE ",\"sync-max-vanished\":101}", "from 0 to 100"},
	{"{" MINIMAL "," TEMPLATE ",\"grace-period\":1e99}",
		"`grace-period` must be a whole number"},
	{"{" MINIMAL "," TEMPLATE ",\"nested-groups\":\"yes\"}",
		"`nested-groups` must be true or false"},
	{"{" MINIMAL "," TEMPLATE ",\"login-order\":1001}", "from 0 to 1000"},
	{"{" MINIMAL "," TEMPLATE ",\"lookup-mechanism\":\"gssapi\"}",
		"must be \"simple\" or \"external\""},
	{"{" MINIMAL "," TEMPLATE ",\"lookup-mechanism\":\"external\"}",
		"needs `client-cert`"},
	{"{" MINIMAL "," TEMPLATE "," LOOKUP ",\"lookup-mechanism\":\"external\"}",
		"with `lookup-dn`: leave one out"},
};

static void each_mistake_is_named_with_the_next_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++)
		assert_invalid(mistakes[i].text, false, mistakes[i].says);
}

static void texts_and_certificates_have_a_maximum(void **state)
{
	char *longer = arena_alloc(arena, LDAP_PEM_MAX + 200);

	(void)state;
	memset(longer, 'a', LDAP_TEXT_MAX + 1);
	assert_invalid(with_pem("{" MINIMAL, "dntemplate", longer, ""), false,
		"`dntemplate` is longer than 1024 bytes");
	assert_invalid(with_pem("{" MINIMAL, "lookup-password", longer, ""), false,
		"`lookup-password` is longer than 1024 bytes");
	longer[254] = '\0';
	assert_invalid(arena_fmt(arena, "{\"host\":\"%s\",\"port\":1}", longer).ptr,
		false, "`host` is longer than 253 bytes");
	memset(longer, '\n', LDAP_PEM_MAX + 1);
	assert_invalid(with_pem("{" MINIMAL, "ca-certs", longer, "," TEMPLATE), false,
		"`ca-certs` is longer than 65536 bytes");
}

static void further_members_are_no_members_of_the_old_interface(void **state)
{
	static const char *const names[] = {"id", "servers", "allow-cleartext",
		"lookup-mechanism", "uid-attribute", "description-attribute",
		"email-attribute", "timeouts", "sync-interval", "sync-scope",
		"sync-max-vanished", "grace-period", "nested-groups", "login-order"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_invalid(arena_fmt(arena, "{%s,\"%s\":1}", MINIMAL "," TEMPLATE,
				       names[i])
				       .ptr,
			true,
			"is no member here: set it with PUT /ldap/directories/default");
}

static const char *pem_named(char name)
{
	switch (name) {
	case 'C':
		return pem.cert;
	case 'P':
		return pem.pair;
	case 'M':
		return pem.mismatch;
	case 'E':
		return pem.encrypted;
	default:
		return pem.other_cert;
	}
}

/* %C and so on are one of the texts above. */
static const char *expanded(const char *from)
{
	struct sb text;

	sb_init(&text, arena, 32768);
	for (; *from != '\0'; from++) {
		if (*from == '%')
			sb_add_c(&text, pem_named(*++from));
		else
			sb_add_char(&text, *from);
	}
	return sb_str(&text).ptr;
}

static void keys_and_certificates_are_read(void **state)
{
	static const struct {
		const char *name;
		const char *ca, *client;
		const char *says; /* NULL: fine */
	} cases[] = {
		{"a bundle with words", "# our own\n%C\nand the other\n%O\n", NULL, NULL},
		{"a pair", "%C", "%P", NULL},
		{"a key among authorities", "%P", NULL, "`ca-certs` holds a private key"},
		{"no key", "%C", "%C", "`client-cert` holds no private key"},
		{"two keys", "%C", "%P%P", "more than one private key"},
		{"another key", "%C", "%M", "not that of its first certificate"},
		{"an encrypted key", "%C", "%E", "encrypted private key"},
		{"a public key",
			"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
			NULL, "neither a certificate nor a private key"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ldap_settings s;
		struct iam_error err = {0};
		const char *body;
		enum iam_err e;

		body = with_pem("{" MINIMAL "," TEMPLATE, "ca-certs",
			expanded(cases[i].ca), "");
		if (cases[i].client != NULL) {
			((char *)(uintptr_t)body)[strlen(body) - 1] = '\0';
			body = with_pem(body, "client-cert", expanded(cases[i].client),
				"");
		}
		e = parse(body, NULL, true, &s, &err);
		if (cases[i].says == NULL && e != IAM_OK)
			fail_msg("%s: %s", cases[i].name, err.text);
		if (cases[i].says != NULL && strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: '%s'", cases[i].name, err.text);
	}
}

/* ---- reading, keeping, showing ---- */

#define WHOLE \
	"{" MINIMAL "," USERS ",\"group-search\":{\"search-base\":\"ou=g\"," \
	"\"search-filter-template\":\"(cn=%(groupname)s)\",\"member-attributes\":[\"member\",\"memberUid\"]}," LOOKUP \
	",\"id\":\"default\",\"servers\":[{\"host\":\"::1\",\"port\":636},{\"host\":\"10.0.0.1\",\"port\":3}]," \
	"\"allow-cleartext\":true,\"uid-attribute\":\"sAMAccountName\",\"description-attribute\":\"displayName\"," \
	"\"email-attribute\":\"userPrincipalName\",\"timeouts\":{\"connect\":1,\"operation\":2,\"search\":600}," \
	"\"sync-interval\":0,\"sync-scope\":\"all\",\"sync-max-vanished\":0,\"grace-period\":60," \
	"\"nested-groups\":false,\"login-order\":7}"

static void assert_text(struct str s, const char *expected)
{
	assert_non_null(s.ptr);
	assert_string_equal(s.ptr, expected); /* ends in NUL */
	assert_int_equal(s.len, strlen(expected));
}

static void assert_whole(const struct ldap_settings *s)
{
	assert_text(s->id, "default");
	assert_int_equal(s->n_servers, 3);
	assert_text(s->servers[0].host, "ldap.example.com");
	assert_text(s->servers[1].host, "::1");
	assert_text(s->servers[2].host, "10.0.0.1");
	assert_int_equal(s->servers[0].port, 389);
	assert_int_equal(s->servers[1].port, 636);
	assert_int_equal(s->tls, LDAP_TLS_STARTTLS);
	assert_true(s->allow_cleartext && !s->nested_groups && !s->lookup_external);
	assert_null(s->dn_template.ptr);
	assert_text(s->users.base, "dc=x");
	assert_text(s->groups.filter, "(cn=%(groupname)s)");
	assert_int_equal(s->n_member_attributes, 2);
	assert_text(s->member_attributes[1], "memberUid");
	assert_text(s->lookup_dn, "cn=me");
	assert_text(s->lookup_password, "hunter2");
	assert_text(s->uid_attribute, "sAMAccountName");
	assert_text(s->description_attribute, "displayName");
	assert_text(s->email_attribute, "userPrincipalName");
	assert_true(s->connect_timeout_ms == 1000 && s->operation_timeout_ms == 2000 &&
		s->search_timeout_ms == 600000);
	assert_true(s->sync_interval_s == 0 && s->sync_scope == LDAP_SYNC_ALL &&
		s->sync_max_vanished == 0 && s->grace_period_s == 60 &&
		s->login_order == 7);
}

static void every_member_is_read_and_the_others_have_defaults(void **state)
{
	struct ldap_settings s = parsed(WHOLE);

	(void)state;
	assert_whole(&s);
	s = parsed("{" MINIMAL "," TEMPLATE "}");
	assert_int_equal(s.n_servers, 1);
	assert_text(s.dn_template, "uid=%(username)s,dc=x");
	assert_text(s.description_attribute, "cn");
	assert_text(s.email_attribute, "mail");
	assert_null(s.uid_attribute.ptr);
	assert_null(s.lookup_dn.ptr);
	assert_null(s.users.base.ptr);
	assert_true(s.nested_groups && !s.allow_cleartext);
	assert_true(s.connect_timeout_ms == 3000 && s.operation_timeout_ms == 5000 &&
		s.search_timeout_ms == 30000 && s.sync_interval_s == 1800 &&
		s.sync_max_vanished == 20 && s.grace_period_s == 604800 &&
		s.login_order == 100);
	s = parsed(
		"{\"host\":\"a\",\"port\":1,\"enforce-starttls\":false,\"use-ldaps\":true," TEMPLATE
		"}");
	assert_int_equal(s.tls, LDAP_TLS_LDAPS);
	s = parsed(
		"{\"host\":\"a\",\"port\":1,\"enforce-starttls\":false,\"use-ldaps\":false," TEMPLATE
		"}");
	assert_int_equal(s.tls, LDAP_TLS_TRY);
}

static char *shown(const struct ldap_settings *s, bool contract_only)
{
	json_t *json = ldap_settings_json(s, contract_only);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	json_decref(json);
	return text;
}

static void what_is_shown_can_be_put_back_and_has_no_secret(void **state)
{
	struct ldap_settings s = parsed(WHOLE), again;
	char *text = shown(&s, false);

	(void)state;
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "\"lookup-password\":\"********\""));
	assert_int_equal(parse(text, &s, false, &again, NULL), IAM_OK);
	assert_whole(&again);
	free(text);
	text = shown(&s, true);
	assert_string_equal(text,
		"{\"host\":\"ldap.example.com\",\"port\":389,\"enforce-starttls\":true,"
		"\"use-ldaps\":false,\"user-search\":{\"search-base\":\"dc=x\","
		"\"search-filter-template\":\"(uid=%(username)s)\"},"
		"\"group-search\":{\"search-base\":\"ou=g\",\"search-filter-template\":"
		"\"(cn=%(groupname)s)\",\"member-attributes\":[\"member\",\"memberUid\"]},"
		"\"lookup-dn\":\"cn=me\",\"lookup-password\":\"********\"}");
	assert_int_equal(parse(text, &s, true, &again, NULL), IAM_OK);
	assert_whole(&again);
	free(text);
}

static void the_old_interface_keeps_further_members_and_only_those(void **state)
{
	struct ldap_settings s = parsed(WHOLE), again;

	(void)state;
	assert_int_equal(
		parse("{\"host\":\"other\",\"port\":636,\"enforce-starttls\":false,"
		      "\"use-ldaps\":true," USERS "}",
			&s, true, &again, NULL),
		IAM_OK);
	assert_text(again.servers[0].host, "other");
	assert_text(again.servers[2].host, "10.0.0.1");
	assert_true(again.servers[2].host.ptr != s.servers[2].host.ptr);
	assert_int_equal(again.n_servers, 3);
	assert_int_equal(again.login_order, 7);
	assert_text(again.uid_attribute, "sAMAccountName");
	assert_int_equal(again.tls, LDAP_TLS_LDAPS);
	assert_null(again.lookup_dn.ptr);
	assert_null(again.lookup_password.ptr);
	assert_null(again.groups.base.ptr);
	assert_int_equal(again.n_member_attributes, 0);
}

static void a_configuration_is_saved_without_secrets_and_loaded_with_them(void **state)
{
	struct ldap_settings s = parsed(WHOLE), again;
	struct str config, secrets;

	(void)state;
	assert_int_equal(ldap_settings_save(arena, &s, &config, &secrets), IAM_OK);
	assert_null(strstr(config.ptr, "hunter2"));
	assert_null(strstr(config.ptr, "********"));
	assert_int_equal(ldap_settings_load(arena, STR("default"), config, secrets,
				 &again),
		IAM_OK);
	assert_whole(&again);
	assert_null(again.client_cert.ptr);
	s.client_cert = STR("pem");
	assert_int_equal(ldap_settings_save(arena, &s, &config, &secrets), IAM_OK);
	assert_int_equal(ldap_settings_load(arena, STR("default"), config, secrets,
				 &again),
		IAM_OK);
	assert_text(again.lookup_password, "hunter2");
	assert_text(again.client_cert, "pem");
	s.lookup_password = STR_NONE;
	assert_int_equal(ldap_settings_save(arena, &s, &config, &secrets), IAM_OK);
	assert_int_equal(ldap_settings_load(arena, STR("default"), config, secrets,
				 &again),
		IAM_OK);
	assert_null(again.lookup_password.ptr);
	assert_text(again.client_cert, "pem");
	s.client_cert = STR_NONE;
	assert_int_equal(ldap_settings_save(arena, &s, &config, &secrets), IAM_OK);
	assert_null(secrets.ptr);
	assert_int_equal(ldap_settings_load(arena, STR("default"), config, secrets,
				 &again),
		IAM_OK);
	assert_null(again.client_cert.ptr);
}

static void a_stored_text_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "{\"host\":1}", "{\"future\":1}"};
	struct ldap_settings s;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(ldap_settings_load(arena, STR("default"),
					 str_c(texts[i]), STR_NONE, &s),
			IAM_CONFIG);
}

static void an_id_has_letters_digits_and_hyphens_only(void **state)
{
	static const char *const bad[] = {"", "a b", "a/b", "a_b", "a.b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	json_t *json = json_of("{" MINIMAL "," TEMPLATE "}");
	struct ldap_settings s;
	struct iam_error err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(ldap_settings_parse(arena, json, str_c(bad[i]), NULL,
					 false, &s, &err),
			IAM_LDAP_CONFIG_INVALID);
		assert_non_null(strstr(err.text, "the id must be 1 to 64"));
	}
	assert_int_equal(ldap_settings_parse(arena, json, STR("Branch-2"), NULL, false,
				 &s, &err),
		IAM_OK);
	assert_text(s.id, "Branch-2");
	json_decref(json);
}

static void no_memory_is_said_and_changes_nothing(void **state)
{
	json_t *json = json_of(WHOLE);
	enum iam_err e = IAM_NO_MEMORY;
	size_t max;

	(void)state;
	for (max = 64; max < 65536 && e != IAM_OK; max += 64) {
		struct arena *small = arena_new(64, max);
		struct ldap_settings s = {.n_servers = 77};

		e = small == NULL ? IAM_NO_MEMORY
				  : ldap_settings_parse(small, json, STR("default"), NULL,
					    false, &s, NULL);
		if (e != IAM_OK) {
			assert_int_equal(e, IAM_NO_MEMORY);
			assert_int_equal(s.n_servers, 77);
		}
		arena_free(small);
	}
	assert_int_equal(e, IAM_OK);
	json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_mistake_is_named_with_the_next_step),
		TEST(texts_and_certificates_have_a_maximum),
		TEST(further_members_are_no_members_of_the_old_interface),
		TEST(keys_and_certificates_are_read),
		TEST(every_member_is_read_and_the_others_have_defaults),
		TEST(what_is_shown_can_be_put_back_and_has_no_secret),
		TEST(the_old_interface_keeps_further_members_and_only_those),
		TEST(a_configuration_is_saved_without_secrets_and_loaded_with_them),
		TEST(a_stored_text_that_is_none_is_refused),
		TEST(an_id_has_letters_digits_and_hyphens_only),
		TEST(no_memory_is_said_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, make_pems, NULL);
}
