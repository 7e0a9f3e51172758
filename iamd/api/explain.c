/*
 * explain - what libacl explains, joined with what it does not know (accounts), in words and URLs.
 *
 * Does not: decide for anyone (decide.c does), read the store, or audit.
 * Invariants: the order of reasons is decide()'s; ids in the sentence are cut to what they may be
 * at most, so that the answer stays small whatever was asked.
 */
#include "iamd/api/explain.h"

#include "iamd/api/url.h"
#include "iamd/authz/sessions.h"

/* LIMIT: a sentence: two resource ids as URLs of slashes, and some groups. */
#define TEXT_MAX_BYTES 16384U
/* LIMIT: groups of a chain in the sentence; the member `groups` has more. */
#define TEXT_MAX_GROUPS 8U

enum account { ACCOUNT_THERE, ACCOUNT_DISABLED, ACCOUNT_UNKNOWN };

/* One question and all that is known of its answer. */
struct why {
	const struct root *root;
	struct str uid, rid, action_text;
	enum iam_action action; /* IAM_ACTION_COUNT: it is none */
	enum account account;
	struct iam_explanation x; /* as if the account were there and enabled */
};

/* ---- the sentence ---- */

/* An id as asked for, which may be anything: cut, at the end of a character. */
static void add_id(struct sb *sb, struct str id, size_t max)
{
	struct str shown = str_sub(id, 0, max);

	while (shown.len > 0 && !str_is_utf8(shown))
		shown.len--;
	sb_add(sb, shown);
	if (shown.len < id.len)
		sb_add_c(sb, "...");
}

static void add_uid(struct sb *sb, const struct why *y)
{
	add_id(sb, y->uid, IAM_UID_MAX_BYTES);
}

static void add_rid(struct sb *sb, const struct why *y)
{
	add_id(sb, y->rid, IAM_RID_MAX_BYTES);
}

/* "; alice is in ops, ops is in staff" */
static void add_chain(struct sb *sb, const struct why *y)
{
	const struct iam_explanation *x = &y->x;
	size_t shown = x->n_chain < TEXT_MAX_GROUPS ? x->n_chain : TEXT_MAX_GROUPS;

	for (size_t i = 0; i < shown; i++) {
		sb_add_c(sb, i == 0 ? "; " : ", ");
		if (i == 0)
			add_uid(sb, y);
		else
			sb_add(sb, x->chain[i - 1]);
		sb_add_c(sb, " is in ");
		sb_add(sb, x->chain[i]);
	}
	if (shown < x->chain_len) {
		sb_add_c(sb, ", and so on through ");
		sb_add_int(sb, (int64_t)(x->chain_len - shown));
		sb_add_c(sb, " more to ");
		sb_add(sb, x->subject_id);
	}
}

static void add_allowed(struct sb *sb, const struct why *y)
{
	add_uid(sb, y);
	sb_add_c(sb, " may ");
	sb_add(sb, y->action_text);
	sb_add_char(sb, ' ');
	add_rid(sb, y);
	sb_add_c(sb, y->x.kind == IAM_SUBJECT_GROUP ? ": group " : ": ");
	sb_add(sb, y->x.subject_id);
	sb_add_c(sb, " has ");
	sb_add_c(sb, iam_action_name(y->x.action));
	if (y->x.why == IAM_WHY_SUPERUSER)
		sb_add_c(sb, " on " IAM_SUPERUSER_RID ", which allows everything");
	else
		sb_add_c(sb, " on it");
	add_chain(sb, y);
}

static bool go_on(struct str gid, void *ctx)
{
	(void)gid;
	(void)ctx;
	return true;
}

