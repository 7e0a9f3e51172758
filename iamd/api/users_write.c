/*
 * users_write - making, changing and deleting users and service accounts.
 *
 * The order of a request's checks is the wire contract's. Passwords are hashed on the HASH lane and
 * keys parsed on SLOW, before the WRITE lane takes over; what must hold in the database (unique ids,
 * the last superuser) is checked inside its transaction.
 */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/login_record.h"
#include "iamd/api/services.h"
#include "iamd/api/write_batch.h"
#include "iamd/audit/audit.h"
#include "iamd/authn/jose.h"
#include "iamd/authn/password.h"
#include "iamd/authz/sessions.h"
#include "iamd/sys/metrics.h"

/* ---- bodies ---- */

struct user_put {
	struct str description, password, public_key, provider_type, provider_id,
		cluster_url, creator_uid;
};

/* LIMIT of the strings: descriptions 4096 bytes, keys 8192; passwords are judged by the handler. */
static const struct json_field user_put_fields[] = {
	{"description", JSON_FIELD_STR, offsetof(struct user_put, description), 4096,
		true},
	{"password", JSON_FIELD_SECRET, offsetof(struct user_put, password), 0, true},
	{"public_key", JSON_FIELD_STR, offsetof(struct user_put, public_key), 8192, true},
	{"provider_type", JSON_FIELD_STR, offsetof(struct user_put, provider_type), 256,
		true},
	{"provider_id", JSON_FIELD_STR, offsetof(struct user_put, provider_id), 1024,
		true},
	{"cluster_url", JSON_FIELD_STR, offsetof(struct user_put, cluster_url), 4096,
		true},
	{"creator_uid", JSON_FIELD_STR, offsetof(struct user_put, creator_uid), 4096,
		true},
};
const struct json_schema user_put_schema = {user_put_fields,
	sizeof user_put_fields / sizeof user_put_fields[0], sizeof(struct user_put),
	false};

struct user_patch {
	struct str description, password, public_key, current_password;
	struct json_bool enabled;
};

static const struct json_field user_patch_fields[] = {
	{"description", JSON_FIELD_STR, offsetof(struct user_patch, description), 4096,
		true},
	{"password", JSON_FIELD_SECRET, offsetof(struct user_patch, password), 0, true},
	{"public_key", JSON_FIELD_STR, offsetof(struct user_patch, public_key), 8192,
		true},
	{"current_password", JSON_FIELD_SECRET,
		offsetof(struct user_patch, current_password), 0, true},
	{"enabled", JSON_FIELD_BOOL, offsetof(struct user_patch, enabled), 0, true},
};
const struct json_schema user_patch_schema = {user_patch_fields,
	sizeof user_patch_fields / sizeof user_patch_fields[0], sizeof(struct user_patch),
	false};

/* A handler's state across lanes. */
struct user_write {
	struct user user;            /* to be made (PUT), or as it was read (PATCH) */
	struct str password;         /* new one; absent: none */
	struct str current_password; /* to be verified first; absent: not needed */
	char hash[PASSWORD_HASH_MAX];
};

/* ---- rules both share ---- */

static enum iam_err check_password(struct req *r, struct str password)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	int64_t min = scope.root->config->password_min_length;

	if (min == 0)
		min = r->svc->gateway ? 5 : 8;
	if ((int64_t)str_count_code_points(password) < min)
		return req_fail(r, IAM_BAD_DATA,
			"Password does not match rules: Must be at least %lld characters long.",
			(long long)min);
	if (password.len > PASSWORD_MAX_BYTES)
		return req_fail(r, IAM_BAD_DATA,
			"Password does not match rules: Must be at most %d bytes long.",
			PASSWORD_MAX_BYTES);
	return IAM_OK;
}

static struct password_params params_now(struct req *r)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	return (struct password_params){
		.opslimit = (uint64_t)scope.root->config->argon2_opslimit,
		.memory_bytes = (uint64_t)scope.root->config->argon2_memory_kib * 1024,
	};
}

