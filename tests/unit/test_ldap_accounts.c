/* Tests of iamd/authn/ldap_accounts: which account an entry of a directory is. */
#include "iamd/authn/ldap_accounts.h"
#include "tests/unit/store_fixture.h"

static struct identity person(const char *directory, const char *subject,
	const char *name)
{
	return (struct identity){
		.source = str_c(directory),
		.subject = str_c(subject),
		.name = str_c(name),
		.dn = STR("uid=x,ou=people,dc=example,dc=test"),
		.description = STR("Somebody"),
		.email = STR("x@example.test"),
	};
}

static void add_ldap(struct fixture *f, const char *uid)
{
	struct user user = {.uid = str_c(uid),
		.description = STR("made in advance"),
		.provider_type = PROVIDER_LDAP,
		.provider_id = STR(""),
		.enabled = true};

	assert_ok(store_user_add(f->w, &user));
}

/* NULL: the error's name. Else the account's uid, with a + where it is new. */
static const char *ensure(struct fixture *f, const char *directory, const char *subject,
	const char *name, const char *tried)
{
	static char answer[128];
	struct identity who = person(directory, subject, name);
	struct iam_error err = {IAM_OK, ""};
	struct user user;
	bool created = false;
	enum iam_err e;

	assert_ok(store_release(f->w)); /* what was before stays */
	assert_ok(store_savepoint(f->w));
	e = ldap_account_ensure(f->w, f->arena, &who,
		tried == NULL ? STR_NONE : str_c(tried), &user, &created, &err);
	if (e == IAM_OK) {
		assert_int_equal(user.provider_type, PROVIDER_LDAP);
		assert_true(user.gen > 0);
		(void)snprintf(answer, sizeof answer, "%.*s%s", STR_FMT(user.uid),
			created ? "+" : "");
		return answer;
	}
	store_rollback_to(f->w);
	assert_ok(store_savepoint(f->w));
	assert_err(e, IAM_CANNOT_IMPORT_USER);
	assert_int_equal(err.code, e);
	assert_true(strlen(err.text) > 0);
	return "refused";
}

static void the_lasting_id_decides_whose_account_it_is(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_string_equal(ensure(&f, "default", "id-1", "alice", "alice"), "alice+");
	assert_string_equal(ensure(&f, "default", "id-1", "alice", "alice"), "alice");
	/* typed differently, renamed there, found by another attribute */
	assert_string_equal(ensure(&f, "default", "id-1", "alice", "ALICE"), "alice");
	assert_string_equal(ensure(&f, "default", "id-1", "bob", "bob"), "alice");
	assert_string_equal(ensure(&f, "default", "id-1", "bob", "a@example.test"),
		"alice");
	assert_string_equal(ensure(&f, "default", "id-1", "no id at all!", NULL),
		"alice");
	/* the same name is somebody else, here and in another directory */
	assert_string_equal(ensure(&f, "default", "id-2", "alice", "alice"), "refused");
	assert_string_equal(ensure(&f, "second", "id-1", "alice", "alice"), "refused");
	assert_string_equal(ensure(&f, "second", "id-1", "carol", "carol"), "carol+");
	tx_commit(&f);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM users"), 2);
	fixture_done(&f);
}

static void accounts_of_others_are_never_taken_over(void **state)
{
	struct fixture f;
	struct user oidc = {.uid = STR("dora"),
		.description = STR(""),
		.provider_type = PROVIDER_OIDC,
		.provider_id = STR("idp"),
		.enabled = true};

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_ok(user_add(&f, "local", "a local user"));
	assert_ok(service_add(&f, "robot", "a service"));
	assert_ok(store_user_add(f.w, &oidc));
	assert_string_equal(ensure(&f, "default", "1", "local", "LOCAL"), "refused");
	assert_string_equal(ensure(&f, "default", "2", "robot", NULL), "refused");
	assert_string_equal(ensure(&f, "default", "3", "dora", "dora"), "refused");
	tx_commit(&f);
	assert_int_equal(eyes_i64(&f, "SELECT count(*) FROM directory_users"), 0);
	fixture_done(&f);
}

static void an_account_made_in_advance_waits_for_its_entry(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	add_ldap(&f, "eve");
	add_ldap(&f, "Frank");
	add_ldap(&f, "grace@example.test");
	add_ldap(&f, "heidi@example.test");
	assert_string_equal(ensure(&f, "default", "e", "eve", NULL), "eve");
	assert_string_equal(ensure(&f, "default", "x", "eve", "eve"), "refused");
	/* by its name, in any case */
	assert_string_equal(ensure(&f, "default", "f", "frank", "Frank"), "Frank");
	assert_string_equal(ensure(&f, "default", "f", "frank", "frank"), "Frank");
	/* found by something else than the login name: perhaps people write that themselves */
	assert_string_equal(ensure(&f, "default", "g", "grace", "grace@example.test"),
		"grace+");
	assert_string_equal(ensure(&f, "default", "h", "heidi", "heidi"), "heidi+");
	assert_string_equal(ensure(&f, "default", "h", "heidi", "heidi@example.test"),
		"heidi");
	assert_string_equal(ensure(&f, "default", "i", "grace smith",
				    "heidi@example.test"),
		"refused");
	tx_commit(&f);
	fixture_done(&f);
}

static void a_name_that_breaks_the_id_rule_is_replaced_by_the_one_typed(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_string_equal(ensure(&f, "default", "1", "j\xc3\xb6rg",
				    "joerg@example.test"),
		"joerg@example.test+");
	assert_string_equal(ensure(&f, "default", "2", "smith, john", "smith, john"),
		"refused");
	assert_string_equal(ensure(&f, "default", "3", "smith, john", NULL), "refused");
	assert_string_equal(ensure(&f, "default", "4", "anonymous", "ANONYMOUS"),
		"ANONYMOUS+");
	assert_string_equal(ensure(&f, "default", "5", "...", "..."), "refused");
	tx_commit(&f);
	fixture_done(&f);
}

static void a_deleted_account_comes_back_as_another(void **state)
{
	struct fixture f;
	struct user before, after;

	(void)state;
	fixture_init(&f);
	tx_begin(&f);
	assert_string_equal(ensure(&f, "default", "1", "ivan", "ivan"), "ivan+");
	assert_ok(store_user_get(f.w, f.arena, STR("ivan"), &before));
	assert_ok(store_user_delete(f.w, STR("ivan")));
	assert_string_equal(ensure(&f, "default", "1", "ivan", "ivan"), "ivan+");
	assert_ok(store_user_get(f.w, f.arena, STR("ivan"), &after));
	assert_true(after.gen > before.gen);
	assert_true(after.raised);
	tx_commit(&f);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lasting_id_decides_whose_account_it_is),
		cmocka_unit_test(accounts_of_others_are_never_taken_over),
		cmocka_unit_test(an_account_made_in_advance_waits_for_its_entry),
		cmocka_unit_test(
			a_name_that_breaks_the_id_rule_is_replaced_by_the_one_typed),
		cmocka_unit_test(a_deleted_account_comes_back_as_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
