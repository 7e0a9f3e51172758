/*
 * access_log - one line a request, gathered per thread.
 *
 * Each thread appends to its own 64 KiB buffer and writes it with one write(2) when it is full;
 * access_log_flush_all() writes what all have. Lines of one thread stay in order; lines of
 * different threads are only roughly so (each carries its time).
 * Lock order: list, buffer, file. A buffer's mutex is its owner's but for the flush once a second.
 * A line that cannot be written (full disk) is lost: requests go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iamd/sys/log.h"
#include "iamd/sys/thread.h"

/* LIMIT: bytes gathered per thread; a longer line is written by itself. */
#define BUFFER_BYTES (64 * 1024)

struct buffer {
	struct buffer *next; /* guarded by list_mutex */
	struct buffer *prev;

	pthread_mutex_t mutex; /* guards what follows */
	bool is_on;
	size_t len;
	char data[BUFFER_BYTES];
};

static pthread_mutex_t list_mutex =
	PTHREAD_MUTEX_INITIALIZER; /* guards buffers and is_on */
static struct buffer *buffers;
static bool is_on;

static pthread_mutex_t file_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the file */
static int file_fd = -1;
static char *file_path; /* NULL: standard output */

static void file_write(const char *data, size_t len)
{
	pthread_mutex_lock(&file_mutex);
	while (len > 0 && file_fd >= 0) {
		ssize_t n = write(file_fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		data += n;
		len -= (size_t)n;
	}
	pthread_mutex_unlock(&file_mutex);
}

/* With the buffer's mutex held. */
static void buffer_flush(struct buffer *b)
{
	if (b->len == 0)
		return;
	file_write(b->data, b->len);
	b->len = 0;
}

static void buffer_free(void *value)
{
	struct buffer *b = value;

	pthread_mutex_lock(&list_mutex);
	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		buffers = b->next;
	if (b->next != NULL)
		b->next->prev = b->prev;
	pthread_mutex_unlock(&list_mutex);

	buffer_flush(b); /* nobody else knows it any more */
	pthread_mutex_destroy(&b->mutex);
	free(b);
}

static struct buffer *buffer_mine(void)
{
	struct buffer *b = thread_get(THREAD_ACCESS_LOG);

	if (b != NULL)
		return b;
	b = malloc(sizeof(*b));
	if (b == NULL)
		return NULL;
	b->len = 0;
	b->prev = NULL;
	pthread_mutex_init(&b->mutex, NULL);
	pthread_mutex_lock(&list_mutex);
	b->is_on = is_on;
	b->next = buffers;
	if (buffers != NULL)
		buffers->prev = b;
	buffers = b;
	pthread_mutex_unlock(&list_mutex);
	thread_set(THREAD_ACCESS_LOG, b, buffer_free);
	return b;
}

void access_log_add(struct str line)
{
	struct buffer *b = buffer_mine();

	if (b == NULL)
		return;
	pthread_mutex_lock(&b->mutex);
	if (b->is_on) {
		if (line.len + 1 > sizeof(b->data) - b->len)
			buffer_flush(b);
		if (line.len + 1 > sizeof(b->data))
			line.len = sizeof(b->data) - 1;
		if (line.len > 0)
			memcpy(b->data + b->len, line.ptr, line.len);
		b->len += line.len;
		b->data[b->len++] = '\n';
	}
	pthread_mutex_unlock(&b->mutex);
}

bool access_log_enabled(void)
{
	struct buffer *b = buffer_mine();
	bool enabled;

	if (b == NULL)
		return false;
	pthread_mutex_lock(&b->mutex);
	enabled = b->is_on;
	pthread_mutex_unlock(&b->mutex);
	return enabled;
}

void access_log_flush_all(void)
{
	pthread_mutex_lock(&list_mutex);
	for (struct buffer *b = buffers; b != NULL; b = b->next) {
		pthread_mutex_lock(&b->mutex);
		buffer_flush(b);
		pthread_mutex_unlock(&b->mutex);
	}
	pthread_mutex_unlock(&list_mutex);
}

/* What was gathered belongs to the file before; then all buffers learn whether there is one. */
static void switch_all(bool on)
{
	pthread_mutex_lock(&list_mutex);
	is_on = on;
	for (struct buffer *b = buffers; b != NULL; b = b->next) {
		pthread_mutex_lock(&b->mutex);
		buffer_flush(b);
		b->is_on = on;
		pthread_mutex_unlock(&b->mutex);
	}
	pthread_mutex_unlock(&list_mutex);
}

static int open_file(const char *path)
{
	if (path == NULL)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

/* Takes path over. */
static void file_set(int fd, char *path)
{
	int old_fd;
	char *old_path;

	pthread_mutex_lock(&file_mutex);
	old_fd = file_fd;
	old_path = file_path;
	file_fd = fd;
	file_path = path;
	pthread_mutex_unlock(&file_mutex);
	if (old_fd >= 0)
		(void)close(old_fd);
	if (old_path != path)
		free(old_path);
}

bool access_log_open(const char *path)
{
	char *copy = NULL;
	int fd;

	if (path == NULL || path[0] == '\0') {
		access_log_close();
		return true;
	}
	if (strcmp(path, "-") != 0) {
		copy = strdup(path);
		if (copy == NULL)
			return false;
	}
	fd = open_file(copy);
	if (fd < 0) {
		free(copy);
		return false;
	}
	access_log_flush_all();
	file_set(fd, copy);
	switch_all(true);
	return true;
}

bool access_log_reopen(void)
{
	char *path = NULL;
	bool is_open, ok = true;

	pthread_mutex_lock(&file_mutex);
	is_open = file_fd >= 0;
	if (is_open && file_path != NULL) {
		path = strdup(file_path);
		ok = path != NULL;
	}
	pthread_mutex_unlock(&file_mutex);
	if (is_open && path != NULL)
		ok = access_log_open(path);
	free(path);
	return ok;
}

void access_log_close(void)
{
	switch_all(false);
	file_set(-1, NULL);
}
