/*
 * snapshot - the frozen facts, laid out for asking: internal to libacl.
 *
 * A snapshot is a small head over pages that it shares with the versions before and after it. A
 * user, group or resource is a number for good, with a record of one cache line; what does not
 * fit there, and what only changes ask for, stands in the ordered set `rows`.
 */
#ifndef ACL_SNAPSHOT_H
#define ACL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "iam/acl.h"
#include "libacl/array.h"
#include "libacl/base/map.h"
#include "libacl/base/str.h"
#include "libacl/model.h"
#include "libacl/table.h"
#include "libacl/tree.h"

/* Ids that are longer than their record has room for stand elsewhere. */
#define USER_TEXT     24U
#define GROUP_TEXT    60U
#define RESOURCE_TEXT 52U

#define USER_GROUPS 8U

struct user {
	uint32_t groups
		[USER_GROUPS]; /* direct memberships; if more, all are in REL_USER_GROUP */
	uint32_t n_groups;
	uint16_t len;
	uint8_t is_live;
	uint8_t is_super; /* a direct grant on the superuser resource */
	char text[USER_TEXT];
};

struct group_name {
	uint16_t len;
	uint8_t is_live;
	uint8_t pad;
	char text[GROUP_TEXT];
};

/* LIMIT: larger effective sets are walked instead of stored. */
#define CLOSURE_MAX_SET 1024U

#define GROUP_IDS 15U

struct group {
	uint16_t set_len;    /* 0: wide, to be walked */
	uint8_t is_super;    /* the group, or what contains it, has a grant on it */
	uint8_t super_grant; /* the group itself has */
	/*
	 * The effective set, beginning with the group; if it is larger, all is in REL_SET. Where
	 * set_len is 0: the direct containers, and their number in front; 0 if in REL_CONTAINER.
	 */
	uint32_t ids[GROUP_IDS];
};

struct resource {
	/* A bit for each subject with a grant: most look-ups that find nothing end here. */
	uint64_t sieve;
	uint16_t len;
	uint8_t is_live;
	uint8_t pad;
	char text[RESOURCE_TEXT];
};

_Static_assert(sizeof(struct user) == RECORD_BYTES, "one line");
_Static_assert(sizeof(struct group_name) == RECORD_BYTES, "one line");
_Static_assert(sizeof(struct group) == RECORD_BYTES, "one line");
_Static_assert(sizeof(struct resource) == RECORD_BYTES, "one line");

/* What stands in `rows`: number -> numbers. */
enum relation {
	REL_USER_GROUP = 1, /* of users with more groups than fit the record */
	REL_GROUP_USER,
	REL_CONTAINER, /* group -> groups it is directly in */
	REL_SUBGROUP,  /* the other way */
	REL_USER_RESOURCE,
	REL_GROUP_RESOURCE,
	REL_RESOURCE_SUBJECT, /* the subject's number, and SUBJECT_GROUP for groups */
	REL_SET               /* group -> effective set, if it does not fit the record */
};

#define SUBJECT_GROUP ((uint32_t)1 << 30)

#define ROW_SHIFT      31
#define RELATION_SHIFT 60

static inline uint64_t row_key(enum relation relation, uint32_t row, uint32_t value)
{
	return (uint64_t)relation << RELATION_SHIFT | (uint64_t)row << ROW_SHIFT | value;
}

static inline uint32_t row_value(uint64_t key)
{
	return (uint32_t)(key & (((uint64_t)1 << ROW_SHIFT) - 1));
}

/* Numbered ids: `numbers` finds a number by hash, `records` leads to the rest. */
struct names {
	struct table numbers;
	struct array records;
	uint32_t count; /* numbers given, those of removed ids included */
};

struct iam_snapshot {
	struct pool *pool;
	uint64_t version;
	struct map_seed seed;
	struct names users;
	struct names groups; /* records: struct group_name */
	struct names resources;
	struct array nesting; /* struct group, by the same numbers */
	struct table grants;
	struct tree rows;
	uint32_t super; /* number of the superuser resource, or MAP_NONE */
	char *text;     /* a page of long ids, first the address of the one before */
	size_t text_used;
	size_t set_ids; /* in REL_SET, for its limit */
	struct iam_snapshot_stats stats;
};

static inline const struct user *user_at(const struct iam_snapshot *s, uint32_t user)
{
	return array_at(&s->users.records, user);
}

static inline const struct group *group_at(const struct iam_snapshot *s, uint32_t group)
{
	return array_at(&s->nesting, group);
}

