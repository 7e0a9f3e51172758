/*
 * authzen_actions - the option authzen_actions: further names of the five actions.
 *
 * "can_read=read, write=update": a comma-separated list of NAME=ACTION. A name is 1 to 64 bytes of
 * [a-zA-Z0-9._:/-], is none of the five, and stands there once. LIMIT: 64 names.
 * All functions are pure.
 */
#ifndef API_AUTHZEN_ACTIONS_H
#define API_AUTHZEN_ACTIONS_H

#include <stdbool.h>

#include "iam/rid.h"
#include "libacl/base/str.h"

#define AUTHZEN_ACTIONS_MAX           64
#define AUTHZEN_ACTION_NAME_MAX_BYTES 64

/* Of the option's text. Errors: IAM_CONFIG with a text that names option and entry. */
MUST_CHECK enum iam_err authzen_actions_check(const char *text, struct iam_error *err);

/* The next entry of a text that was checked. False: none left (*rest absent). */
bool authzen_actions_next(struct str *rest, struct str *ret_name,
	enum iam_action *ret_action);

/* What a name means: one of the five, or one of the text that was checked. */
bool authzen_action_find(const char *text, struct str name, enum iam_action *ret_action);

#endif
