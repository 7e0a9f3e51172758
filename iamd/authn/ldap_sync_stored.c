/*
 * ldap_sync_stored - reads from the store what came from a directory, in pages.
 *
 * Does: accounts, groups, their members, each page one read in the lane that has a reader. Does not:
 * hold a read transaction longer than a page, so the pages may belong to different moments; what
 * changed between them is a change made while the synchronisation runs, and applying allows for it.
 */
#include "iamd/authn/ldap_sync_impl.h"
#include "libacl/base/str.h"

/* LIMIT: rows of one read. */
#define PAGE_ROWS 5000

struct reading {
	struct str directory;
	struct sync_stored *s;
	struct arena *arena; /* of a page */
	struct str after;
	struct directory_link link_after;
	bool sub;
	int64_t n;
	enum iam_err e;
	struct db *db;
};

/* ---- accounts ---- */

static bool user_row(const struct directory_user *row, const struct user *user, void *ctx)
{
	struct reading *rd = ctx;
	struct sync_stored_user u = {.uid = row->uid,
		.subject = row->subject,
		.dn = row->dn,
		.description = user->description,
		.email = row->email,
		.missing_since_ms = row->missing_since_ms,
		.enabled = user->enabled,
		.disabled_there = row->disabled_there};

	rd->n++;
	rd->e = sync_stored_user(rd->s, &u);
	return rd->e == IAM_OK;
}

static enum iam_err users_page(struct db *db, void *arg)
{
	struct reading *rd = arg;
	enum iam_err e = store_directory_users(db, rd->directory, rd->after, PAGE_ROWS,
		user_row, rd);

	return e == IAM_OK ? rd->e : e;
}

static enum iam_err read_users(const struct sync_io *io, struct reading *rd)
{
	enum iam_err e;

	do {
		rd->n = 0;
		e = io->read(io->ctx, users_page, rd);
		if (rd->s->n_users > 0)
			rd->after = rd->s->users[rd->s->n_users - 1].subject;
	} while (e == IAM_OK && rd->n == PAGE_ROWS);
	return e;
}

/* ---- groups ---- */

static bool group_row(const struct directory_group *row, void *ctx)
{
	struct reading *rd = ctx;
	struct group group = {.description = STR("")};
	struct sync_stored_group g = {.gid = row->gid,
		.subject = row->subject,
		.dn = row->dn,
		.missing_since_ms = row->missing_since_ms,
		.partial = row->partial};

	rd->n++;
	rd->e = store_group_get(rd->db, rd->arena, row->gid, &group);
	g.description = group.description;
	if (rd->e == IAM_OK)
		rd->e = sync_stored_group(rd->s, &g);
	return rd->e == IAM_OK;
}

static enum iam_err groups_page(struct db *db, void *arg)
{
	struct reading *rd = arg;
	enum iam_err e;

	/* LIMIT: a page of groups with descriptions of 4 KiB. */
	rd->arena = arena_new(65536, (size_t)PAGE_ROWS * 8192);
	if (rd->arena == NULL)
		return IAM_NO_MEMORY;
	rd->db = db;
	e = store_directory_groups(db, rd->directory, rd->after, PAGE_ROWS, group_row,
		rd);
	arena_free(rd->arena);
	return e == IAM_OK ? rd->e : e;
}

static enum iam_err read_groups(const struct sync_io *io, struct reading *rd)
{
	enum iam_err e;

	rd->after = STR_NONE;
	do {
		rd->n = 0;
		e = io->read(io->ctx, groups_page, rd);
		if (rd->s->n_groups > 0)
			rd->after = rd->s->groups[rd->s->n_groups - 1].gid;
	} while (e == IAM_OK && rd->n == PAGE_ROWS);
	return e;
}

/* A group that is not among those read was made since, and holds nothing yet that was there then. */
static bool protected_row(struct str gid, void *ctx)
{
	struct reading *rd = ctx;
	uint32_t group = sync_stored_group_of(rd->s, gid);

	if (group != SYNC_NONE)
		rd->s->groups[group].is_protected = rd->s->any_protected = true;
	return true;
}

static enum iam_err read_protected(struct db *db, void *arg)
{
	struct reading *rd = arg;

	return store_directory_groups_protected(db, rd->directory, protected_row, rd);
}

/* ---- members ---- */

static bool link_row(const struct directory_link *row, void *ctx)
{
	struct reading *rd = ctx;

	rd->e = sync_stored_link(rd->s, row->gid, row->member,
		rd->sub ? SYNC_MEMBER_GROUP : SYNC_MEMBER_USER, row->ours);
	if (++rd->n == PAGE_ROWS) {
		rd->link_after.gid = arena_str(rd->arena, row->gid);
		rd->link_after.member = arena_str(rd->arena, row->member);
		if (rd->link_after.member.ptr == NULL || rd->link_after.gid.ptr == NULL)
			rd->e = IAM_NO_MEMORY;
	}
	return rd->e == IAM_OK;
}

static enum iam_err links_page(struct db *db, void *arg)
{
	struct reading *rd = arg;
	enum iam_err e = store_directory_links(db, rd->directory, rd->sub,
		&rd->link_after, PAGE_ROWS, link_row, rd);

	return e == IAM_OK ? rd->e : e;
}

static enum iam_err read_links(const struct sync_io *io, struct reading *rd, bool sub)
{
	enum iam_err e;

	rd->sub = sub;
	rd->link_after = (struct directory_link){.gid = STR(""), .member = STR("")};
	rd->arena = rd->s->arena;
	do {
		rd->n = 0;
		e = io->read(io->ctx, links_page, rd);
	} while (e == IAM_OK && rd->n == PAGE_ROWS);
	return e;
}

enum iam_err sync_stored_read(const struct sync_io *io, struct str directory,
	struct sync_stored *s)
{
	struct reading rd = {.directory = directory, .s = s, .e = IAM_OK};
	enum iam_err e = read_users(io, &rd);

	if (e == IAM_OK)
		e = read_groups(io, &rd);
	if (e == IAM_OK)
		e = read_links(io, &rd, false);
	if (e == IAM_OK)
		e = read_links(io, &rd, true);
	if (e == IAM_OK)
		e = io->read(io->ctx, read_protected, &rd);
	return e;
}
