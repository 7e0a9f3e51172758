/*
 * Random models, edited at random: every version must answer as the naive evaluator does, while
 * older versions are still there, after edits that were taken back, and without losing a page.
 *
 * Usage: test_edits [ROUNDS [SEED]]. A failure prints the seed of its round.
 */
#include <inttypes.h>

#include "tests/model/pages.h"
#include "tests/model/random.h"
#include "tests/model/world.h"

#define VERSIONS_MAX 8

/* A line of versions, of which the first ones may be replaced but not yet freed. */
struct line {
	struct world worlds[VERSIONS_MAX];
	struct iam_snapshot *snapshots[VERSIONS_MAX];
	struct iam_retired *retired[VERSIONS_MAX]; /* of the version with that number */
	int oldest;
	int newest;
	uint64_t rnd;
};

static const char *compare_all(const struct line *l)
{
	const char *wrong = NULL;

	for (int i = l->oldest; i <= l->newest && wrong == NULL; i++)
		wrong = world_compare(&l->worlds[i], l->snapshots[i]);
	if (wrong == NULL && l->oldest == l->newest &&
		!pages_agree(l->snapshots[l->newest]))
		wrong = "the number of pages";
	return wrong;
}

static void free_oldest(struct line *l)
{
	iam_retired_free(l->retired[l->oldest]);
	l->oldest++;
}

/* One edit; ended in one of three ways. */
static const char *edit(struct line *l)
{
	struct world w = l->worlds[l->newest];
	struct iam_snapshot *next;
	struct iam_retired *retired;
	struct iam_edit *e;
	int changes = random_below(&l->rnd, 24);
	int kinds = 1 + random_below(&l->rnd, WORLD_CHANGES);
	int end = random_below(&l->rnd, 6);

	if (iam_edit_begin(l->snapshots[l->newest], &e) != IAM_OK)
		return "iam_edit_begin";
	for (int i = 0; i < changes; i++) {
		uint64_t r = next_random(&l->rnd);
		uint8_t what[4] = {(uint8_t)((r & 255) % (unsigned)kinds),
			(uint8_t)(r >> 8), (uint8_t)(r >> 16), (uint8_t)(r >> 24)};

		/* Superusers make all else invisible: seldom. */
		if (what[1] % NAIVE_MAX == NAIVE_SUPER && (r >> 32) % 4 != 0)
			what[1]++;
		if (world_edit(&w, e, what) != IAM_OK)
			return "an edit";
	}
	if (end == 0) {
		iam_edit_abort(e);
		return NULL;
	}
	if (iam_edit_finish(e, &next, &retired) != IAM_OK)
		return "iam_edit_finish";
	if (end == 1) {
		const char *wrong = world_compare(&w, next);

		iam_edit_undo(next, retired);
		return wrong;
	}
	l->retired[l->newest] = retired;
	l->newest++;
	l->worlds[l->newest] = w;
	l->snapshots[l->newest] = next;
	return NULL;
}

static const char *run(struct line *l)
{
	const char *wrong = compare_all(l);

	while (wrong == NULL && l->newest + 1 < VERSIONS_MAX) {
		wrong = edit(l);
		if (wrong == NULL)
			wrong = compare_all(l);
		while (l->oldest < l->newest && random_below(&l->rnd, 2) == 0)
			free_oldest(l);
	}
	while (l->oldest < l->newest)
		free_oldest(l);
	return wrong != NULL ? wrong : compare_all(l);
}

static const char *one_round(uint64_t seed)
{
	static struct line l;
	struct iam_model *m = iam_model_new();
	const char *wrong = "iam_snapshot_build";

	l = (struct line){.rnd = seed};
	if (m == NULL)
		return "iam_model_new";
	if (seed % 4 != 0) /* else from nothing */
		random_model(&l.worlds[0].n, m, &l.rnd);
	world_know(&l.worlds[0]);
	if (iam_snapshot_build(m, &l.snapshots[0]) == IAM_OK) {
		wrong = run(&l);
		iam_snapshot_free(l.snapshots[l.newest]);
	}
	iam_model_free(m);
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 150;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	for (uint64_t i = 0; i < rounds; i++) {
		const char *wrong = one_round(seed + i);

		if (wrong == NULL)
			continue;
		(void)fprintf(stderr, "%s differs: test_edits 1 %" PRIu64 "\n", wrong,
			seed + i);
		return 1;
	}
	(void)printf("%" PRIu64 " lines of versions agree\n", rounds);
	return 0;
}
