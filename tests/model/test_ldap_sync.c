/*
 * Random directories against random accounts: the plan, carried out, must lead to what a naive reading
 * of the rules says, and a second plan must be empty.
 *
 * Usage: test_ldap_sync [ROUNDS [SEED]]. A failure prints the seed of its round.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "iamd/authn/ldap_sync_plan.h"
#include "libacl/base/str.h"
#include "tests/model/random.h"

#define PEOPLE 10
#define GROUPS 6
#define NOW    1000000
#define BAD    7 /* the person and the group whose names break our rules */
#define BAD_G  5

enum origin { NO, BY_HAND, OURS };

struct person {
	bool there, disabled;
};

/* A directory: who is in it, and who is in what. */
struct directory_model {
	struct person people[PEOPLE];
	bool groups[GROUPS];
	bool member[GROUPS][PEOPLE], sub[GROUPS][GROUPS];
};

struct account {
	bool exists, enabled, disabled_there;
	int64_t missing;
};

struct accounts {
	struct account users[PEOPLE];
	struct account groups[GROUPS];
	bool is_protected[GROUPS];
	enum origin member[GROUPS][PEOPLE], sub[GROUPS][GROUPS];
};

static bool flip(uint64_t *rnd, int n)
{
	return random_below(rnd, n) == 0;
}

static void make_directory(struct directory_model *d, uint64_t *rnd)
{
	int density = 2 + random_below(rnd, 6);

	memset(d, 0, sizeof *d);
	for (int i = 0; i < PEOPLE; i++)
		d->people[i] = (struct person){!flip(rnd, 4), flip(rnd, 5)};
	for (int g = 0; g < GROUPS; g++) {
		d->groups[g] = !flip(rnd, 4);
		for (int i = 0; i < PEOPLE; i++)
			d->member[g][i] = flip(rnd, density);
		for (int h = 0; h < GROUPS; h++)
			d->sub[g][h] = flip(rnd, density);
	}
}

static struct account make_account(uint64_t *rnd)
{
	static const int64_t since[] = {0, 0, 0, NOW - 50, NOW - 500};
	struct account a = {.exists = !flip(rnd, 3)};

	if (!a.exists)
		return a;
	a.missing = since[random_below(rnd, 5)];
	a.enabled = !flip(rnd, 3);
	a.disabled_there = !a.enabled && flip(rnd, 2);
	return a;
}

static void make_accounts(struct accounts *s, uint64_t *rnd)
{
	memset(s, 0, sizeof *s);
	for (int i = 0; i < PEOPLE; i++)
		s->users[i] = make_account(rnd);
	for (int g = 0; g < GROUPS; g++)
		s->groups[g] = make_account(rnd);
	for (int g = 0; g < GROUPS; g++)
		s->is_protected[g] = s->groups[g].exists && flip(rnd, 3);
	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < PEOPLE; i++)
			if (s->groups[g].exists && s->users[i].exists)
				s->member[g][i] = (enum origin)random_below(rnd, 3);
		for (int h = 0; h < GROUPS; h++)
			if (g != h && s->groups[g].exists && s->groups[h].exists)
				s->sub[g][h] = (enum origin)random_below(rnd, 3);
	}
}

/* ---- what the rules say, read naively ---- */

struct naive_sync {
	const struct directory_model *d;
	const struct accounts *s;
	const struct sync_rules *rules;
	bool ours[GROUPS]; /* groups that are accounts and entries */
	bool seen[GROUPS];
	bool people[PEOPLE], subs[GROUPS];
};

static void gather(struct naive_sync *n, int self, int g)
{
	if (n->seen[g])
		return;
	n->seen[g] = true;
	for (int i = 0; i < PEOPLE; i++)
		n->people[i] |= n->d->member[g][i] && n->d->people[i].there;
	for (int h = 0; n->rules->nested && h < GROUPS; h++) {
		if (!n->d->sub[g][h] || !n->d->groups[h] || h == self)
			continue;
		if (n->ours[h] && !n->s->is_protected[self])
			n->subs[h] = true;
		else
			gather(n, self, h);
	}
}

static void forget(struct accounts *out, int user, int group)
{
	for (int g = 0; g < GROUPS; g++) {
		if (user >= 0)
			out->member[g][user] = NO;
		if (group >= 0)
			out->sub[g][group] = NO;
		for (int i = 0; group == g && i < PEOPLE; i++)
			out->member[g][i] = NO;
		for (int h = 0; group == g && h < GROUPS; h++)
			out->sub[g][h] = NO;
	}
}

