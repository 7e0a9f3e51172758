/*
 * ldap_import_group - a group and its people are taken over from a directory.
 *
 * In the NET lane the group is read and walked; some hundred people at a time become accounts and
 * members in the WRITE lane, each time a commit of their own, so that a group of 100 000 keeps nobody
 * waiting. The group is made with the first of them and marked as partial until the last; when the
 * time is over what is there stays, the answer is 202, and the next synchronisation goes on.
 *
 * Invariants: each of those commits judges anew whether the caller may (rights may end meanwhile, the
 * group may have been deleted, or granted something protected); a group is new, so it has no grants;
 * a local account, or one of another entry, is never made a member because its name is the same.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/lane_call.h"
#include "iamd/api/ldap_import.h"
#include "iamd/api/pipeline.h"
#include "iamd/authn/ldap_accounts.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"

/* LIMIT: people, or nested groups, of one commit. */
#define AT_ONCE 200
/* LIMIT: memory of a group, its members and the walk; of one commit's people. */
#define GROUP_BYTES_MAX ((size_t)256 << 20)
#define BATCH_BYTES_MAX ((size_t)8 << 20)
/* LIMIT: log lines about people who were left out; all are counted. */
#define SKIPPED_LINES 20

struct import_group {
	struct str groupname;
};

static const struct json_field import_group_fields[] = {
	{"groupname", JSON_FIELD_STR, offsetof(struct import_group, groupname), 512,
		false},
};
const struct json_schema ldap_import_group_schema = {
	import_group_fields, 1, sizeof(struct import_group), false};

/* What one commit does, and what it will have done. */
struct batch {
	struct arena *a;
	struct identity people[AT_ONCE];
	size_t n;
	struct str lines[3 * AT_ONCE + 2]; /* of the audit; logged after the commit */
	size_t n_lines;
	size_t n_imported, n_skipped;
	bool put_off;
};

struct import {
	struct req *r;
	struct directory *dir;
	struct arena *a;
	struct ldap_group group;
	int64_t until_ms;
	struct str *nested; /* gids of member groups that are here already */
	size_t n_nested, nested_from;
	struct batch batch;
	bool is_made;  /* the group is in the database */
	bool finishes; /* this commit is the last, and everybody was met */
	bool stopped;
	size_t n_imported, n_skipped, n_told;
	enum iam_err error;
};

/* ---- one commit (WRITE lane) ---- */

static enum iam_err audit(struct import *im, struct db *w, const struct audit_event *ev)
{
	struct batch *b = &im->batch;
	struct audit_event whole = *ev;
	struct audit_row row;
	enum iam_err e;

	whole.actor = im->r->principal.uid;
	whole.allow = true;
	audit_row_fill(im->r, &whole, &row);
	e = store_audit_add(w, &row);
	if (e == IAM_OK) {
		struct str line = audit_line(b->a, &row);

		if (line.ptr == NULL)
			return IAM_NO_MEMORY;
		b->lines[b->n_lines++] = line;
	}
	return e;
}

static struct directory_group row_of(const struct import *im, bool partial)
{
	return (struct directory_group){.directory = im->dir->settings->id,
		.subject = im->group.subject,
		.gid = im->group.name,
		.dn = im->group.dn,
		.partial = partial};
}

/* LIMIT: a description is cut to 4096 bytes, the most that one has; without one it is the name. */
static struct str description_of(const struct ldap_group *g)
{
	struct str d = str_sub(g->description, 0, 4096);

	for (unsigned i = 0; i < 3 && d.len > 0 && !str_is_utf8(d); i++)
		d.len--; /* the cut went through a character */
	return d.len > 0 && str_is_utf8(d) ? d : g->name;
}

static enum iam_err make_group(struct import *im, struct db *w)
{
	const struct directory_group row = row_of(im, true);
	const struct group group = {.gid = im->group.name,
		.description = description_of(&im->group),
		.provider_type = PROVIDER_LDAP};
	struct audit_event ev = {.action = AUDIT_GROUP_IMPORT,
		.object = im->group.name,
		.reason = import_reason(im->batch.a, row.directory)};
	enum iam_err e = store_group_add(w, &group);

	if (e == IAM_OK)
		e = store_directory_group_put(w, &row);
	if (e == IAM_GROUP_EXISTS || e == IAM_CONFLICT)
		return import_group_exists(im->r, im->group.name);
	return e == IAM_OK ? audit(im, w, &ev) : e;
}

/* Is it still the group that this import has made, and the caller's to fill? */
static enum iam_err check_group(struct import *im, struct db *w)
{
	struct directory_group now;
	enum iam_err e = store_directory_group_find(w, im->batch.a, im->dir->settings->id,
		im->group.subject, &now);

	if (e == IAM_NO_GROUP || (e == IAM_OK && !str_eq(now.gid, im->group.name)))
		return req_fail(im->r, IAM_CONFLICT,
			"The group was changed during the import.");
	return e == IAM_OK ? api_may_change_group(im->r, im->group.name) : e;
}

