/*
 * login_ldap - the part of a password login that directories decide.
 *
 * Loop: who is to be asked (nobody about local and service accounts). NET: one directory a job, under
 * that directory's share, so that a silent one keeps its own callers waiting only. An account that is
 * bound to an entry asks its own directory, and the entry must be the same; one made in advance asks all
 * in login order until one knows the name, anybody else until one knows name and password. WRITE: the account is made or bound. SLOW (bound
 * ones: NET): the token. Refusals go through HASH, so that all of them cost the one computation that a
 * wrong local password costs, and answer the same.
 * Invariants: UNAVAILABLE is an answer (503), never a wrong password and never "ask the next"; a
 * directory is not held between two lanes; nothing of the password is written down.
 */
#include <stdio.h>

#include "iamd/api/login.h"
#include "iamd/audit/audit.h"
#include "iamd/authn/directories.h"
#include "iamd/authn/ldap_accounts.h"
#include "iamd/idp/ldap_users.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/metrics.h"

/* LIMIT: all asking of one login, the waiting for a turn included. */
#define ASK_MAX_MS 15000
/* LIMIT: bytes of a name that a directory is asked for. */
#define NAME_MAX_BYTES 512
/* LIMIT: of a directory's id, as its configuration has it. */
#define DIRECTORY_ID_MAX 64
/* LIMIT: what is written down of what directories said; later ones are left out. */
#define SAID_MAX_BYTES 512

static req_fn ask_step;

/* ---- whose turn ---- */

/*
 * Ids, not places: a change of the configuration meanwhile must not have one directory left out whose
 * word would have ended the login.
 */
static enum iam_err keep_order(struct req *r, struct login *l)
{
	struct directory *dir;

	l->order = arena_alloc_n(r->arena, LDAP_DIRECTORIES_MAX, sizeof *l->order);
	if (l->order == NULL)
		return IAM_NO_MEMORY;
	while (l->n_order < LDAP_DIRECTORIES_MAX &&
		(dir = directories_login_order(r->svc->directories, l->n_order)) !=
			NULL) {
		struct str id = arena_str(r->arena, dir->settings->id);

		directories_give(dir);
		if (id.ptr == NULL)
			return IAM_NO_MEMORY;
		l->order[l->n_order++] = id;
	}
	return IAM_OK;
}

static void take_turn(struct req *r, struct str id, struct directory *dir)
{
	struct login *l = r->state;

	l->directory = id;
	r->job.share = dir->share;
	directories_give(dir);
}

/* The next one of the login order that is still there; false: all were asked. */
static bool next_turn(struct req *r)
{
	struct login *l = r->state;

	while (l->nth < l->n_order) {
		struct str id = l->order[l->nth++];
		struct directory *dir = directories_take(r->svc->directories, id);

		if (dir == NULL)
			continue;
		take_turn(r, id, dir);
		return true;
	}
	return false;
}

static enum iam_err refuse(struct req *r, const char *deny_reason)
{
	struct login *l = r->state;

	l->deny_reason = deny_reason;
	r->job.share = login_share_of(l->tried_uid);
	return req_hand_off(r, LANE_HASH, login_refused_step);
}

/* Fills l->bound where the account is an entry's. */
static enum iam_err find_binding(struct req *r, struct login *l)
{
	struct db *db = store_reader(r->svc->store);
	enum iam_err e = db == NULL
		? IAM_UNAVAILABLE
		: store_directory_user_get(db, r->arena, l->user.uid, &l->bound);

	return e == IAM_NO_USER ? IAM_OK : e;
}

static enum iam_err begin_bound(struct req *r, struct login *l)
{
	struct directory *dir = directories_take(r->svc->directories, l->bound.directory);

	if (dir == NULL)
		return refuse(r, "the user's directory is not configured");
	take_turn(r, l->bound.directory, dir);
	return req_hand_off(r, LANE_NET, ask_step);
}

enum iam_err login_ldap_begin(struct req *r, bool *ret)
{
	struct login *l = r->state;
	enum iam_err e;

	*ret = false;
	if (l->known &&
		(user_is_service(&l->user) || !l->user.enabled ||
			l->user.provider_type != PROVIDER_LDAP))
		return IAM_OK;
	if (!directories_any(r->svc->directories) || l->tried_uid.len > NAME_MAX_BYTES)
		return IAM_OK;
	if (l->known) {
		e = find_binding(r, l);
		if (e != IAM_OK)
			return e;
	}
	sb_init(&l->said, r->arena, SAID_MAX_BYTES);
	l->until_ms = clock_mono_ms() + ASK_MAX_MS;
	*ret = true;
	if (l->bound.directory.ptr != NULL)
		return begin_bound(r, l);
	e = keep_order(r, l);
	*ret = e != IAM_OK || next_turn(r);
	return e != IAM_OK || !*ret ? e : req_hand_off(r, LANE_NET, ask_step);
}

/* ---- what a directory said ---- */