/* "alice has neither read nor full on dcos:x, ...; grant one of them with PUT ..." */
static void add_no_grant(struct sb *sb, const struct why *y)
{
	bool full = y->action == IAM_FULL;
	struct url u;

	add_uid(sb, y);
	sb_add_c(sb, full ? " has no " : " has neither ");
	sb_add(sb, y->action_text);
	sb_add_c(sb, full ? " on " : " nor full on ");
	add_rid(sb, y);
	sb_add_c(sb, ", directly or through groups");
	if (!iam_user_groups_each(y->root->acl, y->uid, go_on, NULL))
		sb_add_c(sb, " (of which there are more than a decision looks at)");
	if (!iam_uid_valid(y->uid))
		return;
	sb_add_c(sb, full ? "; grant it with PUT " : "; grant one of them with PUT ");
	url_begin_action(&u, y->rid, y->uid, STR_NONE, y->action);
	sb_add(sb, url_str(&u));
	sb_add_c(sb, ", or to one of the user's groups with PUT ");
	url_begin_action(&u, y->rid, STR_NONE, STR("{gid}"), y->action);
	sb_add(sb, url_str(&u));
}

static void add_no_resource(struct sb *sb, const struct why *y)
{
	struct url u;

	if (!iam_rid_valid(y->rid)) {
		add_rid(sb, y);
		sb_add_c(sb, " can be no resource id");
		return;
	}
	sb_add_c(sb, "there is no ACL ");
	add_rid(sb, y);
	sb_add_c(sb, "; make it with PUT ");
	url_begin_acl(&u, y->rid);
	sb_add(sb, url_str(&u));
	sb_add_c(sb, ", then grant ");
	sb_add(sb, y->action_text);
	sb_add_c(sb, " on it");
}

static void add_no_action(struct sb *sb, const struct why *y)
{
	add_id(sb, y->action_text, IAM_GID_MAX_BYTES);
	sb_add_c(sb, " is no action; the actions are create, read, update, delete, full");
}

static void add_reason(struct sb *sb, const struct why *y)
{
	switch (y->x.why) {
	case IAM_WHY_GRANT:
	case IAM_WHY_SUPERUSER:
		add_allowed(sb, y);
		return;
	case IAM_WHY_NO_GRANT:
		add_no_grant(sb, y);
		return;
	case IAM_WHY_NO_RESOURCE:
		add_no_resource(sb, y);
		return;
	case IAM_WHY_NO_ACTION:
		add_no_action(sb, y);
		return;
	}
}

static void add_sentence(struct sb *sb, const struct why *y)
{
	if (y->account != ACCOUNT_THERE || y->x.decision == IAM_DENY)
		sb_add_c(sb, "denied: ");
	switch (y->account) {
	case ACCOUNT_UNKNOWN:
		sb_add_c(sb, "there is no user ");
		add_uid(sb, y);
		return;
	case ACCOUNT_DISABLED:
		sb_add_c(sb, "the account of ");
		add_uid(sb, y);
		sb_add_c(sb, " is disabled; if it were enabled: ");
		break;
	case ACCOUNT_THERE:
		break;
	}
	add_reason(sb, y);
}

/* ---- the members ---- */

static const char *why_name(const struct why *y)
{
	static const char *const names[] = {
		[IAM_WHY_GRANT] = "grant",
		[IAM_WHY_SUPERUSER] = "superuser",
		[IAM_WHY_NO_GRANT] = "no-grant",
		[IAM_WHY_NO_RESOURCE] = "unknown-resource",
		[IAM_WHY_NO_ACTION] = "bad-action",
	};

	if (y->account == ACCOUNT_UNKNOWN)
		return "unknown-user";
	return y->account == ACCOUNT_DISABLED ? "disabled-user" : names[y->x.why];
}

