/*
 * check_bench - iam_check() over random questions, in a large and in a small model.
 *
 *	check_bench USERS GROUPS GRANTS ROUNDS CALLS
 *
 * Users are in 3 groups each; half of the groups are nested, up to 4 deep; grants go to users and
 * groups by halves, 50 to a resource. Beside it the same with 1 000 users, a bare look-up in a hash
 * table of as many strings as there are users, and a bare read of memory that is nowhere near.
 * Every call is timed by itself, serialised, less what the timing costs; rounds of all four
 * alternate. Prints one JSON object; nanoseconds are medians over the rounds.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "iam/acl.h"

#define SMALL_USERS 1000U
#define ROUNDS_MAX  101U
/* Beyond every cache: 256 MiB, a cache line each. */
#define LINES ((size_t)1 << 22)

static uint64_t random_state = 1;

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t z = random_state += 0x9E3779B97F4A7C15U;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return (size_t)(next_random() % n);
}

static void *must(void *p)
{
	if (p == NULL) {
		(void)fprintf(stderr, "check_bench: no memory\n");
		exit(1);
	}
	return p;
}

static void check(enum iam_err e)
{
	if (e != IAM_OK) {
		(void)fprintf(stderr, "check_bench: %s\n", iam_err_text(e));
		exit(1);
	}
}

