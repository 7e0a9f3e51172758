/*
 * ldap_sync_apply - carries a plan out in transactions of some hundred operations.
 *
 * Does: each operation as the plan says, against the store as it is by then. Does not: plan anew; what
 * somebody changed meanwhile (an account deleted, a name taken) makes an operation void, and it is
 * counted as skipped. Nor bind an account made in advance: its first login or a group's import does.
 * Invariants: nothing is changed but groups and accounts that are bound, in the same transaction, to
 * the entries the plan was made for. No transaction leaves iamd without a superuser who is able to log
 * in, where there was one: such a transaction is undone, and tried again one operation at a time, so
 * that only the operation that would do it is left out.
 */
#include <string.h>
#include <time.h>

#include "iam/acl.h"
#include "iamd/authn/ldap_accounts.h"
#include "iamd/authn/ldap_sync_impl.h"
#include "iamd/sys/log.h"
#include "libacl/base/str.h"

/* How often, and how long apart, a transaction is tried that the lane or the database had no time for. */
#define TRIES    20
#define PAUSE_MS 100

/* LIMIT: lines of one run about accounts that wait for a login. */
#define WAITING_LINES 100

struct applying {
	struct sync_run *r;
	const struct sync_plan *plan;
	const struct sync_picture *p;
	const struct sync_stored *s;
	struct str *uid_of; /* person -> account; absent: none was made */
	struct str *gid_of; /* group -> group */
	unsigned n_waiting; /* lines logged */
	/* the transaction at hand */
	const struct sync_op *ops;
	size_t n;
	bool takes; /* it may take rights away */
	bool begun; /* a transaction before it was committed */
	struct arena *arena;
	struct sync_report did;
};

/* ---- users ---- */

static struct directory_user binding_of(const struct applying *ap,
	const struct sync_stored_user *u)
{
	return (struct directory_user){.directory = ap->r->dir->settings->id,
		.subject = u->subject,
		.uid = u->uid,
		.dn = u->dn,
		.email = u->email,
		.disabled_there = u->disabled_there,
		.missing_since_ms = u->missing_since_ms};
}

/* Is the account still the entry's? Whoever deleted it may have made another of that name. */
static enum iam_err check_user(struct applying *ap, struct db *w, struct str uid,
	struct str subject)
{
	struct directory_user bound;
	enum iam_err e = store_directory_user_get(w, ap->arena, uid, &bound);

	if (e == IAM_OK &&
		(!str_eq(bound.directory, ap->r->dir->settings->id) ||
			!str_eq(bound.subject, subject)))
		e = IAM_NO_USER;
	return e;
}

/* The same of a group. */
static enum iam_err check_group(struct applying *ap, struct db *w, struct str gid,
	struct str subject)
{
	struct directory_group bound;
	enum iam_err e = store_directory_group_get(w, ap->arena, gid, &bound);

	if (e == IAM_OK &&
		(!str_eq(bound.directory, ap->r->dir->settings->id) ||
			!str_eq(bound.subject, subject)))
		e = IAM_NO_GROUP;
	return e;
}

/* The account as it is now; it must still be bound to the entry. */
static enum iam_err get_now(struct applying *ap, struct db *w,
	const struct sync_stored_user *u, struct user *ret_user)
{
	enum iam_err e = check_user(ap, w, u->uid, u->subject);

	return e == IAM_OK ? store_user_get(w, ap->arena, u->uid, ret_user) : e;
}

static enum iam_err vanish_user(struct applying *ap, struct db *w,
	const struct sync_stored_user *u)
{
	struct directory_user row = binding_of(ap, u);
	struct user user;
	enum iam_err e = get_now(ap, w, u, &user);

	if (e == IAM_OK && user.enabled)
		e = store_user_set_enabled(w, u->uid, false);
	if (e != IAM_OK)
		return e;
	row.disabled_there |= user.enabled;
	row.missing_since_ms = ap->r->now_ms;
	ap->did.users_vanished++;
	return store_directory_user_update(w, &row);
}

