/*
 * path_map - from the path of a request to the resource that protects it.
 *
 * A table of rows `PATH-PREFIX RID [ACTION]`, from a file or built in (the paths of a DC/OS router).
 * The longest prefix wins, on whole segments: "/mesos" has "/mesos" and "/mesos/x", not "/mesosx".
 * Without a row there is no resource, which means no. A rid that ends in "{service}" is completed by
 * what follows the prefix: the longest leading run of segments whose rid is known, else the first.
 *
 * The path is decoded once, and one that two readers could take for different ones is refused, so
 * that what is judged is what the service behind the gateway sees. Pure, thread-safe once made.
 */
#ifndef AUTHZ_PATH_MAP_H
#define AUTHZ_PATH_MAP_H

#include <stdbool.h>

#include "iam/err.h"
#include "iam/rid.h"
#include "libacl/base/arena.h"

/* LIMIT: bytes and segments of a path that is mapped; rows of a table; segments of a prefix. */
#define PATH_MAX_BYTES          8192
#define PATH_MAX_SEGMENTS       64
#define PATH_MAP_MAX_ROWS       4096
#define PATH_MAP_MAX_SEGMENTS   16
#define PATH_MAP_SERVICE_SUFFIX "{service}"

struct path_map;

/*
 * The rows of `text`, one a line; lines that are empty or begin with '#' are none. `name` stands
 * before the line's number in errors. Errors: IAM_CONFIG, IAM_NO_MEMORY.
 */
MUST_CHECK enum iam_err path_map_parse(struct str text, const char *name,
	struct path_map **ret_map, struct iam_error *err);
void path_map_free(struct path_map *m); /* NULL is fine */

enum path_result {
	PATH_OK,
	PATH_AMBIGUOUS,
	PATH_TOO_LONG,
	PATH_UNMAPPED,
	PATH_NO_MEMORY
};

/*
 * The path of a request target ("/a/b?c=d"), decoded once, without its query; borrowed or in the
 * arena. PATH_AMBIGUOUS: no leading '/', "." or "..", "//", '\\', ';', '#', a blank or control
 * character, an escape that is none or stands for '/', or bad UTF-8.
 */
enum path_result path_decode(struct str target, struct arena *a, struct str *ret_path);

/* Is there an ACL of this rid? */
typedef bool path_knows_fn(struct str rid, void *ctx);

struct path_target {
	struct str rid; /* of the map, or in the arena */
	enum iam_action action;
};

/*
 * What protects a path that path_decode() gave. m NULL: the built-in table. PATH_OK, PATH_UNMAPPED or
 * PATH_NO_MEMORY.
 */
enum path_result path_map_find(const struct path_map *m, struct str path, struct arena *a,
	path_knows_fn *knows, void *ctx, struct path_target *ret_target);

#endif
