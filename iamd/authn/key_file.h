/*
 * key_file - the files of a keyring: put in place whole or not at all, listed, read.
 *
 * Knows nothing of keys. Not for two threads on the same path at once, but a rotation holds
 * key_file_lock(), which also keeps other processes out.
 */
#ifndef AUTHN_KEY_FILE_H
#define AUTHN_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "iam/err.h"
#include "iam/str.h"

/* LIMIT: bytes of a key file. */
#define KEY_FILE_MAX_BYTES 65536

/*
 * Puts a 0600 file in place, atomically and durably: what replaces a file is written as
 * "<path>.<tag>" first. Without replace an existing file stays and is fine. Parents are made 0700.
 * Errors: IAM_IO and those of secret_file_create().
 */
MUST_CHECK enum iam_err key_file_install(const char *path, struct str text, const char *tag, bool replace,
	struct iam_error *err);

/* Reads a file of any mode; *ret_text ends in NUL and is freed with sodium_free(). IAM_CONFIG, IAM_IO. */
MUST_CHECK enum iam_err key_file_read(const char *path, char **ret_text, size_t *ret_len, struct iam_error *err);

/*
 * The paths of dir/previous-*.pem, newest first; *ret_paths and each path are freed by
 * key_file_list_free(). A missing dir has none. IAM_IO, IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err key_file_list_former(const char *dir, char ***ret_paths, unsigned *ret_n,
	struct iam_error *err);
void key_file_list_free(char **paths, unsigned n);

/*
 * Locks the folder of path against other rotations until close(*ret_fd). IAM_CONFLICT: somebody
 * else holds it. IAM_IO.
 */
MUST_CHECK enum iam_err key_file_lock(const char *path, int *ret_fd, struct iam_error *err);

#endif
