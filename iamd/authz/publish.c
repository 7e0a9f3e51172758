/*
 * publish - the one root that every request reads without a lock.
 *
 * Epoch-based reclamation. A reader writes the global epoch into its own cache line,
 * loads the current version, and writes 0 when it is done. A writer swaps the version,
 * then raises the epoch; the old version carries the epoch it was replaced in and is
 * freed when every slot is idle or holds a later one. All of these are seq_cst
 * operations: a reader whose slot the writer saw idle stored it after the swap in the
 * single total order, so what it loads is the new version. There are no fences, because
 * ThreadSanitizer does not see them.
 *
 * It knows no SQL: loader.c reads the rows, sessions.c makes the records. Invariants:
 *   The mutex `writer` is held from prepare to install or abort; what stands below it in
 *   the struct belongs to its holder. Readers touch `current`, `epoch` and their slot.
 *   install and abort allocate nothing.
 *   A replaced version owns what the next one no longer uses: retired pages and records
 *   of the tables and the snapshot; keyring and configuration if they were exchanged.
 *   Versions are freed oldest first, so what an older one shares is still there.
 *   A stalled reader delays freeing, never a writer (PUBLISH_RETIRED_MAX_BYTES).
 */
#include "iamd/authz/publish.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <sodium.h>

#include "iamd/authz/loader.h"
#include "iamd/authz/sessions.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/thread.h"

#define CACHE_LINE 64

/* One reader thread's place in one publisher. */
struct slot {
	_Alignas(CACHE_LINE) _Atomic uint64_t epoch; /* 0: outside */
	_Atomic bool taken;
	/* the owner thread's */
	unsigned depth;
	struct publisher *publisher;
	struct slot *next; /* of the same thread, in another publisher */
};

/* The value of THREAD_EPOCH. A process has one publisher; tests have several. */
struct thread_slots {
	struct slot *first;
};

struct version {
	struct root root;     /* all that readers see; the rest is the writers' */
	struct version *next; /* replaced after this one */
	uint64_t replaced_in; /* epoch */
	size_t bytes;         /* freed with it, for the limit */
	struct pmap_retired sessions;
	struct pmap_retired revoked;
	/* NULL: the next version uses it too */
	struct iam_retired *acl;
	struct keyring *keyring;
	struct config *config;
};

struct publisher {
	_Alignas(CACHE_LINE) _Atomic(struct version *) current;
	_Alignas(CACHE_LINE) _Atomic uint64_t epoch; /* from 1 */
	_Alignas(CACHE_LINE) struct slot *slots;
	unsigned n_slots;
	unsigned char hash_key[TABLE_KEY_BYTES];

	pthread_mutex_t writer;          /* guards the rest */
	struct version *oldest, *newest; /* replaced, not yet freed */
	size_t retired_versions;
	size_t retired_bytes;
	bool over_limit;         /* said so in the log */
	struct version *pending; /* prepared, not installed */
	struct pmap_edit edit_sessions, edit_revoked;
	struct iam_edit *edit_acl;        /* NULL: no fact changed so far */
	struct iam_snapshot *pending_acl; /* finished, not installed; NULL: none */
	struct iam_retired *pending_acl_retired;
	/* The newest of each without const: what root points to. */
	struct pmap *sessions, *revoked;
	struct iam_snapshot *acl;
	struct keyring *keyring;
	struct config *config;
};

/* ---- readers ---- */

static void give_back_slots(void *value)
{
	struct thread_slots *mine = value;

	while (mine->first != NULL) {
		struct slot *s = mine->first;

		assert(s->depth == 0);
		mine->first = s->next;
		s->next = NULL;
		atomic_store(&s->taken, false);
	}
	free(mine);
}

/* The calling thread has none yet in this publisher. */
static struct slot *take_slot(struct publisher *p, struct thread_slots *mine)
{
	if (mine == NULL) {
		mine = calloc(1, sizeof(*mine));
		if (mine == NULL)
			abort();
		thread_set(THREAD_EPOCH, mine, give_back_slots);
	}
	for (unsigned i = 0; i < p->n_slots; i++) {
		struct slot *s = &p->slots[i];

		if (atomic_exchange(&s->taken, true))
			continue;
		s->publisher = p;
		s->next = mine->first;
		mine->first = s;
		return s;
	}
	log_event(LOG_LEVEL_ERROR, "publish.no_slot", LOG_INT("slots", p->n_slots));
	abort();
}

/* NULL: the calling thread has no slot in this publisher. */
static struct slot *find_slot(const struct publisher *p, const struct thread_slots *mine)
{
	struct slot *s = mine == NULL ? NULL : mine->first;

