/*
 * groups_write - making, changing and deleting groups, and what is in them. WRITE lane.
 *
 * What must hold (known ids, unique ones, the last superuser) is checked in the transaction. Who may
 * change a group was judged by the newest root right before (pipeline.c); here only a superuser gets
 * past a group that effectively holds a grant on a protected rid, but for its description.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"
#include "iamd/audit/audit.h"
#include "iamd/authz/guard.h"
#include "iamd/authz/pending.h"

/* ---- bodies ---- */

struct group_put {
	struct str description, provider_type;
};

/* LIMIT of the strings: descriptions 4096 bytes. */
static const struct json_field group_put_fields[] = {
	{"description", JSON_FIELD_STR, offsetof(struct group_put, description), 4096,
		false},
	{"provider_type", JSON_FIELD_STR, offsetof(struct group_put, provider_type), 256,
		true},
};
const struct json_schema group_put_schema = {
	group_put_fields, 2, sizeof(struct group_put), false};

struct group_patch {
	struct str description;
};

static const struct json_field group_patch_fields[] = {
	{"description", JSON_FIELD_STR, offsetof(struct group_patch, description), 4096,
		false},
};
const struct json_schema group_patch_schema = {
	group_patch_fields, 1, sizeof(struct group_patch), false};

/* ---- rules they share ---- */

static enum iam_err audit_group(struct req *r, struct db *w, enum audit_action action,
	struct str reason)
{
	struct audit_event ev = {
		.action = action,
		.actor = r->principal.uid,
		.object = req_param(r, "gid"),
		.allow = true,
		.reason = reason,
	};

	return audit_change(r, w, &ev);
}

/* "user bob", "group ops": the reason of a membership's audit row. */
static struct str named(struct req *r, const char *kind, struct str id)
{
	struct sb sb;

	sb_init(&sb, r->arena, 256);
	sb_addf(&sb, "%s %.*s", kind, STR_FMT(id));
	return sb_str(&sb);
}

/* `id` is the user or nested group of a membership. */
typedef enum iam_err removal_fn(struct db *w, struct str gid, struct str id);

/* Could taking something from this group end somebody's being superuser? "Perhaps" is true. */
static bool bears_on_superusers(struct req *r, struct db *w, struct str gid)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return guard_group_is_protected(scope.root, gid) ||
		pending_protects(scope.root, store_changes(w));
}

/* IAM_LAST_SUPERUSER: nobody would be left; the caller's savepoint undoes the removal. */
static enum iam_err remove_keeping_a_superuser(struct req *r, struct db *w,
	removal_fn *remove, struct str id)
{
	struct str gid = req_param(r, "gid");
	enum superuser_rank before = SUPERUSER_NONE, after;
	enum iam_err e = IAM_OK;

	if (bears_on_superusers(r, w, gid))
		e = store_superuser_rank(w, &before);
	if (e == IAM_OK)
		e = remove(w, gid, id);
	if (e != IAM_OK || before == SUPERUSER_NONE)
		return e;
	e = store_superuser_rank(w, &after);
	if (e != IAM_OK || after >= before)
		return e;
	return req_fail(r, IAM_LAST_SUPERUSER, "%s", iam_err_text(IAM_LAST_SUPERUSER));
}

/* ---- groups ---- */

static enum iam_err put_write(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	const struct group *group = r->state;
	enum iam_err e = store_group_add(w, group);

	if (e == IAM_GROUP_EXISTS)
		return req_fail(r, e, "Group with id `%.*s` already exists.",
			STR_FMT(group->gid));
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_GROUP_CREATE,
			str_c(provider_type_name(group->provider_type)));
	return e == IAM_OK ? resp_empty(out, 201, true) : e;
}

/* On the event loop: what can be said without the database. */
enum iam_err api_group_put(struct req *r, struct resp *out)
{
	const struct group_put *b = r->input;
	struct group *group = arena_alloc(r->arena, sizeof *group);

	(void)out;
	if (group == NULL)
		return IAM_NO_MEMORY;
	*group =
		(struct group){.gid = req_param(r, "gid"), .description = b->description};
	if (b->provider_type.ptr != NULL &&
		!provider_type_parse(b->provider_type, &group->provider_type))
		return req_fail(r, IAM_BAD_DATA, "Invalid provider_type: %.*s",
			STR_FMT(b->provider_type));
	if (!iam_gid_valid(group->gid))
		return api_no_group(r, group->gid);
	r->state = group;
	return req_hand_off(r, LANE_WRITE, put_write);
}

enum iam_err api_group_patch(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	const struct group_patch *b = r->input;
	struct str gid = req_param(r, "gid");
	enum iam_err e = store_group_set_description(w, gid, b->description);

	if (e == IAM_NO_GROUP)
		return api_no_group(r, gid);
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_GROUP_UPDATE, STR("description"));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}

static enum iam_err remove_group(struct db *w, struct str gid, struct str id)
{
	(void)id;
	return store_group_delete(w, gid);
}

