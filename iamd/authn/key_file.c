/*
 * key_file - see key_file.h.
 *
 * A reader never sees half a key: a file gets its name after its bytes are on the disk, and the
 * folder is synced before the caller goes on.
 */
#include "iamd/authn/key_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "iamd/sys/secret.h"
#include "libacl/base/str.h"

static enum iam_err io_error(struct iam_error *err, const char *path, const char *doing)
{
	return iam_error_set(err, IAM_IO, "%s: cannot %s: %s", path, doing, strerrordesc_np(errno));
}

static int open_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	if (slash == NULL)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (slash == path)
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if ((size_t)(slash - path) >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool sync_folder_of(const char *path)
{
	int fd = open_folder_of(path);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

enum iam_err key_file_install(const char *path, struct str text, const char *tag, bool replace,
	struct iam_error *err)
{
	char draft[PATH_MAX];
	int n;
	enum iam_err e;

	if (!replace) {
		e = secret_file_create(path, text, err);
		return e == IAM_EXISTS ? IAM_OK : e;
	}
	n = snprintf(draft, sizeof(draft), "%s.%s", path, tag);
	if (n < 0 || (size_t)n >= sizeof(draft))
		return iam_error_set(err, IAM_CONFIG, "the path of a key file is too long");
	(void)unlink(draft); /* what a crash left behind */
	e = secret_file_create(draft, text, err);
	if (e != IAM_OK)
		return e;
	if (rename(draft, path) != 0) {
		e = io_error(err, path, "put the new key in place");
		(void)unlink(draft);
		return e;
	}
	return sync_folder_of(path) ? IAM_OK : io_error(err, path, "sync its folder");
}

enum iam_err key_file_read(const char *path, char **ret_text, size_t *ret_len, struct iam_error *err)
{
	char *text = sodium_malloc(KEY_FILE_MAX_BYTES + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t got = -1;
	struct stat st;
	enum iam_err e = IAM_OK;

	if (text == NULL)
		e = iam_error_set(err, IAM_NO_MEMORY, "%s: out of memory", path);
	else if (fd < 0)
		e = io_error(err, path, "open it");
	else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		e = iam_error_set(err, IAM_CONFIG, "%s: not a regular file", path);
	while (e == IAM_OK && len <= KEY_FILE_MAX_BYTES) {
		got = read(fd, text + len, KEY_FILE_MAX_BYTES + 1 - len);
		if (got < 0 && errno != EINTR)
			e = io_error(err, path, "read it");
		if (got == 0)
			break;
		len += got > 0 ? (size_t)got : 0;
	}
	if (e == IAM_OK && len > KEY_FILE_MAX_BYTES)
		e = iam_error_set(err, IAM_CONFIG, "%s: larger than %d bytes", path, KEY_FILE_MAX_BYTES);
	if (fd >= 0)
		close(fd);
	if (e != IAM_OK) {
		sodium_free(text);
		return e;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	return IAM_OK;
}

struct listed {
	char *path;
	struct timespec changed;
};

static int newest_first(const void *a, const void *b)
{
	const struct listed *x = a;
	const struct listed *y = b;

	if (x->changed.tv_sec != y->changed.tv_sec)
		return x->changed.tv_sec < y->changed.tv_sec ? 1 : -1;
	if (x->changed.tv_nsec != y->changed.tv_nsec)
		return x->changed.tv_nsec < y->changed.tv_nsec ? 1 : -1;
	return strcmp(x->path, y->path);
}

static int is_former(const struct dirent *entry)
{
	struct str name = str_c(entry->d_name);

	return str_starts(name, STR("previous-")) && str_ends(name, STR(".pem"));
}

/* Turns the names into paths in `found`; what vanished meanwhile is left out. */
static bool stat_all(const char *dir, struct dirent **names, unsigned n, struct listed *found, unsigned *ret_n)
{
	unsigned n_found = 0;
	struct stat st;

	for (unsigned i = 0; i < n; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0) {
			*ret_n = n_found;
			return false;
		}
		if (stat(path, &st) != 0) {
			free(path);
			continue;
		}
		found[n_found].changed = st.st_mtim;
		found[n_found++].path = path;
	}
	*ret_n = n_found;
	return true;
}

enum iam_err key_file_list_former(const char *dir, char ***ret_paths, unsigned *ret_n, struct iam_error *err)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_former, NULL);
	struct listed *found;
	char **paths;
	unsigned n_found = 0;
	bool ok;

	if (n < 0 && errno != ENOENT)
		return io_error(err, dir, "list it");
	n = n < 0 ? 0 : n;
	found = calloc((size_t)n + 1, sizeof(*found));
	paths = calloc((size_t)n + 1, sizeof(*paths));
	ok = found != NULL && paths != NULL && stat_all(dir, names, (unsigned)n, found, &n_found);
	if (found != NULL && n_found > 0)
		qsort(found, n_found, sizeof(*found), newest_first);
	for (unsigned i = 0; paths != NULL && i < n_found; i++)
		paths[i] = found[i].path;
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	free(found);
	if (!ok) {
		key_file_list_free(paths, n_found);
		return iam_error_set(err, IAM_NO_MEMORY, "%s: out of memory", dir);
	}
	*ret_paths = paths;
	*ret_n = n_found;
	return IAM_OK;
}

void key_file_list_free(char **paths, unsigned n)
{
	for (unsigned i = 0; paths != NULL && i < n; i++)
		free(paths[i]);
	free(paths);
}

enum iam_err key_file_lock(const char *path, int *ret_fd, struct iam_error *err)
{
	int fd = open_folder_of(path);

	if (fd < 0)
		return io_error(err, path, "open its folder");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum iam_err e = errno == EWOULDBLOCK
			? iam_error_set(err, IAM_CONFLICT, "%s: another rotation is running", path)
			: io_error(err, path, "lock its folder");

		close(fd);
		return e;
	}
	*ret_fd = fd;
	return IAM_OK;
}
