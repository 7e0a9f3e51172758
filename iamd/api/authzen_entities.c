/*
 * authzen_entities - subjects, resources and actions: read, and turned into uid, rid and action.
 *
 * Types are strict, everything else is open. Subject type "user" means regular accounts, "service"
 * service accounts; a uid of the other kind is unknown. Resource type "rid": the id is the rid; any
 * other type: rid = type + ":" + id. Actions are the five and the names of authzen_actions.
 * Writes no answers.
 */
#include <string.h>

#include "iamd/api/authzen.h"
#include "iamd/api/authzen_actions.h"
#include "iamd/authz/sessions.h"
#include "iamd/http/schema.h"

/* ---- reading ---- */

enum iam_err authzen_wrong_type(const char *member, const char *type,
	struct iam_error *err)
{
	return iam_error_set(err, IAM_BAD_SCHEMA,
		"Unexpected JSON input. Hint: `%s` is not of type '%s'", member, type);
}

static enum iam_err is_required(const char *object, const char *member,
	struct iam_error *err)
{
	return iam_error_set(err, IAM_BAD_SCHEMA,
		"Unexpected JSON input. Hint: `%s%s%s` is a required property", object,
		member[0] == '\0' ? "" : ".", member);
}

enum iam_err authzen_body(struct req *r)
{
	enum iam_err e = IAM_OK;

	if (r->json == NULL)
		e = json_parse(r->body, &r->json, &r->error);
	if (e == IAM_OK && !json_is_object(r->json))
		e = authzen_wrong_type("the document", "object", &r->error);
	return e;
}

static enum iam_err read_string(const json_t *object, const char *name,
	const char *member, struct str *ret, struct iam_error *err)
{
	const json_t *value = json_object_get(object, member);
	char path[64];

	if (value == NULL)
		return is_required(name, member, err);
	if (!json_is_string(value)) {
		(void)snprintf(path, sizeof(path), "%s.%s", name, member);
		return authzen_wrong_type(path, "string", err);
	}
	*ret = (struct str){json_string_value(value), json_string_length(value)};
	return IAM_OK;
}

/* The member as an object with sound `properties`; *ret is NULL when there is none. */
static enum iam_err read_object(const json_t *from, const char *name, const json_t **ret,
	struct iam_error *err)
{
	const json_t *object = json_object_get(from, name);
	const json_t *properties;
	char path[64];

	if (object != NULL && !json_is_object(object))
		return authzen_wrong_type(name, "object", err);
	properties = object == NULL ? NULL : json_object_get(object, "properties");
	if (properties != NULL && !json_is_object(properties)) {
		(void)snprintf(path, sizeof(path), "%s.properties", name);
		return authzen_wrong_type(path, "object", err);
	}
	*ret = object;
	return IAM_OK;
}

static enum iam_err read_entity(const json_t *from, const char *name, bool is_searched,
	struct authzen_entity *entity, struct iam_error *err)
{
	struct authzen_entity given = {.id = STR_NONE};
	const json_t *object = NULL;
	enum iam_err e = read_object(from, name, &object, err);

	if (e != IAM_OK || object == NULL)
		return e;
	e = read_string(object, name, "type", &given.type, err);
	if (e == IAM_OK && !is_searched)
		e = read_string(object, name, "id", &given.id, err);
	if (e == IAM_OK)
		*entity = given;
	return e;
}

static enum iam_err read_action(const json_t *from, struct str *action,
	struct iam_error *err)
{
	const json_t *object = NULL;
	enum iam_err e = read_object(from, "action", &object, err);

	if (e != IAM_OK || object == NULL)
		return e;
	return read_string(object, "action", "name", action, err);
}

enum iam_err authzen_read(const json_t *object, unsigned searched,
	struct authzen_ask *ask, struct iam_error *err)
{
	const json_t *context = json_object_get(object, "context");
	struct authzen_ask given = *ask;
	enum iam_err e = read_entity(object, "subject", searched & AUTHZEN_SUBJECT,
		&given.subject, err);

	if (e == IAM_OK)
		e = read_entity(object, "resource", searched & AUTHZEN_RESOURCE,
			&given.resource, err);
	if (e == IAM_OK && !(searched & AUTHZEN_ACTION))
		e = read_action(object, &given.action, err);
	if (e == IAM_OK && context != NULL && !json_is_object(context))
		e = authzen_wrong_type("context", "object", err);
	if (e != IAM_OK)
		return e;
	if (context != NULL)
		given.explain = json_is_true(json_object_get(context, "explain"));
	*ask = given;
	return IAM_OK;
}

enum iam_err authzen_need(const struct authzen_ask *ask, unsigned parts,
	struct iam_error *err)
{
	if ((parts & AUTHZEN_SUBJECT) && ask->subject.type.ptr == NULL)
		return is_required("subject", "", err);
	if ((parts & AUTHZEN_ACTION) && ask->action.ptr == NULL)
		return is_required("action", "", err);
	if ((parts & AUTHZEN_RESOURCE) && ask->resource.type.ptr == NULL)
		return is_required("resource", "", err);
	return IAM_OK;
}

/* ---- meaning ---- */

bool authzen_is_account_type(struct str type, bool *ret_service)
{
	*ret_service = str_eq_c(type, "service");
	return *ret_service || str_eq_c(type, "user");
}

enum iam_err authzen_may_ask(const struct req *r, const struct root *root,
	const struct authzen_entity *subject)
{
	bool is_service;

	return decide_may_ask(r, root,
		authzen_is_account_type(subject->type, &is_service) ? subject->id
								    : STR_NONE);
}

/* At most `max` bytes, whole characters. */
static struct str cut(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

/* "type:id" in buf, whose last three bytes may stay free. */
static struct str join(const struct authzen_entity *e, char *buf, size_t size)
{
	struct str type = cut(e->type, size - 1), id = cut(e->id, size - 1 - type.len);

	memcpy(buf, type.ptr, type.len);
	buf[type.len] = ':';
	memcpy(buf + type.len + 1, id.ptr, id.len);
	return (struct str){buf, type.len + 1 + id.len};
}

/* No account has a uid with ':' in it, so a subject of the wrong kind becomes one that is unknown. */
static struct str uid_of(const struct root *root, const struct authzen_entity *subject,
	struct authzen_meaning *m)
{
	struct session session;
	bool is_service;

	if (authzen_is_account_type(subject->type, &is_service) &&
		(!sessions_find(root, subject->id, &session) ||
			session.is_service == is_service))
		return cut(subject->id, sizeof(m->uid_text));
	return join(subject, m->uid_text, sizeof(m->uid_text));
}

void authzen_meaning(const struct root *root, const struct authzen_ask *ask,
	struct authzen_meaning *ret)
{
	enum iam_action action;

	ret->uid = uid_of(root, &ask->subject, ret);
	if (str_eq_c(ask->resource.type, "rid"))
		ret->rid = cut(ask->resource.id, sizeof(ret->rid_text));
	else
		ret->rid = join(&ask->resource, ret->rid_text, sizeof(ret->rid_text));
	if (authzen_action_find(root->config->authzen_actions, ask->action, &action))
		ret->action = str_c(iam_action_name(action));
	else
		ret->action = cut(ask->action, AUTHZEN_ACTION_NAME_MAX_BYTES);
}

enum iam_err authzen_start(struct req *r, struct resp *out, req_fn *then)
{
	bool is_parked;
	enum iam_err e = decide_await(r, then, &is_parked);

	return e != IAM_OK || is_parked ? e : then(r, out);
}