enum iam_err api_group_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str gid = req_param(r, "gid");
	struct group group;
	enum iam_err e = api_may_change_group(r, gid);

	if (e == IAM_OK)
		e = store_group_get(w, r->arena, gid, &group);
	if (e == IAM_OK && str_eq_c(gid, IAM_SUPERUSERS_GID))
		return req_fail(r, IAM_SUPERUSER_GROUP,
			"The `superusers` group must have `full` permission on the "
			"`dcos:superuser` resource.");
	if (e == IAM_OK)
		e = remove_keeping_a_superuser(r, w, remove_group, STR_NONE);
	if (e == IAM_NO_GROUP)
		return api_no_group(r, gid);
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_GROUP_DELETE, STR("group"));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}

/* ---- memberships ---- */

/* The texts of what the store said about a membership. */
static enum iam_err member_fail(struct req *r, enum iam_err e)
{
	struct str gid = req_param(r, "gid");
	struct str uid = req_param(r, "uid");

	if (e == IAM_NO_GROUP)
		return api_no_group(r, gid);
	if (e == IAM_NO_USER)
		return api_no_user(r, uid);
	if (e == IAM_IN_GROUP)
		return req_fail(r, e, "User `%.*s` is already a member of group `%.*s`.",
			STR_FMT(uid), STR_FMT(gid));
	if (e == IAM_NOT_IN_GROUP)
		return req_fail(r, e, "User `%.*s` is not a member of group `%.*s`.",
			STR_FMT(uid), STR_FMT(gid));
	return e;
}

enum iam_err api_member_put(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str gid = req_param(r, "gid");
	struct str uid = req_param(r, "uid");
	enum iam_err e = api_may_change_group(r, gid);

	if (e == IAM_OK)
		e = store_member_add(w, gid, uid);
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_MEMBER_ADD, named(r, "user", uid));
	return e == IAM_OK ? resp_empty(out, 204, false) : member_fail(r, e);
}

enum iam_err api_member_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str gid = req_param(r, "gid");
	struct str uid = req_param(r, "uid");
	enum iam_err e = api_may_change_group(r, gid);

	if (e == IAM_OK)
		e = remove_keeping_a_superuser(r, w, store_member_remove, uid);
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_MEMBER_REMOVE, named(r, "user", uid));
	return e == IAM_OK ? resp_empty(out, 204, false) : member_fail(r, e);
}

/* ---- nesting ---- */

/* Which of the two is unknown? The outer one is looked at first, like a membership's group. */
static enum iam_err no_group_of_two(struct req *r, struct db *w)
{
	struct str gid = req_param(r, "gid");
	struct group group;
	enum iam_err e = store_group_get(w, r->arena, gid, &group);

	if (e == IAM_OK)
		return api_no_group(r, req_param(r, "sub"));
	return e == IAM_NO_GROUP ? api_no_group(r, gid) : e;
}

static enum iam_err nesting_fail(struct req *r, struct db *w, enum iam_err e)
{
	struct str gid = req_param(r, "gid");
	struct str sub = req_param(r, "sub");

	if (e == IAM_NO_GROUP)
		return no_group_of_two(r, w);
	if (e == IAM_IN_GROUP && str_eq(gid, sub))
		return req_fail(r, e, "Group `%.*s` cannot be a member of itself.",
			STR_FMT(gid));
	if (e == IAM_IN_GROUP)
		return req_fail(r, e, "Group `%.*s` is already a member of group `%.*s`.",
			STR_FMT(sub), STR_FMT(gid));
	if (e == IAM_NOT_IN_GROUP)
		return req_fail(r, e, "Group `%.*s` is not a member of group `%.*s`.",
			STR_FMT(sub), STR_FMT(gid));
	return e;
}

/* Nesting changes both ends. */
static enum iam_err may_nest(struct req *r)
{
	enum iam_err e = api_may_change_group(r, req_param(r, "gid"));

	return e == IAM_OK ? api_may_change_group(r, req_param(r, "sub")) : e;
}

enum iam_err api_subgroup_put(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str sub = req_param(r, "sub");
	enum iam_err e = may_nest(r);

	if (e == IAM_OK)
		e = store_subgroup_add(w, req_param(r, "gid"), sub);
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_SUBGROUP_ADD, named(r, "group", sub));
	return e == IAM_OK ? resp_empty(out, 204, false) : nesting_fail(r, w, e);
}

enum iam_err api_subgroup_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str sub = req_param(r, "sub");
	enum iam_err e = may_nest(r);

	if (e == IAM_OK)
		e = remove_keeping_a_superuser(r, w, store_subgroup_remove, sub);
	if (e == IAM_OK)
		e = audit_group(r, w, AUDIT_SUBGROUP_REMOVE, named(r, "group", sub));
	return e == IAM_OK ? resp_empty(out, 204, false) : nesting_fail(r, w, e);
}