	while (s != NULL && s->publisher != p)
		s = s->next;
	return s;
}

const struct root *publish_enter(struct publisher *p)
{
	struct thread_slots *mine = thread_get(THREAD_EPOCH);
	struct slot *s = find_slot(p, mine);

	if (s == NULL)
		s = take_slot(p, mine);
	if (s->depth++ == 0)
		atomic_store(&s->epoch, atomic_load(&p->epoch));
	return &atomic_load(&p->current)->root;
}

void publish_leave(struct publisher *p)
{
	struct slot *s = find_slot(p, thread_get(THREAD_EPOCH));

	assert(s != NULL && s->depth > 0);
	if (--s->depth == 0)
		atomic_store(&s->epoch, 0);
}

void publish_scope_leave(struct publish_scope *s)
{
	publish_leave(s->publisher);
}

/* ---- freeing what was replaced; the caller holds `writer` ---- */

static uint64_t oldest_reader(struct publisher *p)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < p->n_slots; i++) {
		uint64_t epoch = atomic_load(&p->slots[i].epoch);

		if (epoch != 0 && epoch < oldest)
			oldest = epoch;
	}
	return oldest;
}

static void version_free(struct version *v)
{
	pmap_retired_free(&v->sessions, sessions_record_free, NULL);
	pmap_retired_free(&v->revoked, sessions_record_free, NULL);
	iam_retired_free(v->acl);
	keyring_free(v->keyring);
	config_free(v->config);
	free(v);
}

static void reclaim(struct publisher *p)
{
	uint64_t oldest;

	oldest = p->oldest == NULL ? 0 : oldest_reader(p);
	while (p->oldest != NULL && p->oldest->replaced_in < oldest) {
		struct version *v = p->oldest;

		p->oldest = v->next;
		p->retired_versions--;
		p->retired_bytes -= v->bytes;
		version_free(v);
	}
	if (p->oldest == NULL)
		p->newest = NULL;
}

static bool is_over_limit(struct publisher *p)
{
	bool was_over = p->over_limit;

	reclaim(p);
	p->over_limit = p->retired_bytes > PUBLISH_RETIRED_MAX_BYTES;
	if (p->over_limit && !was_over)
		log_event(LOG_LEVEL_ERROR, "publish.reader_stalled",
			LOG_INT("roots", p->retired_versions),
			LOG_INT("bytes", p->retired_bytes));
	return p->over_limit;
}

size_t publish_reclaim(struct publisher *p)
{
	size_t left;

	pthread_mutex_lock(&p->writer);
	reclaim(p);
	left = p->retired_versions;
	pthread_mutex_unlock(&p->writer);
	return left;
}

/* ---- writers ---- */

/* What a swap leaves over, for the version before it. */
struct leftovers {
	struct pmap_retired sessions, revoked;
	struct iam_retired *acl;
};

/*
 * Makes `next` current and retires the version before it, which gets what the swap left
 * over and what was exchanged. Takes no memory.
 */
static void swap_version(struct publisher *p, struct version *next,
	const struct leftovers *left)
{
	struct version *old = atomic_exchange(&p->current, next);

	old->sessions = left->sessions;
	old->revoked = left->revoked;
	old->acl = left->acl;
	old->keyring = next->root.keyring == p->keyring ? NULL : p->keyring;
	old->config = next->root.config == p->config ? NULL : p->config;
	old->bytes = sizeof(*old) + left->sessions.bytes + left->revoked.bytes +
		(left->acl == NULL ? 0 : iam_retired_bytes(left->acl));
	old->replaced_in = atomic_fetch_add(&p->epoch, 1);

	if (p->newest == NULL)
		p->oldest = old;
	else
		p->newest->next = old;
	p->newest = old;
	p->retired_versions++;
	p->retired_bytes += old->bytes;
	metrics_count(METRIC_PUBLICATIONS, 1);
}

/* The edit of the snapshot, begun at the first fact that changes. */
static enum iam_err edit_acl(struct publisher *p, struct iam_edit **ret)
{
	enum iam_err e = IAM_OK;

	if (p->edit_acl == NULL)
		e = iam_edit_begin(p->acl, &p->edit_acl);
	*ret = p->edit_acl;
	return e;
}

static enum iam_err apply_fact(struct publisher *p, const struct change *c)
{
	struct iam_edit *edit;
	enum iam_err e = edit_acl(p, &edit);