static bool is_over(const struct sync_rules *r, int64_t missing)
{
	return r->grace_ms == 0 || (missing != 0 && NOW - missing >= r->grace_ms);
}

static void naive_user(const struct naive_sync *n, int i, struct accounts *out)
{
	struct account *a = &out->users[i];
	const struct person *p = &n->d->people[i];

	if (!a->exists)
		return;
	if (!p->there) {
		if (is_over(n->rules, a->missing)) {
			*a = (struct account){0};
			forget(out, i, -1);
		} else if (a->missing == 0) {
			a->missing = NOW;
			a->disabled_there |= a->enabled;
			a->enabled = false;
		}
		return;
	}
	a->missing = 0;
	if (p->disabled && a->enabled) {
		a->enabled = false;
		a->disabled_there = true;
	} else if (!p->disabled && a->disabled_there) {
		a->enabled = true;
		a->disabled_there = false;
	}
}

static void naive_members(struct naive_sync *n, int g, struct accounts *out)
{
	memset(n->seen, 0, sizeof n->seen);
	memset(n->people, 0, sizeof n->people);
	memset(n->subs, 0, sizeof n->subs);
	gather(n, g, g);
	for (int i = 0; i < PEOPLE; i++) {
		if (n->people[i] && !out->users[i].exists && i != BAD)
			out->users[i] = (struct account){true, !n->d->people[i].disabled,
				n->d->people[i].disabled, 0};
		if (n->people[i] && out->users[i].exists && out->member[g][i] == NO)
			out->member[g][i] = OURS;
		if (!n->people[i] && out->member[g][i] == OURS)
			out->member[g][i] = NO;
	}
	for (int h = 0; h < GROUPS; h++) {
		if (n->subs[h] && out->sub[g][h] == NO)
			out->sub[g][h] = OURS;
		if (!n->subs[h] && out->sub[g][h] == OURS)
			out->sub[g][h] = NO;
	}
}

static void naive_absent_group(const struct naive_sync *n, int g, struct accounts *out)
{
	struct account *a = &out->groups[g];

	if (is_over(n->rules, a->missing)) {
		*a = (struct account){0};
		forget(out, -1, g);
		return;
	}
	if (a->missing == 0)
		a->missing = NOW;
	for (int i = 0; i < PEOPLE; i++)
		if (out->member[g][i] == OURS)
			out->member[g][i] = NO;
	for (int h = 0; h < GROUPS; h++)
		if (out->sub[g][h] == OURS)
			out->sub[g][h] = NO;
}

static void naive(const struct directory_model *d, const struct accounts *s,
	const struct sync_rules *rules, struct accounts *out)
{
	struct naive_sync n = {.d = d, .s = s, .rules = rules};

	*out = *s;
	for (int i = 0; i < PEOPLE; i++) {
		naive_user(&n, i, out);
		if (rules->all && d->people[i].there && !s->users[i].exists && i != BAD)
			out->users[i] = (struct account){
				true, !d->people[i].disabled, d->people[i].disabled, 0};
	}
	for (int g = 0; g < GROUPS; g++) {
		if (out->groups[g].exists && !d->groups[g])
			naive_absent_group(&n, g, out);
		else if (out->groups[g].exists)
			out->groups[g].missing = 0;
		else if (rules->all && d->groups[g] && g != BAD_G)
			out->groups[g].exists = true;
		n.ours[g] = out->groups[g].exists && d->groups[g];
	}
	for (int g = 0; g < GROUPS; g++)
		if (n.ours[g])
			naive_members(&n, g, out);
}

/* ---- the plan, made and carried out ---- */

static void check(bool fine, const char *what)
{
	if (fine)
		return;
	(void)fprintf(stderr, "%s\n", what);
	abort();
}

static struct str text(char buf[32], const char *prefix, int i)
{
	(void)snprintf(buf, 32, "%s%d", prefix, i);
	return str_c(buf);
}

