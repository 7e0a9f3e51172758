/*
 * ldap_identity - an entry of a directory as a person: which attributes to ask for, and what they mean.
 *
 * Does: the lasting id (it decides whose account this is), name, description, mail, disabled. Does
 * not: any network, or judge whether the name can be one of ours. Invariants: the lasting id is taken
 * from what a kind of server has given its entries from the first day, so that an attribute which
 * appears later (389-ds can be given entryUUID afterwards) turns nobody into somebody else; and only
 * from what that kind keeps its users from writing: elsewhere objectGUID and nsUniqueId may be plain
 * attributes (OpenLDAP ships such schemas), and who writes his own would be whom he likes. The
 * attribute's name is part of the id, so that the values of two never meet.
 */
#include <string.h>

#include "iamd/idp/ldap_members.h"
#include "iamd/idp/ldap_status.h"
#include "iamd/idp/ldap_users.h"

/* LIMIT: bytes taken over of a description or a mail address; the rest is cut. */
#define TEXT_KEPT_MAX 1024
/* LIMIT: bytes of a login name; a longer one is none. */
#define NAME_MAX_BYTES 512

const char *const ldap_lasting_ids[LDAP_LASTING_IDS] = {
	"entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID"};

/* What the placeholder stands for in `cn=%(username)s,ou=...`; NUL-terminated; absent: no such template. */
static struct str template_attribute(const struct ldap_settings *s, struct arena *a)
{
	struct str rest = s->dn_template;
	struct str type = str_trim(str_split(&rest, '='));

	return type.len > 0 && type.len <= 64 && rest.ptr != NULL ? arena_str(a, type)
								  : STR_NONE;
}

static struct str name_attribute(const struct ldap_settings *s,
	const struct ldap_kind *kind, struct arena *a)
{
	struct str of_template;

	if (s->uid_attribute.ptr != NULL)
		return s->uid_attribute;
	if (kind->active_directory)
		return STR("sAMAccountName");
	of_template = template_attribute(s, a);
	return of_template.ptr != NULL ? of_template : STR("uid");
}

const char *const *ldap_user_attributes(const struct ldap_settings *s, struct arena *a)
{
	struct str of_template = template_attribute(s, a);
	size_t n = 0, n_status = 0;
	const char **list;

	while (ldap_status_attributes[n_status] != NULL)
		n_status++;
	/* what is listed below, and the end */
	list = arena_alloc_n(a, n_status + LDAP_LASTING_IDS + 7, sizeof *list);
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < LDAP_LASTING_IDS; i++)
		list[n++] = ldap_lasting_ids[i];
	for (size_t i = 0; i < n_status; i++)
		list[n++] = ldap_status_attributes[i];
	if (s->uid_attribute.ptr != NULL) {
		list[n++] = s->uid_attribute.ptr;
	} else {
		list[n++] = "uid";
		list[n++] = "sAMAccountName";
		if (of_template.ptr != NULL)
			list[n++] = of_template.ptr;
	}
	if (s->description_attribute.len > 0)
		list[n++] = s->description_attribute.ptr;
	if (s->email_attribute.len > 0)
		list[n++] = s->email_attribute.ptr;
	list[n++] = "objectClass"; /* groups are nobody */
	list[n] = NULL;
	return list;
}

/* objectGUID is 16 bytes; as hex in the order they stand in. */
static struct str guid_id(struct ldap_entry *e, struct arena *a)
{
	struct str bytes = ldap_entry_value(e, "objectGUID", 0);
	struct sb sb;

	if (bytes.len != 16)
		return STR_NONE;
	sb_init(&sb, a, 64);
	sb_add(&sb, STR("objectguid:"));
	for (size_t i = 0; i < bytes.len; i++)
		sb_addf(&sb, "%02x", (unsigned)(unsigned char)bytes.ptr[i]);
	return sb.failed ? STR_NONE : arena_str(a, sb_str(&sb));
}

/* The other ids are printable text, told apart without regard to case: kept in lower case. */
static struct str text_id(struct ldap_entry *e, const char *attribute, struct arena *a)
{
	struct str value = ldap_entry_value(e, attribute, 0);
	size_t begin = strlen(attribute) + 1;
	size_t len = begin + value.len;
	char *out;

	if (value.len == 0 || len > IDP_SUBJECT_MAX)
		return STR_NONE;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
			return STR_NONE;
	out = arena_alloc(a, len + 1);
	if (out == NULL)
		return STR_NONE;
	memcpy(out, attribute, begin - 1);
	out[begin - 1] = ':';
	memcpy(out + begin, value.ptr, value.len);
	out[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] + ('a' - 'A'));
	return (struct str){out, len};
}

/* 389-ds, and FreeIPA, which is built on it. */
static bool is_389(const struct ldap_kind *kind)
{
	return str_starts(str_c(kind->vendor), STR("389 "));
}

struct str ldap_lasting_id(struct ldap_entry *e, struct arena *a)
{
	const struct ldap_kind *kind = ldap_entry_kind(e);
	struct str id = STR_NONE;

	if (kind->active_directory)
		return guid_id(e, a);
	if (is_389(kind))
		id = text_id(e, "nsUniqueId", a);
	if (id.ptr == NULL)
		id = text_id(e, "entryUUID", a);
	if (id.ptr == NULL && is_389(kind))
		id = text_id(e, "ipaUniqueID", a);
	return id;
}

/* A value for people: well-formed, without control characters, cut at a whole character. "" if not. */
static struct str text_of(struct arena *a, struct ldap_entry *e, struct str attribute)
{
	struct str v =
		attribute.len > 0 ? ldap_entry_value(e, attribute.ptr, 0) : STR_NONE;

	if (v.len > TEXT_KEPT_MAX) {
		v.len = TEXT_KEPT_MAX;
		while (v.len > 0 && ((unsigned char)v.ptr[v.len] & 0xC0) == 0x80)
			v.len--;
	}
	if (v.ptr == NULL || !str_is_utf8(v))
		return STR("");
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.ptr[i] < 0x20 || v.ptr[i] == 0x7f)
			return STR("");
	return arena_str(a, v);
}

bool ldap_user_from_entry(const struct ldap_settings *s, const struct ldap_kind *kind,
	struct ldap_entry *e, struct arena *a, struct identity *ret)
{
	struct str name = ldap_entry_value(e, name_attribute(s, kind, a).ptr, 0);
	struct identity who = {
		.source = s->id,
		.subject = ldap_lasting_id(e, a),
		.dn = arena_str(a, ldap_entry_dn(e)),
		.description = text_of(a, e, s->description_attribute),
		.email = text_of(a, e, s->email_attribute),
		.disabled = ldap_status_entry_disabled(e),
	};

	if (name.len == 0 || name.len > NAME_MAX_BYTES || !str_is_utf8(name) ||
		ldap_entry_is_group(e))
		return false;
	who.name = arena_str(a, name);
	if (who.subject.ptr == NULL || who.dn.ptr == NULL || who.name.ptr == NULL ||
		who.description.ptr == NULL || who.email.ptr == NULL)
		return false;
	*ret = who;
	return true;
}
