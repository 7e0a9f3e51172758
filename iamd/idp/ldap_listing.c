/*
 * ldap_listing - all people of a directory, page by page; see ldap_users.h.
 *
 * Does not keep anything: an entry is told and forgotten, so memory does not grow with the directory.
 */
#include <stdio.h>
#include <string.h>

#include "iamd/idp/ldap_name.h"
#include "iamd/idp/ldap_users.h"

/* LIMIT: entries of one page. */
#define LIST_PAGE 500

struct listing {
	const struct ldap_settings *s;
	const struct ldap_kind *kind;
	ldap_user_fn *each;
	void *ctx;
	bool no_memory;
};

static bool tell_entry(struct ldap_entry *e, void *ctx)
{
	struct listing *l = ctx;
	/* LIMIT: an entry's name, DN, description, mail and id. */
	struct arena *a = arena_new(1024, 32768);
	struct identity who;
	bool more = true;

	l->no_memory = a == NULL;
	if (a != NULL && ldap_user_from_entry(l->s, l->kind, e, a, &who))
		more = l->each(&who, l->ctx);
	arena_free(a);
	return more && !l->no_memory;
}

bool ldap_users_each(struct ldap_conn *c, const struct ldap_settings *s,
	const struct ldap_kind *kind, struct str filter, int64_t until_ms,
	ldap_user_fn *each, void *ctx, struct ldap_fault *fault)
{
	struct listing l = {.s = s, .kind = kind, .each = each, .ctx = ctx};
	struct arena *a = arena_new(1024, 65536);
	struct ldap_query query = {
		.base = s->users.base,
		.where = LDAP_WHERE_SUBTREE,
		.filter = filter,
		.page = kind->paging ? LIST_PAGE : 0,
	};
	bool fine = false;

	memset(fault, 0, sizeof *fault);
	fault->state = LDAP_STATE_NO_MEMORY;
	query.attributes = a == NULL ? NULL : ldap_user_attributes(s, a);
	if (query.attributes != NULL && s->users.base.ptr == NULL) {
		fault->state = LDAP_STATE_PROTOCOL;
		(void)snprintf(fault->text, sizeof fault->text,
			"people cannot be listed without `user-search`");
	} else if (query.attributes != NULL &&
		(filter.ptr != NULL ||
			ldap_filter_any(a, s->users.filter, LDAP_USER_PLACEHOLDER,
				&query.filter) == IAM_OK)) {
		fine = ldap_conn_search(c, &query, s->search_timeout_ms, until_ms,
			tell_entry, &l, fault);
		if (fine && l.no_memory) {
			fine = false;
			fault->state = LDAP_STATE_NO_MEMORY;
		}
	}
	arena_free(a);
	return fine;
}
