/*
 * ldap_identity - an entry of a directory as a person: which attributes to ask for, and what they mean.
 *
 * Does: the lasting id (it decides whose account this is), name, description, mail, disabled. Does
 * not: any network, or judge whether the name can be one of ours. Invariant: the lasting id is taken
 * from what a kind of server has given its entries from the first day, so that an attribute which
 * appears later (389-ds can be given entryUUID afterwards) turns nobody into somebody else.
 */
#include <stdio.h>
#include <string.h>

#include "iamd/idp/ldap_members.h"
#include "iamd/idp/ldap_status.h"
#include "iamd/idp/ldap_users.h"

/* LIMIT: bytes taken over of a description or a mail address; the rest is cut. */
#define TEXT_KEPT_MAX 1024
/* LIMIT: bytes of a login name; a longer one is none. */
#define NAME_MAX_BYTES 512

static const char *const lasting_ids[] = {
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
	list = arena_alloc_n(a, n_status + sizeof lasting_ids / sizeof lasting_ids[0] + 7,
		sizeof *list);
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof lasting_ids / sizeof lasting_ids[0]; i++)
		list[n++] = lasting_ids[i];
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
static struct str hex_of(struct arena *a, struct str bytes)
{
	struct sb sb;

	if (bytes.len != 16)
		return STR_NONE;
	sb_init(&sb, a, 64);
	for (size_t i = 0; i < bytes.len; i++)
		sb_addf(&sb, "%02x", (unsigned)(unsigned char)bytes.ptr[i]);
	return sb.failed ? STR_NONE : arena_str(a, sb_str(&sb));
}

/* The other ids are printable text, told apart without regard to case: kept in lower case. */
static struct str id_text(struct arena *a, struct str value)
{
	char *out;

	if (value.len == 0 || value.len > IDP_SUBJECT_MAX)
		return STR_NONE;
	out = arena_cstr(a, value);
	if (out == NULL)
		return STR_NONE;
	for (size_t i = 0; i < value.len; i++) {
		if (out[i] <= ' ' || out[i] > '~')
			return STR_NONE;
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] + ('a' - 'A'));
	}
	return (struct str){out, value.len};
}

/* Active Directory's, that of 389-ds (and FreeIPA, which is built on it), the standard's (RFC 4530). */
struct str ldap_lasting_id(struct ldap_entry *e, struct arena *a)
{
	struct str id = hex_of(a, ldap_entry_value(e, "objectGUID", 0));

	if (id.ptr == NULL)
		id = id_text(a, ldap_entry_value(e, "nsUniqueId", 0));
	if (id.ptr == NULL)
		id = id_text(a, ldap_entry_value(e, "entryUUID", 0));
	if (id.ptr == NULL)
		id = id_text(a, ldap_entry_value(e, "ipaUniqueID", 0));
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
