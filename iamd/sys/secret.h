/*
 * secret - process-wide protections for secrets, and files that hold them.
 *
 * secret_init(): libsodium, no core files, not dumpable. Long-lived secrets live in
 * sodium_malloc() memory.
 */
#ifndef SYS_SECRET_H
#define SYS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "iam/err.h"
#include "iam/str.h"

MUST_CHECK enum iam_err secret_init(struct iam_error *err);

/*
 * Reads a whole file (at most max_bytes) into guarded memory, NUL-terminated. Refused when group or
 * others have any permission on it (the text says so). *ret_data is freed with sodium_free().
 * Errors: IAM_NOT_FOUND, IAM_IO, IAM_CONFIG (permissions, size).
 */
MUST_CHECK enum iam_err secret_file_read(const char *path, size_t max_bytes,
	char **ret_data, size_t *ret_len, struct iam_error *err);

/*
 * Creates path (0600, must not exist) with the bytes, fsync of file and folder. Parents are made
 * 0700. On failure there is no file. Errors: IAM_EXISTS, IAM_STORE_FULL, IAM_IO.
 */
MUST_CHECK enum iam_err secret_file_create(const char *path, struct str data,
	struct iam_error *err);

#endif
