/*
 * login_record - what is written down after a login; see login_record.h.
 *
 * A rehash takes as long as a login, so it is a HASH job of its own, on copies, after the answer. When
 * the lane is full it is simply left to the next login.
 */
#include "iamd/api/login_record.h"

#include <stdlib.h>

#include <sodium.h>

#include "iamd/api/write_batch.h"
#include "iamd/sys/metrics.h"

struct rehash_job {
	struct lane_job job;
	struct services *svc;
	struct arena *arena; /* sensitive: holds the password */
	struct login_record rec;
	struct str password;
	struct password_params params;
	char hash[PASSWORD_HASH_MAX];
};

static void rehash_run(struct lane_job *job)
{
	struct rehash_job *rj = (struct rehash_job *)job;

	if (password_hash(&rj->params, rj->password, rj->hash) == IAM_OK)
		rj->rec.new_hash = str_c(rj->hash);
}

static void rehash_done(struct lane_job *job, enum iam_err result)
{
	struct rehash_job *rj = (struct rehash_job *)job;

	(void)result;
	if (rj->rec.new_hash.ptr != NULL)
		write_rehash(rj->svc, &rj->rec);
	arena_free(rj->arena);
	free(rj);
}

static void submit_rehash(struct req *r, const struct login *l)
{
	struct rehash_job *rj = calloc(1, sizeof *rj);

	if (rj == NULL)
		return;
	rj->job = (struct lane_job){
		.run = rehash_run, .done = rehash_done, .share = r->job.share};
	rj->svc = r->svc;
	rj->params = l->params;
	/* LIMIT: a uid, a hash and a password. */
	rj->arena = arena_new(1024, 8192);
	if (rj->arena != NULL) {
		arena_set_sensitive(rj->arena);
		rj->rec.uid = arena_str(rj->arena, l->user.uid);
		rj->rec.old_hash = arena_str(rj->arena, l->user.password_hash);
		rj->password = arena_str(rj->arena, l->password);
		if (rj->rec.uid.ptr != NULL && rj->rec.old_hash.ptr != NULL &&
			rj->password.ptr != NULL &&
			lane_submit(r->svc->lanes, LANE_HASH, &rj->job))
			return;
	}
	arena_free(rj->arena);
	free(rj);
}

uint64_t login_share_of(struct str uid)
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */

	for (size_t i = 0; i < uid.len; i++)
		h = (h ^ (unsigned char)uid.ptr[i]) * 1099511628211u;
	return h | 1;
}

/* "default: wrong password; second: no such user" */
static struct str said_by_directories(struct req *r, const struct login *l)
{
	struct str said = sb_str(&l->said);

	if (l->token.ptr == NULL || str_eq(l->tried_uid, l->user.uid))
		return said;
	return arena_fmt(r->arena, "%.*s, as %.*s", STR_FMT(said), STR_FMT(l->user.uid));
}

static enum audit_action action_of(const struct login *l)
{
	if (l->said.len > 0)
		return AUDIT_LDAP_LOGIN;
	return l->is_service_login ? AUDIT_SERVICE_LOGIN : AUDIT_PASSWORD_LOGIN;
}

void login_record(struct req *r, const struct login *l, const char *deny_reason)
{
	struct login_record rec = {.uid = STR_NONE};
	struct audit_event ev = {
		.action = action_of(l),
		.actor = l->tried_uid,
		.allow = deny_reason == NULL,
		.reason = l->said.len > 0     ? said_by_directories(r, l)
			: deny_reason != NULL ? str_c(deny_reason)
					      : STR("credentials verified"),
	};

	/* LIMIT: what was tried may be anything; the trail keeps as much of it as a uid may have. */
	ev.actor = str_sub(ev.actor, 0, IAM_UID_MAX_BYTES);
	audit_row_fill(r, &ev, &rec.row);
	if (l->is_unavailable)
		rec.row.result = STR("error");
	if (deny_reason == NULL)
		rec.uid = l->user.uid;
	write_login_record(r->svc, &rec);
	if (deny_reason == NULL && l->rehash)
		submit_rehash(r, l);
}
