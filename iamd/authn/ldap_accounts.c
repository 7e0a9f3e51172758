/*
 * ldap_accounts - which account an entry of a directory is, and its making; see ldap_accounts.h.
 *
 * Does: find, bind or make the account. Does not: audit, groups, or change an account that is bound.
 * Invariants: an entry has one account and an account one entry, for ever; a local account or one of
 * another source is never touched; who is asked about is decided by the lasting id alone.
 */
#include "iamd/authn/ldap_accounts.h"

#include "iam/acl.h"

static enum iam_err refuse(struct iam_error *err, struct str uid, const char *why)
{
	return iam_error_set(err, IAM_CANNOT_IMPORT_USER,
		"The user '%.*s' cannot be imported: %s.", STR_FMT(uid), why);
}

static enum iam_err bind(struct db *w, const struct identity *who, struct str uid,
	struct iam_error *err)
{
	const struct directory_user row = {
		.directory = who->source,
		.subject = who->subject,
		.uid = uid,
		.dn = who->dn,
		.email = who->email,
	};
	enum iam_err e = store_directory_user_bind(w, &row);

	return e == IAM_CANNOT_IMPORT_USER
		? refuse(err, uid, "the account is somebody else's")
		: e;
}

/* IAM_NO_USER: there is none. Else is it an account of type ldap that no entry has yet? */
static enum iam_err look_at(struct db *w, struct arena *a, struct str uid,
	struct user *ret_user, bool *ret_free)
{
	struct directory_user bound;
	enum iam_err e = store_user_get(w, a, uid, ret_user);

	*ret_free = false;
	if (e != IAM_OK || ret_user->provider_type != PROVIDER_LDAP)
		return e;
	e = store_directory_user_get(w, a, uid, &bound);
	*ret_free = e == IAM_NO_USER;
	return e == IAM_NO_USER ? IAM_OK : e;
}

/* The account that is there has the name: bind it, or say why not. */
static enum iam_err take_over(struct db *w, const struct identity *who,
	const struct user *user, bool is_free, struct iam_error *err)
{
	if (is_free)
		return bind(w, who, user->uid, err);
	if (user->provider_type != PROVIDER_LDAP)
		return refuse(err, user->uid,
			user_is_remote(user)
				? "an account of another provider has that name"
				: "a local account has that name");
	return refuse(err, user->uid, "the account belongs to another directory entry");
}

static enum iam_err make(struct db *w, const struct identity *who, struct str uid,
	struct user *ret_user, struct iam_error *err)
{
	struct user user = {
		.uid = uid,
		.description = who->description.ptr != NULL ? who->description : STR(""),
		.provider_type = PROVIDER_LDAP,
		.provider_id = STR(""),
		.enabled = true,
	};
	enum iam_err e = store_user_add(w, &user);

	if (e == IAM_OK)
		e = bind(w, who, uid, err);
	if (e == IAM_OK)
		*ret_user = user;
	return e;
}

/* By the entry's own spelling, or where that cannot be an id of ours, by the one typed. */
static enum iam_err by_name(struct db *w, struct arena *a, const struct identity *who,
	struct str tried, struct user *ret_user, bool *ret_created, struct iam_error *err)
{
	bool has_own = iam_uid_valid(who->name);
	struct str uid = has_own ? who->name : tried;
	struct user user;
	bool is_free;
	enum iam_err e;

	if (uid.ptr == NULL || !iam_uid_valid(uid))
		return refuse(err, who->name, "the name cannot be a user id here");
	e = look_at(w, a, uid, &user, &is_free);
	if (e == IAM_NO_USER) {
		e = make(w, who, uid, ret_user, err);
		if (e == IAM_OK)
			*ret_created = true;
		return e;
	}
	if (e == IAM_OK)
		e = take_over(w, who, &user, is_free && has_own, err);
	if (e == IAM_OK)
		*ret_user = user;
	return e;
}

enum iam_err ldap_account_ensure(struct db *w, struct arena *a,
	const struct identity *who, struct str tried, struct user *ret_user,
	bool *ret_created, struct iam_error *err)
{
	struct directory_user bound;
	struct user typed;
	bool is_free = false;
	enum iam_err e;

	*ret_created = false;
	if (tried.ptr != NULL && iam_uid_valid(tried)) {
		e = look_at(w, a, tried, &typed, &is_free);
		if (e != IAM_OK && e != IAM_NO_USER)
			return e;
	}
	e = store_directory_user_find(w, a, who->source, who->subject, &bound);
	if (e == IAM_OK && is_free && str_ieq(who->name, tried) &&
		!str_eq(bound.uid, tried))
		return refuse(err, tried, "its directory entry has another account");
	if (e == IAM_OK)
		return store_user_get(w, a, bound.uid, ret_user);
	if (e != IAM_NO_USER)
		return e;
	/* A filter may find by mail, which people may write themselves: only the login name counts here. */
	if (!is_free || !str_ieq(who->name, tried))
		return by_name(w, a, who, tried, ret_user, ret_created, err);
	/* Made in advance under the very name that was typed: this is whom it waited for. */
	e = bind(w, who, tried, err);
	if (e == IAM_OK)
		*ret_user = typed;
	return e;
}