static enum iam_err check_public_key(struct req *r, struct str pem)
{
	struct jose_key *key = NULL;
	struct iam_error err = {IAM_OK, ""};
	enum iam_err e = jose_key_from_public_pem(pem, &key, &err);

	jose_key_free(key);
	if (e != IAM_BAD_PUBLIC_KEY)
		return e;
	return req_fail(r, e, "Invalid public key: %s", err.text);
}

static enum iam_err audit_user(struct req *r, struct db *w, enum audit_action action,
	struct str reason)
{
	struct audit_event ev = {
		.action = action,
		.actor = r->principal.uid,
		.object = req_param(r, "uid"),
		.allow = true,
		.reason = reason,
	};

	return audit_change(r, w, &ev);
}

/* ---- PUT ---- */

static enum iam_err user_exists(struct req *r)
{
	return req_fail(r, IAM_USER_EXISTS, "User with id `%.*s` already exists.",
		STR_FMT(req_param(r, "uid")));
}

static enum iam_err put_write(struct req *r, struct resp *out)
{
	struct user_write *uw = r->state;
	struct db *w = store_writer(r->svc->store);
	enum iam_err e = store_user_add(w, &uw->user);

	if (e == IAM_USER_EXISTS)
		return user_exists(r);
	if (e == IAM_OK)
		e = audit_user(r, w, AUDIT_USER_CREATE,
			user_is_service(&uw->user) ? STR("service account")
						   : STR("user"));
	return e == IAM_OK ? resp_empty(out, 201, true) : e;
}

static enum iam_err put_hash(struct req *r, struct resp *out)
{
	struct user_write *uw = r->state;
	struct password_params params = params_now(r);
	enum iam_err e = password_hash(&params, uw->password, uw->hash);

	(void)out;
	if (e != IAM_OK)
		return e;
	uw->user.password_hash = str_c(uw->hash);
	return req_hand_off(r, LANE_WRITE, put_write);
}

/* What is left once the key (if any) is known to be good: provider id, uid, is it new. */
static enum iam_err put_check_rest(struct req *r)
{
	struct user_write *uw = r->state;
	const struct user *u = &uw->user;
	bool needs_id =
		u->provider_type == PROVIDER_OIDC || u->provider_type == PROVIDER_SAML;
	struct session session;

	if (needs_id && u->provider_id.len == 0)
		return req_fail(r, IAM_BAD_DATA,
			"Invalid provider_id: provider_id must be provided if "
			"provider_type is saml or oidc");
	if (!needs_id && u->provider_id.len > 0)
		return req_fail(r, IAM_BAD_DATA,
			"Invalid provider_id: provider_id must not be provided unless "
			"provider_type is saml or oidc");
	if (!iam_uid_valid(u->uid))
		return req_fail(r, IAM_BAD_UID, "Invalid user ID: %.*s", STR_FMT(u->uid));
	PUBLISH_SCOPE(r->svc->publisher, scope);
	if (sessions_find(scope.root, u->uid, &session))
		return user_exists(
			r); /* saves the hash; the transaction decides for good */
	return IAM_OK;
}

static enum iam_err put_key(struct req *r, struct resp *out)
{
	struct user_write *uw = r->state;
	enum iam_err e = check_public_key(r, uw->user.public_key);

	(void)out;
	if (e == IAM_OK)
		e = put_check_rest(r);
	return e == IAM_OK ? req_hand_off(r, LANE_WRITE, put_write) : e;
}

static bool is_email(struct str uid)
{
	struct str rest = uid;
	struct str name = str_split(&rest, '@');
	ptrdiff_t dot = -1;

	if (name.len == 0 || rest.ptr == NULL || str_find(rest, '@') >= 0)
		return false;
	for (size_t i = 1; i + 1 < rest.len; i++)
		if (rest.ptr[i] == '.')
			dot = (ptrdiff_t)i;
	return dot > 0;
}