static enum iam_err delete_user(struct applying *ap, struct db *w,
	const struct sync_stored_user *u)
{
	struct user user;
	enum iam_err e = get_now(ap, w, u, &user);

	if (e == IAM_OK)
		e = store_user_delete(w, u->uid);
	ap->did.users_deleted += e == IAM_OK;
	return e;
}

static enum iam_err set_enabled(struct db *w, const struct user *user, bool enabled)
{
	return user->enabled == enabled ? IAM_OK
					: store_user_set_enabled(w, user->uid, enabled);
}

static enum iam_err update_user(struct applying *ap, struct db *w,
	const struct sync_op *op)
{
	const struct sync_stored_user *u = &ap->s->users[op->a];
	const struct sync_person *p = &ap->p->people[op->b];
	struct directory_user row = binding_of(ap, u);
	struct user user;
	enum iam_err e = get_now(ap, w, u, &user);

	row.dn = p->dn;
	row.email = p->email;
	row.missing_since_ms = 0;
	if (e == IAM_OK && (op->flags & SYNC_F_DESCRIPTION) != 0)
		e = store_user_set_description(w, u->uid, p->description);
	if (e == IAM_OK && (op->flags & SYNC_F_DISABLE) != 0) {
		row.disabled_there = true;
		e = set_enabled(w, &user, false);
	}
	if (e == IAM_OK && (op->flags & SYNC_F_ENABLE) != 0) {
		row.disabled_there = false;
		e = set_enabled(w, &user, true);
	}
	if (e == IAM_OK)
		e = store_directory_user_update(w, &row);
	if (e == IAM_OK && (op->flags & SYNC_F_BACK) != 0)
		ap->did.users_back++;
	else
		ap->did.users_changed += e == IAM_OK;
	return e;
}

static enum iam_err disable_new(struct db *w, const struct identity *who,
	const struct user *user)
{
	struct directory_user row = {.directory = who->source,
		.subject = who->subject,
		.uid = user->uid,
		.dn = who->dn,
		.email = who->email,
		.disabled_there = true};
	enum iam_err e = set_enabled(w, user, false);

	return e == IAM_OK ? store_directory_user_update(w, &row) : e;
}

static void tell_waiting(struct applying *ap, struct str uid)
{
	if (ap->n_waiting >= WAITING_LINES)
		return;
	ap->n_waiting++;
	log_event(LOG_LEVEL_WARNING, "ldap.sync_skipped",
		LOG_STR("directory", ap->r->dir->settings->id), LOG_STR("uid", uid),
		LOG_CSTR("why",
			"the account was made in advance: its first login or a group's import "
			"says whose it is"));
}

/*
 * An entry without an account gets a new one. One of its name that is there stays as it is: made in
 * advance, it may be meant for another directory's entry of that name.
 */
static enum iam_err check_name(struct applying *ap, struct db *w,
	const struct identity *who)
{
	struct directory_user bound;
	struct user user;
	enum iam_err e = store_directory_user_find(w, ap->arena, who->source,
		who->subject, &bound);

	if (e != IAM_NO_USER) /* it logged in meanwhile */
		return e;
	if (!iam_uid_valid(who->name))
		return IAM_BAD_UID;
	e = store_user_get(w, ap->arena, who->name, &user);
	if (e != IAM_OK)
		return e == IAM_NO_USER ? IAM_OK : e;
	if (user.provider_type == PROVIDER_LDAP &&
		store_directory_user_get(w, ap->arena, who->name, &bound) == IAM_NO_USER)
		tell_waiting(ap, who->name);
	return IAM_USER_EXISTS;
}

static enum iam_err add_user(struct applying *ap, struct db *w, uint32_t person)
{
	const struct sync_person *p = &ap->p->people[person];
	struct identity who = {.source = ap->r->dir->settings->id,
		.subject = p->subject,
		.name = p->name,
		.dn = p->dn,
		.description = p->description,
		.email = p->email,
		.disabled = p->disabled};
	struct iam_error why = {IAM_OK, ""};
	struct user user;
	bool created = false;
	enum iam_err e = check_name(ap, w, &who);

