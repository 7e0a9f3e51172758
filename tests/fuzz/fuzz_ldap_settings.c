/*
 * fuzz_ldap_settings - a directory's configuration from any JSON, PEM texts in it included.
 *
 * Properties: a refusal has a text without control characters and no result; what is accepted can be
 * shown and put back, and be stored and loaded, and is the same then; what is shown has no secret but
 * the marker.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/http/schema.h"
#include "iamd/idp/ldap_settings.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same_text(struct str a, struct str b)
{
	assert((a.ptr == NULL) == (b.ptr == NULL));
	assert(a.ptr == NULL || (a.len > 0 && a.ptr[a.len] == '\0'));
	assert(str_eq(a, b));
}

static void assert_same(const struct ldap_settings *a, const struct ldap_settings *b)
{
	json_t *x = ldap_settings_json(a, false), *y = ldap_settings_json(b, false);

	assert(x != NULL && y != NULL && json_equal(x, y));
	assert_same_text(a->lookup_password, b->lookup_password);
	assert_same_text(a->client_cert, b->client_cert);
	json_decref(x);
	json_decref(y);
}

static void check_shown(struct arena *a, const struct ldap_settings *s,
	bool contract_only)
{
	json_t *json = ldap_settings_json(s, contract_only);
	const char *names[] = {"lookup-password", "client-cert"};
	struct ldap_settings again;

	assert(json != NULL);
	for (unsigned i = 0; i < 2; i++) {
		const char *shown = json_string_value(json_object_get(json, names[i]));

		assert(shown == NULL || strcmp(shown, LDAP_SECRET_MARKER) == 0);
	}
	assert(ldap_settings_parse(a, json, s->id, s, contract_only, &again, NULL) ==
		IAM_OK);
	assert_same(s, &again);
	json_decref(json);
}

static void check_accepted(struct arena *a, const struct ldap_settings *s)
{
	struct str config, secrets;
	struct ldap_settings again;

	assert(s->n_servers >= 1 && s->n_servers <= LDAP_SERVERS_MAX);
	assert((s->dn_template.ptr == NULL) != (s->users.base.ptr == NULL));
	assert((s->lookup_dn.ptr == NULL) == (s->lookup_password.ptr == NULL));
	check_shown(a, s, true);
	check_shown(a, s, false);
	assert(ldap_settings_save(a, s, &config, &secrets) == IAM_OK);
	assert(ldap_settings_load(a, s->id, config, secrets, &again) == IAM_OK);
	assert_same(s, &again);
}

static void check(const json_t *json, bool contract_only)
{
	struct arena *a = arena_new(4096, (size_t)4 << 20);
	struct ldap_settings s = {.n_servers = 0};
	struct iam_error err = {IAM_OK, ""};
	enum iam_err e;

	assert(a != NULL);
	e = ldap_settings_parse(a, json, STR("default"), NULL, contract_only, &s, &err);
	if (e == IAM_OK) {
		check_accepted(a, &s);
	} else {
		assert(e == IAM_LDAP_CONFIG_INVALID && err.text[0] != '\0');
		assert(s.n_servers == 0);
		for (const char *p = err.text; *p != '\0'; p++)
			assert((unsigned char)*p >= 0x20);
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = NULL;

	if (size > INPUT_MAX ||
		json_parse((struct str){.ptr = (const char *)data, .len = size}, &json,
			NULL) != IAM_OK)
		return 0;
	check(json, false);
	check(json, true);
	json_decref(json);
	return 0;
}
