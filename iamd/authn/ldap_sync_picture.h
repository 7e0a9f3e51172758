/*
 * ldap_sync_picture - what a synchronisation works on: a directory as it is, and what is stored of it.
 *
 * Pure: no network, no store. Both sides are arrays with indices instead of pointers; strings live
 * in one arena. A node is whatever a member value can name: a DN, a login name, one entry's lasting
 * id. Members are noted as nodes, so that they may be read before the entries they name.
 * One owner thread. Errors: IAM_NO_MEMORY; IAM_TOO_LARGE past a LIMIT.
 */
#ifndef AUTHN_LDAP_SYNC_PICTURE_H
#define AUTHN_LDAP_SYNC_PICTURE_H

#include "iamd/idp/idp.h"
#include "libacl/base/map.h"

#define SYNC_NONE UINT32_MAX

/* LIMIT: people, groups and memberships of one directory, and the memory of one picture. */
#define SYNC_PEOPLE_MAX 2000000
#define SYNC_GROUPS_MAX 500000
#define SYNC_LINKS_MAX  20000000
#define SYNC_MEMORY_MAX ((size_t)2 << 30)

/* What of an account is kept in step. Longer texts and such that are no UTF-8 count as absent. */
#define SYNC_DESCRIPTION_MAX 1024
#define SYNC_EMAIL_MAX       1024

enum sync_node_kind {
	SYNC_NODE_UNKNOWN,   /* named, but no entry of the picture */
	SYNC_NODE_PERSON,
	SYNC_NODE_GROUP,
	SYNC_NODE_AMBIGUOUS  /* a login name of two entries: means nobody */
};

struct sync_node {
	uint32_t index;
	enum sync_node_kind kind;
};

struct sync_person {
	struct str subject, name, dn, description, email;
	bool disabled;
	bool as_stored; /* not read now: what is stored is taken for true */
};

struct sync_group {
	struct str subject, name, dn, description;
	bool as_stored;               /* as above; its members are not known */
	uint32_t first_link, n_links; /* nodes of its members */
};

struct sync_picture {
	struct arena *arena;
	struct map nodes_by_key;
	struct sync_node *nodes;
	struct sync_person *people;
	struct sync_group *groups;
	uint32_t *links;
	size_t n_nodes, n_people, n_groups, n_links;
	size_t cap_nodes, cap_people, cap_groups, cap_links;
	bool no_groups; /* groups were not looked for: that one is missing says nothing */
};

MUST_CHECK enum iam_err sync_picture_init(struct sync_picture *p);
void sync_picture_done(struct sync_picture *p); /* zeroed is fine */

/*
 * An entry. dn_key: its DN in the one spelling (ldap_dn_normal()). An entry that is there already, by
 * its lasting id, is not added again. Strings are copied.
 */
MUST_CHECK enum iam_err sync_picture_person(struct sync_picture *p, const struct identity *who,
	struct str dn_key, bool as_stored);
/* Its members follow by sync_picture_member_*(). */
MUST_CHECK enum iam_err sync_picture_group(struct sync_picture *p, const struct sync_group *group,
	struct str dn_key, bool *ret_added);

/* A member of the group added last, by DN key, or by login name. */
MUST_CHECK enum iam_err sync_picture_member_dn(struct sync_picture *p, struct str dn_key);
MUST_CHECK enum iam_err sync_picture_member_name(struct sync_picture *p, struct str name);

/* The person or group with that lasting id; SYNC_NONE: none. */
uint32_t sync_picture_person_of(const struct sync_picture *p, struct str subject);
uint32_t sync_picture_group_of(const struct sync_picture *p, struct str subject);
/* Do two entries have this login name? */
bool sync_picture_is_ambiguous(const struct sync_picture *p, struct str name);

/* ---- what is stored ---- */

struct sync_stored_user {
	struct str uid, subject, dn, description, email;
	int64_t missing_since_ms;
	bool enabled, disabled_there;
};

/* Members of a group: those that are accounts, and those that are groups, of the same directory. */
enum sync_member { SYNC_MEMBER_USER, SYNC_MEMBER_GROUP, SYNC_MEMBER_KINDS };

struct sync_stored_group {
	struct str gid, subject, dn, description;
	int64_t missing_since_ms;
	bool partial;
	bool is_protected; /* holds administrative rights, itself or by being nested */
	uint32_t first_link[SYNC_MEMBER_KINDS], n_links[SYNC_MEMBER_KINDS];
};

struct sync_stored_link {
	uint32_t index; /* into users, or groups */
	bool ours;      /* a synchronisation or an import put it there */
};

struct sync_stored_links {
	struct sync_stored_link *rows;
	size_t n, cap;
};

struct sync_stored {
	struct arena *arena;
	struct map uids, gids; /* id -> index */
	struct sync_stored_user *users;
	struct sync_stored_group *groups; /* in byte order of gid */
	struct sync_stored_links links[SYNC_MEMBER_KINDS];
	size_t n_users, n_groups;
	size_t cap_users, cap_groups;
	bool any_protected;
};

MUST_CHECK enum iam_err sync_stored_init(struct sync_stored *s);
void sync_stored_done(struct sync_stored *s);
/* Strings are copied. */
MUST_CHECK enum iam_err sync_stored_user(struct sync_stored *s, const struct sync_stored_user *row);
MUST_CHECK enum iam_err sync_stored_group(struct sync_stored *s, const struct sync_stored_group *row);
/*
 * A membership; after all users and groups, those of one group and kind together. Unknown ids (accounts
 * of somebody else) are none of ours and left out.
 */
MUST_CHECK enum iam_err sync_stored_link(struct sync_stored *s, struct str gid, struct str member,
	enum sync_member kind, bool ours);
/* The account, or group, with that id; SYNC_NONE: none. */
uint32_t sync_stored_user_of(const struct sync_stored *s, struct str uid);
uint32_t sync_stored_group_of(const struct sync_stored *s, struct str gid);

#endif
