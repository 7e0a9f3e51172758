/* test_seal - the master key's file, and what is sealed with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "iamd/sys/seal.h"
#include "libacl/base/str.h"

struct fixture {
	char dir[64], path[96];
	struct arena *arena;
};

static void fixture_init(struct fixture *f)
{
	assert_true(sodium_init() >= 0);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/iam-seal-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/keys/master.key", f->dir);
	f->arena = arena_new(4096, 1 << 20);
	assert_non_null(f->arena);
}

static void fixture_done(struct fixture *f)
{
	char keys[96];

	(void)unlink(f->path);
	(void)snprintf(keys, sizeof(keys), "%s/keys", f->dir);
	assert_true(rmdir(keys) == 0 || errno == ENOENT);
	assert_int_equal(rmdir(f->dir), 0);
	arena_free(f->arena);
}

static struct seal_key *load(struct fixture *f, bool may_create)
{
	struct seal_key *k = NULL;
	struct iam_error err = {0};

	if (seal_key_load(f->path, may_create, &k, &err) != IAM_OK)
		fail_msg("%s", err.text);
	return k;
}

static void assert_refused(struct fixture *f, bool may_create, const char *says)
{
	struct seal_key *k = NULL;
	struct iam_error err = {0};

	assert_int_equal(seal_key_load(f->path, may_create, &k, &err), IAM_CONFIG);
	assert_null(k);
	if (strstr(err.text, says) == NULL || strstr(err.text, f->path) == NULL)
		fail_msg("'%s' does not say '%s'", err.text, says);
}

static void write_key(struct fixture *f, size_t len, mode_t mode)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(fputc('k', file), 'k');
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(f->path, mode), 0);
}

static void a_key_is_made_once_for_the_owner_only(void **state)
{
	struct fixture f;
	struct seal_key *first, *second;
	struct str sealed, plain;
	struct stat st;

	(void)state;
	fixture_init(&f);
	assert_refused(&f, false, "the master key is missing");
	first = load(&f, true);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	second = load(&f, true);
	assert_int_equal(seal_close(first, STR("t|c|r"), STR("hunter2"), f.arena,
				 &sealed),
		IAM_OK);
	assert_int_equal(seal_open(second, STR("t|c|r"), sealed, f.arena, &plain),
		IAM_OK);
	assert_true(str_eq_c(plain, "hunter2"));
	seal_key_free(first);
	seal_key_free(second);
	seal_key_free(NULL);
	fixture_done(&f);
}

static void a_key_others_can_read_or_of_another_length_is_refused(void **state)
{
	struct fixture f;
	struct seal_key *k;

	(void)state;
	fixture_init(&f);
	k = load(&f, true);
	seal_key_free(k);
	write_key(&f, 32, 0640);
	assert_refused(&f, true, "make it 0600");
	write_key(&f, 32, 0604);
	assert_refused(&f, true, "make it 0600");
	write_key(&f, 31, 0600);
	assert_refused(&f, true, "is 32 bytes, this file has 31");
	write_key(&f, 0, 0600);
	assert_refused(&f, true, "this file has 0");
	write_key(&f, 5000, 0600);
	assert_refused(&f, true, "longer than 4096 bytes");
	write_key(&f, 32, 0400); /* a service manager's credential */
	k = load(&f, false);
	seal_key_free(k);
	fixture_done(&f);
}

static void a_sealed_text_opens_in_its_place_and_unaltered_only(void **state)
{
	static const char *const places[] = {"t|c|x", "t|x|r", "x|c|r", "", "t|c|r "};
	struct fixture f;
	struct seal_key *k, *other;
	struct str sealed, again, plain = STR("untouched");

	(void)state;
	fixture_init(&f);
	k = load(&f, true);
	assert_int_equal(seal_close(k, STR("t|c|r"), STR("hunter2"), f.arena, &sealed),
		IAM_OK);
	assert_int_equal(seal_close(k, STR("t|c|r"), STR("hunter2"), f.arena, &again),
		IAM_OK);
	assert_false(str_eq(sealed, again));
	assert_null(memmem(sealed.ptr, sealed.len, "hunter2", 7));
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		assert_int_equal(seal_open(k, str_c(places[i]), sealed, f.arena, &plain),
			IAM_CONFIG);
	for (size_t i = 0; i < sealed.len; i++) {
		char *altered = arena_cstr(f.arena, sealed);

		memcpy(altered, sealed.ptr, sealed.len);
		altered[i] = (char)(altered[i] ^ 1);
		assert_int_equal(seal_open(k, STR("t|c|r"),
					 (struct str){altered, sealed.len}, f.arena,
					 &plain),
			IAM_CONFIG);
		assert_int_equal(seal_open(k, STR("t|c|r"), (struct str){sealed.ptr, i},
					 f.arena, &plain),
			IAM_CONFIG);
	}
	write_key(&f, 32, 0600);
	other = load(&f, true);
	assert_int_equal(seal_open(other, STR("t|c|r"), sealed, f.arena, &plain),
		IAM_CONFIG);
	assert_true(str_eq_c(plain, "untouched"));
	seal_key_free(k);
	seal_key_free(other);
	fixture_done(&f);
}

static void an_empty_and_a_long_text_come_back(void **state)
{
	struct fixture f;
	struct seal_key *k;
	struct str sealed, plain;
	char *text;

	(void)state;
	fixture_init(&f);
	k = load(&f, true);
	assert_int_equal(seal_close(k, STR("w"), STR(""), f.arena, &sealed), IAM_OK);
	assert_int_equal(sealed.len, 41);
	assert_int_equal(seal_open(k, STR("w"), sealed, f.arena, &plain), IAM_OK);
	assert_true(plain.ptr != NULL && plain.len == 0);
	text = arena_alloc(f.arena, 100000);
	memset(text, 'x', 100000);
	assert_int_equal(seal_close(k, STR("w"), (struct str){text, 100000}, f.arena,
				 &sealed),
		IAM_OK);
	assert_int_equal(seal_open(k, STR("w"), sealed, f.arena, &plain), IAM_OK);
	assert_true(str_eq(plain, (struct str){text, 100000}));
	seal_key_free(k);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_made_once_for_the_owner_only),
		cmocka_unit_test(a_key_others_can_read_or_of_another_length_is_refused),
		cmocka_unit_test(a_sealed_text_opens_in_its_place_and_unaltered_only),
		cmocka_unit_test(an_empty_and_a_long_text_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
