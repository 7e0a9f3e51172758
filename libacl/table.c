/*
 * table - the writing half of extendible hashing.
 *
 * A page whose slots have their first d bits of hash in common stands in every place of the page
 * of pointers above it that begins with those bits; so does a page of pointers in the one above
 * that. A page of pointers has 2^b of them, chosen by the b bits of hash behind those that all
 * below it share. Where there is no second place for what must be split, the page of pointers is
 * doubled; one that is full is split itself, so that pages of pointers are few and dense.
 *
 * Does not: join pages again; what was emptied is filled first when the table grows.
 * Invariants: at most four fifths of a page are in use, so every probe ends; within a page of
 * pointers there is no empty place; `depth` of a page is d, whatever stands above it.
 */
#include "libacl/table.h"

#include <string.h>

#define FAN_BITS_MAX 10U /* PAGE_BYTES of pointers */
#define LEVELS_MAX   4U  /* 25 bits by at least 9, and one of few on top */

/* A page of pointers on the way to a page of slots. */
struct level {
	char **fan;
	unsigned bits;
	unsigned skip; /* bits that all below it share */
};

struct path {
	struct level levels[LEVELS_MAX]; /* the root first */
	unsigned count;
	char *leaf;
};

static bool of_grants(const struct table *t)
{
	return t->slot_bytes == sizeof(uint64_t);
}

static uint64_t word_hash(const struct table *t, uint64_t word)
{
	if (of_grants(t))
		return grant_hash(t->seed, word & ~(uint64_t)GRANT_ACTIONS);
	return word & ~TABLE_NUMBER_MASK;
}

static size_t slots_of(const struct table *t)
{
	return PAGE_BYTES / t->slot_bytes;
}

static uint64_t *slot_at(const struct table *t, char *leaf, size_t at)
{
	return (void *)(leaf + at * t->slot_bytes);
}

static size_t field(uint64_t hash, const struct level *l)
{
	return hash << l->skip >> 1 >> (63 - l->bits);
}

static char *tag_fan(const struct level *l)
{
	return (char *)l->fan +
		(TABLE_FAN | l->bits | (size_t)l->skip << TABLE_SKIP_SHIFT);
}

/* Writes a page that has `depth` bits in common into all of its places below that many levels. */
static void place(struct table *t, const struct path *p, unsigned levels, uint64_t hash,
	char *tagged, unsigned depth)
{
	const struct level *above;
	unsigned spare;
	size_t first;

	if (levels == 0) {
		t->root = tagged;
		return;
	}
	above = &p->levels[levels - 1];
	spare = above->skip + above->bits - depth;
	first = field(hash, above) >> spare << spare;
	for (size_t i = first; i < first + ((size_t)1 << spare); i++)
		above->fan[i] = tagged;
}

/* Makes the way to the slots of that hash writable. */
static bool touch_path(struct cow *c, struct table *t, uint64_t hash, struct path *p)
{
	char *at = t->root;

	p->count = 0;
	for (;;) {
		size_t tag = table_tag(at);
		char *page = cow_touch(c, table_page(at));
		struct level *l = &p->levels[p->count];

		if (page == NULL)
			return false;
		if (page != at - tag)
			place(t, p, p->count, hash, page + tag, pool_info(page)->depth);
		if ((tag & TABLE_FAN) == 0) {
			p->leaf = page;
			return true;
		}
		*l = (struct level){
			.fan = (void *)page,
			.bits = (unsigned)(tag & TABLE_FAN_BITS),
			.skip = (unsigned)(tag >> TABLE_SKIP_SHIFT),
		};
		at = l->fan[field(hash, l)];
		p->count++;
	}
}

static uint64_t *insert(const struct table *t, char *leaf, const void *from, size_t bytes)
{
	uint64_t word;
	size_t at;

	memcpy(&word, from, sizeof(word));
	at = table_place(word_hash(t, word), t->slot_bytes);
	while (*slot_at(t, leaf, at) != 0)
		at = table_next(at, t->slot_bytes);
	memcpy(slot_at(t, leaf, at), from, bytes);
	pool_info(leaf)->used++;
	return slot_at(t, leaf, at);
}

