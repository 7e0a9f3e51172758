/*
 * directories - settings and connections of the configured directories; see directories.h.
 *
 * Does: hold them, hand them out, keep a replaced one alive while somebody uses it. Does not: speak
 * to servers or judge configurations.
 * Invariants: the list is in login order; a directory in the list has `gone` unset, and one that is
 * gone is freed by whoever gives it back last; nothing is freed under the lock, because closing
 * connections takes system calls.
 */
#include "iamd/authn/directories.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/store/directories.h"
#include "libacl/base/str.h"

/* LIMIT: settings of one directory; two PEM texts, in two forms while they are made. */
#define SETTINGS_MAX ((size_t)1 << 20)
/* Shares of the NET lane: these never meet those of other kinds of sources. */
#define SHARE_BASE ((uint64_t)1 << 32)

struct directories {
	pthread_mutex_t
		lock; /* guards all below, and the private part of each directory */
	struct directory *list[LDAP_DIRECTORIES_MAX];
	unsigned n;
	uint64_t last_share;
};

/* ---- one directory ---- */

static void directory_free(struct directory *dir)
{
	if (dir == NULL)
		return;
	ldap_pool_free(dir->pool);
	arena_free(dir->arena);
	free(dir);
}

static struct directory *directory_new(struct directories *owner)
{
	struct directory *dir = calloc(1, sizeof(*dir));

	if (dir == NULL)
		return NULL;
	dir->owner = owner;
	dir->arena = arena_new(4096, SETTINGS_MAX);
	if (dir->arena == NULL) {
		free(dir);
		return NULL;
	}
	arena_set_sensitive(dir->arena);
	return dir;
}

/* The settings from their stored form, and a pool for them. */
static enum iam_err fill(struct directory *dir, struct str id, struct str config,
	struct str secrets)
{
	struct ldap_settings *s = arena_alloc(dir->arena, sizeof(*s));
	enum iam_err e = s == NULL
		? IAM_NO_MEMORY
		: ldap_settings_load(dir->arena, id, config, secrets, s);

	if (e != IAM_OK)
		return e;
	dir->settings = s;
	dir->pool = ldap_pool_new(s);
	return dir->pool == NULL ? IAM_NO_MEMORY : IAM_OK;
}

struct directory *directories_prepare(struct directories *d,
	const struct ldap_settings *settings)
{
	struct directory *dir = directory_new(d);
	struct str config, secrets;
	enum iam_err e = dir == NULL
		? IAM_NO_MEMORY
		: ldap_settings_save(dir->arena, settings, &config, &secrets);

	if (e == IAM_OK)
		e = fill(dir, settings->id, config, secrets);
	if (e == IAM_OK)
		return dir;
	directory_free(dir);
	return NULL;
}

void directories_discard(struct directory *fresh)
{
	directory_free(fresh);
}

/* ---- the list; with the lock ---- */

static bool comes_before(const struct directory *a, const struct directory *b)
{
	if (a->settings->login_order != b->settings->login_order)
		return a->settings->login_order < b->settings->login_order;
	return str_cmp(a->settings->id, b->settings->id) < 0;
}

static void insert(struct directories *d, struct directory *dir)
{
	unsigned at = d->n++;

	for (; at > 0 && comes_before(dir, d->list[at - 1]); at--)
		d->list[at] = d->list[at - 1];
	d->list[at] = dir;
	dir->share = SHARE_BASE + ++d->last_share;
}

/* d->n when there is none. */
static unsigned find(const struct directories *d, struct str id)
{
	unsigned i = 0;

	while (i < d->n && !str_eq(d->list[i]->settings->id, id))
		i++;
	return i;
}

/* The directory, to be freed after the lock, if nobody uses it. */
static struct directory *take_out(struct directories *d, unsigned at)
{
	struct directory *dir = d->list[at];

	d->n--;
	for (unsigned i = at; i < d->n; i++)
		d->list[i] = d->list[i + 1];
	dir->gone = true;
	return dir->users == 0 ? dir : NULL;
}

static struct directory *hold(struct directories *d, unsigned at)
{
	if (at >= d->n)
		return NULL;
	d->list[at]->users++;
	return d->list[at];
}

/* ---- all of them ---- */

struct load {
	struct directories *d;
	const struct seal_key *key;
	enum iam_err result;
	struct iam_error *err;
};

static enum iam_err unseal(const struct load *load, struct directory *dir,
	const struct directory_row *row, struct str *ret)
{
	struct str where = directory_seal_place(dir->arena, row->id);

	*ret = STR_NONE;
	if (row->sealed.ptr == NULL)
		return IAM_OK;
	return where.ptr == NULL
		? IAM_NO_MEMORY
		: seal_open(load->key, where, row->sealed, dir->arena, ret);
}