/* Where ID-token login is configured, a bare e-mail address becomes a user of that issuer. */
static void apply_email_rule(struct req *r, const struct user_put *b, struct user *u)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	const char *issuer = scope.root->config->id_token_issuer;

	if (issuer[0] == '\0' || b->provider_id.len > 0 || b->provider_type.ptr != NULL ||
		b->password.len > 0 || b->public_key.ptr != NULL || !is_email(u->uid))
		return;
	u->provider_type = PROVIDER_OIDC;
	/* Not reloadable, but the string belongs to this root's configuration. */
	u->provider_id = arena_str(r->arena, str_c(issuer));
}

static enum iam_err put_check_kind(struct req *r, const struct user_put *b,
	struct user *u)
{
	if (b->password.ptr != NULL && b->password.len == 0)
		return req_fail(r, IAM_BAD_DATA,
			"`password` must not be empty when provided");
	if (b->public_key.ptr != NULL && b->public_key.len == 0)
		return req_fail(r, IAM_BAD_DATA,
			"`public_key` must not be empty when provided");
	if (b->provider_type.ptr != NULL &&
		!provider_type_parse(b->provider_type, &u->provider_type))
		return req_fail(r, IAM_BAD_DATA, "Invalid provider_type: %.*s",
			STR_FMT(b->provider_type));
	if (user_is_remote(u)) {
		if (b->password.ptr != NULL)
			return req_fail(r, IAM_BAD_DATA,
				"external provider: `password` is unexpected");
		if (b->public_key.ptr != NULL)
			return req_fail(r, IAM_BAD_DATA,
				"external provider: `public_key` is unexpected");
	} else if ((b->password.ptr != NULL) == (b->public_key.ptr != NULL)) {
		return req_fail(r, IAM_BAD_DATA,
			"One of `password` or `public_key` must be provided");
	}
	return b->password.ptr != NULL ? check_password(r, b->password) : IAM_OK;
}

enum iam_err api_user_put(struct req *r, struct resp *out)
{
	const struct user_put *b = r->input;
	struct user_write *uw = arena_alloc(r->arena, sizeof *uw);
	enum iam_err e;

	(void)out;
	if (uw == NULL)
		return IAM_NO_MEMORY;
	r->state = uw;
	uw->user.uid = req_param(r, "uid");
	uw->user.description = b->description.ptr != NULL ? b->description : STR("");
	uw->user.provider_id = b->provider_id.ptr != NULL ? b->provider_id : STR("");
	uw->user.public_key = b->public_key;
	uw->user.enabled = true;
	uw->password = b->password;
	apply_email_rule(r, b, &uw->user);
	e = put_check_kind(r, b, &uw->user);
	if (e != IAM_OK)
		return e;
	if (b->public_key.ptr != NULL)
		return req_hand_off(r, LANE_SLOW, put_key);
	e = put_check_rest(r);
	if (e != IAM_OK)
		return e;
	/* The caller's share: nobody fills the lane that others log in through. */
	r->job.share = login_share_of(r->principal.uid);
	if (b->password.ptr != NULL)
		return req_hand_off(r, LANE_HASH, put_hash);
	return req_hand_off(r, LANE_WRITE, put_write);
}

/* ---- PATCH ---- */

/* Names the changed fields for the audit trail. */
static struct str patch_reason(struct req *r, const struct user_patch *b)
{
	struct sb sb;

	sb_init(&sb, r->arena, 128);
	if (b->description.ptr != NULL)
		sb_add_c(&sb, "description ");
	if (b->password.ptr != NULL)
		sb_add_c(&sb, "password ");
	if (b->public_key.ptr != NULL)
		sb_add_c(&sb, "public_key ");
	if (b->enabled.is_set)
		sb_add_c(&sb, b->enabled.value ? "enabled" : "disabled");
	return str_trim(sb_str(&sb));
}

