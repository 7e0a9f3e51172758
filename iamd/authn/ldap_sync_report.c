/*
 * ldap_sync_report - a run in numbers and, of a dry run, in names; written and read back.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "iamd/authn/ldap_sync_impl.h"
#include "libacl/base/str.h"

const char *sync_state_name(enum sync_state s)
{
	static const char *const names[] = {[SYNC_IDLE] = "idle",
		[SYNC_QUEUED] = "queued",
		[SYNC_READING] = "reading",
		[SYNC_COMPARING] = "comparing",
		[SYNC_APPLYING] = "applying"};

	return names[s];
}

/* Every number of a report that is kept. */
static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{"entries_read", offsetof(struct sync_report, entries_read)},
	{"users_added", offsetof(struct sync_report, users_added)},
	{"users_changed", offsetof(struct sync_report, users_changed)},
	{"users_vanished", offsetof(struct sync_report, users_vanished)},
	{"users_deleted", offsetof(struct sync_report, users_deleted)},
	{"users_back", offsetof(struct sync_report, users_back)},
	{"groups_added", offsetof(struct sync_report, groups_added)},
	{"groups_changed", offsetof(struct sync_report, groups_changed)},
	{"groups_vanished", offsetof(struct sync_report, groups_vanished)},
	{"groups_deleted", offsetof(struct sync_report, groups_deleted)},
	{"members_added", offsetof(struct sync_report, members_added)},
	{"members_removed", offsetof(struct sync_report, members_removed)},
	{"skipped", offsetof(struct sync_report, skipped)},
};
#define N_NUMBERS (sizeof numbers / sizeof numbers[0])

static const struct {
	const char *name;
	size_t offset;
} flags[] = {
	{"dry_run", offsetof(struct sync_report, dry_run)},
	{"full", offsetof(struct sync_report, full)},
	{"cancelled", offsetof(struct sync_report, cancelled)},
	{"stopped", offsetof(struct sync_report, stopped)},
};
#define N_FLAGS (sizeof flags / sizeof flags[0])

unsigned sync_report_numbers(void)
{
	return N_NUMBERS;
}

uint64_t sync_report_number(const struct sync_report *report, unsigned i,
	const char **ret_name)
{
	uint64_t value;

	memcpy(&value, (const char *)report + numbers[i].offset, sizeof value);
	*ret_name = numbers[i].name;
	return value;
}

void sync_report_add(struct sync_report *report, const struct sync_report *more)
{
	for (unsigned i = 0; i < N_NUMBERS; i++) {
		const char *name;
		uint64_t sum = sync_report_number(report, i, &name) +
			sync_report_number(more, i, &name);

		memcpy((char *)report + numbers[i].offset, &sum, sizeof sum);
	}
}

void sync_report_count(struct sync_report *report, const struct sync_plan *plan)
{
	const uint64_t *n = plan->counts;

	report->users_vanished = n[SYNC_OP_USER_VANISH];
	report->users_deleted = n[SYNC_OP_USER_DELETE];
	report->users_back = plan->back;
	report->users_changed = n[SYNC_OP_USER_UPDATE] - plan->back;
	report->users_added = n[SYNC_OP_USER_ADD];
	report->groups_vanished = n[SYNC_OP_GROUP_VANISH];
	report->groups_deleted = n[SYNC_OP_GROUP_DELETE];
	report->groups_changed = n[SYNC_OP_GROUP_UPDATE];
	report->groups_added = n[SYNC_OP_GROUP_ADD];
	report->members_removed = n[SYNC_OP_MEMBER_REMOVE] + n[SYNC_OP_SUBGROUP_REMOVE];
	report->members_added = n[SYNC_OP_MEMBER_ADD] + n[SYNC_OP_SUBGROUP_ADD];
	report->skipped = plan->skipped;
}

/* ---- what would change ---- */

struct naming {
	const struct sync_plan *plan;
	const struct sync_picture *p;
	const struct sync_stored *s;
};

static struct str person_uid(const struct naming *n, uint32_t person)
{
	uint32_t user = n->plan->person_user[person];

	return user != SYNC_NONE ? n->s->users[user].uid : n->p->people[person].name;
}

static struct str group_gid(const struct naming *n, uint32_t group)
{
	uint32_t stored = n->plan->group_stored[group];

	return stored != SYNC_NONE ? n->s->groups[stored].gid : n->p->groups[group].name;
}

static json_t *change(const char *what, struct str user, struct str group,
	struct str subgroup)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "change", json_string(what));
	if (user.ptr != NULL)
		(void)json_object_set_new(o, "uid", json_stringn(user.ptr, user.len));
	if (group.ptr != NULL)
		(void)json_object_set_new(o, "gid", json_stringn(group.ptr, group.len));
	if (subgroup.ptr != NULL)
		(void)json_object_set_new(o, "subgroup",
			json_stringn(subgroup.ptr, subgroup.len));
	return o;
}

static const char *update_name(unsigned f)
{
	if ((f & SYNC_F_BACK) != 0)
		return "user-back";
	if ((f & SYNC_F_DISABLE) != 0)
		return "user-disable";
	return (f & SYNC_F_ENABLE) != 0 ? "user-enable" : "user-update";
}

