/*
 * secret - protections of the process, and files that hold secrets.
 *
 * A secret's file is read into guarded memory without passing through a stdio buffer, and is
 * refused when anybody but its owner could have read it. Making one is all or nothing: bytes and
 * name are on the disk before we say so. Does not encrypt.
 */
#include "iamd/sys/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

enum iam_err secret_init(struct iam_error *err)
{
	const struct rlimit none = {0};

	/* ChaCha20 in this process instead of a system call for each request's id. */
	(void)randombytes_set_implementation(&randombytes_internal_implementation);
	if (sodium_init() < 0)
		return iam_error_set(err, IAM_INTERNAL,
			"libsodium cannot be initialised");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return iam_error_set(err, IAM_INTERNAL, "PR_SET_DUMPABLE: %s",
			strerrordesc_np(errno));
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return iam_error_set(err, IAM_INTERNAL, "RLIMIT_CORE: %s",
			strerrordesc_np(errno));
	return IAM_OK;
}

/* Reads until the end or until size bytes are there; -1 with errno set. */
static ssize_t read_all(int fd, char *data, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, data + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static enum iam_err check_file(int fd, const char *path, size_t max_bytes,
	struct iam_error *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return iam_error_set(err, IAM_IO, "%s: %s", path, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return iam_error_set(err, IAM_CONFIG, "%s: not a regular file", path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return iam_error_set(err, IAM_CONFIG,
			"%s: mode %04o lets others at a secret; make it 0600 (chmod go= %s)",
			path, (unsigned)(st.st_mode & 07777), path);
	if ((uintmax_t)st.st_size > max_bytes)
		return iam_error_set(err, IAM_CONFIG, "%s: longer than %zu bytes", path,
			max_bytes);
	return IAM_OK;
}

enum iam_err secret_file_read(const char *path, size_t max_bytes, char **ret_data,
	size_t *ret_len, struct iam_error *err)
{
	/* O_NONBLOCK: a FIFO in its place is refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum iam_err e;
	ssize_t len;
	char *data;

	if (fd < 0)
		return iam_error_set(err, errno == ENOENT ? IAM_NOT_FOUND : IAM_IO,
			"%s: %s", path, strerrordesc_np(errno));
	e = check_file(fd, path, max_bytes, err);
	if (e != IAM_OK) {
		(void)close(fd);
		return e;
	}
	data = sodium_malloc(max_bytes + 1);
	if (data == NULL) {
		(void)close(fd);
		return iam_error_set(err, IAM_NO_MEMORY, "%s: no guarded memory", path);
	}
	/* One byte more than allowed tells that the file has grown since. */
	len = read_all(fd, data, max_bytes + 1);
	e = len < 0 ? iam_error_set(err, IAM_IO, "%s: %s", path, strerrordesc_np(errno))
		    : IAM_OK;
	(void)close(fd);
	if (e == IAM_OK && (size_t)len > max_bytes)
		e = iam_error_set(err, IAM_CONFIG, "%s: longer than %zu bytes", path,
			max_bytes);
	if (e != IAM_OK) {
		sodium_free(data);
		return e;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = (size_t)len;
	return IAM_OK;
}

/* Makes what is missing of the folders above path. */
static enum iam_err make_parents(const char *path, struct iam_error *err)
{
	char folder[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(folder))
		return iam_error_set(err, IAM_IO, "path longer than %d bytes",
			PATH_MAX - 1);
	memcpy(folder, path, len + 1);
	for (char *p = folder + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(folder, 0700) != 0 && errno != EEXIST)
			return iam_error_set(err, IAM_IO, "%s: %s", folder,
				strerrordesc_np(errno));
		*p = '/';
	}
	return IAM_OK;
}

static int open_parent(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (slash == NULL)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (len == 0)
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(folder, path, len);
	folder[len] = '\0';
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool write_all(int fd, struct str data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.ptr, data.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data.ptr += n;
		data.len -= (size_t)n;
	}
	return true;
}

static bool sync_parent(const char *path)
{
	int fd = open_parent(path);
	bool ok;
	int saved;

	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return ok;
}

/* The whole file under a name of its own, on the disk. False with errno set. */
static bool write_new(const char *path, struct str data)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;
	int saved;

	if (fd < 0)
		return false;
	/* The umask may have taken bits away that the owner needs. */
	ok = fchmod(fd, 0600) == 0 && write_all(fd, data) && fsync(fd) == 0;
	saved = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		saved = errno;
	}
	errno = saved;
	return ok;
}

enum iam_err secret_file_create(const char *path, struct str data, struct iam_error *err)
{
	char temporary[PATH_MAX];
	enum iam_err e = make_parents(path, err);
	enum iam_err code;
	bool ok, linked;
	int saved;

	if (e != IAM_OK)
		return e;
	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >=
		(int)sizeof(temporary))
		return iam_error_set(err, IAM_IO, "path longer than %d bytes",
			PATH_MAX - 5);
	(void)unlink(temporary); /* left behind by a power cut */

	/* link(2) never replaces a file, and the name appears with all bytes or not at all. */
	ok = write_new(temporary, data);
	linked = ok && link(temporary, path) == 0;
	ok = linked && sync_parent(path);
	saved = errno;
	(void)unlink(temporary);
	if (ok)
		return IAM_OK;
	if (linked)
		(void)unlink(path);
	code = saved == EEXIST ? IAM_EXISTS : saved == ENOSPC ? IAM_STORE_FULL : IAM_IO;
	return iam_error_set(err, code, "%s: %s", path, strerrordesc_np(saved));
}