/* ---- growing ---- */

/* A page of one pointer above the root. */
static bool add_root(struct cow *c, struct table *t)
{
	char **fan = cow_new(c);

	if (fan == NULL)
		return false;
	fan[0] = t->root;
	t->root = tag_fan(&(struct level){.fan = fan});
	return true;
}

static void double_fan(struct table *t, struct path *p, unsigned level, uint64_t hash)
{
	struct level *l = &p->levels[level];

	for (size_t i = (size_t)1 << l->bits; i-- > 0;)
		l->fan[2 * i] = l->fan[2 * i + 1] = l->fan[i];
	l->bits++;
	place(t, p, level, hash, tag_fan(l), l->skip);
}

/* Two cleared pages with so many bits in common. */
static bool new_halves(struct cow *c, unsigned depth, char *ret_pages[2])
{
	char *low = cow_new(c);
	char *high = low == NULL ? NULL : cow_new(c);

	if (high == NULL) {
		if (low != NULL)
			cow_drop(c, low);
		return false;
	}
	pool_info(low)->depth = pool_info(high)->depth = (uint16_t)depth;
	ret_pages[0] = low;
	ret_pages[1] = high;
	return true;
}

/* Makes two pages of pointers of one that is full and has two places at least. */
static bool split_fan(struct cow *c, struct table *t, struct path *p, unsigned level,
	uint64_t hash)
{
	const struct level *l = &p->levels[level];
	uint64_t bit = (uint64_t)1 << (63 - l->skip);
	size_t count = (size_t)1 << (l->bits - 1);
	char *pages[2];

	if (!new_halves(c, l->skip + 1, pages))
		return false;
	for (size_t i = 0; i < 2; i++) {
		struct level half = {(void *)pages[i], l->bits - 1, l->skip + 1};

		memcpy(pages[i], l->fan + i * count, count * sizeof(*l->fan));
		place(t, p, level, i == 0 ? hash & ~bit : hash | bit, tag_fan(&half),
			half.skip);
	}
	cow_drop(c, l->fan);
	return true;
}

/* Makes two pages of slots of one that has two places at least. */
static bool split_leaf(struct cow *c, struct table *t, struct path *p, uint64_t hash)
{
	unsigned depth = pool_info(p->leaf)->depth;
	uint64_t bit = (uint64_t)1 << (63 - depth);
	char *pages[2];

	if (!new_halves(c, depth + 1, pages))
		return false;
	for (size_t i = 0; i < slots_of(t); i++) {
		const uint64_t *slot = slot_at(t, p->leaf, i);

		if (*slot != 0)
			(void)insert(t, pages[(word_hash(t, *slot) & bit) != 0], slot,
				t->slot_bytes);
	}
	cow_drop(c, p->leaf);
	place(t, p, p->count, hash & ~bit, pages[0], depth + 1);
	place(t, p, p->count, hash | bit, pages[1], depth + 1);
	p->leaf = pages[(hash & bit) != 0];
	return true;
}

/* Has a page below that many levels more than one place? */
static bool is_spread(const struct path *p, unsigned levels, unsigned depth)
{
	return levels > 0 &&
		depth < p->levels[levels - 1].skip + p->levels[levels - 1].bits;
}

/* One step towards a second place for the page of slots. */
static bool widen(struct cow *c, struct table *t, struct path *p, uint64_t hash)
{
	unsigned levels = p->count;
	unsigned depth = pool_info(p->leaf)->depth;

	while (levels > 0 && !is_spread(p, levels, depth) &&
		p->levels[levels - 1].bits == FAN_BITS_MAX)
		depth = p->levels[--levels].skip;
	if (levels == 0)
		return add_root(c, t);
	if (is_spread(p, levels, depth))
		return split_fan(c, t, p, levels, hash);
	double_fan(t, p, levels - 1, hash);
	return true;
}