	if (e != IAM_OK)
		return e;
	if (c->kind == CHANGE_GROUP)
		return iam_edit_add_group(edit, c->id);
	if (c->kind == CHANGE_GROUP_GONE)
		return iam_edit_remove_group(edit, c->id);
	if (c->kind == CHANGE_MEMBER)
		return iam_edit_add_member(edit, c->id, c->other);
	if (c->kind == CHANGE_MEMBER_GONE)
		return iam_edit_remove_member(edit, c->id, c->other);
	if (c->kind == CHANGE_SUBGROUP)
		return iam_edit_add_subgroup(edit, c->id, c->other);
	if (c->kind == CHANGE_SUBGROUP_GONE)
		return iam_edit_remove_subgroup(edit, c->id, c->other);
	if (c->kind == CHANGE_RESOURCE)
		return iam_edit_add_resource(edit, c->id);
	if (c->kind == CHANGE_RESOURCE_GONE)
		return iam_edit_remove_resource(edit, c->id);
	if (c->kind == CHANGE_GRANT)
		return iam_edit_add_grant(edit, c->id, c->subject, c->other, c->action);
	if (c->kind == CHANGE_GRANT_GONE)
		return iam_edit_remove_grant(
			edit, c->id, c->subject, c->other, c->action);
	if (c->kind == CHANGE_USER_LINKS_GONE)
		return iam_edit_remove_user(edit, c->id);
	return IAM_INTERNAL;
}

static enum iam_err apply_change(struct publisher *p, const struct change *c)
{
	struct str uid = {.ptr = c->uid, .len = c->uid_len};
	struct session session = {.enabled = c->enabled,
		.raised = c->raised,
		.is_service = c->is_service,
		.gen = c->gen};

	if (c->kind == CHANGE_SESSION)
		return sessions_put(&p->edit_sessions, p->hash_key, uid, &session);
	if (c->kind == CHANGE_SESSION_GONE)
		return sessions_remove(&p->edit_sessions, p->hash_key, uid);
	if (c->kind == CHANGE_REVOKED)
		return revoked_put(&p->edit_revoked, p->hash_key, c->digest);
	if (c->kind == CHANGE_REVOKED_GONE)
		return revoked_remove(&p->edit_revoked, p->hash_key, c->digest);
	return apply_fact(p, c);
}

/* Fills the pending version's edits from the changes. */
static enum iam_err prepare_pending(struct publisher *p, const struct changes *changes)
{
	struct iam_edit *edit;
	enum iam_err e = IAM_OK;

	for (size_t i = 0; i < changes->len && e == IAM_OK; i++)
		e = apply_change(p, &changes->rows[i]);
	edit = p->edit_acl;
	if (e != IAM_OK || edit == NULL)
		return e;
	p->edit_acl = NULL; /* finish ends it in any case */
	return iam_edit_finish(edit, &p->pending_acl, &p->pending_acl_retired);
}

static void drop_pending(struct publisher *p)
{
	pmap_edit_abort(&p->edit_sessions, sessions_record_free, NULL);
	pmap_edit_abort(&p->edit_revoked, sessions_record_free, NULL);
	if (p->edit_acl != NULL)
		iam_edit_abort(p->edit_acl);
	if (p->pending_acl != NULL)
		iam_edit_undo(p->pending_acl, p->pending_acl_retired);
	p->edit_acl = NULL;
	p->pending_acl = NULL;
	p->pending_acl_retired = NULL;
	free(p->pending);
	p->pending = NULL;
}

enum iam_err publish_prepare(struct publisher *p, const struct changes *changes,
	int64_t revision)
{
	enum iam_err e;

	pthread_mutex_lock(&p->writer);
	assert(p->pending == NULL);
	p->pending = is_over_limit(p) ? NULL : calloc(1, sizeof(*p->pending));
	if (p->pending == NULL) {
		pthread_mutex_unlock(&p->writer);
		return IAM_NO_MEMORY;
	}
	p->pending->root = atomic_load(&p->current)->root;
	p->pending->root.revision = revision;
	pmap_edit_begin(&p->edit_sessions, p->sessions);
	pmap_edit_begin(&p->edit_revoked, p->revoked);

	e = prepare_pending(p, changes);
	if (e != IAM_OK) {
		drop_pending(p);
		pthread_mutex_unlock(&p->writer);
	}
	return e;
}

