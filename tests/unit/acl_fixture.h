/*
 * acl_fixture - models in one line of text, and deep ones.
 */
#ifndef TESTS_ACL_FIXTURE_H
#define TESTS_ACL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "iam/acl.h"
#include "libacl/base/str.h"

/*
 * One word of a model in text: member:u@g nest:sub@g group:g resource:rid ugrant:u:action:rid
 * ggrant:g:action:rid.
 */
static inline enum iam_err tell(struct iam_model *m, struct str word)
{
	struct str rest = word;
	struct str verb = str_split(&rest, ':');
	enum iam_action action;
	struct str who;
	enum iam_err e;

	if (str_eq_c(verb, "member") || str_eq_c(verb, "nest")) {
		who = str_split(&rest, '@');
		return str_eq_c(verb, "member") ? iam_model_add_member(m, rest, who)
						: iam_model_add_subgroup(m, rest, who);
	}
	if (str_eq_c(verb, "group"))
		return iam_model_add_group(m, rest);
	if (str_eq_c(verb, "resource"))
		return iam_model_add_resource(m, rest);
	who = str_split(&rest, ':');
	e = iam_action_parse(str_split(&rest, ':'), &action);
	if (e != IAM_OK)
		return e;
	return iam_model_add_grant(m, rest,
		str_eq_c(verb, "ugrant") ? IAM_SUBJECT_USER : IAM_SUBJECT_GROUP, who,
		action);
}

static inline struct iam_snapshot *freeze(const char *text)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	struct str rest = str_c(text);

	assert_non_null(m);
	while (rest.ptr != NULL) {
		struct str word = str_split(&rest, ' ');

		if (word.len > 0)
			assert_int_equal(tell(m, word), IAM_OK);
	}
	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

static inline enum iam_err change(struct iam_edit *e, struct str word)
{
	struct str rest = word;
	struct str verb = str_split(&rest, ':');
	bool gone = str_starts(verb, STR("-"));
	enum iam_subject kind = IAM_SUBJECT_USER;
	enum iam_action action;
	struct str who;

	verb = str_sub(verb, gone ? 1 : 0, verb.len);
	if (str_eq_c(verb, "user"))
		return iam_edit_remove_user(e, rest);
	if (str_eq_c(verb, "group"))
		return gone ? iam_edit_remove_group(e, rest)
			    : iam_edit_add_group(e, rest);
	if (str_eq_c(verb, "resource"))
		return gone ? iam_edit_remove_resource(e, rest)
			    : iam_edit_add_resource(e, rest);
	if (str_eq_c(verb, "member")) {
		who = str_split(&rest, '@');
		return gone ? iam_edit_remove_member(e, rest, who)
			    : iam_edit_add_member(e, rest, who);
	}
	if (str_eq_c(verb, "nest")) {
		who = str_split(&rest, '@');
		return gone ? iam_edit_remove_subgroup(e, rest, who)
			    : iam_edit_add_subgroup(e, rest, who);
	}
	if (str_eq_c(verb, "ggrant"))
		kind = IAM_SUBJECT_GROUP;
	who = str_split(&rest, ':');
	assert_int_equal(iam_action_parse(str_split(&rest, ':'), &action), IAM_OK);
	return gone ? iam_edit_remove_grant(e, rest, kind, who, action)
		    : iam_edit_add_grant(e, rest, kind, who, action);
}

/* The next snapshot after changes in the words of freeze(), "-" in front of what is removed. */
static inline struct iam_snapshot *edit(struct iam_snapshot *base, const char *text,
	struct iam_retired **ret_retired)
{
	struct iam_snapshot *next = NULL;
	struct iam_edit *e = NULL;
	struct str rest = str_c(text);

	assert_int_equal(iam_edit_begin(base, &e), IAM_OK);
	while (rest.ptr != NULL) {
		struct str word = str_split(&rest, ' ');

		if (word.len > 0)
			assert_int_equal(change(e, word), IAM_OK);
	}
	assert_int_equal(iam_edit_finish(e, &next, ret_retired), IAM_OK);
	return next;
}

static inline bool allowed(const struct iam_snapshot *s, const char *uid, const char *rid,
	enum iam_action action)
{
	return iam_check(s, str_c(uid), str_c(rid), action) == IAM_ALLOW;
}

/* Groups 0 in 1 in 2 ... in depth - 1, in themselves again if it is a cycle; "u" is in 0. */
static inline struct iam_snapshot *chain(int depth, bool cycle, const char *top_rid)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	char sub[16];
	char top[16];

	for (int i = 0; i + 1 < depth; i++) {
		(void)snprintf(sub, sizeof(sub), "%d", i);
		(void)snprintf(top, sizeof(top), "%d", i + 1);
		assert_int_equal(iam_model_add_subgroup(m, str_c(top), str_c(sub)),
			IAM_OK);
	}
	(void)snprintf(top, sizeof(top), "%d", depth - 1);
	if (cycle)
		assert_int_equal(iam_model_add_subgroup(m, STR("0"), str_c(top)), IAM_OK);
	assert_int_equal(iam_model_add_member(m, STR("0"), STR("u")), IAM_OK);
	assert_int_equal(iam_model_add_grant(m, str_c(top_rid), IAM_SUBJECT_GROUP,
				 str_c(top), IAM_READ),
		IAM_OK);
	assert_int_equal(iam_model_add_grant(m, STR("decoy"), IAM_SUBJECT_USER, STR("u"),
				 IAM_READ),
		IAM_OK);
	assert_int_equal(iam_snapshot_build(m, &s), IAM_OK);
	iam_model_free(m);
	return s;
}

#endif
