/*
 * facts - an edit under way, and single facts by numbers: internal to libacl.
 *
 * Adding what is there and removing what is not change nothing. False: no memory; then the edit
 * can only be aborted.
 */
#ifndef ACL_FACTS_H
#define ACL_FACTS_H

#include "libacl/snapshot.h"

struct iam_edit {
	struct iam_snapshot *base;
	struct iam_snapshot *next;
	struct cow cow;
	uint32_t *changed; /* groups whose containers or own superuser grants changed */
	size_t n_changed;
	size_t changed_cap;
};

/* actions, action: bits, 1 << enum iam_action */
bool fact_add_member(struct iam_edit *e, uint32_t group, uint32_t user);
bool fact_remove_member(struct iam_edit *e, uint32_t group, uint32_t user);
bool fact_add_subgroup(struct iam_edit *e, uint32_t group, uint32_t sub);
bool fact_remove_subgroup(struct iam_edit *e, uint32_t group, uint32_t sub);
bool fact_add_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	uint32_t resource, uint64_t action);
bool fact_remove_grant(struct iam_edit *e, enum iam_subject kind, uint32_t subject,
	uint32_t resource, uint64_t actions);

/* With all facts about it. */
bool fact_remove_user(struct iam_edit *e, uint32_t user);
bool fact_remove_group(struct iam_edit *e, uint32_t group);
bool fact_remove_resource(struct iam_edit *e, uint32_t resource);

#endif
