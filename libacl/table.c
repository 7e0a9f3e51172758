/*
 * table - the writing half of extendible hashing.
 *
 * A page of pointers with b bits has 2^b of them; a page of words that has d <= b bits in common
 * stands in 2^(b-d) places next to each other. When b has reached its maximum, a page that must be
 * split first gets a page of pointers of its own.
 *
 * Does not: join pages again; what was emptied is filled first when the table grows.
 * Invariants: at most four fifths of a page are in use, so every probe ends; within a page of
 * pointers there is no empty place.
 */
#include "libacl/table.h"

#include <string.h>

#define FAN_BITS_MAX 10U /* PAGE_BYTES of pointers */
#define FULL         (TABLE_SLOTS * 4 / 5)
#define HASH_BITS    25U /* above those that choose the place */

/* The way to a page of words. */
struct path {
	char **fan_slot; /* what leads to the lowest page of pointers; NULL: there is none */
	char **fan;      /* that page */
	unsigned bits;     /* of it */
	unsigned consumed; /* bits of the hash above it */
	uint64_t *words;
};

static uint64_t word_hash(const struct table *t, uint64_t word)
{
	if (t->of_grants)
		return grant_hash(t->seed, word & ~(uint64_t)GRANT_ACTIONS);
	return word & ~TABLE_NUMBER_MASK;
}

/* The bits-wide field of the hash behind the first `consumed` bits. */
static size_t field(uint64_t hash, unsigned consumed, unsigned bits)
{
	return (hash << consumed) >> 1 >> (63 - bits);
}

static char *tag_fan(char **fan, unsigned bits)
{
	return (char *)fan + (TABLE_FAN | bits);
}

/* Writes the page of words into all of its places. */
static void place_words(struct path *p, struct table *t, uint64_t hash, uint64_t *words)
{
	unsigned spare;
	size_t first;

	p->words = words;
	if (p->fan == NULL) {
		t->root = (char *)words;
		return;
	}
	spare = p->bits - pool_info(words)->depth;
	first = field(hash, p->consumed, p->bits) >> spare << spare;
	for (size_t i = first; i < first + ((size_t)1 << spare); i++)
		p->fan[i] = (char *)words;
}

/* Makes the way to the words of that hash writable. */
static bool touch_path(struct cow *c, struct table *t, uint64_t hash, struct path *p)
{
	char **slot = &t->root;
	uint64_t *old;
	uint64_t *words;

	*p = (struct path){0};
	while ((table_tag(*slot) & TABLE_FAN) != 0) {
		unsigned bits = (unsigned)(table_tag(*slot) & TABLE_FAN_BITS);
		char **fan = cow_touch(c, table_page(*slot));

		if (fan == NULL)
			return false;
		p->consumed += p->bits;
		p->bits = bits;
		p->fan = fan;
		p->fan_slot = slot;
		*slot = tag_fan(fan, bits);
		slot = &fan[field(hash, p->consumed, bits)];
	}
	old = table_page(*slot);
	words = cow_touch(c, old);
	if (words == NULL)
		return false;
	p->words = words;
	if (words != old)
		place_words(p, t, hash, words);
	return true;
}

static void insert(struct table *t, uint64_t *words, uint64_t word)
{
	size_t at = table_place(word_hash(t, word));

	while (words[at] != 0)
		at = (at + 1) & (TABLE_SLOTS - 1);
	words[at] = word;
	pool_info(words)->used++;
}

/* A page of pointers above the page of words, which takes all of its places (one). */
static bool add_fan(struct cow *c, struct table *t, struct path *p, uint64_t hash)
{
	char **fan = cow_new(c);
	char **slot =
		p->fan == NULL ? &t->root : &p->fan[field(hash, p->consumed, p->bits)];

	if (fan == NULL)
		return false;
	fan[0] = (char *)p->words;
	pool_info(p->words)->depth = 0;
	*slot = tag_fan(fan, 0);
	p->consumed += p->bits;
	p->bits = 0;
	p->fan = fan;
	p->fan_slot = slot;
	return true;
}

static void double_fan(struct path *p)
{
	for (size_t i = (size_t)1 << p->bits; i-- > 0;)
		p->fan[2 * i] = p->fan[2 * i + 1] = p->fan[i];
	p->bits++;
	*p->fan_slot = tag_fan(p->fan, p->bits);
}

