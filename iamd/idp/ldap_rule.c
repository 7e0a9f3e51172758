/* ldap_rule - where a directory's users are; see ldap_rule.h. Does not search. */
#include "iamd/idp/ldap_rule.h"

#include <string.h>

#include "iamd/idp/ldap_name.h"

/* What stands behind the first RDN of a DN template; absent where that is no DN below one place. */
static struct str parent_of(struct str dn)
{
	for (size_t i = 0; i < dn.len; i++) {
		if (dn.ptr[i] == '\\') {
			i++;
			continue;
		}
		if (dn.ptr[i] == ',' && str_find(str_sub(dn, 0, i), '=') > 0)
			return str_trim(str_sub(dn, i + 1, dn.len));
	}
	return STR_NONE;
}

static bool has_placeholder(struct str s)
{
	size_t len = strlen(LDAP_USER_PLACEHOLDER);

	for (size_t i = 0; i + len <= s.len; i++)
		if (str_eq_c(str_sub(s, i, i + len), LDAP_USER_PLACEHOLDER))
			return true;
	return false;
}

/* uid=%(username)s,ou=people,... means all entries right below ou=people that have a uid. */
static enum iam_err rule_of_template(struct str template, struct arena *a,
	struct ldap_rule *r)
{
	struct str parent = parent_of(template);
	struct str type;

	r->filter = STR("(objectClass=*)");
	if (parent.ptr == NULL || has_placeholder(parent))
		return IAM_OK; /* user@domain: whatever has a name and an id */
	type = str_trim(str_sub(template, 0, (size_t)str_find(template, '=')));
	r->base = arena_str(a, parent);
	r->where = LDAP_WHERE_ONE;
	r->filter = arena_fmt(a, "(%.*s=*)", STR_FMT(type));
	return r->base.ptr != NULL && r->filter.ptr != NULL ? IAM_OK : IAM_NO_MEMORY;
}

static enum iam_err rule_of_search(const struct ldap_search_rule *s, struct arena *a,
	struct ldap_rule *r)
{
	enum iam_err e = ldap_filter_any(a, s->filter, LDAP_USER_PLACEHOLDER, &r->filter);

	r->base = s->base;
	r->where = LDAP_WHERE_SUBTREE;
	if (e == IAM_OK && r->filter.len > 0 && r->filter.ptr[0] != '(')
		r->filter = arena_fmt(a, "(%.*s)", STR_FMT(r->filter));
	return e == IAM_OK && r->filter.ptr == NULL ? IAM_NO_MEMORY : e;
}

enum iam_err ldap_rule_of(const struct ldap_settings *s, struct arena *a,
	struct ldap_rule *ret)
{
	struct ldap_rule r = {.filter = STR("(objectClass=*)")};
	enum iam_err e = IAM_OK;

	if (s->users.base.ptr != NULL)
		e = rule_of_search(&s->users, a, &r);
	else if (s->dn_template.ptr != NULL)
		e = rule_of_template(s->dn_template, a, &r);
	if (e == IAM_OK && r.base.ptr != NULL)
		e = ldap_dn_normal(a, r.base, &r.base_normal);
	if (e == IAM_OK)
		*ret = r;
	return e;
}

bool ldap_rule_has_place(const struct ldap_rule *r, struct str normal_dn)
{
	struct str base = r->base_normal;
	size_t at;

	if (r->base.ptr == NULL || base.len == 0)
		return true;
	if (normal_dn.len <= base.len + 1 || !str_ends(normal_dn, base))
		return false;
	at = normal_dn.len - base.len - 1;
	if (normal_dn.ptr[at] != ',')
		return false;
	return r->where != LDAP_WHERE_ONE || parent_of(normal_dn).len == base.len;
}
