/*
 * Random models, asked everything: the snapshot must answer as the naive evaluator does.
 *
 * Usage: test_model [ROUNDS [SEED]]. A failure prints the seed of its round; running that seed
 * with one round repeats it.
 */
#include <inttypes.h>
#include <stdint.h>

#include "tests/model/naive.h"

/* splitmix64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15U;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static int below(uint64_t *state, int n)
{
	return (int)(next_random(state) % (uint64_t)n);
}

/* Few or many of each kind of fact, so that sparse and dense models both come up. */
static void build(struct naive *n, struct iam_model *m, uint64_t *rnd)
{
	int ids = 2 + below(rnd, NAIVE_MAX - 1);
	int members = below(rnd, 3 * NAIVE_MAX);
	int nests = below(rnd, 3 * NAIVE_MAX);
	int grants = below(rnd, 3 * NAIVE_MAX);
	bool super = below(rnd, 4) == 0; /* rarely: superusers make all else invisible */

	for (int i = 0; i < members; i++)
		naive_member(n, m, below(rnd, ids), below(rnd, ids));
	for (int i = 0; i < nests; i++)
		naive_nest(n, m, below(rnd, ids), below(rnd, ids));
	for (int i = 0; i < grants; i++) {
		int rid = super ? below(rnd, ids) : 1 + below(rnd, ids - 1);
		bool group = below(rnd, 2) == 0;

		naive_grant(n, m, rid, group, below(rnd, ids),
			below(rnd, IAM_ACTION_COUNT));
	}
}

static const char *one_round(uint64_t seed)
{
	struct naive n = {0};
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	uint64_t rnd = seed;
	const char *wrong = "iam_snapshot_build";

	if (m == NULL)
		return "iam_model_new";
	build(&n, m, &rnd);
	if (iam_snapshot_build(m, &s) == IAM_OK)
		wrong = naive_compare(&n, s);
	iam_model_free(m);
	iam_snapshot_free(s);
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	for (uint64_t i = 0; i < rounds; i++) {
		const char *wrong = one_round(seed + i);

		if (wrong == NULL)
			continue;
		(void)fprintf(stderr, "%s differs: test_model 1 %" PRIu64 "\n", wrong,
			seed + i);
		return 1;
	}
	(void)printf("%" PRIu64 " models agree\n", rounds);
	return 0;
}