static enum iam_err keep_a_superuser(struct req *r, struct db *w, struct str uid)
{
	bool left = true;
	enum iam_err e = store_superuser_left_without(w, uid, &left);

	if (e != IAM_OK)
		return e;
	return left
		? IAM_OK
		: req_fail(r, IAM_LAST_SUPERUSER, "%s", iam_err_text(IAM_LAST_SUPERUSER));
}

static enum iam_err patch_apply(struct req *r, struct db *w, const struct user_patch *b)
{
	struct user_write *uw = r->state;
	struct str uid = uw->user.uid;
	enum iam_err e = IAM_OK;

	if (b->description.ptr != NULL)
		e = store_user_set_description(w, uid, b->description);
	if (e == IAM_OK && b->password.ptr != NULL)
		e = store_user_set_password(w, uid, str_c(uw->hash));
	if (e == IAM_OK && b->public_key.ptr != NULL)
		e = store_user_set_public_key(w, uid, b->public_key);
	if (e == IAM_OK && b->enabled.is_set && !b->enabled.value)
		e = keep_a_superuser(r, w, uid);
	if (e == IAM_OK && b->enabled.is_set)
		e = store_user_set_enabled(w, uid, b->enabled.value);
	return e;
}

/* Enforce mode: whoever is not delegated may change the own password and nothing else. */
static enum iam_err patch_may(struct req *r, const struct user_patch *b)
{
	bool only_password = b->description.ptr == NULL && b->public_key.ptr == NULL &&
		!b->enabled.is_set;
	bool touches_login =
		b->password.ptr != NULL || b->public_key.ptr != NULL || b->enabled.is_set;

	if (!only_password && !api_is_delegated(r, STR("iam:users"), IAM_UPDATE))
		return req_fail(r, IAM_FORBIDDEN, "You may change only your password.");
	return touches_login ? api_may_change_user(r, req_param(r, "uid")) : IAM_OK;
}

static enum iam_err patch_write(struct req *r, struct resp *out)
{
	struct user_write *uw = r->state;
	struct db *w = store_writer(r->svc->store);
	struct user now;
	enum iam_err e = store_user_get(w, r->arena, uw->user.uid, &now);

	if (e == IAM_NO_USER)
		return api_no_user(r, uw->user.uid);
	if (e != IAM_OK)
		return e;
	/* What was verified (the current password, the kind of account) must still be so. */
	if (now.gen != uw->user.gen)
		return req_fail(r, IAM_CONFLICT,
			"The user was changed meanwhile; try again.");
	e = patch_may(r,
		r->input); /* permissions may have changed while the password was hashed */
	if (e != IAM_OK)
		return e;
	e = patch_apply(r, w, r->input);
	if (e == IAM_OK)
		e = audit_user(r, w, AUDIT_USER_UPDATE, patch_reason(r, r->input));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}

/* A guess at a password leaves its trace, like one at login. */
static void record_wrong_password(struct req *r)
{
	struct login_record rec = {.uid = STR_NONE};
	struct audit_event ev = {
		.action = AUDIT_PASSWORD_CHANGE,
		.actor = r->principal.uid,
		.object = req_param(r, "uid"),
		.allow = false,
		.reason = STR("current password is wrong"),
	};

	audit_row_fill(r, &ev, &rec.row);
	write_login_record(r->svc, &rec);
	r->decisions = NULL; /* the answer's 403 is told of already */
	metrics_count(METRIC_LOGIN_DENIED, 1);
}

static enum iam_err patch_hash(struct req *r, struct resp *out)
{
	struct user_write *uw = r->state;
	struct password_params params = params_now(r);
	struct password_verdict verdict;
	enum iam_err e;

	(void)out;
	if (uw->current_password.ptr != NULL) {
		e = password_verify(&params, uw->current_password, uw->user.password_hash,
			&verdict);
		if (e != IAM_OK)
			return e;
		if (!verdict.ok) {
			record_wrong_password(r);
			return req_fail(r, IAM_FORBIDDEN, "`current_password` is wrong.");
		}
	}
	e = password_hash(&params, uw->password, uw->hash);
	return e == IAM_OK ? req_hand_off(r, LANE_WRITE, patch_write) : e;
}

