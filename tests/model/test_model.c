/*
 * Random models, asked everything: the snapshot must answer as the naive evaluator does.
 *
 * Usage: test_model [ROUNDS [SEED]]. A failure prints the seed of its round; running that seed
 * with one round repeats it.
 */
#include <inttypes.h>
#include <stdint.h>

#include "tests/model/random.h"

static const char *one_round(uint64_t seed)
{
	struct naive n = {0};
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	uint64_t rnd = seed;
	const char *wrong = "iam_snapshot_build";

	if (m == NULL)
		return "iam_model_new";
	random_model(&n, m, &rnd);
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