static void draw(const struct directory_model *d, struct sync_picture *p)
{
	char a[32], b[32], c[32], e[32];
	bool added = false;

	check(sync_picture_init(p) == IAM_OK, "init");
	for (int g = 0; g < GROUPS; g++) {
		struct sync_group row = {.subject = text(a, "gs", g),
			.name = text(b, g == BAD_G ? "bad name" : "g", g),
			.dn = text(c, "cn=g", g),
			.description = STR("")};

		if (!d->groups[g])
			continue;
		check(sync_picture_group(p, &row, row.dn, &added) == IAM_OK, "group");
		for (int h = 0; h < GROUPS; h++)
			if (d->sub[g][h])
				check(sync_picture_member_dn(p, text(e, "cn=g", h)) ==
						IAM_OK,
					"sub");
		for (int i = 0; i < PEOPLE; i++) {
			if (!d->member[g][i])
				continue;
			check((i % 2 == 0 || i == BAD
					      ? sync_picture_member_dn(p,
							text(e, "uid=u", i))
					      : sync_picture_member_name(p,
							text(e, "U", i))) == IAM_OK,
				"member");
		}
	}
	for (int i = 0; i < PEOPLE; i++) {
		struct identity who = {.subject = text(a, "us", i),
			.name = text(b, i == BAD ? "bad name" : "u", i),
			.dn = text(c, "uid=u", i),
			.description = STR(""),
			.email = STR(""),
			.disabled = d->people[i].disabled};

		if (d->people[i].there)
			check(sync_picture_person(p, &who, who.dn, false) == IAM_OK,
				"person");
	}
}

static void store(const struct accounts *s, struct sync_stored *out)
{
	char a[32], b[32], c[32];

	check(sync_stored_init(out) == IAM_OK, "init");
	for (int i = 0; i < PEOPLE; i++) {
		struct sync_stored_user row = {.uid = text(a, "u", i),
			.subject = text(b, "us", i),
			.dn = text(c, "uid=u", i),
			.missing_since_ms = s->users[i].missing,
			.enabled = s->users[i].enabled,
			.disabled_there = s->users[i].disabled_there};

		if (s->users[i].exists)
			check(sync_stored_user(out, &row) == IAM_OK, "user");
	}
	for (int g = 0; g < GROUPS; g++) {
		struct sync_stored_group row = {.gid = text(a, "g", g),
			.subject = text(b, "gs", g),
			.dn = text(c, "cn=g", g),
			.missing_since_ms = s->groups[g].missing,
			.is_protected = s->is_protected[g]};

		if (s->groups[g].exists)
			check(sync_stored_group(out, &row) == IAM_OK, "group");
		out->any_protected |= s->is_protected[g];
	}
	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < PEOPLE; i++)
			if (s->member[g][i] != NO)
				check(sync_stored_link(out, text(a, "g", g),
					      text(b, "u", i), SYNC_MEMBER_USER,
					      s->member[g][i] == OURS) == IAM_OK,
					"link");
		for (int h = 0; h < GROUPS; h++)
			if (s->sub[g][h] != NO)
				check(sync_stored_link(out, text(a, "g", g),
					      text(b, "g", h), SYNC_MEMBER_GROUP,
					      s->sub[g][h] == OURS) == IAM_OK,
					"nesting");
	}
}

/* The number at the end of "us7". */
static int number(struct str s)
{
	int64_t n = -1;

	check(str_to_i64(str_sub(s, 2, s.len), 0, 100, &n), "number");
	return (int)n;
}

static void carry_out_user(const struct sync_op *op, struct account *a, bool disabled)
{
	if (op->kind == SYNC_OP_USER_VANISH) {
		a->missing = NOW;
		a->disabled_there |= a->enabled;
		a->enabled = false;
	} else if (op->kind == SYNC_OP_USER_ADD) {
		check(!a->exists, "added twice");
		*a = (struct account){true, !disabled, disabled, 0};
	} else {
		if ((op->flags & SYNC_F_BACK) != 0)
			a->missing = 0;
		if ((op->flags & SYNC_F_DISABLE) != 0) {
			a->enabled = false;
			a->disabled_there = true;
		}
		if ((op->flags & SYNC_F_ENABLE) != 0) {
			a->enabled = true;
			a->disabled_there = false;
		}
	}
}