static void write_grant(struct jsonw *w, const struct why *y)
{
	const struct iam_explanation *x = &y->x;
	bool group = x->kind == IAM_SUBJECT_GROUP;
	struct url u;

	jsonw_object_key(w, "grant");
	jsonw_str(w, "rid", x->rid);
	jsonw_str(w, "action", str_c(iam_action_name(x->action)));
	jsonw_str(w, group ? "gid" : "uid", x->subject_id);
	url_begin_acl(&u, x->rid);
	jsonw_str(w, "aclurl", url_str(&u));
	url_begin_action(&u, x->rid, x->subject_id, group ? x->subject_id : STR_NONE,
		x->action);
	jsonw_str(w, "url", url_str(&u));
	jsonw_object_end(w);
	jsonw_array_key(w, "groups");
	for (size_t i = 0; i < x->n_chain; i++)
		jsonw_str(w, NULL, x->chain[i]);
	jsonw_array_end(w);
	jsonw_int(w, "groups_total", (int64_t)x->chain_len);
}

static void write_step(struct jsonw *w, const char *method, const struct url *u)
{
	jsonw_object(w);
	jsonw_str(w, "method", str_c(method));
	jsonw_str(w, "url", url_str(u));
	jsonw_object_end(w);
}

static void write_steps(struct jsonw *w, const struct why *y)
{
	struct url u;

	url_begin(&u, STR("/users/"), y->uid);
	if (y->account != ACCOUNT_THERE)
		write_step(w, y->account == ACCOUNT_UNKNOWN ? "PUT" : "PATCH", &u);
	if (y->x.decision == IAM_ALLOW)
		return;
	url_begin_acl(&u, y->rid);
	if (y->x.why == IAM_WHY_NO_RESOURCE)
		write_step(w, "PUT", &u);
	url_begin_action(&u, y->rid, y->uid, STR_NONE, y->action);
	write_step(w, "PUT", &u);
}

/* The calls that would allow it; none if no account, ACL or grant of these names can be. */
static void write_needed(struct jsonw *w, const struct why *y)
{
	jsonw_array_key(w, "needed");
	if (y->x.why != IAM_WHY_NO_ACTION && iam_uid_valid(y->uid) &&
		(y->x.decision == IAM_ALLOW || iam_rid_valid(y->rid)))
		write_steps(w, y);
	jsonw_array_end(w);
}

static enum iam_err write_sentence(struct jsonw *w, const struct why *y)
{
	struct sb sb;
	bool ok;

	sb_init_heap(&sb, TEXT_MAX_BYTES);
	add_sentence(&sb, y);
	ok = !sb.failed;
	jsonw_str(w, "text", sb_str(&sb));
	sb_done(&sb);
	return ok ? IAM_OK : IAM_NO_MEMORY;
}

static enum iam_err write_object(struct jsonw *w, const char *key, const struct why *y)
{
	bool allow = y->account == ACCOUNT_THERE && y->x.decision == IAM_ALLOW;
	enum iam_err e;

	jsonw_object_key(w, key);
	jsonw_str(w, "decision", allow ? STR("allow") : STR("deny"));
	jsonw_str(w, "why", str_c(why_name(y)));
	e = write_sentence(w, y);
	if (allow)
		write_grant(w, y);
	else
		write_needed(w, y);
	jsonw_object_end(w);
	return w->out->failed ? IAM_NO_MEMORY : e;
}

static enum account account_of(const struct root *root, struct str uid)
{
	struct session session;

	if (!sessions_find(root, uid, &session))
		return ACCOUNT_UNKNOWN;
	return session.enabled ? ACCOUNT_THERE : ACCOUNT_DISABLED;
}

enum iam_err explain_write(struct jsonw *w, const char *key, const struct root *root,
	struct str uid, struct str rid, struct str action)
{
	struct why y = {.root = root,
		.uid = uid,
		.rid = rid,
		.action_text = action,
		.account = account_of(root, uid)};
	enum iam_err e;

	if (iam_action_parse(action, &y.action) != IAM_OK)
		y.action = IAM_ACTION_COUNT;
	e = iam_explain(root->acl, uid, rid, y.action, &y.x);
	return e == IAM_OK ? write_object(w, key, &y) : e;
}
