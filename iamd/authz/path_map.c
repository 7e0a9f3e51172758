/*
 * path_map - from the path of a request to the resource that protects it; see path_map.h.
 *
 * Does: the grammar of the table, decoding, the longest prefix, the service part.
 * Does not: read files, know HTTP headers, or decide.
 * Invariants: rows are sorted by prefix and distinct; a prefix has no trailing '/', so that of "/" is
 * empty; a decoded path has neither empty nor dot segments, but for one '/' at its end.
 */
#include "iamd/authz/path_map.h"

#include <stdlib.h>
#include <string.h>

#include "libacl/base/steal.h"
#include "libacl/base/str.h"

struct row {
	struct str prefix;
	struct str rid; /* without the service suffix */
	enum iam_action action;
	bool is_service;
	unsigned line;
};

struct path_map {
	const struct row *rows;
	size_t n;
	struct row *owned; /* of a parsed table: rows, then the text they borrow */
	char *text;
};

#define ROW(prefix_, rid_) \
	{ \
		.prefix = {prefix_, sizeof(prefix_) - 1}, \
		.rid = {rid_, sizeof(rid_) - 1}, .action = IAM_FULL \
	}
#define OPS "dcos:adminrouter:ops:"

/* The paths of a DC/OS router. In byte order; a test checks it. */
/* clang-format off */
static const struct row default_rows[] = {
	ROW("/acs/acl-schema.json",                   "dcos:adminrouter:acs"),
	ROW("/acs/api/v1",                            "dcos:adminrouter:acs"),
	ROW("/agent",                                 OPS "slave"),
	ROW("/ca/api/v2/bundle",                      OPS "ca:ro"),
	ROW("/ca/api/v2/certificates",                OPS "ca:ro"),
	ROW("/ca/api/v2/info",                        OPS "ca:ro"),
	ROW("/ca/api/v2/newcert",                     OPS "ca:rw"),
	ROW("/ca/api/v2/newkey",                      OPS "ca:rw"),
	ROW("/ca/api/v2/sign",                        OPS "ca:rw"),
	ROW("/capabilities",                          "dcos:adminrouter:capabilities"),
	ROW("/cluster/v1/links",                      OPS "cluster-link"),
	ROW("/cockroachdb",                           OPS "cockroachdb"),
	ROW("/cosmos/service",                        "dcos:adminrouter:package"),
	ROW("/dcos-metadata/bootstrap-config.json",   OPS "metadata"),
	ROW("/dcos-ui-update-service",                OPS "dcos-ui-update-service"),
	ROW("/exhibitor",                             OPS "exhibitor"),
	ROW("/licensing",                             "dcos:adminrouter:licensing"),
	ROW("/mesos",                                 OPS "mesos"),
	ROW("/mesos_dns",                             OPS "mesos-dns"),
	ROW("/metadata",                              OPS "metadata"),
	ROW("/net",                                   OPS "networking"),
	ROW("/networking/api/v1",                     OPS "networking"),
	ROW("/package",                               "dcos:adminrouter:package"),
	ROW("/pkgpanda/active.buildinfo.full.json",   OPS "metadata"),
	{.prefix = {"/service", 8}, .rid = {"dcos:adminrouter:service:", 25}, .action = IAM_FULL, .is_service = true},
	ROW("/slave",                                 OPS "slave"),
	ROW("/system/health/v1",                      OPS "system-health"),
	ROW("/system/v1/agent",                       "dcos:adminrouter:system:agent"),
	ROW("/system/v1/backup",                      OPS "system-backup"),
	ROW("/system/v1/logs",                        OPS "system-logs"),
	ROW("/system/v1/metrics",                     OPS "system-metrics"),
};
/* clang-format on */

static const struct path_map default_map = {
	.rows = default_rows, .n = sizeof(default_rows) / sizeof(default_rows[0])};

/* ---- the path ---- */

/* A byte of the decoded path that no two readers agree on. */
static bool is_odd(unsigned char c)
{
	return c < ' ' || c == 0x7f || c == '\\' || c == ';';
}

static bool is_dots(struct str segment)
{
	return str_eq_c(segment, ".") || str_eq_c(segment, "..");
}

/* U+0080 to U+009F: controls too. */
static bool has_c1_control(struct str s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if ((unsigned char)s.ptr[i] == 0xc2 && (unsigned char)s.ptr[i + 1] < 0xa0)
			return true;
	return false;
}

static enum path_result check_segments(struct str path)
{
	struct str rest = str_sub(path, 1, path.len);
	unsigned n = 0;

