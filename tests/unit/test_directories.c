/* test_directories - the running daemon's directories: loaded, replaced under use, in login order. */
#include <pthread.h>

#include "iamd/authn/directories.h"
#include "iamd/store/directories.h"
#include "tests/unit/store_fixture.h"

struct world {
	struct fixture f;
	char key_path[96];
	struct seal_key *key;
	struct directories *d;
};

static void world_init(struct world *w)
{
	fixture_init(&w->f);
	(void)snprintf(w->key_path, sizeof(w->key_path), "%s/master.key", w->f.dir);
	assert_ok(seal_key_load(w->key_path, true, &w->key, NULL));
	assert_ok(directories_new(w->f.w, w->key, &w->d, NULL));
}

static void world_done(struct world *w)
{
	directories_free(w->d);
	seal_key_free(w->key);
	assert_int_equal(unlink(w->key_path), 0);
	fixture_done(&w->f);
}

static struct ldap_settings settings(struct world *w, const char *id, int order)
{
	struct ldap_settings s;
	json_t *json = json_pack("{s:s, s:i, s:b, s:b, s:s, s:s, s:s, s:i}", "host",
		"localhost", "port", 389, "use-ldaps", 1, "enforce-starttls", 0,
		"dntemplate", "uid=%(username)s", "lookup-dn", "cn=me", "lookup-password",
		"hunter2", "login-order", order);
	struct iam_error err = {0};

	assert_non_null(json);
	if (ldap_settings_parse(w->f.arena, json, str_c(id), NULL, false, &s, &err) !=
		IAM_OK)
		fail_msg("%s", err.text);
	json_decref(json);
	return s;
}

static void set(struct world *w, const char *id, int order)
{
	struct ldap_settings s = settings(w, id, order);

	assert_ok(directories_set(w->d, str_c(id), &s));
}

/* As the API stores it, sealed for the row `place`. */
static void store(struct world *w, const char *id, const char *place)
{
	struct ldap_settings s = settings(w, id, 100);
	struct directory_row row = {.id = str_c(id)};
	struct str secrets;

	assert_ok(ldap_settings_save(w->f.arena, &s, &row.config, &secrets));
	assert_ok(seal_close(w->key, directory_seal_place(w->f.arena, str_c(place)),
		secrets, w->f.arena, &row.sealed));
	tx_begin(&w->f);
	assert_ok(store_directory_put(w->f.w, &row));
	tx_commit(&w->f);
}

static void assert_order(struct world *w, const char *expected)
{
	struct sb text;
	struct directory *dir;

	sb_init(&text, w->f.arena, 512);
	for (unsigned i = 0; (dir = directories_login_order(w->d, i)) != NULL; i++) {
		sb_add(&text, dir->settings->id);
		sb_add_char(&text, ' ');
		directories_give(dir);
	}
	sb_add_char(&text, '\0');
	assert_string_equal(sb_str(&text).ptr, expected);
	assert_true(directories_any(w->d) == (expected[0] != '\0'));
}

static void stored_directories_are_loaded_with_their_secrets(void **state)
{
	struct world w;
	struct directory *dir;

	(void)state;
	world_init(&w);
	assert_order(&w, "");
	store(&w, "default", "default");
	store(&w, "branch", "branch");
	directories_free(w.d);
	assert_ok(directories_new(w.f.w, w.key, &w.d, NULL));
	assert_order(&w, "branch default ");
	dir = directories_take(w.d, STR("default"));
	assert_non_null(dir);
	assert_true(str_eq_c(dir->settings->lookup_password, "hunter2"));
	assert_non_null(dir->pool);
	directories_give(dir);
	assert_null(directories_take(w.d, STR("other")));
	directories_give(NULL);
	world_done(&w);
}

static void assert_load_fails(struct world *w, const char *says)
{
	struct directories *d = NULL;
	struct iam_error err = {0};

	assert_err(directories_new(w->f.w, w->key, &d, &err), IAM_CONFIG);
	assert_null(d);
	if (strstr(err.text, says) == NULL)
		fail_msg("'%s' does not say '%s'", err.text, says);
}