static json_t *change_of(const struct naming *n, const struct sync_op *op)
{
	const struct sync_stored_user *u = n->s->users;
	const struct sync_stored_group *g = n->s->groups;

	switch ((enum sync_op_kind)op->kind) {
	case SYNC_OP_USER_VANISH:
		return change("user-vanish", u[op->a].uid, STR_NONE, STR_NONE);
	case SYNC_OP_USER_DELETE:
		return change("user-delete", u[op->a].uid, STR_NONE, STR_NONE);
	case SYNC_OP_USER_UPDATE:
		return change(update_name(op->flags), u[op->a].uid, STR_NONE, STR_NONE);
	case SYNC_OP_USER_ADD:
		return change("user-add", person_uid(n, op->b), STR_NONE, STR_NONE);
	case SYNC_OP_GROUP_VANISH:
		return change("group-vanish", STR_NONE, g[op->a].gid, STR_NONE);
	case SYNC_OP_GROUP_DELETE:
		return change("group-delete", STR_NONE, g[op->a].gid, STR_NONE);
	case SYNC_OP_GROUP_UPDATE:
		return change((op->flags & SYNC_F_BACK) != 0 ? "group-back"
							     : "group-update",
			STR_NONE, g[op->a].gid, STR_NONE);
	case SYNC_OP_GROUP_ADD:
		return change("group-add", STR_NONE, group_gid(n, op->b), STR_NONE);
	case SYNC_OP_MEMBER_REMOVE:
		return change("member-remove", u[op->b].uid, g[op->a].gid, STR_NONE);
	case SYNC_OP_SUBGROUP_REMOVE:
		return change("subgroup-remove", STR_NONE, g[op->a].gid, g[op->b].gid);
	case SYNC_OP_MEMBER_ADD:
		return change("member-add", person_uid(n, op->b), group_gid(n, op->a),
			STR_NONE);
	case SYNC_OP_SUBGROUP_ADD:
		return change("subgroup-add", STR_NONE, group_gid(n, op->a),
			group_gid(n, op->b));
	case SYNC_OP_KINDS:
		break;
	}
	return NULL;
}

/* Compact text of a tree, which is released; absent without memory. */
static struct str dump(struct arena *a, json_t *tree)
{
	char *text = tree == NULL ? NULL : json_dumps(tree, JSON_COMPACT);
	struct str copy = arena_str(a, str_c(text));

	free(text);
	json_decref(tree);
	return copy;
}

struct str sync_changes_json(struct arena *a, const struct sync_plan *plan,
	const struct sync_picture *p, const struct sync_stored *s)
{
	const struct naming n = {.plan = plan, .p = p, .s = s};
	json_t *list = json_array();

	for (unsigned k = 0; k < SYNC_PHASES; k++)
		for (size_t i = 0;
			i < plan->phases[k].n && json_array_size(list) < SYNC_CHANGES_MAX;
			i++)
			(void)json_array_append_new(list,
				change_of(&n, &plan->phases[k].rows[i]));
	return dump(a, list);
}

/* ---- kept with the directory ---- */

struct str sync_report_save(struct arena *a, const struct sync_report *report)
{
	json_t *o = json_object();

	for (size_t i = 0; i < N_NUMBERS; i++) {
		const char *name;
		uint64_t value = sync_report_number(report, (unsigned)i, &name);

		(void)json_object_set_new(o, name, json_integer((json_int_t)value));
	}
	for (size_t i = 0; i < N_FLAGS; i++)
		(void)json_object_set_new(o, flags[i].name,
			json_boolean(*((const char *)report + flags[i].offset) != 0));
	(void)json_object_set_new(o, "error", json_string(report->error));
	(void)json_object_set_new(o, "started_ms", json_integer(report->started_ms));
	(void)json_object_set_new(o, "finished_ms", json_integer(report->finished_ms));
	(void)json_object_set_new(o, "succeeded_ms", json_integer(report->succeeded_ms));
	return dump(a, o);
}

void sync_report_load(struct str saved, struct sync_report *ret)
{
	json_t *o = saved.len == 0 ? NULL : json_loadb(saved.ptr, saved.len, 0, NULL);
	const char *error = json_string_value(json_object_get(o, "error"));

	for (size_t i = 0; i < N_NUMBERS; i++) {
		uint64_t value =
			(uint64_t)json_integer_value(json_object_get(o, numbers[i].name));

		memcpy((char *)ret + numbers[i].offset, &value, sizeof value);
	}
	for (size_t i = 0; i < N_FLAGS; i++)
		*(bool *)((char *)ret + flags[i].offset) =
			json_is_true(json_object_get(o, flags[i].name));
	if (error != NULL)
		(void)snprintf(ret->error, sizeof ret->error, "%s", error);
	ret->started_ms = json_integer_value(json_object_get(o, "started_ms"));
	ret->finished_ms = json_integer_value(json_object_get(o, "finished_ms"));
	ret->succeeded_ms = json_integer_value(json_object_get(o, "succeeded_ms"));
	json_decref(o);
}

struct str sync_report_line(struct arena *a, const struct sync_report *report)
{
	struct sb sb;

	sb_init(&sb, a, 2048);
	sb_add_c(&sb, report->dry_run ? "dry run" : report->full ? "full" : "delta");
	if (report->cancelled)
		sb_add_c(&sb, ", cancelled");
	if (report->stopped)
		sb_add_c(&sb, ", stopped");
	if (report->error[0] != '\0')
		sb_addf(&sb, ", %s", report->error);
	for (size_t i = 1; i < N_NUMBERS; i++) {
		const char *name;
		uint64_t value = sync_report_number(report, (unsigned)i, &name);

		if (value > 0)
			sb_addf(&sb, ", %s %llu", name, (unsigned long long)value);
	}
	return sb_str(&sb);
}