	if (rest.len == 0)
		return PATH_OK;
	if (rest.ptr[rest.len - 1] == '/')
		rest.len--;
	while (rest.ptr != NULL) {
		struct str segment = str_split(&rest, '/');

		if (segment.len == 0 || is_dots(segment))
			return PATH_AMBIGUOUS;
		if (++n > PATH_MAX_SEGMENTS)
			return PATH_TOO_LONG;
	}
	return PATH_OK;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that the escape at `at` stands for; -1: no escape. */
static int escape_at(struct str s, size_t at)
{
	int high = at + 2 < s.len ? hex_digit(s.ptr[at + 1]) : -1;
	int low = at + 2 < s.len ? hex_digit(s.ptr[at + 2]) : -1;

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Into buf, at least s.len bytes. False: something that must not be in a path. */
static bool decode_bytes(struct str s, char *buf, size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		int c = (unsigned char)s.ptr[i];

		if (c == ' ' || c == '#')
			return false;
		if (c == '%') {
			c = escape_at(s, i);
			if (c < 0 || c == '/')
				return false;
			i += 2;
		}
		if (is_odd((unsigned char)c))
			return false;
		buf[len++] = (char)c;
	}
	*ret_len = len;
	return true;
}

enum path_result path_decode(struct str target, struct arena *a, struct str *ret_path)
{
	struct str rest = target;
	struct str raw = str_split(&rest, '?');
	struct str path;
	enum path_result result;
	char *buf;

	if (raw.len == 0 || raw.ptr[0] != '/')
		return PATH_AMBIGUOUS;
	if (raw.len > PATH_MAX_BYTES)
		return PATH_TOO_LONG;
	buf = arena_alloc(a, raw.len);
	if (buf == NULL)
		return PATH_NO_MEMORY;
	path.ptr = buf;
	if (!decode_bytes(raw, buf, &path.len) || !str_is_utf8(path) ||
		has_c1_control(path))
		return PATH_AMBIGUOUS;
	result = check_segments(path);
	if (result == PATH_OK)
		*ret_path = path;
	return result;
}

/* ---- looking up ---- */

static int compare_prefix(const void *key, const void *row)
{
	return str_cmp(*(const struct str *)key, ((const struct row *)row)->prefix);
}

static struct str without_last_slash(struct str path)
{
	return str_ends(path, STR("/")) ? str_sub(path, 0, path.len - 1) : path;
}

/*
 * Where the segments of `path` end: ends[0] is before the first, at most `max` behind it. Returns the
 * number of segments taken.
 */
static unsigned find_ends(struct str path, size_t ends[], unsigned max)
{
	unsigned n = 0;

	ends[0] = 0;
	for (size_t i = 1; i <= path.len && n < max; i++)
		if (i == path.len || path.ptr[i] == '/')
			ends[++n] = i;
	return n;
}

static const struct row *find_row(const struct path_map *m, struct str path)
{
	size_t ends[PATH_MAP_MAX_SEGMENTS + 1];
	unsigned n = find_ends(path, ends, PATH_MAP_MAX_SEGMENTS);

	for (unsigned i = n + 1; i-- > 0;) {
		struct str prefix = str_sub(path, 0, ends[i]);
		const struct row *row =
			bsearch(&prefix, m->rows, m->n, sizeof(*m->rows), compare_prefix);

		if (row != NULL)
			return row;
	}
	return NULL;
}

/* rest: "/group/app/x", what follows the prefix. */
static enum path_result find_service(const struct row *row, struct str rest,
	struct arena *a, path_knows_fn *knows, void *ctx, struct str *ret_rid)
{
	size_t ends[PATH_MAX_SEGMENTS + 1];
	unsigned n = find_ends(rest, ends, PATH_MAX_SEGMENTS);
	char *buf;

	if (n == 0)
		return PATH_UNMAPPED;
	buf = arena_alloc(a, row->rid.len + rest.len);
	if (buf == NULL)
		return PATH_NO_MEMORY;
	if (row->rid.len > 0)
		memcpy(buf, row->rid.ptr, row->rid.len);
	memcpy(buf + row->rid.len, rest.ptr + 1, rest.len - 1);
	for (unsigned i = n; i > 0; i--) {
		struct str rid = {buf, row->rid.len + ends[i] - 1};

		if (i == 1 || (rid.len <= IAM_RID_MAX_BYTES && knows(rid, ctx))) {
			*ret_rid = rid;
			break;
		}
	}
	return PATH_OK;
}

enum path_result path_map_find(const struct path_map *m, struct str path, struct arena *a,
	path_knows_fn *knows, void *ctx, struct path_target *ret_target)
{
	struct path_target target;
	const struct row *row;
	enum path_result result = PATH_OK;

	path = without_last_slash(path);
	row = find_row(m == NULL ? &default_map : m, path);
	if (row == NULL)
		return PATH_UNMAPPED;
	target = (struct path_target){.rid = row->rid, .action = row->action};
	if (row->is_service)
		result = find_service(row, str_sub(path, row->prefix.len, path.len), a,
			knows, ctx, &target.rid);
	if (result == PATH_OK)
		*ret_target = target;
	return result;
}

/* ---- the table ---- */

static struct str next_word(struct str *rest)
{
	struct str s = str_trim(*rest);
	size_t n = 0;

	while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '\t')
		n++;
	*rest = str_sub(s, n, s.len);
	return str_sub(s, 0, n);
}

