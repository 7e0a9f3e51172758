/*
 * fuzz_edits - edits of a snapshot, against the naive evaluator.
 *
 * The input is a list of four bytes each: a change (kind, two ids, action), or the end of an edit:
 * finished, undone or aborted, told by the second byte. Property: after each end the newest
 * snapshot and the one before it answer every question as the naive model of their time does, and
 * no page is lost.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/pages.h"
#include "tests/model/world.h"

/* Comparing takes most of the time. */
#define ENDS_MAX    24
#define CHANGES_MAX ((size_t)1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct line {
	struct iam_snapshot *s;
	struct world w;
	struct iam_edit *edit; /* NULL: none has begun */
	struct world next;     /* with the changes of the edit */
	int ends;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "%s\n", what);
	abort();
}

static void must_agree(const struct world *w, const struct iam_snapshot *s)
{
	const char *wrong = world_compare(w, s);

	must(wrong == NULL, wrong);
}

static void end_edit(struct line *l, uint8_t how)
{
	struct iam_snapshot *next;
	struct iam_retired *retired;

	l->ends++;
	if (how % 4 == 0) {
		iam_edit_abort(l->edit);
		l->edit = NULL;
		return;
	}
	must(iam_edit_finish(l->edit, &next, &retired) == IAM_OK, "iam_edit_finish");
	l->edit = NULL;
	must_agree(&l->next, next);
	must_agree(&l->w, l->s);
	if (how % 4 == 1) {
		iam_edit_undo(next, retired);
		must_agree(&l->w, l->s);
	} else {
		iam_retired_free(retired);
		l->s = next;
		l->w = l->next;
	}
	must(pages_agree(l->s), "the number of pages");
}

static void step(struct line *l, const uint8_t what[4])
{
	if (l->edit == NULL) {
		must(iam_edit_begin(l->s, &l->edit) == IAM_OK, "iam_edit_begin");
		l->next = l->w;
	}
	if (what[0] == 0xFF)
		end_edit(l, what[1]);
	else
		must(world_edit(&l->next, l->edit, what) == IAM_OK, "an edit");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iam_model *m = iam_model_new();
	struct line *l = calloc(1, sizeof(*l));

	if (m == NULL || l == NULL || iam_snapshot_build(m, &l->s) != IAM_OK)
		abort();
	iam_model_free(m);
	for (size_t i = 0; i + 4 <= size && i / 4 < CHANGES_MAX && l->ends < ENDS_MAX;
		i += 4)
		step(l, data + i);
	if (l->edit != NULL)
		end_edit(l, 2);
	iam_snapshot_free(l->s);
	free(l);
	return 0;
}
