/*
 * fuzz_path_map - the table of paths and the paths that strangers send.
 *
 * Input: a table, a NUL, a request target. Properties: a path that is accepted is what decoding the
 * target once gives, and holds nothing that two readers could take differently; the resource is that of
 * the longest row that fits, found by trying them one by one, and of a service the longest run that is
 * known.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "iamd/authz/path_map.h"
#include "iamd/http/req.h"
#include "libacl/base/str.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Some rids, always the same. */
static bool is_known(struct str rid, void *ctx)
{
	uint32_t h = 2166136261U;

	(void)ctx;
	for (size_t i = 0; i < rid.len; i++)
		h = (h ^ (unsigned char)rid.ptr[i]) * 16777619U;
	return (h & 3) == 0;
}

static void check_path(struct str target, struct str path, struct arena *a)
{
	struct str rest = target;
	struct str raw = str_split(&rest, '?');
	struct str once;

	assert(req_percent_decode(a, raw, false, &once) == IAM_OK);
	assert(str_eq(once, path) && str_is_utf8(path));
	assert(path.len > 0 && path.len <= PATH_MAX_BYTES && path.ptr[0] == '/');
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.ptr[i];

		assert(c >= ' ' && c != 0x7f && c != '\\' && c != ';');
		assert(c != '/' || i == 0 || path.ptr[i - 1] != '/');
	}
	rest = path;
	while (rest.ptr != NULL) {
		struct str segment = str_split(&rest, '/');

		assert(!str_eq_c(segment, ".") && !str_eq_c(segment, ".."));
	}
	/* every '/' of the path was one in the target */
	for (size_t i = 0, slashes = 0; i <= raw.len; i++) {
		slashes += i < raw.len && raw.ptr[i] == '/';
		if (i == raw.len)
			for (size_t j = 0; j < path.len; j++)
				slashes -= path.ptr[j] == '/';
		assert(i < raw.len || slashes == 0);
	}
}

static struct str word(struct str *line)
{
	struct str s = str_trim(*line);
	size_t n = 0;

	while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '\t')
		n++;
	*line = str_sub(s, n, s.len);
	return str_sub(s, 0, n);
}

static struct str strip(struct str path)
{
	return str_ends(path, STR("/")) ? str_sub(path, 0, path.len - 1) : path;
}

/* The line whose prefix is the longest that fits; absent if none. */
static struct str slow_row(struct str table, struct str path)
{
	struct str best = STR_NONE;
	size_t best_len = 0;

	path = strip(path);
	while (table.ptr != NULL) {
		struct str line = str_trim(str_split(&table, '\n'));
		struct str rest = line;
		struct str prefix;

		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		prefix = strip(word(&rest));
		if (!str_starts(path, prefix) ||
			(path.len > prefix.len && path.ptr[prefix.len] != '/'))
			continue;
		if (best.ptr == NULL || prefix.len > best_len) {
			best = line;
			best_len = prefix.len;
		}
	}
	return best;
}

static void check_service(struct str base, struct str rest, struct str rid)
{
	struct str run = str_sub(rid, base.len, rid.len);
	size_t longest = 0, first = 0;
	char buf[PATH_MAX_BYTES + IAM_RID_MAX_BYTES];

	assert(str_starts(rid, base) && rest.len > 1);
	rest = str_sub(rest, 1, rest.len);
	memcpy(buf, base.ptr, base.len);
	memcpy(buf + base.len, rest.ptr, rest.len);
	for (size_t i = 1; i <= rest.len; i++) {
		if (i < rest.len && rest.ptr[i] != '/')
			continue;
		if (first == 0)
			first = i;
		if (base.len + i <= IAM_RID_MAX_BYTES &&
			is_known((struct str){buf, base.len + i}, NULL))
			longest = i;
	}
	assert(str_eq(run, str_sub(rest, 0, longest != 0 ? longest : first)));
}

static void check_target(struct str table, struct str path, enum path_result result,
	const struct path_target *target)
{
	struct str line = slow_row(table, path);
	struct str rest = line;
	struct str prefix, rid;

	if (line.ptr == NULL) {
		assert(result == PATH_UNMAPPED);
		return;
	}
	prefix = strip(word(&rest));
	rid = word(&rest);
	if (!str_ends(rid, STR(PATH_MAP_SERVICE_SUFFIX))) {
		assert(result == PATH_OK && str_eq(target->rid, rid));
		return;
	}
	rid.len -= strlen(PATH_MAP_SERVICE_SUFFIX);
	path = strip(path);
	assert((result == PATH_OK) == (path.len > prefix.len));
	if (result == PATH_OK)
		check_service(rid, str_sub(path, prefix.len, path.len), target->rid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str target = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
	struct str table = str_split(&target, '\0');
	struct arena *a = arena_new(4096, (size_t)1 << 20);
	struct path_target found = {STR_NONE, IAM_FULL};
	struct path_map *m = NULL;
	struct str path = STR_NONE;
	enum path_result result;

	if (a == NULL)
		return 0;
	result = path_decode(target, a, &path);
	if (result == PATH_OK) {
		check_path(target, path, a);
		result = path_map_find(NULL, path, a, is_known, NULL, &found);
		assert(result == PATH_OK || result == PATH_UNMAPPED);
	}
	if (path_map_parse(table, "table", &m, NULL) == IAM_OK && path.ptr != NULL) {
		result = path_map_find(m, path, a, is_known, NULL, &found);
		check_target(table, path, result, &found);
	}
	path_map_free(m);
	arena_free(a);
	return 0;
}
