/*
 * authzen_evaluations - up to 1 000 questions in one request, decided on one published state.
 *
 * Top-level members are defaults, replaced whole by an item's own. A malformed whole is an error; a
 * malformed item is a denial with context.error. Nobody gets an answer unless the caller may ask
 * about every item's subject. Large requests are read and decided on the SLOW lane; of others that
 * turn out dear, the rest is, on the state of the beginning or else all over again.
 */
#include "iamd/api/authzen.h"
#include "iamd/api/handlers.h"
#include "iamd/sys/clock.h"

/* LIMIT: items of one request. */
#define ITEMS_MAX 1000
/* LIMIT: items decided on the event loop, mostly in well under a millisecond; and how long at most. */
#define ITEMS_INLINE 128
#define INLINE_US    2000
/* LIMIT: of the answer; of that, what reasons may fill, and how long making them may take. */
#define ANSWER_MAX_BYTES  ((size_t)16 << 20)
#define REASONS_MAX_BYTES ((size_t)4 << 20)
#define REASONS_MAX_US    250000

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

static const char *const semantic_names[] = {
	"execute_all", "deny_on_first_deny", "permit_on_first_permit"};

struct item {
	struct authzen_ask ask;
	struct str error; /* absent: none */
};

struct batch {
	enum semantic semantic;
	struct item *items;
	size_t n;
	bool explain;     /* some item wants to know why */
	int64_t until_us; /* clock_mono_us(): what is left then is for the lane */
	size_t n_written;
	struct jsonw w; /* of these, decided with: */
	int64_t revision;
	const struct config *config; /* to compare only */
};

static enum iam_err read_semantic(struct req *r, enum semantic *ret)
{
	const json_t *options = json_object_get(r->json, "options");
	const json_t *value;

	*ret = EXECUTE_ALL;
	if (options == NULL)
		return IAM_OK;
	if (!json_is_object(options))
		return authzen_wrong_type("options", "object", &r->error);
	value = json_object_get(options, "evaluations_semantic");
	if (value == NULL)
		return IAM_OK;
	if (!json_is_string(value))
		return authzen_wrong_type("options.evaluations_semantic", "string",
			&r->error);
	for (*ret = EXECUTE_ALL; *ret <= PERMIT_ON_FIRST_PERMIT; (*ret)++)
		if (str_eq_c((struct str){json_string_value(value),
				     json_string_length(value)},
			    semantic_names[*ret]))
			return IAM_OK;
	return iam_error_set(&r->error, IAM_BAD_SCHEMA,
		"Unexpected JSON input. Hint: `options.evaluations_semantic` is none of "
		"execute_all, deny_on_first_deny, permit_on_first_permit");
}

static enum iam_err read_item(struct req *r, const json_t *json,
	const struct authzen_ask *defaults, struct item *item)
{
	struct iam_error error;
	enum iam_err e;

	item->ask = *defaults;
	if (json_is_object(json))
		e = authzen_read(json, 0, &item->ask, &error);
	else
		e = authzen_wrong_type("evaluations[]", "object", &error);
	if (e == IAM_OK)
		e = authzen_need(&item->ask, AUTHZEN_ALL, &error);
	if (e == IAM_OK)
		return IAM_OK;
	item->error = arena_str(r->arena, str_c(error.text));
	return item->error.ptr == NULL ? IAM_NO_MEMORY : IAM_OK;
}

static enum iam_err read_items(struct req *r, const json_t *list,
	const struct authzen_ask *defaults, struct batch *b)
{
	b->n = json_array_size(list);
	if (b->n > ITEMS_MAX)
		return req_fail(r, IAM_TOO_LARGE, "There are more than %d `evaluations`.",
			ITEMS_MAX);
	b->items = arena_alloc_n(r->arena, b->n, sizeof(*b->items));
	if (b->items == NULL)
		return IAM_NO_MEMORY;
	for (size_t i = 0; i < b->n; i++) {
		enum iam_err e =
			read_item(r, json_array_get(list, i), defaults, &b->items[i]);

		if (e != IAM_OK)
			return e;
		b->explain = b->explain || b->items[i].ask.explain;
	}
	return IAM_OK;
}

static bool is_over_time(const struct batch *b)
{
	return clock_mono_us() >= b->until_us;
}

/* Stops early when the time is over; then nothing is written either. */
static enum iam_err may_ask_all(const struct req *r, const struct root *root,
	const struct batch *b)
{
	for (size_t i = 0; i < b->n && !is_over_time(b); i++) {
		const struct item *item = &b->items[i];

		if (item->error.ptr == NULL &&
			authzen_may_ask(r, root, &item->ask.subject) != IAM_OK)
			return IAM_FORBIDDEN;
	}
	return IAM_OK;
}

