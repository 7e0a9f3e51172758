/*
 * snapshot - the frozen facts, laid out for asking: internal to libacl.
 *
 * A snapshot is a small head over pages that it shares with the versions before and after it. A
 * user, group or resource has a number for as long as it is known, and a record in a table by the
 * hash of its id; what does not fit there, and what only changes ask for, stands in the ordered
 * set `rows`. What a check asks of a group stands apart, by number.
 */
#ifndef ACL_SNAPSHOT_H
#define ACL_SNAPSHOT_H

#include <assert.h>
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
#define GROUP_TEXT    54U
#define RESOURCE_TEXT 54U

#define USER_GROUPS 6U

/* Records begin with the word by which a table finds them; it has the number too. */
struct user {
	uint64_t word;
	/* direct memberships; if there are more, all are in REL_USER_GROUP */
	uint32_t groups[USER_GROUPS];
	uint32_t n_groups;
	uint16_t len;
	uint8_t is_super; /* a direct grant on the superuser resource */
	uint8_t pad;
	char text[USER_TEXT];
};

struct group_name {
	uint64_t word;
	uint16_t len;
	char text[GROUP_TEXT];
};

#define SIEVE_WORDS 8U

struct resource {
	uint64_t word;
	uint16_t len;
	char text[RESOURCE_TEXT];
	/* A bit for each subject with a grant: most look-ups that find nothing end here. */
	uint64_t sieve[SIEVE_WORDS];
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

_Static_assert(sizeof(struct user) == 64, "a line of the cache");
_Static_assert(sizeof(struct group_name) == 64, "a line of the cache");
_Static_assert(sizeof(struct resource) == 128, "two lines");
_Static_assert(sizeof(struct group) == 64, "a line of the cache");

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

/*
 * Numbered ids. By number only the upper half of the hash is kept, enough to find the record. A
 * number that is free for the next id leads to another one instead: that + 1, or 0.
 */
struct names {
	struct table records;
	struct array hashes; /* uint32_t */
	uint32_t count;      /* numbers ever given */
	uint32_t free;       /* the first free one + 1, or 0 */
};

struct iam_snapshot {
	struct pool *pool;
	uint64_t version;
	struct map_seed seed;
	struct names users;
	struct names groups;
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

static inline const struct group *group_at(const struct iam_snapshot *s, uint32_t group)
{
	return array_at(&s->nesting, sizeof(struct group), group);
}

/* The hash of the id with that number, as far as it is known by number. */
static inline uint64_t hash_at(const struct names *names, uint32_t number)
{
	const uint32_t *half = array_at(&names->hashes, sizeof(*half), number);

	return (uint64_t)*half << 32;
}

/* The record of a number that is in use. */
static inline const void *record_at(const struct names *names, size_t record_bytes,
	uint32_t number)
{
	const void *record = table_find(&names->records, record_bytes,
		hash_at(names, number), (uint64_t)number + 1, TABLE_NUMBER_MASK);

	assert(record != NULL);
	return record;
}

static inline const struct user *user_at(const struct iam_snapshot *s, uint32_t user)
{
	return record_at(&s->users, sizeof(struct user), user);
}

static inline const struct group_name *group_name_at(const struct iam_snapshot *s,
	uint32_t group)
{
	return record_at(&s->groups, sizeof(struct group_name), group);
}

static inline const struct resource *resource_at(const struct iam_snapshot *s,
	uint32_t resource)
{
	return record_at(&s->resources, sizeof(struct resource), resource);
}

/* The id in a record: in place, or where the first bytes point to. */
static inline struct str record_text(const char *text, uint16_t len, size_t room)
{
	const char *ptr = text;

	if (len > room)
		memcpy(&ptr, text, sizeof(ptr));
	return (struct str){.ptr = ptr, .len = len};
}

typedef struct str id_fn(const void *record);

static inline struct str user_id(const void *record)
{
	const struct user *u = record;

	return record_text(u->text, u->len, USER_TEXT);
}

static inline struct str group_id(const void *record)
{
	const struct group_name *g = record;

	return record_text(g->text, g->len, GROUP_TEXT);
}

static inline struct str resource_id(const void *record)
{
	const struct resource *r = record;

	return record_text(r->text, r->len, RESOURCE_TEXT);
}

static inline const void *record_find(const struct names *names, size_t record_bytes,
	struct str id, uint64_t hash, id_fn *id_of)
{
	const char *leaf = table_leaf(&names->records, hash);
	size_t at = table_place(hash, record_bytes);
	const uint64_t *slot;

	for (; *(slot = table_slot(leaf, at, record_bytes)) != 0;
		at = table_next(at, record_bytes))
		if (((*slot ^ hash) & ~TABLE_NUMBER_MASK) == 0 && str_eq(id_of(slot), id))
			return slot;
	return NULL;
}

/* The record of an id, or NULL. hash: map_hash() of the id. */
static inline const struct user *user_find(const struct iam_snapshot *s, struct str uid,
	uint64_t hash)
{
	return record_find(&s->users, sizeof(struct user), uid, hash, user_id);
}

static inline const struct group_name *group_find(const struct iam_snapshot *s,
	struct str gid, uint64_t hash)
{
	return record_find(&s->groups, sizeof(struct group_name), gid, hash, group_id);
}

static inline const struct resource *resource_find(const struct iam_snapshot *s,
	struct str rid, uint64_t hash)
{
	return record_find(&s->resources, sizeof(struct resource), rid, hash,
		resource_id);
}

/* The number of a record, or MAP_NONE of none. */
static inline uint32_t record_number(const void *record)
{
	const uint64_t *word = record;

	return word == NULL ? MAP_NONE : table_number(*word);
}

/* The same for any strings; an absent one is never found. */
static inline const struct user *find_user(const struct iam_snapshot *s, struct str uid)
{
	return uid.ptr == NULL ? NULL : user_find(s, uid, map_hash(&s->seed, uid));
}

static inline const struct group_name *find_group(const struct iam_snapshot *s,
	struct str gid)
{
	return gid.ptr == NULL ? NULL : group_find(s, gid, map_hash(&s->seed, gid));
}

static inline const struct resource *find_resource(const struct iam_snapshot *s,
	struct str rid)
{
	return rid.ptr == NULL ? NULL : resource_find(s, rid, map_hash(&s->seed, rid));
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

/* The place of the subject's bit in a sieve. */
static inline uint32_t sieve_bit(enum iam_subject kind, uint32_t subject)
{
	uint32_t number = subject * 2 + (kind == IAM_SUBJECT_GROUP);

	return (number * 0x9E3779B1U) >> 23;
}

static inline void sieve_add(uint64_t sieve[SIEVE_WORDS], enum iam_subject kind,
	uint32_t subject)
{
	uint32_t bit = sieve_bit(kind, subject);

	sieve[bit / 64] |= (uint64_t)1 << bit % 64;
}

static inline bool sieve_has(const uint64_t sieve[SIEVE_WORDS], enum iam_subject kind,
	uint32_t subject)
{
	uint32_t bit = sieve_bit(kind, subject);

	return (sieve[bit / 64] >> bit % 64 & 1) != 0;
}

#endif
