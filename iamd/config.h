/*
 * config - iamd.conf, its environment overrides, and their ranges.
 *
 * One table (config.def) makes the struct, the parser, --dump-config and the man page's list.
 * Precedence: default < file < environment IAMD_<OPTION> < command line overrides.
 */
#ifndef IAMD_CONFIG_H
#define IAMD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "iam/err.h"
#include "iam/str.h"

enum api_access { API_ENFORCE, API_GATEWAY };
enum audit_decisions { AUDIT_DENIED, AUDIT_ALL };
enum forward_headers { FORWARD_X_ORIGINAL, FORWARD_X_FORWARDED };

struct path_map;

#define CONFIG_TYPE_STR       char *
#define CONFIG_TYPE_INT       int64_t
#define CONFIG_TYPE_BOOL      bool
#define CONFIG_TYPE_ENUM_MODE enum api_access
#define CONFIG_TYPE_ENUM_LOG  int     /* enum log_level */
#define CONFIG_TYPE_ENUM_AUDIT enum audit_decisions
#define CONFIG_TYPE_ENUM_FORWARD enum forward_headers
#define CONFIG_TYPE_DURATION  int64_t /* seconds */
#define CONFIG_TYPE_SIZE      int64_t /* bytes */

struct config {
#define OPT(kind, name, def, min, max, unit, reload, text) CONFIG_TYPE_##kind name;
#include "iamd/config.def"
#undef OPT
	struct path_map *path_map; /* of path_map_file; NULL: the built-in table */
};

/*
 * Reads path (NULL: no file) and the environment. Strings belong to the config. On error *err names
 * file and line (or the variable), the option and what would be valid; never the value.
 * Errors: IAM_NOT_FOUND (no such file), IAM_IO, IAM_CONFIG, IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err config_load(const char *path, struct config **ret_config,
	struct iam_error *err);
void config_free(struct config *c);

/* The same from memory, without the environment; `name` stands for the path in errors. */
MUST_CHECK enum iam_err config_parse(struct str text, const char *name,
	struct config **ret_config, struct iam_error *err);

/* One override from the command line, "name=value". */
MUST_CHECK enum iam_err config_set(struct config *c, const char *assignment,
	struct iam_error *err);

/* Rules over several options (gateway needs loopback, TLS needs both files, superuser pairs). */
MUST_CHECK enum iam_err config_check(const struct config *c, struct iam_error *err);

/*
 * Reads what options name and every request needs: path_map_file. After config_check(). Errors:
 * IAM_CONFIG with file and line, IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err config_read_named_files(struct config *c, struct iam_error *err);

/* Every option with its value as a valid iamd.conf; secrets (superuser_password_hash) as ********. */
void config_dump(const struct config *c, FILE *out);

/* The option list of iamd.conf.5 in mdoc. */
void config_print_mdoc(FILE *out);

/*
 * For SIGHUP. Every option of `fresh` that is not reloadable gets the running value back; each that
 * differed is logged. `fresh` then replaces `running`, which stays alive until no thread reads it
 * (the publication root carries the configuration, see authz/publish.h).
 */
MUST_CHECK enum iam_err config_merge(const struct config *running, struct config *fresh);

#endif