/* What to do about a row that cannot be taken over; `sealed`: its secrets do not open. */
static enum iam_err refuse(const struct load *load, enum iam_err e, bool sealed,
	struct str id)
{
	if (e != IAM_CONFIG)
		return iam_error_set(load->err, e, "directory `%.*s`: %s", STR_FMT(id),
			iam_err_text(e));
	if (sealed)
		return iam_error_set(load->err, e,
			"the secrets of directory `%.*s` were sealed with another master key:"
			" restore that key's file (SECURITY.md, \"Secrets at rest\", says what to"
			" do if it is lost)",
			STR_FMT(id));
	return iam_error_set(load->err, e,
		"the stored configuration of directory `%.*s` is not one of this iamd",
		STR_FMT(id));
}

static bool load_row(const struct directory_row *row, void *ctx)
{
	struct load *load = ctx;
	struct directory *dir =
		load->d->n == LDAP_DIRECTORIES_MAX ? NULL : directory_new(load->d);
	struct str secrets = STR_NONE;
	enum iam_err e = IAM_NO_MEMORY;
	bool sealed = true;

	if (dir != NULL)
		e = unseal(load, dir, row, &secrets);
	if (e == IAM_OK) {
		sealed = false;
		e = fill(dir, row->id, row->config, secrets);
	}
	if (e != IAM_OK) {
		load->result = refuse(load, e, sealed, row->id);
		directory_free(dir);
		return false;
	}
	insert(load->d, dir);
	return true;
}

enum iam_err directories_new(struct db *db, const struct seal_key *key,
	struct directories **ret, struct iam_error *err)
{
	struct directories *d = calloc(1, sizeof(*d));
	struct load load = {.d = d, .key = key, .result = IAM_OK, .err = err};
	enum iam_err e;

	if (d == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	(void)pthread_mutex_init(&d->lock, NULL);
	e = store_directory_each(db, load_row, &load);
	if (e != IAM_OK)
		(void)iam_error_set(err, e, "cannot read the directories: %s",
			iam_err_text(e));
	else
		e = load.result;
	if (e != IAM_OK) {
		directories_free(d);
		return e;
	}
	*ret = d;
	return IAM_OK;
}

void directories_free(struct directories *d)
{
	if (d == NULL)
		return;
	for (unsigned i = 0; i < d->n; i++)
		directory_free(d->list[i]);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

/* ---- changes ---- */

void directories_install(struct directories *d, struct str id, struct directory *fresh)
{
	struct directory *unused = NULL;
	unsigned at;

	(void)pthread_mutex_lock(&d->lock);
	at = find(d, id);
	if (at < d->n)
		unused = take_out(d, at);
	if (fresh != NULL && d->n < LDAP_DIRECTORIES_MAX)
		insert(d, fresh);
	else if (fresh != NULL)
		unused = fresh; /* the store has no more either */
	(void)pthread_mutex_unlock(&d->lock);
	directory_free(unused);
}

enum iam_err directories_set(struct directories *d, struct str id,
	const struct ldap_settings *settings)
{
	struct directory *fresh =
		settings == NULL ? NULL : directories_prepare(d, settings);

	if (settings != NULL && fresh == NULL)
		return IAM_NO_MEMORY;
	directories_install(d, id, fresh);
	return IAM_OK;
}

/* ---- use ---- */

bool directories_any(struct directories *d)
{
	bool any;

	(void)pthread_mutex_lock(&d->lock);
	any = d->n > 0;
	(void)pthread_mutex_unlock(&d->lock);
	return any;
}

struct directory *directories_take(struct directories *d, struct str id)
{
	struct directory *dir;

	(void)pthread_mutex_lock(&d->lock);
	dir = hold(d, find(d, id));
	(void)pthread_mutex_unlock(&d->lock);
	return dir;
}

struct directory *directories_login_order(struct directories *d, unsigned n)
{
	struct directory *dir;

	(void)pthread_mutex_lock(&d->lock);
	dir = hold(d, n);
	(void)pthread_mutex_unlock(&d->lock);
	return dir;
}

void directories_give(struct directory *dir)
{
	struct directories *d;
	bool last;

	if (dir == NULL)
		return;
	d = dir->owner;
	(void)pthread_mutex_lock(&d->lock);
	last = --dir->users == 0 && dir->gone;
	(void)pthread_mutex_unlock(&d->lock);
	if (last)
		directory_free(dir);
}

void directories_tend(struct directories *d)
{
	struct directory *dir;

	for (unsigned i = 0; (dir = directories_login_order(d, i)) != NULL; i++) {
		ldap_pool_tend(dir->pool);
		directories_give(dir);
	}
}

struct str directory_seal_place(struct arena *a, struct str id)
{
	return arena_fmt(a, "directories|sealed|%.*s", STR_FMT(id));
}