static bool make_room(struct cow *c, struct table *t, struct path *p, uint64_t hash)
{
	unsigned depth = pool_info(p->leaf)->depth;

	if (depth == TABLE_PAGE_BITS)
		return false;
	while (!is_spread(p, p->count, depth))
		if (!widen(c, t, p, hash) || !touch_path(c, t, hash, p))
			return false;
	return split_leaf(c, t, p, hash);
}

/* ---- single slots ---- */

static uint64_t *find(const struct table *t, char *leaf, uint64_t hash, uint64_t word,
	uint64_t mask)
{
	size_t at = table_place(hash, t->slot_bytes);

	for (; *slot_at(t, leaf, at) != 0; at = table_next(at, t->slot_bytes))
		if (((*slot_at(t, leaf, at) ^ word) & mask) == 0)
			return slot_at(t, leaf, at);
	return NULL;
}

uint64_t *table_put(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask)
{
	struct path p;
	uint64_t *found;

	if (!touch_path(c, t, hash, &p))
		return NULL;
	found = find(t, p.leaf, hash, word, mask);
	if (found != NULL)
		return found;
	while (pool_info(p.leaf)->used >= slots_of(t) * 4 / 5)
		if (!make_room(c, t, &p, hash))
			return NULL;
	t->count++;
	return insert(t, p.leaf, &word, sizeof(word));
}

bool table_remove(struct cow *c, struct table *t, uint64_t hash, uint64_t word,
	uint64_t mask)
{
	struct path p;
	uint64_t *hole;
	size_t last;

	if (!touch_path(c, t, hash, &p))
		return false;
	hole = find(t, p.leaf, hash, word, mask);
	if (hole == NULL)
		return true;
	last = slots_of(t) - 1;
	/* What stands behind moves up, so that no search stops too early. */
	for (size_t free = (size_t)((char *)hole - p.leaf) / t->slot_bytes,
		    at = (free + 1) & last;
		*slot_at(t, p.leaf, at) != 0; at = (at + 1) & last) {
		uint64_t *slot = slot_at(t, p.leaf, at);
		size_t home = table_place(word_hash(t, *slot), t->slot_bytes);

		if (((at - home) & last) < ((at - free) & last))
			continue;
		memcpy(hole, slot, t->slot_bytes);
		hole = slot;
		free = at;
	}
	memset(hole, 0, t->slot_bytes);
	pool_info(p.leaf)->used--;
	t->count--;
	return true;
}

/* ---- whole tables ---- */

/* Pages for 2^bits pages of slots, all of them empty; NULL: no memory. */
static char *make_pages(struct cow *c, unsigned bits, unsigned skip)
{
	unsigned below = bits == 0 ? 0 : (bits - 1) / FAN_BITS_MAX * FAN_BITS_MAX;
	struct level l = {.bits = bits - below, .skip = skip};
	char *page = cow_new(c);

	if (page == NULL)
		return NULL;
	pool_info(page)->depth = (uint16_t)skip;
	if (bits == 0)
		return page;
	l.fan = (void *)page;
	for (size_t i = 0; i < (size_t)1 << l.bits; i++) {
		l.fan[i] = make_pages(c, below, skip + l.bits);
		if (l.fan[i] == NULL)
			return NULL;
	}
	return tag_fan(&l);
}

bool table_init(struct cow *c, struct table *t, size_t slot_bytes, size_t expected)
{
	unsigned bits = 0;

	t->slot_bytes = slot_bytes;
	t->count = 0;
	while (bits < TABLE_PAGE_BITS && expected >> bits > slots_of(t) * 3 / 5)
		bits++;
	t->root = make_pages(c, bits, 0);
	return t->root != NULL;
}

static bool each_below(char *at, table_page_fn *each, void *ctx)
{
	char *const *fan = table_page(at);
	size_t count = (size_t)1 << (table_tag(at) & TABLE_FAN_BITS);

	if ((table_tag(at) & TABLE_FAN) == 0)
		return each(at, ctx);
	for (size_t i = 0; i < count; i++)
		if ((i == 0 || fan[i] != fan[i - 1]) && !each_below(fan[i], each, ctx))
			return false;
	return true;
}

bool table_each(const struct table *t, table_page_fn *each, void *ctx)
{
	return each_below(t->root, each, ctx);
}
