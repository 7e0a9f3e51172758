/*
 * authzen_actions - names of actions other than the five; see authzen_actions.h.
 *
 * Reads the option's text each time it is asked: it is short, and asked a few times a request.
 */
#include "iamd/api/authzen_actions.h"

/* How much of a bad entry an error shows. */
#define SHOWN_MAX 64

static bool is_name(struct str s)
{
	if (s.len == 0 || s.len > AUTHZEN_ACTION_NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '.' || c == '_' || c == ':' ||
			c == '/' || c == '-';

		if (!plain)
			return false;
	}
	return true;
}

/* "name = action"; false when it is not of this form. */
static bool parse_entry(struct str entry, struct str *ret_name,
	enum iam_action *ret_action)
{
	struct str action = entry;
	struct str name = str_trim(str_split(&action, '='));

	if (action.ptr == NULL || !is_name(name))
		return false;
	*ret_name = name;
	return iam_action_parse(str_trim(action), ret_action) == IAM_OK;
}

bool authzen_actions_next(struct str *rest, struct str *ret_name,
	enum iam_action *ret_action)
{
	while (rest->ptr != NULL)
		if (parse_entry(str_split(rest, ','), ret_name, ret_action))
			return true;
	return false;
}

/* Is the name an entry of `text` before `entry`? */
static bool is_there_before(struct str text, const char *entry, struct str name)
{
	enum iam_action action;
	struct str before;

	while (authzen_actions_next(&text, &before, &action) && before.ptr < entry)
		if (str_eq(before, name))
			return true;
	return false;
}

static enum iam_err bad_entry(struct str entry, const char *why, struct iam_error *err)
{
	return iam_error_set(err, IAM_CONFIG, "authzen_actions: \"%.*s\" %s",
		(int)(entry.len > SHOWN_MAX ? SHOWN_MAX : entry.len), entry.ptr, why);
}

static enum iam_err check_entry(struct str text, struct str entry, struct iam_error *err)
{
	enum iam_action action;
	struct str name;

	if (!parse_entry(entry, &name, &action))
		return bad_entry(entry,
			"is not NAME=ACTION (1 to 64 of a-z A-Z 0-9 . _ : / -, and "
			"create, read, update, delete or full)",
			err);
	if (iam_action_parse(name, &action) == IAM_OK)
		return bad_entry(entry, "gives one of the five actions another meaning",
			err);
	if (is_there_before(text, name.ptr, name))
		return bad_entry(entry, "names an action for the second time", err);
	return IAM_OK;
}

enum iam_err authzen_actions_check(const char *text, struct iam_error *err)
{
	struct str all = str_c(text), rest = all;
	unsigned n = 0;

	if (str_trim(all).len == 0)
		return IAM_OK;
	while (rest.ptr != NULL) {
		enum iam_err e = check_entry(all, str_trim(str_split(&rest, ',')), err);

		if (e != IAM_OK)
			return e;
		if (++n > AUTHZEN_ACTIONS_MAX)
			return iam_error_set(err, IAM_CONFIG,
				"authzen_actions: more than %d names",
				AUTHZEN_ACTIONS_MAX);
	}
	return IAM_OK;
}

bool authzen_action_find(const char *text, struct str name, enum iam_action *ret_action)
{
	struct str rest = str_c(text), candidate;
	enum iam_action action;

	if (iam_action_parse(name, ret_action) == IAM_OK)
		return true;
	while (authzen_actions_next(&rest, &candidate, &action)) {
		if (!str_eq(candidate, name))
			continue;
		*ret_action = action;
		return true;
	}
	return false;
}
