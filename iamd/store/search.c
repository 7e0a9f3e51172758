/*
 * search - finding users, groups and ACLs by a piece of text: exact, then prefix, then substring.
 *
 * Does: fold letter case, keep the trigram indexes in step with their tables, choose between the
 * index (few matches: fetch and rank them) and a walk in byte order (many matches, or a text too
 * short for trigrams: stop when the page is full). Does not: rank by relevance.
 * Invariants: the text is always literal: it is bound, quoted for the index's query language, and
 * every row found is compared again byte by byte. Memory is bounded whatever the number of rows.
 */
#include <stdlib.h>

#include "iamd/store/store_impl.h"
#include "libacl/base/str.h"

/* LIMIT: longest text to look for. */
#define QUERY_MAX_BYTES 1024U
/* LIMIT: up to this many matches are fetched from the index and sorted; more are walked. */
#define FEW 1000
/* The index holds pieces of three code points. */
#define TRIGRAM 3U

enum rank { RANK_EXACT, RANK_PREFIX, RANK_SUBSTRING, RANK_NONE };

/* What can be searched; the statements of a column have the same parameters. */
static const struct target {
	enum stmt_id feed, forget, count, rank, few, walk, by_id;
} targets[] = {
	[STORE_SEARCH_REGULAR] = {STMT_SEARCH_USER_FEED, STMT_SEARCH_USER_FORGET,
		STMT_SEARCH_USER_COUNT, STMT_SEARCH_USER_RANK, STMT_SEARCH_REGULAR_FEW,
		STMT_SEARCH_REGULAR_WALK, STMT_USER_BY_ID},
	[STORE_SEARCH_SERVICE] = {STMT_SEARCH_USER_FEED, STMT_SEARCH_USER_FORGET,
		STMT_SEARCH_USER_COUNT, STMT_SEARCH_USER_RANK, STMT_SEARCH_SERVICE_FEW,
		STMT_SEARCH_SERVICE_WALK, STMT_USER_BY_ID},
	[STORE_SEARCH_GROUP] = {STMT_SEARCH_GROUP_FEED, STMT_SEARCH_GROUP_FORGET,
		STMT_SEARCH_GROUP_COUNT, STMT_SEARCH_GROUP_RANK, STMT_SEARCH_GROUP_FEW,
		STMT_SEARCH_GROUP_WALK, STMT_GROUP_BY_ID},
	[STORE_SEARCH_ACL] = {STMT_SEARCH_ACL_FEED, STMT_SEARCH_ACL_FORGET,
		STMT_SEARCH_ACL_COUNT, STMT_SEARCH_ACL_RANK, STMT_SEARCH_ACL_FEW,
		STMT_SEARCH_ACL_WALK, STMT_ACL_BY_ID},
};

struct search {
	struct db *db;
	const struct target *target;
	int64_t limit;
	struct str folded;
	struct str match; /* absent: too short for the index */
	enum rank after_rank;
	struct str after; /* "" from the start */
	store_rows_fn *rows;
	void *sink;
	struct store_told told;
};

/* ---- letter case ---- */

/* Lower case of a code point in U+0080..U+07FF; the result is in that range as well. */
static unsigned fold_two_bytes(unsigned c)
{
	if (c >= 0xc0 && c <= 0xde && c != 0xd7)
		return c + 0x20;
	/* Latin Extended-A: pairs of upper and lower; dotted and dotless i are no pair. */
	if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) ||
		(c >= 0x14a && c <= 0x177))
		return c | 1U;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c % 2 == 1 ? c + 1 : c;
	if (c == 0x178)
		return 0xff;
	if (c == 0x386)
		return 0x3ac;
	if (c >= 0x388 && c <= 0x38a)
		return c + 0x25;
	if (c == 0x38c)
		return 0x3cc;
	if (c == 0x38e || c == 0x38f)
		return c + 0x3f;
	if (c >= 0x391 && c <= 0x3ab && c != 0x3a2)
		return c + 0x20;
	if (c == 0x3c2) /* final sigma */
		return 0x3c3;
	if (c >= 0x410 && c <= 0x42f)
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		return c + 0x50;
	return c;
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0U) == 0x80U;
}

void store_search_fold(struct str text, char *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + ('a' - 'A'));
		if (c >= 0xc2 && c <= 0xdf && i + 1 < text.len &&
			is_continuation(text.ptr[i + 1])) {
			unsigned low = (unsigned char)text.ptr[i + 1] & 0x3fU;
			unsigned folded = fold_two_bytes(((c & 0x1fU) << 6) | low);

			out[i] = (char)(0xc0U | (folded >> 6));
			out[++i] = (char)(0x80U | (folded & 0x3fU));
			continue;
		}
		out[i] = (char)c;
	}
}

char *store_search_folded_new(struct str text)
{
	char *out = malloc(text.len + 1);

	if (out != NULL)
		store_search_fold(text, out);
	return out;
}

void store_text_free(char **text)
{
	free(*text);
}

/* ---- the index ---- */

static enum iam_err run_with_key(struct db *w, enum stmt_id id, struct str key)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(w, id);

	db_bind_str(st, key);
	return db_run(st);
}

