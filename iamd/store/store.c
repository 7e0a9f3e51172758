/*
 * store - opening, the lock against a second iamd, one reader per thread.
 *
 * Does: own the writer and the lock file, count readers. Does not: know tables.
 * Invariants: <database>.lock is held (flock) from before the first look at the database until
 * after the last connection is closed, so one process writes; SQLite's own locks are not touched
 * by it, so other programs may read. A reader belongs to the thread that opened it and is closed
 * by that thread's end, or by store_close() when the caller's own.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "iamd/store/store_impl.h"
#include "iamd/sys/log.h"
#include "iamd/sys/thread.h"

struct store {
	const struct db_driver *driver;
	char *path;
	struct db *writer;
	int lock_fd;
	pthread_mutex_t readers; /* guards n_readers */
	size_t n_readers;
};

/* ---- the calling thread's readers, one per open store ---- */

struct reader {
	struct reader *next;
	struct store *store;
	struct db *db;
};

struct reader_list {
	struct reader *first;
};

static void readers_counted(struct store *s, bool one_more)
{
	(void)pthread_mutex_lock(&s->readers);
	s->n_readers = one_more ? s->n_readers + 1 : s->n_readers - 1;
	(void)pthread_mutex_unlock(&s->readers);
}

static void reader_free(struct reader *r)
{
	db_close(r->db);
	readers_counted(r->store, false);
	free(r);
}

static void reader_list_free(void *value)
{
	struct reader_list *list = value;

	while (list->first != NULL) {
		struct reader *r = list->first;

		list->first = r->next;
		reader_free(r);
	}
	free(list);
}

static struct reader_list *reader_list_mine(void)
{
	struct reader_list *list = thread_get(THREAD_DB_READER);

	if (list != NULL)
		return list;
	list = calloc(1, sizeof(*list));
	if (list != NULL)
		thread_set(THREAD_DB_READER, list, reader_list_free);
	return list;
}

struct db *store_reader(struct store *s)
{
	struct reader_list *list = reader_list_mine();
	struct iam_error err = {0};
	struct reader *r;

	if (list == NULL)
		return NULL;
	for (r = list->first; r != NULL; r = r->next) {
		if (r->store == s)
			return r->db;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	if (db_open(s->driver, s->path, false, &r->db, &err) != IAM_OK) {
		log_event(LOG_LEVEL_ERROR, "store.no-reader", LOG_CSTR("text", err.text));
		free(r);
		return NULL;
	}
	r->store = s;
	r->next = list->first;
	list->first = r;
	readers_counted(s, true);
	return r->db;
}

static void reader_drop_mine(struct store *s)
{
	struct reader_list *list = thread_get(THREAD_DB_READER);

	for (struct reader **at = list == NULL ? NULL : &list->first;
		at != NULL && *at != NULL; at = &(*at)->next) {
		struct reader *r = *at;

		if (r->store != s)
			continue;
		*at = r->next;
		reader_free(r);
		return;
	}
}

/* ---- open and close ---- */

static enum iam_err lock_take(struct store *s, struct iam_error *err)
{
	char *path = NULL;
	enum iam_err e = IAM_OK;

	if (asprintf(&path, "%s.lock", s->path) < 0)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		e = iam_error_set(err, IAM_CONFIG, "cannot open lock file '%s': %s", path,
			strerrordesc_np(errno));
	else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
		e = iam_error_set(err, IAM_CONFIG,
			errno == EWOULDBLOCK ? "database '%s' is in use by another iamd"
					     : "cannot lock database '%s'",
			s->path);
	free(path);
	return e;
}

static enum iam_err open_writer(struct store *s, const struct store_settings *settings,
	bool *ret_created, struct iam_error *err)
{
	bool bootstrapped = false;
	enum iam_err e = lock_take(s, err);

	if (e != IAM_OK)
		return e;
	e = db_open(s->driver, s->path, true, &s->writer, err);
	if (e != IAM_OK)
		return e;
	db_fail_after(s->writer, settings->fail_after);
	e = migrate_run(s->writer, embedded_files, embedded_file_count, err);
	if (e != IAM_OK)
		return e;
	e = db_prepare_all(s->writer, err);
	if (e != IAM_OK)
		return e;
	e = store_is_bootstrapped(s->writer, &bootstrapped);
	if (e != IAM_OK)
		return iam_error_set(err, e, "cannot read database '%s'", s->path);
	*ret_created = !bootstrapped;
	return IAM_OK;
}

enum iam_err store_open(const struct store_settings *settings, struct store **ret_store,
	bool *ret_created, struct iam_error *err)
{
	struct store *s = calloc(1, sizeof(*s));
	enum iam_err e;

	if (s == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	s->lock_fd = -1;
	s->driver = &db_driver_sqlite;
	(void)pthread_mutex_init(&s->readers, NULL);
	s->path = strdup(settings->path);
	if (s->path == NULL)
		e = iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	else
		e = open_writer(s, settings, ret_created, err);
	if (e != IAM_OK) {
		store_close(s);
		return e;
	}
	*ret_store = s;
	return IAM_OK;
}

void store_close(struct store *s)
{
	size_t n_readers;

	if (s == NULL)
		return;
	reader_drop_mine(s);
	db_close(s->writer);
	s->writer = NULL;
	(void)pthread_mutex_lock(&s->readers);
	n_readers = s->n_readers;
	(void)pthread_mutex_unlock(&s->readers);
	if (n_readers > 0) {
		/* A thread outlived its store: its reader still points here. */
		log_event(LOG_LEVEL_ERROR, "store.readers-left",
			LOG_INT("readers", n_readers));
		return;
	}
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	(void)pthread_mutex_destroy(&s->readers);
	free(s->path);
	free(s);
}

struct db *store_writer(struct store *s)
{
	return s->writer;
}

void store_maintain(struct store *s)
{
	db_maintain(s->writer);
}
