/*
 * answers - a small table of answers by what they say; see answers.h.
 *
 * Does not: know the HTTP library, or look at statuses, streams or anything of a request.
 * Invariant: what is found says byte for byte what was asked for. A hash only chooses the place,
 * so a client that makes two answers meet there costs itself and others the making, nothing else.
 */
#include "iamd/http/answers.h"

#include <stdlib.h>
#include <string.h>

#include "iamd/sys/thread.h"

/* What an answer says, one text after the other, each with its end, so that none runs into the next. */
struct said {
	size_t len;
	char bytes[ANSWER_MAX_BYTES];
};

struct kept {
	void *made; /* NULL: an empty place */
	answer_free_fn *free_made;
	size_t len;
	char *said;
};

struct answers {
	struct kept places[ANSWERS_KEPT];
	struct said asked; /* scratch */
};

static void forget(struct kept *k)
{
	if (k->made != NULL)
		k->free_made(k->made);
	free(k->said);
	*k = (struct kept){.made = NULL};
}

static void answers_free(void *value)
{
	struct answers *a = value;

	for (unsigned i = 0; i < ANSWERS_KEPT; i++)
		forget(&a->places[i]);
	free(a);
}

static struct answers *answers_mine(void)
{
	struct answers *a = thread_get(THREAD_ANSWERS);

	if (a != NULL)
		return a;
	a = calloc(1, sizeof(*a));
	if (a != NULL)
		thread_set(THREAD_ANSWERS, a, answers_free);
	return a;
}

/* False: too long. */
static bool say(struct said *s, struct str text)
{
	if (text.len >= sizeof(s->bytes) - s->len)
		return false;
	if (text.len > 0)
		memcpy(s->bytes + s->len, text.ptr, text.len);
	s->len += text.len;
	s->bytes[s->len++] = '\0'; /* no name, value or type has one */
	return true;
}

static bool say_all(struct said *s, const struct resp *out)
{
	bool fits;

	s->len = 0;
	fits = say(s, out->content_type == NULL ? STR("") : str_c(out->content_type));
	for (unsigned i = 0; fits && i < out->n_headers; i++)
		fits = say(s, out->headers[i].name) && say(s, out->headers[i].value);
	return fits && say(s, STR("")) && say(s, out->body);
}

/* LIMIT: of a long answer the first bytes choose the place: fields, not the body. */
#define HASHED_BYTES 256

static struct kept *place_of(struct answers *a)
{
	size_t n = a->asked.len < HASHED_BYTES ? a->asked.len : HASHED_BYTES;
	uint64_t h = a->asked.len;

	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, a->asked.bytes + i,
			n - i < sizeof(word) ? n - i : sizeof(word));
		h = (h ^ word) * 0x9E3779B97F4A7C15U;
		h ^= h >> 32;
	}
	return &a->places[h % ANSWERS_KEPT];
}

void *answers_find(const struct resp *out)
{
	struct answers *a = answers_mine();
	const struct kept *k;

	if (a == NULL || !say_all(&a->asked, out))
		return NULL;
	k = place_of(a);
	if (k->made == NULL || k->len != a->asked.len ||
		memcmp(k->said, a->asked.bytes, k->len) != 0)
		return NULL;
	return k->made;
}

bool answers_keep(const struct resp *out, void *made, answer_free_fn *free_made)
{
	struct answers *a = answers_mine();
	struct kept *k;
	char *said;

	if (a == NULL || !say_all(&a->asked, out))
		return false;
	said = malloc(a->asked.len);
	if (said == NULL)
		return false;
	memcpy(said, a->asked.bytes, a->asked.len);
	k = place_of(a);
	forget(k);
	*k = (struct kept){
		.made = made, .free_made = free_made, .len = a->asked.len, .said = said};
	return true;
}
