/*
 * ldap_sync_read - reads a directory for a synchronisation: all of it, what changed, or ids alone.
 *
 * Does: people of the user rule and groups of the group rule, in pages, into a picture; where the next
 * delta begins. Does not: look anything up one by one, so the time is that of some long searches.
 * Invariants: a mark never lies behind a change that was not read. Active Directory numbers its changes
 * (uSNChanged, for each server apart), and the number is read before the entries. Others have
 * modifyTimestamp in the server's own time: the mark is the latest one seen, less what the reading
 * took and a margin, because what was changed while it was read may have been passed by already.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "iamd/authn/ldap_sync_impl.h"
#include "iamd/idp/ldap_members.h"
#include "iamd/idp/ldap_name.h"
#include "iamd/idp/ldap_rule.h"
#include "iamd/sys/clock.h"
#include "libacl/base/str.h"

/* LIMIT: one reading; entries of a page; entries between two looks at the progress. */
#define READ_MS_MAX   3600000
#define PAGE          1000
#define PROGRESS_EACH 500
/* Servers of one directory may be that much apart, besides what the reading took. */
#define MARGIN_S 5
/* LIMIT: memory for one entry, members of a group not counted. */
#define ENTRY_BYTES_MAX ((size_t)1 << 20)

#define STAMP_LEN 14 /* YYYYMMDDhhmmss */

struct reader {
	struct sync_run *r;
	const struct ldap_settings *s;
	struct sync_picture *p;
	struct ldap_conn *c;
	struct ldap_kind kind;
	struct ldap_fault fault;
	struct ldap_rule rule; /* where people are */
	int64_t until_ms, began_ms;
	char latest[STAMP_LEN + 1]; /* modifyTimestamp; "": none seen */
	char csn[STAMP_LEN +
		1]; /* of the last change before the reading; "": not known */
	uint64_t n; /* entries since the last progress */
	enum iam_err e;
	/* of ids alone */
	const struct sync_stored *stored;
	struct map subjects;
	bool *seen;
	bool returned;
};

/* ---- connection and rules ---- */

static enum iam_err fail(struct reader *rd, const char *text)
{
	(void)snprintf(rd->r->report.error, sizeof rd->r->report.error, "%.255s", text);
	return IAM_UNAVAILABLE;
}

static bool is_cancelled(void *ctx)
{
	return sync_watch_cancelled(ctx);
}

static enum iam_err reader_open(struct reader *rd)
{
	enum iam_err e = ldap_rule_of(rd->s, rd->r->arena, &rd->rule);

	if (e == IAM_BAD_DATA || (e == IAM_OK && rd->rule.base.ptr == NULL))
		return fail(rd,
			"the directory's configuration has no `user-search`, and its "
			"`dntemplate` names no level to search");
	if (e != IAM_OK)
		return e;
	rd->began_ms = clock_mono_ms();
	rd->until_ms = rd->began_ms + READ_MS_MAX;
	rd->c = ldap_lookup_take(rd->r->dir->pool, rd->s,
		rd->began_ms + rd->s->connect_timeout_ms +
			2 * rd->s->operation_timeout_ms,
		&rd->kind, &rd->fault);
	if (rd->c == NULL)
		return fail(rd, rd->fault.text);
	ldap_conn_set_stop(rd->c, is_cancelled, rd->r->watch);
	return IAM_OK;
}

static void reader_close(struct reader *rd)
{
	if (rd->c == NULL)
		return;
	ldap_conn_set_stop(rd->c, NULL, NULL);
	/* A wait that was ended by us says nothing of the server. */
	if (rd->fault.state == LDAP_STATE_TIMEOUT && sync_watch_cancelled(rd->r->watch))
		rd->fault.state = LDAP_STATE_NO_MEMORY;
	ldap_pool_give(rd->r->dir->pool, LDAP_USE_LOOKUP, rd->c, &rd->fault);
}

/* What became of a search. */
static enum iam_err searched(struct reader *rd, bool fine)
{
	if (sync_watch_cancelled(rd->r->watch))
		return IAM_CONFLICT;
	if (!fine)
		return fail(rd, rd->fault.text);
	return rd->e;
}

static void progress(struct reader *rd, uint64_t least)
{
	struct sync_report more = {.entries_read = rd->n};

	if (rd->n < least || rd->n == 0)
		return;
	rd->n = 0;
	sync_watch_add(rd->r, &more);
}