	if (e == IAM_OK)
		e = ldap_account_ensure(w, ap->arena, &who, STR_NONE, &user, &created,
			&why);
	if (e == IAM_OK && who.disabled)
		e = disable_new(w, &who, &user);
	if (e != IAM_OK)
		return e;
	ap->did.users_added++;
	ap->uid_of[person] =
		str_eq(user.uid, p->name) ? p->name : arena_str(ap->r->arena, user.uid);
	return ap->uid_of[person].ptr != NULL ? IAM_OK : IAM_NO_MEMORY;
}

/* ---- groups ---- */

static enum iam_err put_group(struct applying *ap, struct db *w,
	const struct sync_stored_group *g, struct str dn, int64_t missing_since_ms)
{
	return store_directory_group_put(w,
		&(struct directory_group){.directory = ap->r->dir->settings->id,
			.subject = g->subject,
			.gid = g->gid,
			.dn = dn,
			.missing_since_ms = missing_since_ms});
}

static enum iam_err add_group(struct applying *ap, struct db *w, uint32_t group)
{
	const struct sync_group *g = &ap->p->groups[group];
	struct sync_stored_group bound = {.gid = g->name, .subject = g->subject};
	struct directory_group other;
	enum iam_err e = store_directory_group_find(w, ap->arena,
		ap->r->dir->settings->id, g->subject, &other);

	if (e != IAM_NO_GROUP)
		return e == IAM_OK ? IAM_GROUP_EXISTS : e; /* imported meanwhile */
	e = store_group_add(w,
		&(struct group){.gid = g->name,
			.description = g->description,
			.provider_type = PROVIDER_LDAP});
	if (e == IAM_OK)
		e = put_group(ap, w, &bound, g->dn, 0);
	if (e != IAM_OK)
		return e;
	ap->gid_of[group] = g->name;
	ap->did.groups_added++;
	return IAM_OK;
}

static enum iam_err update_group(struct applying *ap, struct db *w,
	const struct sync_op *op)
{
	const struct sync_stored_group *s = &ap->s->groups[op->a];
	const struct sync_group *g = &ap->p->groups[op->b];
	enum iam_err e = check_group(ap, w, s->gid, s->subject);

	if (e == IAM_OK && (op->flags & SYNC_F_DESCRIPTION) != 0)
		e = store_group_set_description(w, s->gid, g->description);
	if (e == IAM_OK)
		e = put_group(ap, w, s, g->dn, 0);
	ap->did.groups_changed += e == IAM_OK;
	return e;
}

static enum iam_err vanish_group(struct applying *ap, struct db *w,
	const struct sync_stored_group *g)
{
	enum iam_err e = check_group(ap, w, g->gid, g->subject);

	if (e == IAM_OK)
		e = put_group(ap, w, g, g->dn, ap->r->now_ms);
	ap->did.groups_vanished += e == IAM_OK;
	return e;
}

static enum iam_err delete_group(struct applying *ap, struct db *w,
	const struct sync_stored_group *g)
{
	enum iam_err e = check_group(ap, w, g->gid, g->subject);

	if (e == IAM_OK)
		e = store_group_delete(w, g->gid);
	ap->did.groups_deleted += e == IAM_OK;
	return e;
}

/* ---- members ---- */

static enum iam_err add_link(struct applying *ap, struct db *w, const struct sync_op *op)
{
	bool sub = op->kind == SYNC_OP_SUBGROUP_ADD;
	struct str gid = ap->gid_of[op->a];
	struct str member = sub ? ap->gid_of[op->b] : ap->uid_of[op->b];
	enum iam_err e;

	if (gid.ptr == NULL || member.ptr == NULL)
		return IAM_NO_USER; /* was skipped before */
	e = check_group(ap, w, gid, ap->p->groups[op->a].subject);
	if (e == IAM_OK)
		e = sub ? check_group(ap, w, member, ap->p->groups[op->b].subject)
			: check_user(ap, w, member, ap->p->people[op->b].subject);
	if (e == IAM_OK)
		e = sub ? store_directory_subgroup_add(w, gid, member)
			: store_directory_member_add(w, gid, member);
	ap->did.members_added += e == IAM_OK;
	return e;
}

