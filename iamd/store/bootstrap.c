/*
 * bootstrap - the first group, ACL, grant and accounts of a new store.
 *
 * Does: everything in one transaction together with its audit rows and the mark that it was done;
 * a crash in between leaves a store that still counts as new. Does not: check hashes or keys.
 */
#include "iamd/store/store_impl.h"
#include "iamd/sys/clock.h"
#include "libacl/base/str.h"

/* Who the audit rows name: nobody was there yet. */
#define ACTOR "iamd"

static enum iam_err audit(struct db *w, const char *action, struct str object)
{
	return store_audit_add(w,
		&(struct audit_row){.at_us = clock_now_us(),
			.action = str_c(action),
			.actor = STR(ACTOR),
			.object = object,
			.result = STR("allow"),
			.reason = STR("bootstrap")});
}

static enum iam_err make_group(struct db *w)
{
	enum iam_err e = store_group_add(w,
		&(struct group){.gid = STR(IAM_SUPERUSERS_GID),
			.description = STR("Superusers"),
			.provider_type = PROVIDER_INTERNAL});

	if (e == IAM_OK)
		e = store_acl_add(w, STR(IAM_SUPERUSER_RID), STR("Superuser ACL"));
	if (e == IAM_OK)
		e = store_grant_add(w, STR(IAM_SUPERUSER_RID), IAM_SUBJECT_GROUP,
			STR(IAM_SUPERUSERS_GID), IAM_FULL);
	if (e == IAM_OK)
		e = audit(w, "bootstrap", STR(IAM_SUPERUSERS_GID));
	return e;
}

static enum iam_err make_account(struct db *w, struct user *user)
{
	enum iam_err e = store_user_add(w, user);

	if (e == IAM_OK)
		e = store_member_add(w, STR(IAM_SUPERUSERS_GID), user->uid);
	if (e == IAM_OK)
		e = audit(w, "user-create", user->uid);
	return e;
}

static enum iam_err make_all(struct db *w, const struct bootstrap *b)
{
	struct user person = {.uid = b->superuser_uid,
		.description = STR("Bootstrap superuser"),
		.password_hash = b->superuser_password_hash,
		.enabled = true};
	struct user service = {.uid = b->service_uid,
		.description = STR("Superuser service account defined via DC/OS config"),
		.public_key = b->service_public_key,
		.enabled = true};
	int64_t revision = 0;
	enum iam_err e = make_group(w);

	if (e == IAM_OK && b->superuser_uid.ptr != NULL)
		e = make_account(w, &person);
	if (e == IAM_OK && b->service_uid.ptr != NULL)
		e = make_account(w, &service);
	if (e == IAM_OK)
		e = store_meta_set(w, STR(META_BOOTSTRAPPED), STR("yes"));
	if (e == IAM_OK)
		e = store_revision_next(w, &revision);
	return e;
}

/* An account is given whole or not at all. */
static enum iam_err check_account(struct str uid, struct str credential, const char *what,
	struct iam_error *err)
{
	if ((uid.ptr == NULL) != (credential.ptr == NULL))
		return iam_error_set(err, IAM_CONFIG,
			"first %s: id and credential must be given together", what);
	if (uid.ptr != NULL && !iam_uid_valid(uid))
		return iam_error_set(err, IAM_CONFIG, "first %s: invalid user id '%.*s'",
			what, STR_FMT(uid));
	return IAM_OK;
}

static enum iam_err check(struct store *s, const struct bootstrap *b,
	struct iam_error *err)
{
	bool done = false;
	enum iam_err e = check_account(b->superuser_uid, b->superuser_password_hash,
		"superuser", err);

	if (e == IAM_OK)
		e = check_account(b->service_uid, b->service_public_key,
			"service account", err);
	if (e != IAM_OK)
		return e;
	if (b->superuser_uid.ptr != NULL && b->service_uid.ptr != NULL &&
		str_eq(b->superuser_uid, b->service_uid))
		return iam_error_set(err, IAM_CONFIG,
			"first superuser and service account have the same id");
	e = store_is_bootstrapped(store_writer(s), &done);
	if (e == IAM_OK && done)
		return iam_error_set(err, IAM_EXISTS,
			"the store has its first accounts already");
	return e;
}

enum iam_err store_bootstrap(struct store *s, const struct bootstrap *b,
	struct iam_error *err)
{
	struct db *w = store_writer(s);
	enum iam_err e = check(s, b, err);

	if (e != IAM_OK)
		return e;
	e = store_begin(w);
	if (e == IAM_OK) {
		e = make_all(w, b);
		if (e == IAM_OK)
			e = store_commit(w);
		else
			store_rollback(w);
	}
	if (e != IAM_OK)
		return iam_error_set(err, e, "cannot make the first accounts: %s",
			iam_err_text(e));
	return IAM_OK;
}
