/*
 * url - the URLs of the wire's objects.
 *
 * A builder on the stack, large enough for any valid ids; what does not fit is cut. In resource ids
 * '/' becomes "%252F"; nothing else is escaped.
 */
#ifndef API_URL_H
#define API_URL_H

#include "iam/rid.h"
#include "iam/str.h"

/* LIMIT: a URL: the prefix and a resource id of slashes, each as five bytes, and a user and action. */
#define URL_MAX 6144

struct url {
	char buf[URL_MAX];
	size_t len;
};

void url_add(struct url *u, struct str s);
/* The prefix of all, the folder ("/users/") and the id. */
void url_begin(struct url *u, struct str folder, struct str id);
void url_begin_acl(struct url *u, struct str rid);
/* Of an action as granted to a user or (gid present) a group. */
void url_begin_action(struct url *u, struct str rid, struct str uid, struct str gid,
	enum iam_action action);

static inline struct str url_str(const struct url *u)
{
	return (struct str){.ptr = u->buf, .len = u->len};
}

#endif