void publish_install(struct publisher *p)
{
	struct version *next = p->pending;
	struct leftovers left = {.acl = p->pending_acl_retired};

	p->sessions = pmap_edit_finish(&p->edit_sessions, &left.sessions);
	p->revoked = pmap_edit_finish(&p->edit_revoked, &left.revoked);
	if (p->pending_acl != NULL)
		p->acl = p->pending_acl;
	next->root.sessions = p->sessions;
	next->root.revoked = p->revoked;
	next->root.acl = p->acl;
	p->pending = NULL;
	p->pending_acl = NULL;
	p->pending_acl_retired = NULL;

	swap_version(p, next, &left);
	reclaim(p);
	pthread_mutex_unlock(&p->writer);
}

void publish_abort(struct publisher *p)
{
	drop_pending(p);
	pthread_mutex_unlock(&p->writer);
}

enum iam_err publish_reload(struct publisher *p, struct keyring *keyring,
	struct config *config)
{
	const struct leftovers nothing = {0};
	struct version *next = calloc(1, sizeof(*next));

	if (next == NULL)
		return IAM_NO_MEMORY;
	pthread_mutex_lock(&p->writer);
	next->root = atomic_load(&p->current)->root;
	if (keyring != NULL) {
		next->root.keyring = keyring;
		next->root.keyset++;
	}
	if (config != NULL)
		next->root.config = config;

	swap_version(p, next, &nothing);
	if (keyring != NULL)
		p->keyring = keyring;
	if (config != NULL)
		p->config = config;
	reclaim(p);
	pthread_mutex_unlock(&p->writer);
	return IAM_OK;
}

/* ---- start and end ---- */

/* Everything that is read from the store. What was loaded before an error stays in *p. */
static enum iam_err load_all(struct publisher *p, struct db *db, int64_t *ret_revision)
{
	enum iam_err e = store_revision(db, ret_revision);

	if (e == IAM_OK)
		e = loader_snapshot(db, &p->acl);
	if (e == IAM_OK)
		e = loader_sessions(db, p->hash_key, &p->sessions);
	if (e == IAM_OK)
		e = loader_revoked(db, p->hash_key, &p->revoked);
	return e;
}

static struct publisher *publisher_alloc(unsigned max_threads)
{
	struct publisher *p = aligned_alloc(CACHE_LINE, sizeof(*p));

	if (p == NULL)
		return NULL;
	*p = (struct publisher){.n_slots = max_threads};
	p->slots = aligned_alloc(CACHE_LINE, max_threads * sizeof(*p->slots));
	if (p->slots == NULL || pthread_mutex_init(&p->writer, NULL) != 0) {
		free(p->slots);
		free(p);
		return NULL;
	}
	for (unsigned i = 0; i < max_threads; i++)
		p->slots[i] = (struct slot){0};
	randombytes_buf(p->hash_key, sizeof(p->hash_key));
	return p;
}

enum iam_err publisher_new(struct db *db, struct keyring *keyring, struct config *config,
	unsigned max_threads, struct publisher **ret_publisher)
{
	struct publisher *p = publisher_alloc(max_threads);
	struct version *first = calloc(1, sizeof(*first));
	int64_t revision = 0;
	enum iam_err e = IAM_NO_MEMORY;

	if (p != NULL && first != NULL)
		e = load_all(p, db, &revision);
	if (e != IAM_OK) {
		free(first);
		publisher_free(p);
		return e;
	}
	p->keyring = keyring;
	p->config = config;
	first->root = (struct root){.acl = p->acl,
		.sessions = p->sessions,
		.revoked = p->revoked,
		.keyring = keyring,
		.keyset = 1,
		.config = config,
		.revision = revision,
		.hash_key = p->hash_key};
	atomic_store(&p->epoch, 1);
	atomic_store(&p->current, first);
	*ret_publisher = p;
	return IAM_OK;
}

/* The calling thread's own slot goes with the publisher. */
static void forget_slot(const struct publisher *p)
{
	struct thread_slots *mine = thread_get(THREAD_EPOCH);
	struct slot **link = mine == NULL ? NULL : &mine->first;

	while (link != NULL && *link != NULL) {
		assert((*link)->publisher != p || (*link)->depth == 0);
		if ((*link)->publisher == p)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
}

void publisher_free(struct publisher *p)
{
	if (p == NULL)
		return;
	forget_slot(p);
	assert(p->pending == NULL);
	reclaim(p);
	assert(p->oldest == NULL); /* else a reader is still inside */

	pmap_free(p->sessions, sessions_record_free, NULL);
	pmap_free(p->revoked, sessions_record_free, NULL);
	iam_snapshot_free(p->acl);
	keyring_free(p->keyring);
	config_free(p->config);
	free(atomic_load(&p->current));
	pthread_mutex_destroy(&p->writer);
	sodium_memzero(p->hash_key, sizeof(p->hash_key));
	free(p->slots);
	free(p);
}