static void another_master_key_and_a_moved_secret_are_refused(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	store(&w, "default", "branch");
	assert_load_fails(&w, "`default` were sealed with another master key: restore");
	store(&w, "default", "default");
	seal_key_free(w.key);
	assert_int_equal(unlink(w.key_path), 0);
	assert_ok(seal_key_load(w.key_path, true, &w.key, NULL));
	assert_load_fails(&w, "`default` were sealed with another master key: restore");
	eyes_exec(&w.f, "UPDATE directories SET sealed = NULL, config = '{}'");
	assert_load_fails(&w,
		"configuration of directory `default` is not one of this iamd");
	world_done(&w);
}

static void login_order_is_by_number_then_id(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set(&w, "b", 100);
	set(&w, "a", 100);
	set(&w, "z", 1);
	set(&w, "c", 1000);
	assert_order(&w, "z a b c ");
	set(&w, "z", 500);
	assert_order(&w, "a b z c ");
	assert_ok(directories_set(w.d, STR("b"), NULL));
	assert_ok(directories_set(w.d, STR("b"), NULL));
	assert_order(&w, "a z c ");
	world_done(&w);
}

static void a_directory_in_use_outlives_its_replacement(void **state)
{
	struct world w;
	struct directory *old, *fresh;

	(void)state;
	world_init(&w);
	set(&w, "a", 1);
	old = directories_take(w.d, STR("a"));
	assert_ptr_equal(old, directories_take(w.d, STR("a")));
	set(&w, "a", 2);
	fresh = directories_take(w.d, STR("a"));
	assert_true(fresh != old && fresh->share != old->share && fresh->share != 0);
	assert_int_equal(old->settings->login_order, 1);
	directories_give(old);
	assert_int_equal(old->settings->login_order, 1);
	directories_give(old); /* the last one: the leak checker sees that it is freed */
	assert_ok(directories_set(w.d, STR("a"), NULL));
	assert_int_equal(fresh->settings->login_order, 2);
	directories_tend(w.d);
	directories_give(fresh);
	world_done(&w);
}

static void there_are_at_most_so_many(void **state)
{
	struct world w;
	char id[16];

	(void)state;
	world_init(&w);
	for (int i = 0; i <= LDAP_DIRECTORIES_MAX; i++) {
		(void)snprintf(id, sizeof(id), "d%d", i);
		set(&w, id, 0);
	}
	assert_null(directories_take(w.d, str_c(id)));
	assert_null(directories_login_order(w.d, LDAP_DIRECTORIES_MAX));
	set(&w, "d0", 7);
	world_done(&w);
}

/* ---- many threads ---- */

static void *use(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < 2000; i++) {
		struct directory *dir = directories_take(w->d, STR("a"));

		if (dir != NULL && dir->settings->servers[0].port != 389)
			abort();
		directories_give(dir);
		dir = directories_login_order(w->d, (unsigned)i % 3);
		directories_give(dir);
		directories_tend(w->d);
	}
	return NULL;
}

static void directories_change_while_threads_use_them(void **state)
{
	struct world w;
	struct ldap_settings s;
	pthread_t threads[4];

	(void)state;
	world_init(&w);
	s = settings(&w, "a", 1);
	set(&w, "b", 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, &w), 0);
	for (int i = 0; i < 500; i++)
		assert_ok(directories_set(w.d, STR("a"), i % 3 == 2 ? NULL : &s));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stored_directories_are_loaded_with_their_secrets),
		cmocka_unit_test(another_master_key_and_a_moved_secret_are_refused),
		cmocka_unit_test(login_order_is_by_number_then_id),
		cmocka_unit_test(a_directory_in_use_outlives_its_replacement),
		cmocka_unit_test(there_are_at_most_so_many),
		cmocka_unit_test(directories_change_while_threads_use_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
