/*
 * Random models, asked why: explanations must be true, shortest, and complete.
 *
 * For every user, resource and action the explanation's decision is iam_check()'s, the grant it
 * names is in the model, and its chain leads from a group of the user to the grant by a shortest
 * way. For some of them the named grant is taken away, again and again: each time another is
 * named, until none is left and the answer is no.
 *
 * Usage: test_explain [ROUNDS [SEED]], as test_model.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>

#include "tests/model/random.h"

#define FAR INT_MAX

/* One question, with the facts it is asked about. */
struct asked {
	const struct naive *n;
	const struct iam_snapshot *s;
	int user;
	int rid;
	int action;
};

/* How many groups a chain to each group has at least. */
static void distances(const struct naive *n, int user, int ret[NAIVE_MAX])
{
	for (int g = 0; g < NAIVE_MAX; g++)
		ret[g] = n->member[g][user] ? 1 : FAR;
	for (int round = 0; round < NAIVE_MAX; round++)
		for (int g = 0; g < NAIVE_MAX; g++)
			for (int sub = 0; sub < NAIVE_MAX; sub++)
				if (n->nested[g][sub] && ret[sub] != FAR &&
					ret[sub] + 1 < ret[g])
					ret[g] = ret[sub] + 1;
}

/* Would this grant alone allow what is asked? */
static bool suffices(const struct asked *q, int rid, int action)
{
	return rid == NAIVE_SUPER ||
		(rid == q->rid && (action == q->action || action == IAM_FULL));
}

/* The length of the shortest chain to a grant on rid that suffices. */
static int nearest(const struct asked *q, int rid)
{
	int far[NAIVE_MAX];
	int best = FAR;

	distances(q->n, q->user, far);
	for (int a = 0; a < IAM_ACTION_COUNT; a++) {
		if (!suffices(q, rid, a))
			continue;
		if (q->n->user_grant[rid][q->user][a])
			return 0;
		for (int g = 0; g < NAIVE_MAX; g++)
			if (q->n->group_grant[rid][g][a] && far[g] < best)
				best = far[g];
	}
	return best;
}

static int rid_of(const struct asked *q, struct str rid)
{
	int super = NAIVE_SUPER;

	return naive_pick(rid, &super) ? NAIVE_SUPER : q->rid;
}

static bool chain_is_a_path(const struct asked *q, const struct iam_explanation *x)
{
	if (x->n_chain != x->chain_len || x->n_chain == 0 ||
		!q->n->member[naive_number(x->chain[0])][q->user] ||
		naive_number(x->chain[x->n_chain - 1]) != naive_number(x->subject_id))
		return false;
	for (size_t i = 1; i < x->n_chain; i++)
		if (!q->n->nested[naive_number(x->chain[i])]
				 [naive_number(x->chain[i - 1])])
			return false;
	return true;
}

static const char *judge_allowed(const struct asked *q, const struct iam_explanation *x)
{
	int rid = rid_of(q, x->rid);
	int who = naive_number(x->subject_id);

	if (!naive_pick(x->rid, &rid) || !suffices(q, rid, (int)x->action))
		return "the grant is for something else";
	if ((x->why == IAM_WHY_SUPERUSER) != (rid == NAIVE_SUPER))
		return "why";
	if ((int)x->chain_len != nearest(q, rid))
		return "there is a shorter chain";
	if (x->kind == IAM_SUBJECT_USER)
		return who == q->user && q->n->user_grant[rid][who][x->action]
			? NULL
			: "there is no such grant";
	if (!q->n->group_grant[rid][who][x->action])
		return "there is no such grant";
	return chain_is_a_path(q, x) ? NULL : "the chain is no path";
}