static enum iam_err remove_link(struct applying *ap, struct db *w,
	const struct sync_op *op)
{
	bool sub = op->kind == SYNC_OP_SUBGROUP_REMOVE;
	struct str gid = ap->s->groups[op->a].gid;
	struct str member = sub ? ap->s->groups[op->b].gid : ap->s->users[op->b].uid;
	enum iam_err e = check_group(ap, w, gid, ap->s->groups[op->a].subject);

	if (e == IAM_OK)
		e = sub ? check_group(ap, w, member, ap->s->groups[op->b].subject)
			: check_user(ap, w, member, ap->s->users[op->b].subject);
	if (e == IAM_OK)
		e = sub ? store_directory_subgroup_remove(w, gid, member)
			: store_directory_member_remove(w, gid, member);
	ap->did.members_removed += e == IAM_OK;
	return e;
}

/* ---- transactions ---- */

static enum iam_err apply_op(struct applying *ap, struct db *w, const struct sync_op *op)
{
	switch ((enum sync_op_kind)op->kind) {
	case SYNC_OP_USER_VANISH:
		return vanish_user(ap, w, &ap->s->users[op->a]);
	case SYNC_OP_USER_DELETE:
		return delete_user(ap, w, &ap->s->users[op->a]);
	case SYNC_OP_USER_UPDATE:
		return update_user(ap, w, op);
	case SYNC_OP_USER_ADD:
		return add_user(ap, w, op->b);
	case SYNC_OP_GROUP_VANISH:
		return vanish_group(ap, w, &ap->s->groups[op->a]);
	case SYNC_OP_GROUP_DELETE:
		return delete_group(ap, w, &ap->s->groups[op->a]);
	case SYNC_OP_GROUP_UPDATE:
		return update_group(ap, w, op);
	case SYNC_OP_GROUP_ADD:
		return add_group(ap, w, op->b);
	case SYNC_OP_MEMBER_REMOVE:
	case SYNC_OP_SUBGROUP_REMOVE:
		return remove_link(ap, w, op);
	case SYNC_OP_MEMBER_ADD:
	case SYNC_OP_SUBGROUP_ADD:
		return add_link(ap, w, op);
	case SYNC_OP_KINDS:
		break;
	}
	return IAM_INTERNAL;
}

/* The cookie stays: by it the run's end tells whether the configuration was replaced meanwhile. */
static enum iam_err unset_kind(struct applying *ap, struct db *w)
{
	struct str id = ap->r->dir->settings->id;
	struct directory_sync stored;
	enum iam_err e = store_directory_sync_get(w, ap->arena, id, &stored);

	if (e != IAM_OK || stored.kind.len == 0)
		return e;
	stored.kind = STR("");
	return store_directory_sync_put(w, id, &stored);
}

/* Did somebody else's change, or a name that is not free, make the operation void? */
static bool is_void(enum iam_err e)
{
	return e == IAM_NO_USER || e == IAM_NO_GROUP || e == IAM_NOT_IN_GROUP ||
		e == IAM_IN_GROUP || e == IAM_GROUP_EXISTS || e == IAM_USER_EXISTS ||
		e == IAM_CANNOT_IMPORT_USER || e == IAM_CONFLICT || e == IAM_BAD_UID;
}

static enum iam_err transaction(struct db *w, void *arg)
{
	struct applying *ap = arg;
	enum superuser_rank before = SUPERUSER_NONE, after = SUPERUSER_NONE;
	enum iam_err e = ap->begun ? IAM_OK : unset_kind(ap, w);

	memset(&ap->did, 0, sizeof ap->did);
	if (e == IAM_OK && ap->takes)
		e = store_superuser_rank(w, &before);
	for (size_t i = 0; e == IAM_OK && i < ap->n; i++) {
		e = apply_op(ap, w, &ap->ops[i]);
		if (is_void(e)) {
			ap->did.skipped++;
			e = IAM_OK;
		}
	}
	if (e == IAM_OK && before != SUPERUSER_NONE)
		e = store_superuser_rank(w, &after);
	return e == IAM_OK && after < before ? IAM_LAST_SUPERUSER : e;
}