static enum iam_err patch_key(struct req *r, struct resp *out)
{
	const struct user_patch *b = r->input;
	enum iam_err e = check_public_key(r, b->public_key);

	(void)out;
	return e == IAM_OK ? req_hand_off(r, LANE_WRITE, patch_write) : e;
}

static enum iam_err patch_check(struct req *r, const struct user_patch *b,
	struct user_write *uw)
{
	bool is_self = !r->svc->gateway && str_eq(r->principal.uid, uw->user.uid);

	if (user_is_service(&uw->user) && b->password.ptr != NULL)
		return req_fail(r, IAM_BAD_DATA,
			"Password update is not available for service user accounts.");
	if (user_is_remote(&uw->user) && b->password.ptr != NULL)
		return req_fail(r, IAM_BAD_DATA,
			"Password update is not available for users of an external provider.");
	if (!user_is_service(&uw->user) && b->public_key.ptr != NULL)
		return req_fail(r, IAM_BAD_DATA,
			"`public_key` update is available for service user accounts only.");
	if (b->password.ptr == NULL)
		return IAM_OK;
	if (is_self && b->current_password.ptr == NULL)
		return req_fail(r, IAM_BAD_DATA,
			"`current_password` is required to change your own password.");
	uw->password = b->password;
	uw->current_password = is_self ? b->current_password : STR_NONE;
	return check_password(r, b->password);
}

enum iam_err api_user_patch(struct req *r, struct resp *out)
{
	const struct user_patch *b = r->input;
	struct user_write *uw = arena_alloc(r->arena, sizeof *uw);
	struct db *db = store_reader(r->svc->store);
	struct str uid = req_param(r, "uid");
	enum iam_err e;

	(void)out;
	if (uw == NULL)
		return IAM_NO_MEMORY;
	if (db == NULL)
		return IAM_UNAVAILABLE;
	r->state = uw;
	if (b->description.ptr == NULL && b->password.ptr == NULL &&
		b->public_key.ptr == NULL && !b->enabled.is_set)
		return req_fail(r, IAM_BAD_DATA,
			"One of `description` and `password` must be provided.");
	e = patch_may(r, b);
	if (e == IAM_OK)
		e = store_user_get(db, r->arena, uid, &uw->user);
	if (e == IAM_NO_USER)
		return api_no_user(r, uid);
	if (e == IAM_OK)
		e = patch_check(r, b, uw);
	if (e != IAM_OK)
		return e;
	r->job.share = login_share_of(r->principal.uid);
	if (b->password.ptr != NULL)
		return req_hand_off(r, LANE_HASH, patch_hash);
	return req_hand_off(r, b->public_key.ptr != NULL ? LANE_SLOW : LANE_WRITE,
		b->public_key.ptr != NULL ? patch_key : patch_write);
}

/* ---- DELETE (WRITE lane) ---- */

enum iam_err api_user_delete(struct req *r, struct resp *out)
{
	struct db *w = store_writer(r->svc->store);
	struct str uid = req_param(r, "uid");
	struct user user;
	enum iam_err e = api_may_change_user(r, uid);

	if (e == IAM_OK)
		e = store_user_get(w, r->arena, uid, &user);
	if (e == IAM_NO_USER)
		return api_no_user(r, uid);
	if (e == IAM_OK)
		e = keep_a_superuser(r, w, uid);
	if (e == IAM_OK)
		e = store_user_delete(w, uid);
	if (e == IAM_OK)
		e = audit_user(r, w, AUDIT_USER_DELETE,
			user_is_service(&user) ? STR("service account") : STR("user"));
	return e == IAM_OK ? resp_empty(out, 204, false) : e;
}