/* ---- time ---- */

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now_s(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

static double cpu_s(void)
{
	return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

/* Nothing before it is still under way, nothing after it has begun. */
static inline uint64_t ticks(void)
{
#ifdef __x86_64__
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
#else
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
#endif
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of what all times are measured with. */
static double ns_per_tick;
static uint32_t tick_cost;

static void calibrate(void)
{
	enum { N = 20001 };
	static uint32_t empty[N];
	double from = now_s();
	uint64_t begin = ticks();

	while (now_s() - from < 0.2)
		;
	ns_per_tick = (now_s() - from) * 1e9 / (double)(ticks() - begin);
	for (size_t i = 0; i < N; i++) {
		uint64_t t = ticks();

		empty[i] = (uint32_t)(ticks() - t);
	}
	qsort(empty, N, sizeof(empty[0]), compare);
	tick_cost = empty[N / 2];
}

/* ---- what is measured ---- */

struct scale {
	size_t users, groups, grants, resources;
};

struct text {
	char buf[64];
	struct str s;
};

static struct str name(struct text *t, const char *prefix, size_t number)
{
	int len = snprintf(t->buf, sizeof(t->buf), "%s%07zu", prefix, number);

	t->s = (struct str){.ptr = t->buf, .len = (size_t)len};
	return t->s;
}

#define USER     "user-"
#define GROUP    "group-"
#define RESOURCE "dcos:adminrouter:service:"

/* Facts are told many at once, ordered by user or subject, as a server's store has them. */
#define ROWS 256U

static void tell_groups(struct iam_model *m, const struct scale *c)
{
	struct text a, b;

	for (size_t g = 0; g < c->groups; g++) {
		check(iam_model_add_group(m, name(&a, GROUP, g)));
		if (g % 8 >= 1 && g % 8 <= 4) /* 4 in 3 in 2 in 1 in 0 */
			check(iam_model_add_subgroup(m, name(&b, GROUP, g - 1), a.s));
	}
}

static void tell_members(struct iam_model *m, const struct scale *c)
{
	static struct text texts[2 * ROWS];
	struct iam_member rows[ROWS];
	size_t n = 0;

	for (size_t i = 0; i < 3 * c->users; i++) {
		rows[n].gid = name(&texts[2 * n], GROUP, below(c->groups));
		rows[n].uid = name(&texts[2 * n + 1], USER, i / 3);
		if (++n == ROWS || i + 1 == 3 * c->users) {
			check(iam_model_add_members(m, rows, n));
			n = 0;
		}
	}
}

static void tell_grants(struct iam_model *m, const struct scale *c, enum iam_subject kind)
{
	static struct text texts[2 * ROWS];
	bool user = kind == IAM_SUBJECT_USER;
	size_t subjects = user ? c->users : c->groups;
	size_t count = c->grants / 2;
	struct iam_grant rows[ROWS];
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		rows[n].kind = kind;
		rows[n].rid = name(&texts[2 * n], RESOURCE, below(c->resources));
		rows[n].subject_id = name(&texts[2 * n + 1], user ? USER : GROUP,
			i * subjects / count);
		rows[n].action = (enum iam_action)below(IAM_ACTION_COUNT);
		if (++n == ROWS || i + 1 == count) {
			check(iam_model_add_grants(m, rows, n));
			n = 0;
		}
	}
}

/* What it took: by the clock, of the processor, and of that the freezing. */
struct took {
	double wall_s, cpu_s, freeze_s;
};

static struct iam_snapshot *build(const struct scale *c, struct took *ret_took)
{
	struct took from = {.wall_s = now_s(), .cpu_s = cpu_s()};
	struct iam_model *m = must(iam_model_new());
	struct iam_snapshot *s = NULL;

	tell_groups(m, c);
	tell_members(m, c);
	tell_grants(m, c, IAM_SUBJECT_USER);
	tell_grants(m, c, IAM_SUBJECT_GROUP);
	from.freeze_s = cpu_s();
	check(iam_snapshot_build(m, &s));
	*ret_took = (struct took){
		.wall_s = now_s() - from.wall_s,
		.cpu_s = cpu_s() - from.cpu_s,
		.freeze_s = cpu_s() - from.freeze_s,
	};
	iam_model_free(m);
	return s;
}

/* The bare table: open addressing, at most half full, the strings apart. */
struct table {
	char **slots;
	size_t mask;
};

static uint64_t fnv(struct str s)
{
	uint64_t h = 0xCBF29CE484222325U;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001B3U;
	return h ^ h >> 32;
}

static char **slot(const struct table *t, struct str s)
{
	size_t at = fnv(s) & t->mask;

	while (t->slots[at] != NULL && strcmp(t->slots[at], s.ptr) != 0)
		at = (at + 1) & t->mask;
	return &t->slots[at];
}

static struct table table_of(size_t users)
{
	struct table t = {.mask = 1};
	struct text a;

	while (t.mask < 2 * users)
		t.mask *= 2;
	t.slots = must(calloc(t.mask, sizeof(*t.slots)));
	t.mask--;
	for (size_t u = 0; u < users; u++) {
		name(&a, USER, u);
		*slot(&t, a.s) = must(strdup(a.buf));
	}
	return t;
}

/* A line leads to another, through all of them (Sattolo's cycle). */
struct line {
	uint32_t next;
	uint32_t unused[15];
};

static struct line *lines_new(void)
{
	struct line *l = must(aligned_alloc(sizeof(*l), LINES * sizeof(*l)));

	for (uint32_t i = 0; i < LINES; i++)
		l[i].next = i;
	for (size_t i = LINES - 1; i > 0; i--) {
		size_t j = below(i);
		uint32_t swap = l[i].next;

		l[i].next = l[j].next;
		l[j].next = swap;
	}
	return l;
}

/* ---- measuring ---- */

struct bench {
	const struct scale *scale;
	const struct iam_snapshot *large, *small;
	struct table table;
	struct line *lines;
	uint32_t *times;
	size_t calls;
	size_t allowed, asked; /* of the large model */
};

struct result {
	double median[ROUNDS_MAX], p99[ROUNDS_MAX];
};

static double percentile(struct bench *b, size_t percent)
{
	uint32_t t = b->times[(b->calls - 1) * percent / 100];

	return t <= tick_cost ? 0 : (double)(t - tick_cost) * ns_per_tick;
}

static void take(struct bench *b, struct result *r, size_t round)
{
	qsort(b->times, b->calls, sizeof(*b->times), compare);
	r->median[round] = percentile(b, 50);
	r->p99[round] = percentile(b, 99);
}

static uint32_t since(uint64_t from)
{
	uint64_t took = ticks() - from;

	return took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

/* The question's strings are written first: a server has just read them from a request. */
static size_t ask(struct bench *b, const struct iam_snapshot *s, const struct scale *c)
{
	size_t allowed = 0;
	struct text uid, rid;

	for (size_t i = 0; i < b->calls; i++) {
		enum iam_action action = (enum iam_action)below(IAM_ACTION_COUNT);
		uint64_t from;

		name(&uid, USER, below(c->users));
		name(&rid, RESOURCE, below(c->resources));
		from = ticks();
		allowed += iam_check(s, uid.s, rid.s, action) == IAM_ALLOW;
		b->times[i] = since(from);
	}
	return allowed;
}

static void look_up(struct bench *b)
{
	struct text uid;

	for (size_t i = 0; i < b->calls; i++) {
		uint64_t from;
		char **found;

		name(&uid, USER, below(b->scale->users));
		from = ticks();
		found = slot(&b->table, uid.s);
		b->times[i] = since(from);
		if (*found == NULL)
			exit(1);
	}
}

static void read_lines(struct bench *b)
{
	volatile uint32_t at = (uint32_t)below(LINES);

	for (size_t i = 0; i < b->calls; i++) {
		uint64_t from = ticks();

		at = b->lines[at].next;
		b->times[i] = since(from);
	}
}

/* ---- the report ---- */

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_result(const char *key, struct result *r, size_t rounds)
{
	qsort(r->median, rounds, sizeof(double), compare_double);
	qsort(r->p99, rounds, sizeof(double), compare_double);
	(void)printf("\"%s\": [%.1f, %.1f], ", key, r->median[rounds / 2],
		r->p99[rounds / 2]);
}

static long status_kib(const char *key)
{
	FILE *f = must(fopen("/proc/self/status", "re"));
	size_t len = strlen(key);
	char text[256];
	long kib = -1;

	while (kib < 0 && fgets(text, sizeof(text), f) != NULL)
		if (strncmp(text, key, len) == 0 && text[len] == ':')
			kib = strtol(text + len + 1, NULL, 10);
	(void)fclose(f);
	return kib;
}

static void print_memory(const struct iam_snapshot *s)
{
	struct iam_snapshot_stats stats;

	iam_snapshot_stats(s, &stats);
	(void)malloc_trim(0);
	(void)printf("\"users\": %zu, \"grants\": %zu, \"snapshot_bytes\": %zu, "
		     "\"rss_kib\": %ld, \"peak_kib\": %ld, ",
		stats.users, stats.grants, stats.bytes, status_kib("RssAnon"),
		status_kib("VmHWM"));
}

static void measure(struct bench *b, const struct scale *small, size_t rounds)
{
	static struct result large_r, small_r, table_r, read_r;

	for (size_t round = 0; round < rounds; round++) {
		b->allowed += ask(b, b->large, b->scale);
		b->asked += b->calls;
		take(b, &large_r, round);
		(void)ask(b, b->small, small);
		take(b, &small_r, round);
		look_up(b);
		take(b, &table_r, round);
		read_lines(b);
		take(b, &read_r, round);
	}
	print_result("large", &large_r, rounds);
	print_result("small", &small_r, rounds);
	print_result("lookup", &table_r, rounds);
	print_result("read", &read_r, rounds);
}

int main(int argc, char **argv)
{
	struct scale large, small;
	struct bench b = {.scale = &large};
	size_t numbers[5] = {0};
	struct took took, ignored;

	for (int i = 1; i < argc && i <= 5; i++)
		numbers[i - 1] = (size_t)strtoull(argv[i], NULL, 10);
	if (argc != 6 || numbers[0] < SMALL_USERS || numbers[1] < 8 || numbers[2] < 50 ||
		numbers[3] < 1 || numbers[3] > ROUNDS_MAX || numbers[4] < 100) {
		(void)fprintf(stderr,
			"usage: check_bench USERS GROUPS GRANTS ROUNDS CALLS\n");
		return 2;
	}
	large = (struct scale){numbers[0], numbers[1], numbers[2], numbers[2] / 50};
	small = (struct scale){SMALL_USERS, 100, (size_t)5 * SMALL_USERS,
		(size_t)5 * SMALL_USERS / 50};
	b.calls = numbers[4];
	b.times = must(calloc(b.calls, sizeof(*b.times)));
	calibrate();
	b.large = build(&large, &took);
	(void)printf(
		"{\"build_s\": %.3f, \"build_cpu_s\": %.3f, \"freeze_cpu_s\": %.3f, ",
		took.wall_s, took.cpu_s, took.freeze_s);
	print_memory(b.large);
	b.small = build(&small, &ignored);
	b.table = table_of(large.users);
	b.lines = lines_new();
	measure(&b, &small, numbers[3]);
	(void)printf("\"allowed\": %.4f}\n", (double)b.allowed / (double)b.asked);
	return 0;
}
