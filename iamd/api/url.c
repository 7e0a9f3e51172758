/*
 * url - the URLs of the wire's objects; see url.h.
 *
 * Does not: check ids. Callers have them from the store, the snapshot, or have checked them.
 */
#include "iamd/api/url.h"

#include "libacl/base/str.h"

#define PREFIX "/acs/api/v1"

void url_add(struct url *u, struct str s)
{
	for (size_t i = 0; i < s.len && u->len < sizeof u->buf; i++)
		u->buf[u->len++] = s.ptr[i];
}

void url_begin(struct url *u, struct str folder, struct str id)
{
	u->len = 0;
	url_add(u, STR(PREFIX));
	url_add(u, folder);
	url_add(u, id);
}

void url_begin_acl(struct url *u, struct str rid)
{
	url_begin(u, STR("/acls/"), STR(""));
	for (size_t i = 0; i < rid.len; i++)
		url_add(u, rid.ptr[i] == '/' ? STR("%252F") : str_sub(rid, i, i + 1));
}

void url_begin_action(struct url *u, struct str rid, struct str uid, struct str gid,
	enum iam_action action)
{
	url_begin_acl(u, rid);
	url_add(u, gid.ptr != NULL ? STR("/groups/") : STR("/users/"));
	url_add(u, gid.ptr != NULL ? gid : uid);
	url_add(u, STR("/"));
	url_add(u, str_c(iam_action_name(action)));
}