/* Asks and judges; what is wrong, or NULL. */
static const char *ask(const struct asked *q, struct iam_explanation *ret)
{
	char ub[32];
	char rb[32];
	struct str uid = naive_id(ub, 'u', q->user);
	struct str rid = naive_id(rb, 'r', q->rid);
	enum iam_action action = (enum iam_action)q->action;
	bool known = iam_knows_resource(q->s, rid);

	if (iam_explain(q->s, uid, rid, action, ret) != IAM_OK)
		return "iam_explain fails";
	if (ret->decision != iam_check(q->s, uid, rid, action))
		return "iam_explain decides otherwise than iam_check";
	if (ret->decision == IAM_ALLOW)
		return judge_allowed(q, ret);
	return ret->why == (known ? IAM_WHY_NO_GRANT : IAM_WHY_NO_RESOURCE) ? NULL
									    : "why not";
}

static bool *grant_named(struct naive *n, const struct asked *q,
	const struct iam_explanation *x)
{
	int rid = rid_of(q, x->rid);
	int who = naive_number(x->subject_id);

	return x->kind == IAM_SUBJECT_USER ? &n->user_grant[rid][who][x->action]
					   : &n->group_grant[rid][who][x->action];
}

/* The next version without the named grant; the version before is freed. NULL: it failed. */
static struct iam_snapshot *edit_away(struct iam_snapshot *s,
	const struct iam_explanation *x)
{
	struct iam_retired *retired;
	struct iam_snapshot *next = NULL;
	struct iam_edit *e;

	if (iam_edit_begin(s, &e) != IAM_OK)
		return NULL;
	if (iam_edit_remove_grant(e, x->rid, x->kind, x->subject_id, x->action) !=
		IAM_OK) {
		iam_edit_abort(e);
		return NULL;
	}
	if (iam_edit_finish(e, &next, &retired) != IAM_OK)
		return NULL;
	iam_retired_free(retired);
	return next;
}

static struct iam_snapshot *freeze_anew(struct iam_snapshot *s, const struct naive *n)
{
	iam_snapshot_free(s);
	return naive_freeze(n);
}

/* Takes the named grant away until the answer is no: by edits, or by models without it. */
static const char *take_away(const struct asked *asked, bool by_edits)
{
	struct naive n = *asked->n;
	struct iam_explanation x = {.decision = IAM_ALLOW};
	struct iam_snapshot *s = naive_freeze(&n);
	const char *wrong = s == NULL ? "iam_snapshot_build" : NULL;

	while (wrong == NULL) {
		struct asked q = *asked;

		q.n = &n;
		q.s = s;
		wrong = ask(&q, &x); /* a grant that is gone would be "no such grant" */
		if (wrong != NULL || x.decision == IAM_DENY)
			break;
		*grant_named(&n, &q, &x) = false;
		s = by_edits ? edit_away(s, &x) : freeze_anew(s, &n);
		if (s == NULL)
			return "no version without the grant";
	}
	iam_snapshot_free(s);
	return wrong;
}

static const char *ask_all(const struct naive *n, const struct iam_snapshot *s,
	uint64_t *rnd)
{
	const char *wrong = NULL;

	for (int i = 0; i < NAIVE_MAX * NAIVE_MAX * IAM_ACTION_COUNT; i++) {
		struct iam_explanation x;
		struct asked q = {
			.n = n,
			.s = s,
			.user = i % NAIVE_MAX,
			.rid = i / NAIVE_MAX % NAIVE_MAX,
			.action = i / NAIVE_MAX / NAIVE_MAX,
		};

		wrong = ask(&q, &x);
		if (wrong == NULL && x.decision == IAM_ALLOW &&
			random_below(rnd, 32) == 0)
			wrong = take_away(&q, random_below(rnd, 2) == 0);
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
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
	random_model(&n, m, &rnd);
	if (iam_snapshot_build(m, &s) == IAM_OK)
		wrong = ask_all(&n, s, &rnd);
	iam_model_free(m);
	iam_snapshot_free(s);
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	for (uint64_t i = 0; i < rounds; i++) {
		const char *wrong = one_round(seed + i);

		if (wrong == NULL)
			continue;
		(void)fprintf(stderr, "%s: test_explain 1 %" PRIu64 "\n", wrong,
			seed + i);
		return 1;
	}
	(void)printf("%" PRIu64 " models explained\n", rounds);
	return 0;
}
