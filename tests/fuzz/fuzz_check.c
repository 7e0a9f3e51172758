/*
 * fuzz_check - the permission check, against the naive evaluator.
 *
 * The input is a list of facts, four bytes each: kind, two ids, action. Property: the snapshot
 * answers every question about every user, group, resource and action as the naive model does.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/naive.h"

/* Far above what 16 ids of a kind can say, and quick. */
#define FACTS_MAX ((size_t)1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(struct naive *n, struct iam_model *m, const uint8_t fact[4])
{
	int one = fact[1] % NAIVE_MAX;
	int two = fact[2] % NAIVE_MAX;
	int action = fact[3] % IAM_ACTION_COUNT;

	switch (fact[0] % 4) {
	case 0:
		naive_member(n, m, one, two);
		break;
	case 1:
		naive_nest(n, m, one, two);
		break;
	case 2:
		naive_grant(n, m, one, false, two, action);
		break;
	default:
		naive_grant(n, m, one, true, two, action);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	struct naive n = {0};
	const char *wrong = NULL;

	if (m == NULL)
		return 0;
	for (size_t i = 0; i + 4 <= size && i / 4 < FACTS_MAX; i += 4)
		tell(&n, m, data + i);
	if (iam_snapshot_build(m, &s) == IAM_OK)
		wrong = naive_compare(&n, s);
	iam_snapshot_free(s);
	iam_model_free(m);
	if (wrong != NULL) {
		(void)fprintf(stderr, "%s differs\n", wrong);
		abort();
	}
	return 0;
}