/* One entry has come. False: enough. */
static bool go_on(struct reader *rd)
{
	rd->n++;
	progress(rd, PROGRESS_EACH);
	return rd->e == IAM_OK && !sync_watch_cancelled(rd->r->watch);
}

/* ---- marks ---- */

static void note_stamp(struct reader *rd, struct ldap_entry *e)
{
	struct str stamp = ldap_entry_value(e, "modifyTimestamp", 0);

	if (stamp.len < STAMP_LEN || memcmp(stamp.ptr, rd->latest, STAMP_LEN) <= 0)
		return;
	for (size_t i = 0; i < STAMP_LEN; i++)
		if (stamp.ptr[i] < '0' || stamp.ptr[i] > '9')
			return;
	memcpy(rd->latest, stamp.ptr, STAMP_LEN);
}

static int part(const char *stamp, size_t from, size_t len)
{
	int64_t n = 0;

	(void)str_to_i64((struct str){stamp + from, len}, 0, 9999, &n);
	return (int)n;
}

/* A timestamp so many seconds earlier; "" if it is none. */
static struct str earlier(struct arena *a, const char *stamp, int64_t seconds)
{
	struct tm tm = {.tm_year = part(stamp, 0, 4) - 1900,
		.tm_mon = part(stamp, 4, 2) - 1,
		.tm_mday = part(stamp, 6, 2),
		.tm_hour = part(stamp, 8, 2),
		.tm_min = part(stamp, 10, 2),
		.tm_sec = part(stamp, 12, 2)};
	time_t t = timegm(&tm);