static void skip(struct import *im, struct str name, const char *why)
{
	if (im->n_skipped + im->batch.n_skipped++ >= SKIPPED_LINES)
		return;
	log_event(LOG_LEVEL_WARNING, "ldap.import_skipped",
		LOG_STR("directory", im->dir->settings->id),
		LOG_STR("group", im->group.name), LOG_STR("name", name),
		LOG_CSTR("why", why));
}

/*
 * An account made in advance would become this entry's: where it holds administrative permissions
 * only a superuser may say so.
 */
static enum iam_err may_bind(struct import *im, struct db *w, const struct identity *who,
	bool *ret_bound)
{
	struct directory_user bound;
	enum iam_err e = store_directory_user_find(w, im->batch.a, who->source,
		who->subject, &bound);

	*ret_bound = e == IAM_OK;
	return e == IAM_NO_USER ? api_may_change_user(im->r, who->name) : e;
}

static enum iam_err add_member(struct import *im, struct db *w, struct str uid,
	bool is_import)
{
	struct audit_event account = {.action = AUDIT_USER_IMPORT,
		.object = uid,
		.reason = import_reason(im->batch.a, im->dir->settings->id)};
	struct audit_event member = {.action = AUDIT_MEMBER_ADD,
		.object = im->group.name,
		.reason = arena_fmt(im->batch.a, "user %.*s", STR_FMT(uid))};
	enum iam_err e = IAM_OK;

	if (is_import)
		e = audit(im, w, &account);
	if (e == IAM_OK)
		e = store_directory_member_add(w, im->group.name, uid);
	if (e == IAM_OK)
		e = audit(im, w, &member);
	if (e == IAM_OK)
		im->batch.n_imported++;
	return e;
}

static enum iam_err add_person(struct import *im, struct db *w,
	const struct identity *who)
{
	struct iam_error err = {IAM_OK, ""};
	struct user user;
	bool was_bound = false;
	bool created = false;
	enum iam_err e = may_bind(im, w, who, &was_bound);

	if (e == IAM_FORBIDDEN) {
		skip(im, who->name, "the account holds administrative permissions");
		return IAM_OK;
	}
	if (e == IAM_OK)
		e = ldap_account_ensure(w, im->batch.a, who, STR_NONE, &user, &created,
			&err);
	if (e == IAM_CANNOT_IMPORT_USER) {
		skip(im, who->name, err.text);
		return IAM_OK;
	}
	return e == IAM_OK ? add_member(im, w, user.uid, created || !was_bound) : e;
}

static enum iam_err nest(struct import *im, struct db *w, struct str sub)
{
	struct audit_event ev = {.action = AUDIT_SUBGROUP_ADD,
		.object = im->group.name,
		.reason = arena_fmt(im->batch.a, "group %.*s", STR_FMT(sub))};
	enum iam_err e = api_may_change_group(im->r, sub);

	if (e == IAM_OK)
		e = store_directory_subgroup_add(w, im->group.name, sub);
	if (e == IAM_FORBIDDEN || e == IAM_NO_GROUP) { /* since it was looked at */
		skip(im, sub, "the nested group was changed during the import");
		return IAM_OK;
	}
	return e == IAM_OK ? audit(im, w, &ev) : e;
}

static enum iam_err fill_group(struct import *im, struct db *w)
{
	const struct directory_group whole = row_of(im, false);
	size_t nested_to = im->nested_from + AT_ONCE;
	enum iam_err e = IAM_OK;

	for (size_t i = im->nested_from; i < im->n_nested && i < nested_to && e == IAM_OK;
		i++)
		e = nest(im, w, im->nested[i]);
	for (size_t i = 0; i < im->batch.n && e == IAM_OK; i++)
		e = add_person(im, w, &im->batch.people[i]);
	if (e == IAM_OK && im->finishes)
		e = store_directory_group_put(w, &whole);
	return e;
}

static enum iam_err commit_step(struct db *w, void *ctx)
{
	struct import *im = ctx;
	enum iam_err e;

	im->batch.n_lines = 0;
	im->batch.n_imported = im->batch.n_skipped = 0;
	im->batch.put_off = false;
	e = pipeline_judge_again(im->r, w, &im->batch.put_off);
	if (e != IAM_OK || im->batch.put_off)
		return e;
	e = im->is_made ? check_group(im, w) : make_group(im, w);
	return e == IAM_OK ? fill_group(im, w) : e;
}

/* ---- the way there (NET lane) ---- */

static void batch_renew(struct import *im)
{
	arena_free(im->batch.a);
	im->batch.a = arena_new(16384, BATCH_BYTES_MAX);
	im->batch.n = 0;
}

/* Commits what was gathered. Errors stay in im->error. */
static bool flush(struct import *im)
{
	do {
		if (im->batch.a == NULL)
			im->error = IAM_NO_MEMORY;
		else
			im->error = lane_call_write(im->r->svc, commit_step, im);
	} while (im->error == IAM_OK && im->batch.put_off);
	if (im->error != IAM_OK)
		return false;
	for (size_t i = 0; i < im->batch.n_lines; i++)
		log_raw(im->batch.lines[i]);
	im->is_made = true;
	im->nested_from += AT_ONCE;
	im->n_imported += im->batch.n_imported;
	im->n_skipped += im->batch.n_skipped;
	batch_renew(im);
	return true;
}

