/*
 * action - the five actions and their names on the wire.
 *
 * Does: translate both ways. Does not: know what `full` implies; the evaluator does.
 */
#include <string.h>

#include "iam/rid.h"

static const char *const action_names[IAM_ACTION_COUNT] = {
	[IAM_CREATE] = "create",
	[IAM_READ] = "read",
	[IAM_UPDATE] = "update",
	[IAM_DELETE] = "delete",
	[IAM_FULL] = "full",
};

enum iam_err iam_action_parse(struct str text, enum iam_action *ret_action)
{
	for (int i = 0; i < IAM_ACTION_COUNT; i++) {
		size_t len = strlen(action_names[i]);

		if (text.len == len && memcmp(text.ptr, action_names[i], len) == 0) {
			*ret_action = (enum iam_action)i;
			return IAM_OK;
		}
	}
	return IAM_BAD_ACTION;
}

const char *iam_action_name(enum iam_action action)
{
	return (unsigned)action < IAM_ACTION_COUNT ? action_names[action] : "unknown";
}