static void carry_out(const struct sync_op *op, const struct sync_picture *p,
	const struct sync_stored *s, struct accounts *out)
{
	const struct sync_stored_user *users = s->users;
	int i, g, h;

	switch ((enum sync_op_kind)op->kind) {
	case SYNC_OP_USER_DELETE:
		i = number(users[op->a].subject);
		out->users[i] = (struct account){0};
		forget(out, i, -1);
		break;
	case SYNC_OP_USER_VANISH:
	case SYNC_OP_USER_UPDATE:
		carry_out_user(op, &out->users[number(users[op->a].subject)], false);
		break;
	case SYNC_OP_USER_ADD:
		carry_out_user(op, &out->users[number(p->people[op->b].subject)],
			p->people[op->b].disabled);
		break;
	case SYNC_OP_GROUP_VANISH:
		out->groups[number(s->groups[op->a].subject)].missing = NOW;
		break;
	case SYNC_OP_GROUP_DELETE:
		g = number(s->groups[op->a].subject);
		out->groups[g] = (struct account){0};
		forget(out, -1, g);
		break;
	case SYNC_OP_GROUP_UPDATE:
		out->groups[number(s->groups[op->a].subject)].missing = 0;
		break;
	case SYNC_OP_GROUP_ADD:
		out->groups[number(p->groups[op->b].subject)].exists = true;
		break;
	case SYNC_OP_MEMBER_REMOVE:
		g = number(s->groups[op->a].subject);
		i = number(users[op->b].subject);
		check(out->member[g][i] != BY_HAND, "a membership made by hand is taken");
		out->member[g][i] = NO;
		break;
	case SYNC_OP_SUBGROUP_REMOVE:
		g = number(s->groups[op->a].subject);
		h = number(s->groups[op->b].subject);
		check(out->sub[g][h] != BY_HAND, "a nesting made by hand is taken");
		out->sub[g][h] = NO;
		break;
	case SYNC_OP_MEMBER_ADD:
		g = number(p->groups[op->a].subject);
		i = number(p->people[op->b].subject);
		check(out->groups[g].exists && out->users[i].exists &&
				out->member[g][i] == NO,
			"a member of nothing");
		out->member[g][i] = OURS;
		break;
	case SYNC_OP_SUBGROUP_ADD:
		g = number(p->groups[op->a].subject);
		h = number(p->groups[op->b].subject);
		check(out->groups[g].exists && out->groups[h].exists &&
				out->sub[g][h] == NO,
			"a nesting of nothing");
		out->sub[g][h] = OURS;
		break;
	case SYNC_OP_KINDS:
		check(false, "no operation");
	}
}

/* Plans from `from` and carries it out; false: the plan was empty. */
static bool plan_and_do(const struct directory_model *d, const struct accounts *from,
	const struct sync_rules *rules, struct accounts *out)
{
	struct sync_picture picture;
	struct sync_stored stored;
	struct sync_plan plan;
	bool any;

	draw(d, &picture);
	store(from, &stored);
	check(sync_plan_make(&picture, &stored, rules, &plan) == IAM_OK, "plan");
	*out = *from;
	for (int k = 0; k < SYNC_PHASES; k++)
		for (size_t i = 0; i < plan.phases[k].n; i++)
			carry_out(&plan.phases[k].rows[i], &picture, &stored, out);
	any = !sync_plan_is_empty(&plan);
	sync_plan_done(&plan);
	sync_picture_done(&picture);
	sync_stored_done(&stored);
	return any;
}

static bool same(const struct account *a, const struct account *b, int n)
{
	for (int i = 0; i < n; i++)
		if (a[i].exists != b[i].exists || a[i].enabled != b[i].enabled ||
			a[i].disabled_there != b[i].disabled_there ||
			a[i].missing != b[i].missing)
			return false;
	return true;
}

static const char *one_round(uint64_t seed)
{
	uint64_t rnd = seed;
	struct directory_model d;
	struct accounts before, after, expected, again;
	struct sync_rules rules = {.complete = true,
		.now_ms = NOW,
		.max_vanished_percent = 100,
		.all = flip(&rnd, 2),
		.nested = !flip(&rnd, 3),
		.grace_ms = flip(&rnd, 4) ? 0 : 100};

	make_directory(&d, &rnd);
	make_accounts(&before, &rnd);
	(void)plan_and_do(&d, &before, &rules, &after);
	naive(&d, &before, &rules, &expected);
	if (!same(after.users, expected.users, PEOPLE))
		return "users";
	if (!same(after.groups, expected.groups, GROUPS))
		return "groups";
	if (memcmp(after.member, expected.member, sizeof after.member) != 0)
		return "members";
	if (memcmp(after.sub, expected.sub, sizeof after.sub) != 0)
		return "nesting";
	return plan_and_do(&d, &after, &rules, &again) ? "the second plan" : NULL;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	if (sodium_init() < 0)
		return 1;
	for (uint64_t i = 0; i < rounds; i++) {
		const char *wrong = one_round(seed + i);

		if (wrong == NULL)
			continue;
		(void)fprintf(stderr, "%s differ: test_ldap_sync 1 %" PRIu64 "\n", wrong,
			seed + i);
		return 1;
	}
	(void)printf("%" PRIu64 " plans agree\n", rounds);
	return 0;
}
