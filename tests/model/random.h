/*
 * random - random models, the same from the same seed.
 */
#ifndef TESTS_MODEL_RANDOM_H
#define TESTS_MODEL_RANDOM_H

#include <stdint.h>

#include "tests/model/naive.h"

/* splitmix64: the same numbers on every machine. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15U;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static inline int random_below(uint64_t *state, int n)
{
	return (int)(next_random(state) % (uint64_t)n);
}

/* Few or many of each kind of fact, so that sparse and dense models both come up. */
static inline void random_model(struct naive *n, struct iam_model *m, uint64_t *rnd)
{
	int ids = 2 + random_below(rnd, NAIVE_MAX - 1);
	int members = random_below(rnd, 3 * NAIVE_MAX);
	int nests = random_below(rnd, 3 * NAIVE_MAX);
	int grants = random_below(rnd, 3 * NAIVE_MAX);
	/* rarely: superusers make all else invisible */
	bool super = random_below(rnd, 4) == 0;

	for (int i = 0; i < members; i++)
		naive_member(n, m, random_below(rnd, ids), random_below(rnd, ids));
	for (int i = 0; i < nests; i++)
		naive_nest(n, m, random_below(rnd, ids), random_below(rnd, ids));
	for (int i = 0; i < grants; i++) {
		int rid = super ? random_below(rnd, ids) : 1 + random_below(rnd, ids - 1);
		bool group = random_below(rnd, 2) == 0;

		naive_grant(n, m, rid, group, random_below(rnd, ids),
			random_below(rnd, IAM_ACTION_COUNT));
	}
}

#endif
