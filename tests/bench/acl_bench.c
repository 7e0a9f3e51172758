/*
 * acl_bench - what the library's decisions, builds and edits cost, without a daemon around it.
 *
 * Usage: acl_bench [USERS]. The large model has 1 000 000 users in 3 groups each, a tenth as many
 * groups (half of them nested, up to 4 deep), as many resources, and 5 grants a user, half of them
 * to groups. Prints one figure a line; times are medians of many, each measured alone, so they
 * contain one reading of the clock, which is printed first. A random read stands for the machine.
 * Build: cc -O3 -D_GNU_SOURCE -I. -Iinclude tests/bench/acl_bench.c libacl/[a-z]*.c libacl/base/[a-z]*.c
 */
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "iam/acl.h"

#define QUESTIONS 400000
#define BATCH     4096
#define EDITS     2000

struct size {
	int users;
	int groups;
	int resources;
	int grants;
};

static uint64_t random_state = 1;

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t z = random_state += 0x9E3779B97F4A7C15U;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static int below(int n)
{
	return (int)(next_random() % (uint64_t)n);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* CPU time: other work on the machine counts less. */
static uint64_t spent_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct str name(char buf[64], const char *format, int number)
{
	int len = snprintf(buf, 64, format, number);

	return (struct str){.ptr = buf, .len = (size_t)len};
}

#define UID "user-%07d"
#define GID "group-%06d"
#define RID "dcos:service:%06d"

static void must(enum iam_err e)
{
	if (e == IAM_OK)
		return;
	(void)fprintf(stderr, "error %d\n", (int)e);
	exit(1);
}

static void tell_grant(struct iam_model *m, const struct size *n, int i)
{
	char rid[64];
	char who[64];
	bool group = i % 2 == 0;

	must(iam_model_add_grant(m, name(rid, RID, below(n->resources)),
		group ? IAM_SUBJECT_GROUP : IAM_SUBJECT_USER,
		group ? name(who, GID, below(n->groups))
		      : name(who, UID, below(n->users)),
		(enum iam_action)below(IAM_ACTION_COUNT)));
}

static struct iam_model *make_model(const struct size *n)
{
	struct iam_model *m = iam_model_new();
	char a[64];
	char b[64];

	if (m == NULL)
		exit(1);
	for (int i = 0; i < 3 * n->users; i++)
		must(iam_model_add_member(m, name(a, GID, below(n->groups)),
			name(b, UID, i / 3)));
	for (int i = 0; i < n->groups; i++)
		if (i % 8 != 0 && i % 8 < 5)
			must(iam_model_add_subgroup(m, name(a, GID, i - 1),
				name(b, GID, i)));
	for (int i = 0; i < n->grants; i++)
		tell_grant(m, n, i);
	return m;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_times(const char *what, uint32_t *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), compare);
	(void)printf("%-28s median %6" PRIu32 " ns  p99 %6" PRIu32 " ns  max %8" PRIu32
		     " ns\n",
		what, ns[count / 2], ns[count * 99 / 100], ns[count - 1]);
}

static void time_clock(uint32_t *ns)
{
	for (size_t i = 0; i < QUESTIONS; i++) {
		uint64_t from = now_ns();

		ns[i] = (uint32_t)(now_ns() - from);
	}
	print_times("clock", ns, QUESTIONS);
}

/* A read at a random place of 256 MiB, which depends on the one before. */
static void time_memory(uint32_t *ns)
{
	size_t words = (size_t)32 << 20;
	uint64_t *table = malloc(words * sizeof(*table));
	uint64_t at = 0;

	if (table == NULL)
		return;
	for (size_t i = 0; i < words; i++)
		table[i] = next_random();
	for (size_t i = 0; i < QUESTIONS; i++) {
		uint64_t from = now_ns();

		at = table[(at + i) & (words - 1)];
		__asm__ volatile("" : "+r"(at));
		ns[i] = (uint32_t)(now_ns() - from);
	}
	free(table);
	print_times("random read", ns, QUESTIONS);
}

static void time_checks(const char *what, const struct iam_snapshot *s,
	const struct size *n, uint32_t *ns)
{
	static char uids[BATCH][16];
	static char rids[BATCH][24];
	size_t allowed = 0;

	for (size_t i = 0; i < QUESTIONS; i++) {
		size_t at = i % BATCH;
		uint64_t from;

		for (size_t j = 0; at == 0 && j < BATCH; j++) {
			(void)snprintf(uids[j], sizeof(uids[j]), UID, below(n->users));
			(void)snprintf(rids[j], sizeof(rids[j]), RID,
				below(n->resources));
		}
		from = now_ns();
		allowed += iam_check(s, (struct str){uids[at], 12},
				   (struct str){rids[at], 19}, IAM_READ) == IAM_ALLOW;
		ns[i] = (uint32_t)(now_ns() - from);
	}
	print_times(what, ns, QUESTIONS);
	(void)printf("%-28s %zu of %d\n", "  allowed", allowed, QUESTIONS);
}