static void pause_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

static enum iam_err write_once(struct applying *ap, const struct sync_op *ops, size_t n)
{
	const struct sync_io *io = ap->r->io;
	enum iam_err e = IAM_UNAVAILABLE;

	ap->ops = ops;
	ap->n = n;
	for (int i = 0; i < TRIES && !sync_watch_cancelled(ap->r->watch); i++) {
		ap->arena = arena_new(65536, (size_t)64 << 20);
		if (ap->arena == NULL)
			return IAM_NO_MEMORY;
		e = io->write(io->ctx, transaction, ap);
		arena_free(ap->arena);
		if (e != IAM_UNAVAILABLE && e != IAM_STORE_BUSY)
			break;
		pause_ms(PAUSE_MS);
	}
	if (e != IAM_OK)
		return e;
	ap->begun = true;
	sync_watch_add(ap->r, &ap->did);
	return IAM_OK;
}

/* One at a time: the one that would take the last superuser away is left out. */
static enum iam_err write_singly(struct applying *ap, const struct sync_op *ops, size_t n)
{
	static const struct sync_report one = {.skipped = 1};
	enum iam_err e = IAM_OK;

	for (size_t i = 0; e == IAM_OK && i < n; i++) {
		if (sync_watch_cancelled(ap->r->watch))
			return IAM_CONFLICT;
		e = write_once(ap, &ops[i], 1);
		if (e != IAM_LAST_SUPERUSER)
			continue;
		log_event(LOG_LEVEL_WARNING, "ldap.sync_last_superuser",
			LOG_STR("directory", ap->r->dir->settings->id),
			LOG_CSTR("hint",
				"a change was left out: nobody who is able to log in would be "
				"superuser any more"));
		sync_watch_add(ap->r, &one);
		e = IAM_OK;
	}
	return e;
}

static enum iam_err apply_phase(struct applying *ap, const struct sync_ops *ops)
{
	enum iam_err e = IAM_OK;

	for (size_t i = 0; e == IAM_OK && i < ops->n; i += SYNC_BATCH_OPS) {
		size_t n = ops->n - i < SYNC_BATCH_OPS ? ops->n - i : SYNC_BATCH_OPS;

		if (sync_watch_cancelled(ap->r->watch))
			return IAM_CONFLICT;
		e = write_once(ap, &ops->rows[i], n);
		if (e == IAM_LAST_SUPERUSER)
			e = write_singly(ap, &ops->rows[i], n);
	}
	return e;
}

/* What is known before anything is added. */
static bool name_known(struct applying *ap)
{
	const struct sync_picture *p = ap->p;

	ap->uid_of = arena_alloc_n(ap->r->arena, p->n_people + 1, sizeof *ap->uid_of);
	ap->gid_of = arena_alloc_n(ap->r->arena, p->n_groups + 1, sizeof *ap->gid_of);
	if (ap->uid_of == NULL || ap->gid_of == NULL)
		return false;
	for (size_t i = 0; i < p->n_people; i++)
		if (ap->plan->person_user[i] != SYNC_NONE)
			ap->uid_of[i] = ap->s->users[ap->plan->person_user[i]].uid;
	for (size_t i = 0; i < p->n_groups; i++)
		if (ap->plan->group_stored[i] != SYNC_NONE)
			ap->gid_of[i] = ap->s->groups[ap->plan->group_stored[i]].gid;
	return true;
}

enum iam_err sync_apply(struct sync_run *r, const struct sync_plan *plan,
	const struct sync_picture *p, const struct sync_stored *s)
{
	struct applying ap = {.r = r, .plan = plan, .p = p, .s = s};
	enum iam_err e = name_known(&ap) ? IAM_OK : IAM_NO_MEMORY;

	for (unsigned i = 0; e == IAM_OK && i < SYNC_PHASES; i++) {
		ap.takes = i == SYNC_PHASE_TAKE;
		e = apply_phase(&ap, &plan->phases[i]);
	}
	return e;
}