static inline const struct resource *resource_at(const struct iam_snapshot *s,
	uint32_t resource)
{
	return array_at(&s->resources.records, resource);
}

/* The id in a record: in place, or where the first bytes point to. */
static inline struct str record_text(const char *text, uint16_t len, size_t room)
{
	const char *ptr = text;

	if (len > room)
		memcpy(&ptr, text, sizeof(ptr));
	return (struct str){.ptr = ptr, .len = len};
}

static inline struct str user_id(const struct iam_snapshot *s, uint32_t user)
{
	const struct user *u = user_at(s, user);

	return record_text(u->text, u->len, USER_TEXT);
}

static inline struct str group_id(const struct iam_snapshot *s, uint32_t group)
{
	const struct group_name *g = array_at(&s->groups.records, group);

	return record_text(g->text, g->len, GROUP_TEXT);
}

static inline bool group_is_live(const struct iam_snapshot *s, uint32_t group)
{
	const struct group_name *g = array_at(&s->groups.records, group);

	return g->is_live != 0;
}

static inline struct str resource_id(const struct iam_snapshot *s, uint32_t resource)
{
	const struct resource *r = resource_at(s, resource);

	return record_text(r->text, r->len, RESOURCE_TEXT);
}

typedef struct str id_fn(const struct iam_snapshot *s, uint32_t number);

static inline uint32_t names_find(const struct iam_snapshot *s, const struct names *names,
	struct str id, uint64_t hash, id_fn *id_of)
{
	const uint64_t *words = table_words(&names->numbers, hash);
	size_t at = table_place(hash);

	for (; words[at] != 0; at = (at + 1) & (TABLE_SLOTS - 1))
		if (((words[at] ^ hash) & ~TABLE_NUMBER_MASK) == 0 &&
			str_eq(id_of(s, table_number(words[at])), id))
			return table_number(words[at]);
	return MAP_NONE;
}

/* The number of an id, removed ones included, or MAP_NONE. hash: map_hash() of the id. */
static inline uint32_t user_find(const struct iam_snapshot *s, struct str uid,
	uint64_t hash)
{
	return names_find(s, &s->users, uid, hash, user_id);
}

static inline uint32_t group_find(const struct iam_snapshot *s, struct str gid,
	uint64_t hash)
{
	return names_find(s, &s->groups, gid, hash, group_id);
}

static inline uint32_t resource_find(const struct iam_snapshot *s, struct str rid,
	uint64_t hash)
{
	return names_find(s, &s->resources, rid, hash, resource_id);
}

/* The same for any strings; an absent one is never found. */
static inline uint32_t find_user(const struct iam_snapshot *s, struct str uid)
{
	return uid.ptr == NULL ? MAP_NONE : user_find(s, uid, map_hash(&s->seed, uid));
}

static inline uint32_t find_group(const struct iam_snapshot *s, struct str gid)
{
	return gid.ptr == NULL ? MAP_NONE : group_find(s, gid, map_hash(&s->seed, gid));
}

static inline uint32_t find_resource(const struct iam_snapshot *s, struct str rid)
{
	return rid.ptr == NULL ? MAP_NONE
			       : resource_find(s, rid, map_hash(&s->seed, rid));
}

/* The values of a row, in the manner of tree_seek() and tree_next(). */
static inline bool row_seek(const struct iam_snapshot *s, enum relation relation,
	uint32_t row, struct tree_run *ret)
{
	return tree_seek(&s->rows, row_key(relation, row, 0),
		row_key(relation, row + 1, 0), ret);
}

static inline bool row_next(const struct iam_snapshot *s, struct tree_run *run)
{
	uint64_t to = ((run->keys[0] >> ROW_SHIFT) + 1) << ROW_SHIFT;

	return tree_next(&s->rows, to, run);
}

/* The actions granted to exactly this subject on exactly this resource; 0 if none. */
static inline uint64_t granted(const struct iam_snapshot *s, enum iam_subject kind,
	uint32_t subject, uint32_t resource)
{
	uint64_t key = grant_key(kind, subject, resource);

	return table_get(&s->grants, grant_hash(s->grants.seed, key), key,
		       ~(uint64_t)GRANT_ACTIONS) &
		GRANT_ACTIONS;
}

/* The subject's bit in a sieve. */
static inline uint64_t sieve_bit(enum iam_subject kind, uint32_t subject)
{
	uint32_t number = subject * 2 + (kind == IAM_SUBJECT_GROUP);

	return (uint64_t)1 << ((number * 0x9E3779B1U) >> 26);
}

#endif
