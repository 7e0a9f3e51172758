/*
 * example - the interface in one page: build a model, freeze it, ask, ask why.
 *
 * Prints each question with its answer and exits 1 if one is not as the README says, so that the
 * worked example cannot go stale.
 */
#include <stdio.h>

#include "iam/acl.h"

/*
 * bob is an operator, dora a trainee; both groups are part of staff. Staff may read the shop and the
 * wiki, operators may do everything with the shop.
 */
static enum iam_err describe(struct iam_model *m)
{
	struct str shop = STR("dcos:adminrouter:service:shop");
	enum iam_err e;

	e = iam_model_add_member(m, STR("operators"), STR("bob"));
	if (e != IAM_OK)
		return e;
	e = iam_model_add_subgroup(m, STR("staff"), STR("operators"));
	if (e != IAM_OK)
		return e;
	e = iam_model_add_member(m, STR("staff"), STR("carol"));
	if (e != IAM_OK)
		return e;
	e = iam_model_add_member(m, STR("trainees"), STR("dora"));
	if (e != IAM_OK)
		return e;
	e = iam_model_add_subgroup(m, STR("staff"), STR("trainees"));
	if (e != IAM_OK)
		return e;
	e = iam_model_add_grant(m, STR("wiki"), IAM_SUBJECT_GROUP, STR("staff"),
		IAM_READ);
	if (e != IAM_OK)
		return e;
	e = iam_model_add_grant(m, shop, IAM_SUBJECT_GROUP, STR("staff"), IAM_READ);
	if (e != IAM_OK)
		return e;
	e = iam_model_add_grant(m, shop, IAM_SUBJECT_GROUP, STR("operators"), IAM_FULL);
	if (e != IAM_OK)
		return e;
	return iam_model_add_grant(m, STR(IAM_SUPERUSER_RID), IAM_SUBJECT_USER,
		STR("root"), IAM_FULL);
}

/* Asks and prints; false if the answer is not the expected one. */
static bool ask(const struct iam_snapshot *s, struct str uid, enum iam_action action,
	struct str rid, enum iam_decision expected)
{
	enum iam_decision answer = iam_check(s, uid, rid, action);

	(void)printf("%.*s %s %.*s: %s\n", STR_FMT(uid), iam_action_name(action),
		STR_FMT(rid), answer == IAM_ALLOW ? "allow" : "deny");
	return answer == expected;
}

static bool ask_all(const struct iam_snapshot *s)
{
	struct str shop = STR("dcos:adminrouter:service:shop");
	bool ok = true;

	ok &= ask(s, STR("carol"), IAM_READ, shop, IAM_ALLOW);
	ok &= ask(s, STR("carol"), IAM_UPDATE, shop, IAM_DENY);
	ok &= ask(s, STR("bob"), IAM_UPDATE, shop, IAM_ALLOW);
	ok &= ask(s, STR("bob"), IAM_READ, STR("dcos:adminrouter:service:shop:db"),
		IAM_DENY);
	ok &= ask(s, STR("root"), IAM_DELETE, STR("never:mentioned"), IAM_ALLOW);
	ok &= ask(s, STR("nobody"), IAM_READ, shop, IAM_DENY);
	return ok;
}

/* Why: the grant that the answer rests on, and the groups through which it reaches the user. */
static bool explain(const struct iam_snapshot *s, struct str uid, enum iam_action action,
	struct str rid, size_t expected_groups)
{
	struct iam_explanation x;

	if (iam_explain(s, uid, rid, action, &x) != IAM_OK || x.decision != IAM_ALLOW)
		return false;
	(void)printf("%.*s may %s %.*s: %.*s has %s on %.*s", STR_FMT(uid),
		iam_action_name(action), STR_FMT(rid), STR_FMT(x.subject_id),
		iam_action_name(x.action), STR_FMT(x.rid));
	for (size_t i = 0; i < x.n_chain; i++)
		(void)printf("%s%.*s", i == 0 ? "; through " : ", ", STR_FMT(x.chain[i]));
	(void)printf("\n");
	return x.chain_len == expected_groups;
}

static bool explain_all(const struct iam_snapshot *s)
{
	struct str shop = STR("dcos:adminrouter:service:shop");
	struct iam_explanation x;
	bool ok = true;

	ok &= explain(s, STR("bob"), IAM_UPDATE, shop, 1);
	ok &= explain(s, STR("carol"), IAM_READ, shop, 1);
	ok &= explain(s, STR("dora"), IAM_READ, STR("wiki"), 2);
	ok &= explain(s, STR("root"), IAM_DELETE, STR("never:mentioned"), 0);
	ok &= iam_explain(s, STR("carol"), shop, IAM_UPDATE, &x) == IAM_OK &&
		x.why == IAM_WHY_NO_GRANT;
	ok &= iam_explain(s, STR("carol"), STR("lab"), IAM_READ, &x) == IAM_OK &&
		x.why == IAM_WHY_NO_RESOURCE;
	return ok;
}

int main(void)
{
	struct iam_model *m = iam_model_new();
	struct iam_snapshot *s = NULL;
	enum iam_err e = m == NULL ? IAM_NO_MEMORY : describe(m);
	bool ok;

	if (e == IAM_OK)
		e = iam_snapshot_build(m, &s);
	iam_model_free(m); /* the snapshot has all it needs */
	if (e != IAM_OK) {
		(void)fprintf(stderr, "%s\n", iam_err_text(e));
		return 1;
	}
	ok = ask_all(s) && explain_all(s);
	iam_snapshot_free(s);
	return ok ? 0 : 1;
}