static bool keep(struct arena *a, struct str *s)
{
	*s = s->ptr != NULL ? arena_str(a, *s) : STR("");
	return s->ptr != NULL;
}

static bool keep_person(struct import *im, const struct identity *who)
{
	struct identity *p = &im->batch.people[im->batch.n];
	struct arena *a = im->batch.a;

	*p = *who;
	p->source = im->dir->settings->id;
	return a != NULL && keep(a, &p->subject) && keep(a, &p->name) &&
		keep(a, &p->dn) && keep(a, &p->description) && keep(a, &p->email);
}

/* ldap_user_fn: somebody is in the group. */
static bool met_person(const struct identity *who, void *ctx)
{
	struct import *im = ctx;

	if (!keep_person(im, who)) {
		im->error = IAM_NO_MEMORY;
		return false;
	}
	im->n_told++;
	im->stopped = im->r->svc->is_draining(im->r->svc);
	if (++im->batch.n == AT_ONCE && !flush(im))
		return false;
	return !im->stopped;
}

static enum iam_err answer(struct import *im, struct resp *out, bool partial)
{
	struct json_doc d;

	log_event(partial ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "ldap.import",
		LOG_STR("directory", im->dir->settings->id),
		LOG_STR("group", im->group.name), LOG_INT("imported", im->n_imported),
		LOG_INT("skipped", im->n_skipped),
		LOG_CSTR("partial", partial ? "yes" : "no"),
		LOG_INT("ms", clock_mono_ms() - im->r->started_us / 1000));
	if (!partial)
		return resp_empty(out, 201, true);
	json_doc_begin(&d, im->r);
	jsonw_object(&d.w);
	jsonw_int(&d.w, "imported_user_count", (int64_t)im->n_imported);
	jsonw_object_end(&d.w);
	return json_doc_end(&d, out, 202);
}

/* Walks the group. What was met before a failure stays, and the answer is 202, not an error. */
static enum iam_err take_people(struct import *im, struct resp *out)
{
	struct ldap_fault fault = {.state = LDAP_STATE_OK};
	size_t skipped = 0;
	bool partial = false;
	bool ok = ldap_group_people(im->dir->pool, im->dir->settings, &im->group, im->a,
		im->until_ms, met_person, im, &skipped, &partial, &fault);

	im->n_skipped += skipped;
	if (im->error != IAM_OK)
		return im->error;
	if (!ok && im->n_told == 0)
		return import_fail(im->r, IDP_UNAVAILABLE, IAM_LDAP_GROUP_NOT_FOUND,
			im->group.name, &fault);
	if (!ok)
		log_event(LOG_LEVEL_WARNING, "ldap.import_broken",
			LOG_STR("directory", im->dir->settings->id),
			LOG_STR("group", im->group.name), LOG_CSTR("why", fault.text));
	partial = partial || !ok || im->stopped;
	do {
		im->finishes = !partial && im->nested_from + AT_ONCE >= im->n_nested;
		if (!flush(im))
			return im->error;
	} while (im->nested_from < im->n_nested);
	return answer(im, out, partial);
}

/* ---- POST /ldap/importgroup ---- */

static enum iam_err import(struct import *im, struct resp *out)
{
	const struct import_group *b = im->r->input;
	struct ldap_fault fault = {.state = LDAP_STATE_OK};
	enum idp_result result = ldap_group_find(im->dir->pool, im->dir->settings,
		b->groupname, im->a, im->until_ms, &im->group, &fault);
	enum iam_err e;

	if (result != IDP_ACCEPTED)
		return import_fail(im->r, result, IAM_LDAP_GROUP_NOT_FOUND, b->groupname,
			&fault);
	if (!iam_gid_valid(im->group.name))
		return req_fail(im->r, IAM_BAD_GID,
			"The directory's group `%.*s` cannot be imported: Invalid group ID",
			STR_FMT(im->group.name));
	e = import_look_around(im->r, im->dir->settings->id, &im->group, im->a,
		&im->nested, &im->n_nested);
	return e == IAM_OK ? take_people(im, out) : e;
}

static enum iam_err group_import(struct req *r, struct resp *out)
{
	struct import *im = arena_alloc(r->arena, sizeof *im);
	enum iam_err e = IAM_OK;

	if (im == NULL)
		return IAM_NO_MEMORY;
	im->r = r;
	im->until_ms = import_until_ms(r);
	im->dir = import_directory(r, &e);
	if (im->dir == NULL)
		return e;
	im->a = arena_new(65536, GROUP_BYTES_MAX);
	batch_renew(im);
	e = im->a == NULL || im->batch.a == NULL ? IAM_NO_MEMORY : import(im, out);
	arena_free(im->batch.a);
	arena_free(im->a);
	directories_give(im->dir);
	return e;
}

enum iam_err api_ldap_import_group(struct req *r, struct resp *out)
{
	const struct import_group *b = r->input;

	(void)out;
	if (b->groupname.len == 0)
		return req_fail(r, IAM_BAD_DATA, "`groupname` must not be empty");
	return import_hand_off(r, group_import);
}