static const char *prefix_fault(struct str text)
{
	size_t ends[PATH_MAP_MAX_SEGMENTS + 2];
	struct str path = STR_NONE;
	struct arena *a;
	enum path_result result;

	if (str_find(text, '%') >= 0)
		return "a path is written as it is, without escapes";
	if (str_find(text, '?') >= 0)
		return "a path has no query";
	a = arena_new(PATH_MAX_BYTES + 64, (size_t)2 * PATH_MAX_BYTES);
	if (a == NULL)
		return "out of memory";
	result = path_decode(text, a, &path);
	arena_free(a);
	if (result == PATH_NO_MEMORY)
		return "out of memory";
	if (result != PATH_OK)
		return "expected a path that begins with '/', without \"//\", dot segments, '\\', "
		       "';' or '#'";
	if (find_ends(without_last_slash(text), ends, PATH_MAP_MAX_SEGMENTS + 1) >
		PATH_MAP_MAX_SEGMENTS)
		return "the path has more than 16 segments";
	return NULL;
}

/* Is the rid one, or the beginning of one that a service path completes? */
static bool take_rid(struct str text, struct row *row)
{
	char example[IAM_RID_MAX_BYTES + 1];

	row->rid = text;
	row->is_service = str_ends(text, STR(PATH_MAP_SERVICE_SUFFIX));
	if (!row->is_service)
		return iam_rid_valid(text);
	row->rid.len -= strlen(PATH_MAP_SERVICE_SUFFIX);
	if (row->rid.len >= IAM_RID_MAX_BYTES)
		return false;
	if (row->rid.len > 0)
		memcpy(example, row->rid.ptr, row->rid.len);
	example[row->rid.len] = 'x';
	return iam_rid_valid((struct str){example, row->rid.len + 1});
}

/* NULL, or what is wrong with the line. */
static const char *take_row(struct str line, struct row *row)
{
	struct str rest = line;
	struct str prefix = next_word(&rest);
	struct str rid = next_word(&rest);
	struct str action = next_word(&rest);
	const char *fault = prefix_fault(prefix);

	if (fault != NULL)
		return fault;
	row->prefix = without_last_slash(prefix);
	row->action = IAM_FULL;
	if (rid.len == 0)
		return "expected PATH-PREFIX RID [ACTION]";
	if (!take_rid(rid, row))
		return "the second word is no resource id";
	if (action.len > 0 && iam_action_parse(action, &row->action) != IAM_OK)
		return "the action is none of create, read, update, delete, full";
	return str_trim(rest).len > 0 ? "there is more than PATH-PREFIX RID [ACTION]"
				      : NULL;
}

static int compare_rows(const void *a, const void *b)
{
	return str_cmp(((const struct row *)a)->prefix, ((const struct row *)b)->prefix);
}

static enum iam_err take_rows(struct path_map *m, struct str text, const char *name,
	struct iam_error *err)
{
	unsigned line_number = 0;

	while (text.ptr != NULL) {
		struct str line = str_trim(str_split(&text, '\n'));
		const char *fault;

		line_number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		fault = m->n == PATH_MAP_MAX_ROWS ? "there are more than 4096 rows"
						  : take_row(line, &m->owned[m->n]);
		if (fault != NULL)
			return iam_error_set(err, IAM_CONFIG, "%s:%u: %s", name,
				line_number, fault);
		m->owned[m->n++].line = line_number;
	}
	return IAM_OK;
}

static enum iam_err sort_rows(struct path_map *m, const char *name, struct iam_error *err)
{
	qsort(m->owned, m->n, sizeof(*m->owned), compare_rows);
	for (size_t i = 1; i < m->n; i++) {
		const struct row *a = &m->owned[i - 1];
		const struct row *b = &m->owned[i];

		if (str_eq(a->prefix, b->prefix))
			return iam_error_set(err, IAM_CONFIG,
				"%s:%u: the path stands in line %u already", name,
				a->line > b->line ? a->line : b->line,
				a->line > b->line ? b->line : a->line);
	}
	return IAM_OK;
}

/* Rows that there can be at most, one a line. */
static size_t count_lines(struct str text)
{
	size_t n = 0;

	while (text.ptr != NULL && n < PATH_MAP_MAX_ROWS) {
		(void)str_split(&text, '\n');
		n++;
	}
	return n;
}

enum iam_err path_map_parse(struct str text, const char *name, struct path_map **ret_map,
	struct iam_error *err)
{
	struct path_map *m = calloc(1, sizeof(*m));
	enum iam_err e = IAM_NO_MEMORY;

	if (m != NULL) {
		m->text = malloc(text.len + 1);
		m->owned = calloc(count_lines(text) + 1, sizeof(*m->owned));
		m->rows = m->owned;
	}
	if (m == NULL || m->text == NULL || m->owned == NULL) {
		(void)iam_error_set(err, e, "%s: out of memory", name);
	} else {
		if (text.len > 0)
			memcpy(m->text, text.ptr, text.len);
		e = take_rows(m, (struct str){m->text, text.len}, name, err);
		if (e == IAM_OK)
			e = sort_rows(m, name, err);
	}
	if (e != IAM_OK) {
		path_map_free(m);
		return e;
	}
	*ret_map = STEAL(m);
	return IAM_OK;
}

void path_map_free(struct path_map *m)
{
	if (m == NULL)
		return;
	free(m->owned);
	free(m->text);
	free(m);
}
