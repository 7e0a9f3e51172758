/*
 * authz_fixture - a store that lives in the test, for everything that needs a publisher.
 *
 * Takes the place of the store's functions that the publication calls, and of the two free
 * functions of what it owns, so that a test decides what is stored, what fails, and sees what is
 * freed. Include it from one file of a test program.
 */
#ifndef TESTS_AUTHZ_FIXTURE_H
#define TESTS_AUTHZ_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "iamd/authz/publish.h"
#include "iamd/authz/sessions.h"
#include "libacl/base/str.h"

struct stored_user {
	const char *uid;
	bool enabled;
	int64_t gen;
	bool raised;
	bool is_service;
};

/*
 * One fact: a grant (rid, user or group, action), an ACL without one (rid alone), a membership (rid
 * NULL), or a nesting (a membership of "group:GID").
 */
struct stored_fact {
	const char *rid;
	const char *group;
	const char *user;
	enum iam_action action;
};

struct db {
	const struct stored_user *users; /* ends with uid NULL */
	const struct stored_fact *facts; /* ends with all NULL */
	const unsigned char *revoked;    /* one digest, or NULL */
	int64_t revision;
	enum iam_err model_result;
	unsigned model_loads;
};

struct keyring {
	unsigned *freed;
};

static unsigned config_frees;

void keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	++*k->freed;
	free(k);
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	config_frees++;
	free(c);
}

enum iam_err store_revision(struct db *db, int64_t *ret_revision)
{
	*ret_revision = db->revision;
	return IAM_OK;
}

enum iam_err store_sessions_each(struct db *db, session_row_fn *row, void *ctx)
{
	for (const struct stored_user *u = db->users; u != NULL && u->uid != NULL; u++)
		if (!row(str_c(u->uid), u->enabled, u->gen, u->raised, u->is_service, ctx))
			break;
	return IAM_OK;
}

enum iam_err store_revocations_each(struct db *db, revocation_row_fn *row, void *ctx)
{
	if (db->revoked != NULL)
		(void)row(db->revoked, 0, ctx);
	return IAM_OK;
}

static enum iam_err tell(struct iam_model *m, const struct stored_fact *f)
{
	static const char nested[] = "group:";

	if (f->rid == NULL && strncmp(f->user, nested, sizeof(nested) - 1) == 0)
		return iam_model_add_subgroup(m, str_c(f->group),
			str_c(f->user + sizeof(nested) - 1));
	if (f->group == NULL && f->user == NULL)
		return iam_model_add_resource(m, str_c(f->rid));
	if (f->rid == NULL)
		return iam_model_add_member(m, str_c(f->group), str_c(f->user));
	if (f->group != NULL)
		return iam_model_add_grant(m, str_c(f->rid), IAM_SUBJECT_GROUP,
			str_c(f->group), f->action);
	return iam_model_add_grant(m, str_c(f->rid), IAM_SUBJECT_USER, str_c(f->user),
		f->action);
}

enum iam_err store_model_load(struct db *db, struct iam_model *m)
{
	enum iam_err e = db->model_result;

	db->model_loads++;
	for (const struct stored_fact *f = db->facts; f != NULL && e == IAM_OK; f++) {
		if (f->rid == NULL && f->group == NULL && f->user == NULL)
			break;
		e = tell(m, f);
	}
	return e;
}

static struct keyring *fixture_keyring(unsigned *freed)
{
	struct keyring *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	k->freed = freed;
	return k;
}

static struct config *fixture_config(void)
{
	struct config *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	return c;
}

/* A publisher over db, with slots for `threads` readers. *freed counts its keyrings' frees. */
static struct publisher *fixture_publisher(struct db *db, unsigned threads,
	unsigned *freed)
{
	struct publisher *p = NULL;

	assert_true(sodium_init() >= 0);
	assert_int_equal(publisher_new(db, fixture_keyring(freed), fixture_config(),
				 threads, &p),
		IAM_OK);
	return p;
}

static inline struct change change_of_session(const char *uid, bool enabled, int64_t gen)
{
	struct change c = {.kind = CHANGE_SESSION, .enabled = enabled, .gen = gen};

	c.uid_len = (uint8_t)strlen(uid);
	memcpy(c.uid, uid, c.uid_len);
	return c;
}

static inline struct change change_gone(const char *uid)
{
	struct change c = change_of_session(uid, false, 0);

	c.kind = CHANGE_SESSION_GONE;
	return c;
}

static inline struct change change_of_digest(enum change_kind kind, unsigned char byte)
{
	struct change c = {.kind = kind};

	memset(c.digest, byte, sizeof(c.digest));
	return c;
}

/* kind: CHANGE_GRANT or CHANGE_GRANT_GONE of `read` to a user. */
static inline struct change change_of_grant(enum change_kind kind, const char *rid,
	const char *uid)
{
	return (struct change){.kind = kind,
		.id = str_c(rid),
		.other = str_c(uid),
		.subject = IAM_SUBJECT_USER,
		.action = IAM_READ};
}

/* Prepares and installs the rows as one publication. */
static inline void fixture_publish(struct publisher *p, struct change *rows, size_t n,
	int64_t revision)
{
	struct changes changes = {.rows = rows, .len = n, .cap = n};

	assert_int_equal(publish_prepare(p, &changes, revision), IAM_OK);
	publish_install(p);
}

#endif