static void note(struct login *l, enum idp_result result, const char *text)
{
	char id[DIRECTORY_ID_MAX + 1];

	(void)snprintf(id, sizeof id, "%.*s", STR_FMT(l->directory));
	metrics_directory_login(id, idp_result_name(result));
	if (l->said.len + l->directory.len + 100 > SAID_MAX_BYTES)
		return;
	sb_addf(&l->said, "%s%s: %s", l->said.len > 0 ? "; " : "", id, text);
}

/* No answer is no decision: nobody else is asked instead. */
static enum iam_err unavailable(struct req *r)
{
	struct login *l = r->state;

	l->is_unavailable = true;
	metrics_count(METRIC_LOGIN_UNAVAILABLE, 1);
	login_record(r, l, "the directory gave no answer");
	return IAM_UNAVAILABLE;
}

/* The password is right, and no account can be made of it; r->error says why. */
static enum iam_err no_account(struct req *r)
{
	struct login *l = r->state;

	sb_addf(&l->said, ", but no account can be made of it");
	metrics_count(METRIC_LOGIN_DENIED, 1);
	login_record(r, l, "no account can be made of it");
	return IAM_CANNOT_IMPORT_USER;
}

/* ---- accepted ---- */

static enum iam_err sign_step(struct req *r, struct resp *out)
{
	return login_conclude(r, out, NULL);
}

static enum iam_err audit_import(struct req *r, struct db *w, bool created)
{
	const struct login *l = r->state;
	struct audit_event ev = {
		.action = AUDIT_USER_IMPORT,
		.actor = l->user.uid,
		.object = l->user.uid,
		.allow = true,
		.reason = arena_fmt(r->arena, "%s at login; directory %.*s",
			created ? "made" : "bound", STR_FMT(l->directory)),
	};

	return audit_change(r, w, &ev);
}

/* WRITE lane. */
static enum iam_err ensure_step(struct req *r, struct resp *out)
{
	struct login *l = r->state;
	struct db *w = store_writer(r->svc->store);
	bool waited = l->known; /* made in advance, and not bound until now */
	bool created = false;
	enum iam_err e = ldap_account_ensure(w, r->arena, &l->who, l->tried_uid, &l->user,
		&created, &r->error);

	(void)out;
	if (e == IAM_CANNOT_IMPORT_USER)
		return no_account(r);
	if (e == IAM_OK && (created || waited))
		e = audit_import(r, w, created);
	if (e != IAM_OK)
		return e;
	if (!l->user.enabled)
		return refuse(r, "user is disabled");
	r->job.share = login_share_of(l->tried_uid);
	return req_hand_off(r, LANE_SLOW, sign_step);
}

static enum iam_err accepted(struct req *r, struct resp *out)
{
	struct login *l = r->state;

	if (l->bound.directory.ptr == NULL)
		return req_hand_off(r, LANE_WRITE, ensure_step);
	if (str_eq(l->who.subject, l->bound.subject))
		return login_conclude(r, out, NULL);
	(void)req_fail(r, IAM_CANNOT_IMPORT_USER,
		"The user '%.*s' cannot be imported: the account belongs to another "
		"directory entry.",
		STR_FMT(l->user.uid));
	return no_account(r);
}

/* ---- asking (NET lane) ---- */

/* The directory's own time, within the login's. */
static int64_t ask_until(const struct login *l, const struct ldap_settings *s)
{
	int64_t own =
		clock_mono_ms() + s->connect_timeout_ms + 2 * s->operation_timeout_ms;

	return own < l->until_ms ? own : l->until_ms;
}

static enum idp_result ask(struct req *r, const char **ret_text)
{
	struct login *l = r->state;
	struct directory *dir;
	struct ldap_fault fault;
	enum idp_result result;

	*ret_text = "no turn in time";
	if (clock_mono_ms() >= l->until_ms)
		return IDP_UNAVAILABLE;
	*ret_text = "the service is ending";
	if (r->svc->is_draining(r->svc))
		return IDP_UNAVAILABLE;
	dir = directories_take(r->svc->directories, l->directory);
	*ret_text = "not configured any more";
	if (dir == NULL)
		return IDP_UNKNOWN_USER;
	result = ldap_user_verify(dir->pool, dir->settings, l->tried_uid, l->password,
		r->arena, ask_until(l, dir->settings), &l->who, ret_text, &fault);
	l->who.source = l->directory; /* outlives the directory's settings */
	directories_give(dir);
	return result;
}

static enum iam_err ask_step(struct req *r, struct resp *out)
{
	struct login *l = r->state;
	const char *text;
	enum idp_result result = ask(r, &text);

	note(l, result, text);
	switch (result) {
	case IDP_ACCEPTED:
		return accepted(r, out);
	case IDP_REJECTED:
		/* An account made in advance waits for somebody: who knows the name is that one. */
		if (!l->known && next_turn(r))
			return req_hand_off(r, LANE_NET, ask_step);
		return refuse(r, text);
	case IDP_UNKNOWN_USER:
		if (l->bound.directory.ptr == NULL && next_turn(r))
			return req_hand_off(r, LANE_NET, ask_step);
		return refuse(r, text);
	case IDP_DISABLED:
	case IDP_EXPIRED:
		return refuse(r, text);
	case IDP_UNAVAILABLE:
	case IDP_RESULT_COUNT:
		break;
	}
	return unavailable(r);
}