	t -= (time_t)seconds;
	if (gmtime_r(&t, &tm) == NULL)
		return STR("");
	return arena_fmt(a, "%04d%02d%02d%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

struct usn {
	struct arena *a;
	struct str highest, server;
};

static bool usn_entry(struct ldap_entry *e, void *ctx)
{
	struct usn *u = ctx;

	u->highest = arena_str(u->a, ldap_entry_value(e, "highestCommittedUSN", 0));
	u->server = arena_str(u->a, ldap_entry_value(e, "dsServiceName", 0));
	return true;
}

/* Active Directory: the number of its last change, before anything is read. */
static enum iam_err read_usn(struct reader *rd, struct sync_mark *mark)
{
	static const char *const names[] = {"highestCommittedUSN", "dsServiceName", NULL};
	const struct ldap_query q = {
		.base = STR(""), .where = LDAP_WHERE_BASE, .attributes = names};
	struct usn u = {.a = rd->r->arena, .highest = STR_NONE, .server = STR_NONE};
	int64_t n = 0;
	enum iam_err e;

	e = searched(rd,
		ldap_conn_search(rd->c, &q, rd->s->operation_timeout_ms, rd->until_ms,
			usn_entry, &u, &rd->fault));
	if (e != IAM_OK || u.server.ptr == NULL ||
		!str_to_i64(u.highest, 0, INT64_MAX - 1, &n))
		return e;
	mark->kind = STR("usn");
	mark->server = u.server;
	mark->value = arena_fmt(u.a, "%lld", (long long)n + 1);
	return mark->value.ptr != NULL ? IAM_OK : IAM_NO_MEMORY;
}

struct csn {
	struct arena *a;
	struct str base, suffix;
	unsigned n;
	char latest[STAMP_LEN + 1];
};

/* Which of the server's naming contexts holds the people? */
static bool suffix_entry(struct ldap_entry *e, void *ctx)
{
	struct csn *c = ctx;

	for (unsigned i = 0; i < ldap_entry_count(e, "namingContexts"); i++) {
		struct str suffix = ldap_entry_value(e, "namingContexts", i);

		if (suffix.len > 0 && suffix.len <= c->base.len &&
			str_ieq(suffix,
				str_sub(c->base, c->base.len - suffix.len, c->base.len)))
			c->suffix = arena_str(c->a, suffix);
	}
	return true;
}

static bool csn_entry(struct ldap_entry *e, void *ctx)
{
	struct csn *c = ctx;

	c->n = ldap_entry_count(e, "contextCSN");
	for (unsigned i = 0; i < c->n; i++) {
		struct str csn = ldap_entry_value(e, "contextCSN", i);

		if (csn.len > STAMP_LEN && memcmp(csn.ptr, c->latest, STAMP_LEN) > 0)
			memcpy(c->latest, csn.ptr, STAMP_LEN);
	}
	return true;
}

/*
 * OpenLDAP with syncprov says when its last change was. Where all changes are one server's, whatever
 * is changed later has a later time: then that is the mark, and no margin is needed.
 */
static enum iam_err read_csn(struct reader *rd)
{
	static const char *const contexts[] = {"namingContexts", NULL};
	static const char *const csns[] = {"contextCSN", NULL};
	struct csn c = {.a = rd->r->arena, .base = rd->rule.base, .suffix = STR_NONE};
	struct ldap_query q = {
		.base = STR(""), .where = LDAP_WHERE_BASE, .attributes = contexts};
	enum iam_err e = searched(rd,
		ldap_conn_search(rd->c, &q, rd->s->operation_timeout_ms, rd->until_ms,
			suffix_entry, &c, &rd->fault));

	if (e != IAM_OK || c.suffix.ptr == NULL)
		return e;
	q.base = c.suffix;
	q.attributes = csns;
	if (!ldap_conn_search(rd->c, &q, rd->s->operation_timeout_ms, rd->until_ms,
		    csn_entry, &c, &rd->fault) &&
		rd->fault.state != LDAP_STATE_CODE)
		return searched(rd, false);
	if (c.n == 1)
		memcpy(rd->csn, c.latest, sizeof rd->csn);
	return IAM_OK;
}

static void mark_time(struct reader *rd, struct sync_mark *mark)
{
	int64_t took_s = (clock_mono_ms() - rd->began_ms + 999) / 1000;

	if (rd->csn[0] != '\0') {
		mark->kind = STR("timestamp");
		mark->value = earlier(rd->r->arena, rd->csn, 0);
		return;
	}
	if (rd->latest[0] == '\0')
		return;
	mark->kind = STR("timestamp");
	mark->value = earlier(rd->r->arena, rd->latest, took_s + MARGIN_S);
	if (mark->value.len == 0)
		mark->kind = STR("");
}

/* "(modifyTimestamp>=...)": what may have changed. Absent: everything. */
static struct str changed_filter(struct arena *a, const struct sync_mark *since)
{
	if (since == NULL)
		return STR_NONE;
	return arena_fmt(a, "(%s>=%.*s)",
		str_eq_c(since->kind, "usn") ? "uSNChanged" : "modifyTimestamp",
		STR_FMT(since->value));
}

static bool stamp_entry(struct ldap_entry *e, void *ctx)
{
	struct reader *rd = ctx;

	note_stamp(rd, e);
	return !sync_watch_cancelled(rd->r->watch);
}

/* Groups come without their timestamps: the later ones are looked at once more. */
static enum iam_err stamp_groups(struct reader *rd, struct str changed)
{
	static const char *const names[] = {"modifyTimestamp", NULL};
	struct ldap_query q = {.base = rd->s->groups.base,
		.where = LDAP_WHERE_SUBTREE,
		.attributes = names,
		.page = rd->kind.paging ? PAGE : 0};
	struct arena *a = rd->r->arena;
	struct str any = STR_NONE;
	enum iam_err e =
		ldap_filter_any(a, rd->s->groups.filter, LDAP_GROUP_PLACEHOLDER, &any);

	if (e != IAM_OK)
		return e;
	if (rd->latest[0] != '\0')
		q.filter = arena_fmt(a, "(&%.*s(modifyTimestamp>=%sZ))", STR_FMT(any),
			rd->latest);
	else if (changed.ptr != NULL)
		q.filter = arena_fmt(a, "(&%.*s%.*s)", STR_FMT(any), STR_FMT(changed));
	else
		q.filter = any;
	return searched(rd,
		ldap_conn_search(rd->c, &q, rd->s->search_timeout_ms, rd->until_ms,
			stamp_entry, rd, &rd->fault));
}

/* ---- entries ---- */

static struct str key_of(struct arena *a, struct str dn)
{
	struct str key;

	return ldap_dn_normal(a, dn, &key) == IAM_OK ? key : STR("");
}

static bool person_entry(struct ldap_entry *e, void *ctx)
{
	struct reader *rd = ctx;
	struct arena *a = arena_new(4096, ENTRY_BYTES_MAX);
	struct identity who;

	if (a == NULL) {
		rd->e = IAM_NO_MEMORY;
		return false;
	}
	note_stamp(rd, e);
	if (ldap_user_from_entry(rd->s, &rd->kind, e, a, &who))
		rd->e = sync_picture_person(rd->p, &who, key_of(a, who.dn), false);
	arena_free(a);
	return go_on(rd);
}

/* Those of a person, and when it was changed. */
static const char *const *person_attributes(struct reader *rd)
{
	const char *const *of_user = ldap_user_attributes(rd->s, rd->r->arena);
	const char **all;
	size_t n = 0;

	while (of_user != NULL && of_user[n] != NULL)
		n++;
	all = of_user == NULL ? NULL : arena_alloc_n(rd->r->arena, n + 2, sizeof *all);
	if (all == NULL)
		return NULL;
	memcpy(all, of_user, n * sizeof *all);
	all[n] = "modifyTimestamp";
	return all;
}

static enum iam_err read_people(struct reader *rd, struct str changed)
{
	struct ldap_query q = {.base = rd->rule.base,
		.where = rd->rule.where,
		.filter = rd->rule.filter,
		.attributes = person_attributes(rd),
		.page = rd->kind.paging ? PAGE : 0};

	if (changed.ptr != NULL)
		q.filter = arena_fmt(rd->r->arena, "(&%.*s%.*s)",
			STR_FMT(rd->rule.filter), STR_FMT(changed));
	if (q.attributes == NULL || q.filter.ptr == NULL)
		return IAM_NO_MEMORY;
	return searched(rd,
		ldap_conn_search(rd->c, &q, rd->s->search_timeout_ms, rd->until_ms,
			person_entry, rd, &rd->fault));
}

/* LIMIT: one member's DN taken apart. */
#define DN_BYTES_MAX ((size_t)256 * 1024)
/* Members whose spelling is worked out in one piece of memory. */
#define MEMBERS_EACH 500

static enum iam_err add_members(struct reader *rd, const struct ldap_group *g,
	size_t from, size_t to)
{
	struct arena *a = arena_new(16384, DN_BYTES_MAX * MEMBERS_EACH);
	enum iam_err e = a == NULL ? IAM_NO_MEMORY : IAM_OK;

	for (size_t i = from; e == IAM_OK && i < to; i++)
		e = g->by_name[i]
			? sync_picture_member_name(rd->p, g->members[i])
			: sync_picture_member_dn(rd->p, key_of(a, g->members[i]));
	arena_free(a);
	return e;
}

static bool group_entry(const struct ldap_group *g, void *ctx)
{
	struct reader *rd = ctx;
	struct arena *a = arena_new(4096, DN_BYTES_MAX);
	const struct sync_group row = {.subject = g->subject,
		.name = g->name,
		.dn = g->dn,
		.description = g->description};
	bool added = false;

	if (a == NULL) {
		rd->e = IAM_NO_MEMORY;
		return false;
	}
	rd->e = sync_picture_group(rd->p, &row, key_of(a, g->dn), &added);
	arena_free(a);
	for (size_t i = 0; rd->e == IAM_OK && added && i < g->n_members;
		i += MEMBERS_EACH)
		rd->e = add_members(rd, g, i,
			i + MEMBERS_EACH < g->n_members ? i + MEMBERS_EACH
							: g->n_members);
	return go_on(rd);
}

static enum iam_err read_groups(struct reader *rd, struct str changed)
{
	enum iam_err e;

	rd->p->no_groups = rd->s->groups.base.ptr == NULL;
	if (rd->p->no_groups)
		return IAM_OK;
	e = searched(rd,
		ldap_groups_each(rd->c, rd->s, &rd->kind, changed, rd->until_ms,
			group_entry, rd, &rd->fault));
	if (e != IAM_OK || rd->kind.active_directory || rd->csn[0] != '\0')
		return e;
	return stamp_groups(rd, changed);
}

/* Can what changed since then be asked of this server? */
static bool is_of(const struct sync_mark *since, const struct sync_mark *now,
	const struct ldap_kind *kind)
{
	if (str_eq_c(since->kind, "usn"))
		return kind->active_directory && str_eq(since->server, now->server);
	return str_eq_c(since->kind, "timestamp") && !kind->active_directory;
}

enum iam_err sync_read(struct sync_run *r, const struct sync_mark *since,
	bool with_groups, struct sync_picture *p, bool *ret_whole,
	struct sync_mark *ret_mark)
{
	struct reader rd = {.r = r, .s = r->dir->settings, .p = p, .e = IAM_OK};
	struct sync_mark mark = {
		.kind = STR(""), .value = STR(""), .server = STR(""), .swept_ms = 0};
	struct str changed;
	enum iam_err e = reader_open(&rd);

	if (e == IAM_OK && rd.kind.active_directory)
		e = read_usn(&rd, &mark);
	else if (e == IAM_OK && rd.kind.content_sync)
		e = read_csn(&rd);
	if (e == IAM_OK && since != NULL && !is_of(since, &mark, &rd.kind))
		since = NULL;
	if (since != NULL && since->value.len == STAMP_LEN + 1)
		memcpy(rd.latest, since->value.ptr, STAMP_LEN);
	changed = changed_filter(r->arena, since);
	if (e == IAM_OK)
		e = read_people(&rd, changed);
	if (e == IAM_OK && with_groups)
		e = read_groups(&rd, changed);
	progress(&rd, 0);
	if (e == IAM_OK && !rd.kind.active_directory)
		mark_time(&rd, &mark);
	reader_close(&rd);
	*ret_whole = since == NULL;
	*ret_mark = mark;
	return e;
}

/* ---- ids alone ---- */

/* Users first, then groups, as they stand in the map. */
static void see(struct reader *rd, struct str subject, size_t from, size_t to)
{
	uint32_t i =
		map_find(&rd->subjects, subject, map_hash(&rd->subjects.seed, subject));

	if (i == MAP_NONE || i < from || i >= to)
		return; /* the delta knows of new ones */
	rd->seen[i] = true;
	rd->returned |= i < rd->stored->n_users
		? rd->stored->users[i].missing_since_ms != 0
		: rd->stored->groups[i - rd->stored->n_users].missing_since_ms != 0;
}

static bool person_id(struct ldap_entry *e, void *ctx)
{
	struct reader *rd = ctx;
	struct arena *a = arena_new(4096, ENTRY_BYTES_MAX);
	struct identity who;

	if (a == NULL) {
		rd->e = IAM_NO_MEMORY;
		return false;
	}
	if (ldap_user_from_entry(rd->s, &rd->kind, e, a, &who))
		see(rd, who.subject, 0, rd->stored->n_users);
	arena_free(a);
	return go_on(rd);
}

static bool group_id(struct ldap_entry *e, void *ctx)
{
	struct reader *rd = ctx;
	struct arena *a = arena_new(4096, ENTRY_BYTES_MAX);
	struct ldap_group_draft d = {.cap = 0};

	if (a == NULL) {
		rd->e = IAM_NO_MEMORY;
		return false;
	}
	ldap_group_begin(rd->s, e, STR_NONE, a, &d);
	if (!d.unnamed)
		see(rd, d.group.subject, rd->stored->n_users,
			rd->stored->n_users + rd->stored->n_groups);
	arena_free(a);
	return go_on(rd);
}

static bool ids_add(struct reader *rd, struct str subject)
{
	return map_add(&rd->subjects, subject, map_hash(&rd->subjects.seed, subject));
}

static bool ids_of(struct reader *rd)
{
	const struct sync_stored *s = rd->stored;

	map_init(&rd->subjects, s->uids.seed);
	rd->seen = arena_alloc_n(rd->r->arena, s->n_users + s->n_groups + 1,
		sizeof *rd->seen);
	for (size_t i = 0; i < s->n_users; i++)
		if (!ids_add(rd, s->users[i].subject))
			return false;
	for (size_t i = 0; i < s->n_groups; i++)
		if (!ids_add(rd, s->groups[i].subject))
			return false;
	return rd->seen != NULL;
}

static bool ids_same(const struct reader *rd)
{
	const struct sync_stored *s = rd->stored;
	size_t groups = rd->s->groups.base.ptr == NULL ? 0 : s->n_groups;

	for (size_t i = 0; i < s->n_users; i++)
		if (!rd->seen[i] && s->users[i].missing_since_ms == 0)
			return false;
	for (size_t i = 0; i < groups; i++)
		if (!rd->seen[s->n_users + i] && s->groups[i].missing_since_ms == 0)
			return false;
	return !rd->returned;
}

static enum iam_err read_person_ids(struct reader *rd)
{
	const char *names[] = {"entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID",
		"uid", "sAMAccountName", NULL, NULL};
	struct str template = rd->s->dn_template;
	struct str type = str_trim(str_split(&template, '='));
	const struct ldap_query q = {.base = rd->rule.base,
		.where = rd->rule.where,
		.filter = rd->rule.filter,
		.attributes = names,
		.page = rd->kind.paging ? PAGE : 0};

	if (rd->s->uid_attribute.ptr != NULL)
		names[6] = rd->s->uid_attribute.ptr;
	else if (template.ptr != NULL && type.len > 0)
		names[6] = arena_cstr(rd->r->arena, type);
	return searched(rd,
		ldap_conn_search(rd->c, &q, rd->s->search_timeout_ms, rd->until_ms,
			person_id, rd, &rd->fault));
}

static enum iam_err read_group_ids(struct reader *rd)
{
	static const char *const names[] = {"entryUUID", "objectGUID", "nsUniqueId",
		"ipaUniqueID", "cn", "sAMAccountName", NULL};
	struct ldap_query q = {.base = rd->s->groups.base,
		.where = LDAP_WHERE_SUBTREE,
		.attributes = names,
		.page = rd->kind.paging ? PAGE : 0};
	enum iam_err e;

	if (rd->stored->n_groups == 0 || rd->s->groups.base.ptr == NULL)
		return IAM_OK;
	e = ldap_filter_any(rd->r->arena, rd->s->groups.filter, LDAP_GROUP_PLACEHOLDER,
		&q.filter);
	if (e != IAM_OK)
		return e;
	return searched(rd,
		ldap_conn_search(rd->c, &q, rd->s->search_timeout_ms, rd->until_ms,
			group_id, rd, &rd->fault));
}

enum iam_err sync_read_ids(struct sync_run *r, const struct sync_stored *s,
	bool *ret_same)
{
	struct reader rd = {.r = r, .s = r->dir->settings, .stored = s, .e = IAM_OK};
	enum iam_err e = ids_of(&rd) ? reader_open(&rd) : IAM_NO_MEMORY;

	if (e == IAM_OK)
		e = read_person_ids(&rd);
	if (e == IAM_OK)
		e = read_group_ids(&rd);
	progress(&rd, 0);
	reader_close(&rd);
	if (e == IAM_OK)
		*ret_same = ids_same(&rd);
	map_done(&rd.subjects);
	return e;
}

/* ---- the rest of a picture of changes ---- */

static enum iam_err fill_user(struct sync_picture *p, const struct sync_stored_user *u)
{
	const struct identity who = {.subject = u->subject,
		.name = u->uid,
		.dn = u->dn,
		.disabled = !u->enabled};
	struct arena *a = arena_new(4096, DN_BYTES_MAX);
	enum iam_err e = a == NULL ? IAM_NO_MEMORY
				   : sync_picture_person(p, &who, key_of(a, u->dn), true);

	arena_free(a);
	return e;
}

static enum iam_err fill_group(struct sync_picture *p, const struct sync_stored_group *g)
{
	const struct sync_group row = {
		.subject = g->subject, .name = g->gid, .dn = g->dn, .as_stored = true};
	struct arena *a = arena_new(4096, DN_BYTES_MAX);
	bool added;
	enum iam_err e = a == NULL
		? IAM_NO_MEMORY
		: sync_picture_group(p, &row, key_of(a, g->dn), &added);

	arena_free(a);
	return e;
}

enum iam_err sync_picture_fill(struct sync_picture *p, const struct sync_stored *s)
{
	enum iam_err e = IAM_OK;

	for (size_t i = 0; e == IAM_OK && i < s->n_users; i++)
		if (s->users[i].missing_since_ms == 0)
			e = fill_user(p, &s->users[i]);
	for (size_t i = 0; e == IAM_OK && i < s->n_groups; i++)
		if (s->groups[i].missing_since_ms == 0)
			e = fill_group(p, &s->groups[i]);
	return e;
}
