/*
 * ldap_walk - the state of a walk through a group: who was met, who was told, when it ends.
 *
 * Inner header of ldap_people.c. Each function that returns false has set the walk's state.
 */
#ifndef IDP_LDAP_WALK_H
#define IDP_LDAP_WALK_H

#include "iamd/idp/ldap_members.h"
#include "iamd/idp/ldap_rule.h"
#include "libacl/base/map.h"

/* A member as the group names it. What it is called in the map of its kind is its number here. */
struct member {
	struct str value;
	bool settled;               /* told, or a group, or found to be neither */
	unsigned n_entries;         /* of a name: entries that have it */
	const struct identity *who; /* of a name: the first of them */
};

struct members {
	struct map ids;
	struct member *rows;
	size_t cap;
	size_t level_from; /* those before were settled on earlier levels */
};

enum walk_state { WALKING, STOPPED, OUT_OF_TIME, FAILED };

struct walk {
	const struct ldap_settings *s;
	struct arena *a;
	int64_t until_ms;
	ldap_user_fn *each;
	void *ctx;
	struct ldap_conn *c;
	struct ldap_kind kind;
	struct ldap_fault *fault;
	struct ldap_rule rule;
	struct str users_or_groups;
	const char *const *user_attributes, *const *all_attributes;
	struct members dns, names;
	struct map told; /* subjects */
	struct map_seed seed;
	size_t n_groups, n_chains, n_skipped;
	unsigned depth;
	enum walk_state state;
	struct arena *scratch;
};

/* A fault of the walk's own; false. */
bool walk_fail(struct walk *w, enum ldap_state state, const char *text);
bool walk_no_memory(struct walk *w);

/* May it go on, or is the time over (or something else)? */
bool walk_goes_on(struct walk *w);

/* w->scratch holds what one entry needs; this may free what is there and begins anew. */
bool walk_fresh_scratch(struct walk *w);

/* Puts a member down under its key (normal DN, folded name), once. The value outlives the walk. */
bool walk_meet(struct walk *w, struct members *m, struct str key, struct str value);
/* Everything that a group names: the next level. May begin the scratch memory anew. */
bool walk_meet_members(struct walk *w, const struct ldap_group *g);

/* Login names are compared without regard to ASCII case, as directories do. */
struct str walk_folded(struct arena *a, struct str s);

/* Tells a person unless told before; may end the walk. */
void walk_tell(struct walk *w, const struct identity *who);
/* A user of the rule with a name and a lasting id? */
bool walk_identify(struct walk *w, struct ldap_entry *e, struct arena *a,
	struct identity *ret);

/*
 * One search. The callbacks end it when the time is over (walk_goes_on()), so that the connection
 * stays good; a server gets an operation's time beyond. Of one entry, that it is not there is no fault.
 */
bool walk_ask(struct walk *w, const struct ldap_query *q, ldap_entry_fn *fn, void *ctx);

#endif