static void write_error(struct jsonw *w, struct str text)
{
	jsonw_object(w);
	jsonw_bool(w, "decision", false);
	jsonw_object_key(w, "context");
	jsonw_object_key(w, "error");
	jsonw_int(w, "status", 400);
	jsonw_str(w, "message", text);
	jsonw_object_end(w);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static bool is_decided(enum semantic s, bool allow)
{
	return (s == DENY_ON_FIRST_DENY && !allow) ||
		(s == PERMIT_ON_FIRST_PERMIT && allow);
}

/* *ret_done false: the time is over before the items are. */
static enum iam_err write_items(struct req *r, const struct root *root, struct batch *b,
	bool *ret_done)
{
	int64_t until_us = clock_mono_us() + REASONS_MAX_US;
	struct jsonw *w = &b->w;
	bool allow = false;

	for (; b->n_written < b->n; b->n_written++) {
		const struct item *item = &b->items[b->n_written];
		bool reasons = w->out->len < REASONS_MAX_BYTES &&
			(!item->ask.explain || clock_mono_us() < until_us);
		enum iam_err e = IAM_OK;

		if (is_over_time(b)) {
			*ret_done = false;
			return IAM_OK;
		}
		if (item->error.ptr == NULL)
			e = authzen_write_decision(r, w, root, &item->ask, reasons,
				&allow);
		else
			write_error(w, item->error);
		if (e != IAM_OK)
			return e;
		if (is_decided(b->semantic, item->error.ptr == NULL && allow))
			break;
	}
	*ret_done = true;
	return IAM_OK;
}

/* Begins the answer, unless what is there of it was decided on this very state. */
static void begin(struct req *r, const struct root *root, struct batch *b)
{
	if (b->n_written > 0 && b->revision == root->revision &&
		b->config == root->config)
		return;
	sb_done(&r->out_heap);
	sb_init_heap(&r->out_heap, ANSWER_MAX_BYTES);
	jsonw_init(&b->w, &r->out_heap);
	jsonw_object(&b->w);
	jsonw_array_key(&b->w, "evaluations");
	b->n_written = 0;
	b->revision = root->revision;
	b->config = root->config;
}

static enum iam_err answer(struct req *r, struct resp *out)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);
	struct batch *b = r->state;
	enum iam_err e = may_ask_all(r, scope.root, b);
	bool is_done;

	if (e != IAM_OK)
		return e;
	begin(r, scope.root, b);
	e = write_items(r, scope.root, b, &is_done);
	if (e != IAM_OK)
		return e;
	if (!is_done) {
		b->until_us = INT64_MAX;
		return req_hand_off(r, LANE_SLOW, answer);
	}
	jsonw_array_end(&b->w);
	jsonw_object_end(&b->w);
	jsonw_end_document(&b->w);
	if (r->out_heap.failed)
		return IAM_NO_MEMORY;
	e = decide_revision_header(r, out, scope.root->revision);
	return e == IAM_OK ? resp_body(out, 200, RESP_JSON_TYPE, sb_str(&r->out_heap))
			   : e;
}

/* Reads the body into a batch. *ret_batch NULL: there are no items, it is a single question. */
static enum iam_err read_batch(struct req *r, struct batch **ret_batch)
{
	struct batch *b = arena_alloc(r->arena, sizeof(*b));
	struct authzen_ask defaults = {.explain = false};
	const json_t *list;
	enum iam_err e;

	if (b == NULL)
		return IAM_NO_MEMORY;
	b->until_us = INT64_MAX;
	e = authzen_body(r);
	if (e == IAM_OK)
		e = authzen_read(r->json, 0, &defaults, &r->error);
	if (e == IAM_OK)
		e = read_semantic(r, &b->semantic);
	if (e != IAM_OK)
		return e;
	list = json_object_get(r->json, "evaluations");
	if (list != NULL && !json_is_array(list))
		return authzen_wrong_type("evaluations", "array", &r->error);
	e = read_items(r, list, &defaults, b);
	if (e == IAM_OK)
		*ret_batch = b->n == 0 ? NULL : b;
	return e;
}

static enum iam_err read_and_answer(struct req *r, struct resp *out)
{
	struct batch *b = NULL;
	enum iam_err e = read_batch(r, &b);

	if (e != IAM_OK)
		return e;
	r->state = b;
	return b == NULL ? authzen_evaluate(r, out) : answer(r, out);
}

/* A tree of a body this long takes milliseconds to free, too: not on the loop. */
static enum iam_err decide_here(struct req *r, struct resp *out)
{
	enum iam_err e = read_and_answer(r, out);

	if (r->next_lane == LANE_INLINE) {
		json_decref(r->json);
		r->json = NULL;
	}
	return e;
}

static enum iam_err decide_all(struct req *r, struct resp *out)
{
	struct batch *b = NULL;
	enum iam_err e;

	if (r->json == NULL) /* too long to be parsed here */
		return req_hand_off(r, LANE_SLOW, decide_here);
	e = read_batch(r, &b);
	if (e != IAM_OK)
		return e;
	r->state = b;
	if (b == NULL)
		return authzen_evaluate(r, out);
	if (b->n > ITEMS_INLINE || b->explain)
		return req_hand_off(r, LANE_SLOW, answer);
	b->until_us = clock_mono_us() + INLINE_US;
	return answer(r, out);
}

enum iam_err api_authzen_evaluations(struct req *r, struct resp *out)
{
	return authzen_start(r, out, decide_all);
}
