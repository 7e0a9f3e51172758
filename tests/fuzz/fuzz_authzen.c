/*
 * fuzz_authzen - AuthZEN's requests and the map of action names.
 *
 * Input that begins with '{' is a request's body, anything else a text of the option authzen_actions.
 * Properties: what is read has its required members; a known account comes only from its own uid under
 * its own kind; ids that fit are mapped exactly, others to what cannot exist; an action means something
 * exactly when it is one of the five or of the map; no made-up page token opens; a map that is accepted
 * yields valid entries only, each found by its name.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/api/authzen.h"
#include "iamd/api/authzen_actions.h"
#include "iamd/authz/sessions.h"
#include "iamd/http/schema.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char actions_map[] = "write=update, can_read=read";

/* A state with the user "alice" and the service account "robot"; made once. */
static const struct root *state(void)
{
	static const unsigned char key[TABLE_KEY_BYTES] = {1};
	static struct config config;
	static struct pmap_retired retired;
	static struct root root;
	struct pmap_edit edit;
	struct session user = {.enabled = true, .gen = 1};
	struct session service = {.enabled = true, .gen = 2, .is_service = true};
	struct pmap *empty;

	if (root.sessions != NULL)
		return &root;
	empty = pmap_new();
	assert(empty != NULL);
	pmap_edit_begin(&edit, empty);
	assert(sessions_put(&edit, key, STR("alice"), &user) == IAM_OK);
	assert(sessions_put(&edit, key, STR("robot"), &service) == IAM_OK);
	root.sessions = pmap_edit_finish(&edit, &retired);
	config.authzen_actions = actions_map;
	root.config = &config;
	root.hash_key = key;
	return &root;
}

static void check_meaning(const struct authzen_ask *ask)
{
	const struct root *root = state();
	struct authzen_meaning m;
	struct session session;
	enum iam_action action;
	struct str type = ask->resource.type, id = ask->resource.id;

	authzen_meaning(root, ask, &m);
	assert(m.uid.len <= sizeof(m.uid_text) && str_is_utf8(m.uid));
	assert(m.rid.len <= sizeof(m.rid_text) && str_is_utf8(m.rid));
	assert(m.action.len <= AUTHZEN_ACTION_NAME_MAX_BYTES && str_is_utf8(m.action));

	if (sessions_find(root, m.uid, &session)) {
		assert(str_eq(m.uid, ask->subject.id));
		assert(str_eq_c(ask->subject.type,
			session.is_service ? "service" : "user"));
	}
	if (str_eq_c(type, "rid")) {
		assert(id.len > IAM_RID_MAX_BYTES ? m.rid.len > IAM_RID_MAX_BYTES
						  : str_eq(m.rid, id));
	} else if (type.len + 1 + id.len > IAM_RID_MAX_BYTES) {
		assert(m.rid.len > IAM_RID_MAX_BYTES);
	} else {
		assert(m.rid.len == type.len + 1 + id.len && str_starts(m.rid, type) &&
			str_ends(m.rid, id) && m.rid.ptr[type.len] == ':');
	}
	assert((iam_action_parse(m.action, &action) == IAM_OK) ==
		authzen_action_find(actions_map, ask->action, &action));
}

static void check_body(struct str text)
{
	static const unsigned parts[] = {
		0, AUTHZEN_SUBJECT, AUTHZEN_RESOURCE, AUTHZEN_ACTION};
	struct req *r = req_new(HTTP_POST, STR("POST"), STR("/access/v1/evaluation"));

	assert(r != NULL);
	r->body = text;
	if (authzen_body(r) != IAM_OK) {
		req_free(r);
		return;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct authzen_ask ask = {.explain = false};
		struct authzen_page page;
		struct iam_error err = {.code = IAM_OK};
		enum iam_err e = authzen_read(r->json, parts[i], &ask, &err);

		if (e == IAM_OK)
			e = authzen_need(&ask, AUTHZEN_ALL & ~parts[i], &err);
		assert(e == IAM_OK || (e == IAM_BAD_SCHEMA && err.text[0] != '\0'));
		if (e != IAM_OK)
			continue;
		if (parts[i] == 0)
			check_meaning(&ask);
		if (authzen_page_read(r, state(), parts[i], &ask, &page) == IAM_OK)
			assert(page.after.ptr == NULL && page.limit >= 1 &&
				page.limit <= AUTHZEN_PAGE_MAX);
	}
	req_free(r);
}

static void check_actions(const char *text)
{
	struct iam_error err = {.code = IAM_OK};
	struct str rest = str_c(text), name;
	enum iam_action action, found;
	unsigned n = 0;

	if (authzen_actions_check(text, &err) != IAM_OK) {
		assert(err.text[0] != '\0');
		return;
	}
	while (authzen_actions_next(&rest, &name, &action)) {
		n++;
		assert(name.len > 0 && name.len <= AUTHZEN_ACTION_NAME_MAX_BYTES);
		assert(authzen_action_find(text, name, &found) && found == action);
	}
	assert(n <= AUTHZEN_ACTIONS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > INPUT_MAX)
		return 0;
	text = malloc(size + 1);
	assert(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (size > 0 && text[0] == '{')
		check_body((struct str){text, size});
	else
		check_actions(text);
	free(text);
	return 0;
}
