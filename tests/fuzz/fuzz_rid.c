/*
 * fuzz_rid - identifiers, actions, UTF-8 and numbers.
 *
 * Properties: an id is judged by its bytes alone (not by what stands behind them); every valid uid
 * of gid length is a valid gid and a valid rid; a valid rid holds nothing that could end a line,
 * a header or a path; a parsed number prints as a number of the same value.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iam/rid.h"
#include "libacl/base/str.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rid(struct str id)
{
	if (!iam_rid_valid(id))
		return;
	assert(id.len >= 1 && id.len <= IAM_RID_MAX_BYTES && str_is_utf8(id));
	assert(id.ptr[0] != '/' && id.ptr[id.len - 1] != '/');
	assert(str_count_code_points(id) <= id.len);
	for (size_t i = 0; i < id.len; i++) {
		unsigned char c = (unsigned char)id.ptr[i];

		assert(c > ' ' && c != 0x7F && strchr("%?#\\", c) == NULL);
	}
}

static void check_names(struct str id)
{
	enum iam_action action;

	if (iam_uid_valid(id)) {
		assert(id.len <= IAM_UID_MAX_BYTES && iam_rid_valid(id));
		assert(iam_gid_valid(id) == (id.len <= IAM_GID_MAX_BYTES));
	}
	if (iam_gid_valid(id))
		assert(iam_uid_valid(id) != str_eq(id, STR("anonymous")));
	if (iam_action_parse(id, &action) == IAM_OK)
		assert(str_eq_c(id, iam_action_name(action)));
}

static void check_number(struct str text)
{
	int64_t value;
	int64_t again;
	char buf[24];

	if (!str_to_i64(text, INT64_MIN, INT64_MAX, &value))
		return;
	(void)snprintf(buf, sizeof(buf), "%" PRId64, value);
	assert(str_to_i64(str_c(buf), value, value, &again) && again == value);
	assert(value == INT64_MAX ||
		!str_to_i64(str_c(buf), value + 1, INT64_MAX, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = {.len = size < INPUT_MAX ? size : INPUT_MAX};
	char *exact = malloc(whole.len + 1);
	struct str rest;

	if (exact == NULL)
		return 0;
	if (whole.len > 0)
		memcpy(exact, data, whole.len);
	exact[whole.len] = 'x';
	whole.ptr = exact;
	rest = whole;
	check_rid(whole);
	while (rest.ptr != NULL) {
		struct str line = str_split(&rest, '\n');

		check_rid(line);
		check_names(line);
		check_number(line);
	}
	free(exact);
	return 0;
}