/* Makes two pages of one that is full. */
static bool split(struct cow *c, struct table *t, struct path *p, uint64_t hash)
{
	uint64_t *old = p->words;
	unsigned depth = pool_info(old)->depth;
	uint64_t bit = (uint64_t)1 << (63 - p->consumed - depth);
	uint64_t *low = cow_new(c);
	uint64_t *high = low == NULL ? NULL : cow_new(c);

	if (high == NULL) {
		if (low != NULL)
			cow_drop(c, low);
		return false;
	}
	for (size_t i = 0; i < TABLE_SLOTS; i++)
		if (old[i] != 0)
			insert(t, (word_hash(t, old[i]) & bit) == 0 ? low : high, old[i]);
	pool_info(low)->depth = pool_info(high)->depth = (uint16_t)(depth + 1);
	cow_drop(c, old);
	place_words(p, t, hash & ~bit, low);
	place_words(p, t, hash | bit, high);
	p->words = (hash & bit) == 0 ? low : high;
	return true;
}

static bool make_room(struct cow *c, struct table *t, struct path *p, uint64_t hash)
{
	unsigned depth = pool_info(p->words)->depth;

	if (p->consumed + depth == HASH_BITS)
		return false;
	if ((p->fan == NULL || depth == FAN_BITS_MAX) && !add_fan(c, t, p, hash))
		return false;
	if (pool_info(p->words)->depth == p->bits)
		double_fan(p);
	return split(c, t, p, hash);
}

static uint64_t *find(uint64_t *words, uint64_t hash, uint64_t word, uint64_t mask)
{
	size_t at = table_place(hash);

	for (; words[at] != 0; at = (at + 1) & (TABLE_SLOTS - 1))
		if (((words[at] ^ word) & mask) == 0)
			return &words[at];
	return NULL;
}

uint64_t *table_put(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask)
{
	struct path p;
	uint64_t *found;

	if (!touch_path(c, t, hash, &p))
		return NULL;
	found = find(p.words, hash, word, mask);
	if (found != NULL)
		return found;
	while (pool_info(p.words)->used >= FULL)
		if (!make_room(c, t, &p, hash))
			return NULL;
	insert(t, p.words, word);
	t->count++;
	return find(p.words, hash, word, mask);
}

uint64_t table_get(const struct table *t, uint64_t hash, uint64_t word, uint64_t mask)
{
	const uint64_t *words = table_words(t, hash);
	size_t at = table_place(hash);

	for (; words[at] != 0; at = (at + 1) & (TABLE_SLOTS - 1))
		if (((words[at] ^ word) & mask) == 0)
			return words[at];
	return 0;
}

bool table_remove(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask)
{
	struct path p;
	uint64_t *found;
	size_t hole;

	if (!touch_path(c, t, hash, &p))
		return false;
	found = find(p.words, hash, word, mask);
	if (found == NULL)
		return true;
	hole = (size_t)(found - p.words);
	/* What stands behind moves up, so that no search stops too early. */
	for (size_t at = (hole + 1) & (TABLE_SLOTS - 1); p.words[at] != 0;
		at = (at + 1) & (TABLE_SLOTS - 1)) {
		size_t home = table_place(word_hash(t, p.words[at]));

		if (((at - home) & (TABLE_SLOTS - 1)) >=
			((at - hole) & (TABLE_SLOTS - 1))) {
			p.words[hole] = p.words[at];
			hole = at;
		}
	}
	p.words[hole] = 0;
	pool_info(p.words)->used--;
	t->count--;
	return true;
}

/* Pages for 2^bits pages of words, all of them empty; NULL: no memory. */
static char *make_pages(struct cow *c, unsigned bits, unsigned depth)
{
	unsigned here = bits < FAN_BITS_MAX ? bits : FAN_BITS_MAX;
	char *page = cow_new(c);
	char **fan = (void *)page;

	if (page == NULL)
		return NULL;
	pool_info(page)->depth = (uint16_t)depth;
	if (bits == 0)
		return page;
	for (size_t i = 0; i < (size_t)1 << here; i++) {
		fan[i] = make_pages(c, bits - here, bits == here ? here : 0);
		if (fan[i] == NULL)
			return NULL;
	}
	return tag_fan(fan, here);
}

bool table_init(struct cow *c, struct table *t, size_t expected)
{
	unsigned bits = 0;

	while (bits < HASH_BITS && expected >> bits > FULL * 3 / 4)
		bits++;
	t->root = make_pages(c, bits, 0);
	t->count = 0;
	return t->root != NULL;
}

static void each_below(char *at, table_words_fn *each, void *ctx)
{
	char *const *fan = table_page(at);
	size_t count = (size_t)1 << (table_tag(at) & TABLE_FAN_BITS);

	if ((table_tag(at) & TABLE_FAN) == 0) {
		each((const uint64_t *)(void *)at, ctx);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (i == 0 || fan[i] != fan[i - 1])
			each_below(fan[i], each, ctx);
}

void table_each(const struct table *t, table_words_fn *each, void *ctx)
{
	each_below(t->root, each, ctx);
}
