/*
 * acls_write - making, describing and deleting ACLs. WRITE lane.
 *
 * Who may is the route's guard alone: a protected ACL is a superuser's. An ACL that is deleted takes
 * its grants with it; the one that makes superusers stays.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"
#include "iamd/audit/audit.h"

/* PUT and PATCH have the same body. */
struct acl_body {
	struct str description;
};

/* LIMIT of the string: 4096 bytes. */
static const struct json_field acl_fields[] = {
	{"description", JSON_FIELD_STR, offsetof(struct acl_body, description), 4096,
		false},
};
const struct json_schema acl_schema = {acl_fields,
	sizeof acl_fields / sizeof acl_fields[0], sizeof(struct acl_body), false};

static enum iam_err audit_acl(struct req *r, struct db *w, enum audit_action action,
	struct str reason)
{
	struct audit_event ev = {
		.action = action,
		.actor = r->principal.uid,
		.object = req_param(r, "rid"),
		.allow = true,
		.reason = reason,
	};

	return audit_change(r, w, &ev);
}

enum iam_err api_acl_put(struct req *r, struct resp *out)
{
	const struct acl_body *b = r->input;
	struct db *w = store_writer(r->svc->store);
	struct str rid = req_param(r, "rid");
	enum iam_err e;

	if (!iam_rid_valid(rid))
		return api_no_resource(r, rid);
	e = store_acl_add(w, rid, b->description);
	if (e == IAM_ACL_EXISTS)
		return req_fail(r, e, "ACL with rid `%.*s` already exists.",
			STR_FMT(rid));
	if (e == IAM_OK)
		e = audit_acl(r, w, AUDIT_ACL_CREATE, STR("acl"));
	return e == IAM_OK ? resp_empty(out, 201, true) : e;
}

enum iam_err api_acl_patch(struct req *r, struct resp *out)
{
	const struct acl_body *b = r->input;
	struct db *w = store_writer(r->svc->store);
	struct str rid = req_param(r, "rid");
	enum iam_err e = store_acl_set_description(w, rid, b->description);

	if (e == IAM_NO_RESOURCE)
		return api_no_resource(r, rid);
	if (e == IAM_OK)
		e = audit_acl(r, w, AUDIT_ACL_UPDATE, STR("description"));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}

enum iam_err api_acl_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str rid = req_param(r, "rid");
	enum iam_err e;

	if (str_eq_c(rid, IAM_SUPERUSER_RID))
		return req_fail(r, IAM_SUPERUSER_ACL,
			"The ACL of the `" IAM_SUPERUSER_RID
			"` resource cannot be deleted.");
	e = store_acl_delete(w, rid);
	if (e == IAM_NO_RESOURCE)
		return api_no_resource(r, rid);
	if (e == IAM_OK)
		e = audit_acl(r, w, AUDIT_ACL_DELETE, STR("acl"));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}