#ifndef NO_EDITS
enum edit { GRANT, UNGRANT, JOIN, LEAVE, NEST, UNNEST, USER, EDIT_COUNT };

static const char *const edit_names[EDIT_COUNT] = {"edit: grant", "edit: revoke",
	"edit: join", "edit: leave", "edit: nest", "edit: un-nest", "edit: remove user"};

static enum iam_err change(struct iam_edit *e, enum edit kind, const struct size *n)
{
	char a[64];
	char b[64];
	int user = below(n->users);
	int group = below(n->groups);
	struct str uid = name(a, UID, user);
	struct str gid = name(b, GID, group);
	char c[64];

	switch (kind) {
	case GRANT:
		return iam_edit_add_grant(e, name(c, RID, below(n->resources)),
			IAM_SUBJECT_USER, uid, IAM_READ);
	case UNGRANT:
		return iam_edit_remove_grant(e, name(c, RID, below(n->resources)),
			IAM_SUBJECT_USER, uid, IAM_READ);
	case JOIN:
		return iam_edit_add_member(e, gid, uid);
	case LEAVE:
		return iam_edit_remove_member(e, gid, uid);
	case NEST:
		return iam_edit_add_subgroup(e, gid, name(c, GID, below(n->groups)));
	case UNNEST:
		return iam_edit_remove_subgroup(e, gid, name(c, GID, below(n->groups)));
	case USER:
		return iam_edit_remove_user(e, uid);
	case EDIT_COUNT:
		break;
	}
	return IAM_INTERNAL;
}

/* `batch` changes each; the random numbers are the same for adding and for removing. */
static struct iam_snapshot *time_edits(struct iam_snapshot *s, const struct size *n,
	enum edit kind, int batch, uint32_t *ns)
{
	size_t bytes = 0;
	char what[40];

	random_state = 1000 + (uint64_t)(kind / 2);
	for (size_t i = 0; i < EDITS; i++) {
		struct iam_retired *retired;
		struct iam_edit *e;
		uint64_t from = now_ns();

		must(iam_edit_begin(s, &e));
		for (int j = 0; j < batch; j++)
			must(change(e, kind, n));
		must(iam_edit_finish(e, &s, &retired));
		bytes += iam_retired_bytes(retired);
		iam_retired_free(retired);
		ns[i] = (uint32_t)(now_ns() - from);
	}
	(void)snprintf(what, sizeof(what), "%s x %d", edit_names[kind], batch);
	print_times(what, ns, EDITS);
	(void)printf("%-28s %zu a change\n", "  bytes copied",
		bytes / EDITS / (size_t)batch);
	return s;
}
#endif

static size_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	char line[128] = "";
	char *end = line;
	size_t pages;

	if (f == NULL)
		return 0;
	(void)fgets(line, sizeof(line), f);
	(void)strtoul(line, &end, 10);
	pages = strtoul(end, NULL, 10);
	(void)fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct iam_snapshot *build(const struct size *n)
{
	struct iam_model *m = make_model(n);
	struct iam_snapshot *s;
	struct iam_snapshot_stats stats;
	uint64_t from = spent_ns();
	size_t before = resident_bytes();

	must(iam_snapshot_build(m, &s));
	iam_snapshot_stats(s, &stats);
	(void)printf(
		"%d users: freeze %.2f s of CPU, %zu MiB by its own count, %zu MiB resident more\n",
		n->users, (double)(spent_ns() - from) / 1e9, stats.bytes >> 20,
		(resident_bytes() - before) >> 20);
	iam_model_free(m);
	return s;
}

int main(int argc, char **argv)
{
	int users = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000000;
	struct size large = {users, users / 10, users / 10, 5 * users};
	struct size small = {1000, 100, 100, 5000};
	uint32_t *ns = calloc(QUESTIONS, sizeof(*ns));
	struct iam_snapshot *s = ns == NULL ? NULL : build(&large);
	struct iam_snapshot *t = ns == NULL ? NULL : build(&small);

	if (s == NULL || t == NULL) {
		free(ns);
		return 1;
	}
	for (int round = 0; round < 3; round++) {
		time_clock(ns);
		time_memory(ns);
		time_checks("check, 1 000 users", t, &small, ns);
		time_checks("check, all users", s, &large, ns);
	}
#ifndef NO_EDITS
	for (int kind = 0; kind < EDIT_COUNT; kind++) {
		s = time_edits(s, &large, (enum edit)kind, 1, ns);
		s = time_edits(s, &large, (enum edit)kind, 32, ns);
	}
	time_checks("check after the edits", s, &large, ns);
#endif
	iam_snapshot_free(s);
	iam_snapshot_free(t);
	free(ns);
	return 0;
}
