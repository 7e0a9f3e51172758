/*
 * ldap_import - an account is made of a directory's entry, before its first login.
 *
 * The entry is looked up in the NET lane, the account made in the WRITE lane, where who may is judged
 * once more (pipeline.c). An account that is there already, of whatever kind, is left as it is: 409.
 * Groups: ldap_import_group.c.
 */
#include "iamd/api/ldap_import.h"

#include "iamd/api/handlers.h"
#include "iamd/audit/audit.h"
#include "iamd/authn/ldap_accounts.h"
#include "iamd/sys/clock.h"

/* The imports' own places in the NET lane; a directory's share is a counter. */
#define IMPORT_SHARE (UINT64_C(1) << 63)

struct import_user {
	struct str username;
};

/* LIMIT of the names: 512 bytes. */
static const struct json_field import_user_fields[] = {
	{"username", JSON_FIELD_STR, offsetof(struct import_user, username), 512, false},
};
const struct json_schema ldap_import_user_schema = {
	import_user_fields, 1, sizeof(struct import_user), false};

/* ---- shared with groups ---- */

struct str import_directory_id(struct req *r)
{
	struct str id = req_param(r, "id");

	return id.ptr != NULL ? id : STR("default");
}

struct directory *import_directory(struct req *r, enum iam_err *ret_error)
{
	struct str id = req_param(r, "id");
	struct directory *dir =
		directories_take(r->svc->directories, import_directory_id(r));

	if (dir == NULL && id.ptr == NULL)
		*ret_error = IAM_LDAP_NOT_CONFIGURED;
	else if (dir == NULL)
		*ret_error = req_fail(r, IAM_NO_DIRECTORY, "Directory `%.*s` not known.",
			STR_FMT(id));
	return dir;
}

int64_t import_until_ms(const struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return r->started_us / 1000 + scope.root->config->ldap_import_timeout * 1000;
}

enum iam_err import_hand_off(struct req *r, req_fn *fn)
{
	r->job.share = IMPORT_SHARE;
	return req_hand_off(r, LANE_NET, fn);
}

enum iam_err import_fail(struct req *r, enum idp_result result, enum iam_err not_found,
	struct str name, const struct ldap_fault *fault)
{
	const char *text = fault->text[0] != '\0' ? fault->text : "no such entry";

	if (result == IDP_UNKNOWN_USER)
		return req_fail(r, not_found, "`%.*s` was not found in the directory: %s",
			STR_FMT(name), text);
	return req_fail(r, IAM_LDAP_SEARCH_FAILED,
		"The search for `%.*s` in the directory failed: %s", STR_FMT(name), text);
}

struct str import_reason(struct arena *a, struct str directory)
{
	return arena_fmt(a, "directory %.*s", STR_FMT(directory));
}

/* ---- users ---- */

static enum iam_err user_exists(struct req *r, struct str uid)
{
	return req_fail(r, IAM_USER_EXISTS, "User with id `%.*s` already exists.",
		STR_FMT(uid));
}

/* IAM_OK: neither the entry has an account nor its name. */
static enum iam_err check_is_new(struct req *r, struct db *w, const struct identity *who)
{
	struct directory_user bound;
	struct user user;
	enum iam_err e =
		store_directory_user_find(w, r->arena, who->source, who->subject, &bound);

	if (e == IAM_OK)
		return user_exists(r, bound.uid);
	if (e == IAM_NO_USER)
		e = store_user_get(w, r->arena, who->name, &user);
	if (e == IAM_OK)
		return user_exists(r, user.uid);
	return e == IAM_NO_USER ? IAM_OK : e;
}

static enum iam_err user_write(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	const struct identity *who = r->state;
	struct audit_event ev = {.action = AUDIT_USER_IMPORT,
		.actor = r->principal.uid,
		.allow = true,
		.reason = import_reason(r->arena, who->source)};
	struct iam_error err = {IAM_OK, ""};
	struct user user;
	bool created = false;
	enum iam_err e = check_is_new(r, w, who);

	if (e != IAM_OK)
		return e;
	e = ldap_account_ensure(w, r->arena, who, STR_NONE, &user, &created, &err);
	if (e == IAM_CANNOT_IMPORT_USER)
		return req_fail(r, e, "%s", err.text);
	if (e != IAM_OK)
		return e;
	ev.object = user.uid;
	e = audit_change(r, w, &ev);
	return e == IAM_OK ? resp_empty(out, 201, true) : e;
}

/* Looking up takes a connection and two answers. */
static int64_t look_up_until_ms(const struct req *r, const struct ldap_settings *s)
{
	int64_t end = clock_mono_ms() + s->n_servers * s->connect_timeout_ms +
		3 * s->operation_timeout_ms;
	int64_t last = import_until_ms(r);

	return end < last ? end : last;
}

static enum iam_err user_find_in(struct req *r, const struct directory *dir)
{
	const struct import_user *b = r->input;
	struct identity *who = arena_alloc(r->arena, sizeof *who);
	struct ldap_fault fault = {.state = LDAP_STATE_OK};
	enum idp_result result;

	if (who == NULL)
		return IAM_NO_MEMORY;
	result = ldap_user_find(dir->pool, dir->settings, b->username, r->arena,
		look_up_until_ms(r, dir->settings), who, &fault);
	if (result != IDP_ACCEPTED)
		return import_fail(r, result, IAM_LDAP_USER_NOT_FOUND, b->username,
			&fault);
	who->source = import_directory_id(r); /* the settings may go before the write */
	r->state = who;
	return req_hand_off(r, LANE_WRITE, user_write);
}

static enum iam_err user_find(struct req *r, struct resp *out)
{
	enum iam_err e = IAM_OK;
	struct directory *dir = import_directory(r, &e);

	(void)out;
	if (dir == NULL)
		return e;
	e = user_find_in(r, dir);
	directories_give(dir);
	return e;
}

enum iam_err api_ldap_import_user(struct req *r, struct resp *out)
{
	const struct import_user *b = r->input;

	(void)out;
	if (b->username.len == 0)
		return req_fail(r, IAM_BAD_DATA, "`username` must not be empty");
	return import_hand_off(r, user_find);
}