enum iam_err store_search_feed(struct db *w, enum store_search_target target,
	struct str key)
{
	return run_with_key(w, targets[target].feed, key);
}

enum iam_err store_search_forget(struct db *w, enum store_search_target target,
	struct str key)
{
	return run_with_key(w, targets[target].forget, key);
}

/* The text as one quoted phrase of the index's query language; a quote is doubled. */
static struct str phrase_of(struct str folded, char *out)
{
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < folded.len; i++) {
		if (folded.ptr[i] == '"')
			out[n++] = '"';
		out[n++] = folded.ptr[i];
	}
	out[n++] = '"';
	return (struct str){.ptr = out, .len = n};
}

/* A text the index can look for: without NUL, of a trigram at least. */
static bool is_for_index(struct str folded)
{
	return str_find(folded, '\0') < 0 && str_count_code_points(folded) >= TRIGRAM;
}

static enum iam_err count_matches(const struct search *s, int64_t *ret_count)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(s->db, s->target->count);

	db_bind_str(st, s->match);
	db_bind_i64(st, FEW + 1);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_STORE);
	*ret_count = db_col_i64(st, 0);
	return IAM_OK;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum iam_err ids_of_few(const struct search *s, int64_t ids[FEW], size_t *ret_n)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(s->db, s->target->few);
	size_t n = 0;

	db_bind_str(st, s->match);
	db_bind_str(st, s->folded);
	db_bind_i64(st, (int64_t)s->after_rank);
	db_bind_str(st, s->after);
	db_bind_i64(st, smaller(s->limit, FEW));
	while (n < FEW && db_step(st) == DB_ROW)
		ids[n++] = db_col_i64(st, 0);
	*ret_n = n;
	return db_result(st, IAM_OK);
}

static enum iam_err tell_few(struct search *s)
{
	int64_t ids[FEW];
	size_t n = 0;
	enum iam_err e = ids_of_few(s, ids, &n);

	for (size_t i = 0; e == IAM_OK && !s->told.stopped && i < n; i++) {
		DB_STMT_AUTO struct db_stmt *st = db_use(s->db, s->target->by_id);

		db_bind_i64(st, ids[i]);
		e = s->rows(st, s->sink, &s->told);
	}
	return e;
}

/* ---- the walk ---- */

static enum iam_err walk_rank(struct search *s, enum rank rank)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(s->db, s->target->walk);

	db_bind_str(st, rank == s->after_rank ? s->after : STR(""));
	db_bind_i64(st, (int64_t)rank);
	db_bind_str(st, s->folded);
	db_bind_i64(st, s->limit - s->told.n);
	return s->rows(st, s->sink, &s->told);
}

static enum iam_err walk(struct search *s)
{
	for (enum rank rank = s->after_rank; rank < RANK_NONE; rank++) {
		enum iam_err e;

		if (s->told.stopped || s->told.n >= s->limit)
			break;
		e = walk_rank(s, rank);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

/*
 * The rank `after` was told at. A row that is gone, or no longer matches, cannot say; then the
 * search starts behind its id at the first rank: some rows come twice, none is missed.
 */
static enum iam_err rank_of_after(struct search *s)
{
	DB_STMT_AUTO struct db_stmt *st = db_use(s->db, s->target->rank);
	int64_t rank;

	db_bind_str(st, s->after);
	db_bind_str(st, s->folded);
	if (db_step(st) != DB_ROW)
		return db_result(st, IAM_OK);
	rank = db_col_i64(st, 0);
	s->after_rank = rank < RANK_NONE ? (enum rank)rank : RANK_EXACT;
	return IAM_OK;
}

static enum iam_err search_in_view(struct search *s)
{
	int64_t n_matches = FEW + 1;
	enum iam_err e;

	if (s->after.len > 0) {
		e = rank_of_after(s);
		if (e != IAM_OK)
			return e;
	}
	if (s->match.ptr != NULL) {
		e = count_matches(s, &n_matches);
		if (e != IAM_OK)
			return e;
	}
	return n_matches <= FEW ? tell_few(s) : walk(s);
}

enum iam_err store_search(struct db *db, enum store_search_target target,
	const struct page_query *query, store_rows_fn *rows, void *sink)
{
	char folded[QUERY_MAX_BYTES];
	char match[2 * QUERY_MAX_BYTES + 2];
	struct search s = {.db = db,
		.target = &targets[target],
		.limit = query->limit,
		.after_rank = RANK_EXACT,
		.after = store_or_empty(query->after),
		.rows = rows,
		.sink = sink};
	enum iam_err e;

	if (query->q.len > sizeof(folded) || !str_is_utf8(query->q))
		return IAM_BAD_DATA;
	store_search_fold(query->q, folded);
	s.folded = (struct str){.ptr = folded, .len = query->q.len};
	if (is_for_index(s.folded))
		s.match = phrase_of(s.folded, match);
	e = db_view_begin(db);
	if (e != IAM_OK)
		return e;
	e = search_in_view(&s);
	db_view_end(db);
	return e;
}
