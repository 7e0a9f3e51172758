/*
 * pmap - a map of which every version stays readable while the next one is made.
 *
 * A `struct pmap` is one immutable version: any number of threads may read it without a lock.
 * The next version is made by one `struct pmap_edit`, which copies the pages it touches (about
 * 4 KiB each, every one at most once an edit), shares the rest, and ends in a new version plus
 * a list of what only older versions use. An update costs at most one root (4 KiB), one chunk
 * (4 KiB) and one page, never O(records).
 *
 *	pmap_edit_begin(&edit, current);
 *	e = pmap_edit_put(&edit, hash, record, match, key);      may fail: IAM_NO_MEMORY
 *	...
 *	next = pmap_edit_finish(&edit, &retired);                cannot fail
 *	(publish `next`, wait until nobody reads `current` any more)
 *	pmap_retired_free(&retired, record_free, ctx);
 * or
 *	pmap_edit_abort(&edit, record_free, ctx);                `current` is as it was
 *
 * Versions form a line, not a tree: one edit at a time, always from the newest version; what an
 * edit began from must not be begun from again once the edit is finished (after an abort it may).
 *
 * Records belong to the map from a successful put until they are handed to a pmap_record_fn.
 * Hashes must be spread over all 64 bits and seeded by a secret (see map_hash()): the top bits
 * choose the page, the low bits the place in it.
 * The module uses no atomics and no globals; publishing a version safely is the caller's part.
 */
#ifndef IAMD_AUTHZ_PMAP_H
#define IAMD_AUTHZ_PMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iam/err.h"

struct pmap;

/* Is this the record for that key? Called only for records whose hash is the same. */
typedef bool pmap_match_fn(const void *record, const void *key);

/* Releases one record. */
typedef void pmap_record_fn(void *record, void *ctx);

/* Sees one record; false ends the walk. */
typedef bool pmap_each_fn(uint64_t hash, void *record, void *ctx);

/* An empty map, or NULL if there is no memory. Released by pmap_free() or by a finished edit. */
struct pmap *pmap_new(void);

/*
 * Frees a version with everything it reaches, records too (record_free may be NULL: the records
 * stay). Only for the newest version, when no reader and no edit is left. NULL is fine.
 */
void pmap_free(struct pmap *m, pmap_record_fn *record_free, void *ctx);

/* The record, or NULL. Borrowed: valid as long as the version. O(1), no allocation. */
void *pmap_find(const struct pmap *m, uint64_t hash, pmap_match_fn *match,
	const void *key);

size_t pmap_count(const struct pmap *m);

/* Every record once, in hash order of pages; the order within a page is unspecified. */
void pmap_each(const struct pmap *m, pmap_each_fn *each, void *ctx);

/* Memory of all pages this version reaches, records excluded. O(pages); for metrics and tests. */
size_t pmap_size_bytes(const struct pmap *m);

/* A change under way. One owner thread. Fields are private. */
struct pmap_list {
	void **items;
	size_t count;
	size_t cap;
};

struct pmap_edit {
	struct pmap *base;
	struct pmap *root;        /* NULL until something is touched */
	struct pmap_list blocks;  /* of older versions, replaced in this one */
	struct pmap_list removed; /* records, of older versions or of this edit */
	struct pmap_list added;   /* records put in this edit */
	size_t retired_bytes;     /* size of `blocks` */
};

/* Takes no memory and cannot fail. End it by finish or abort. */
void pmap_edit_begin(struct pmap_edit *e, struct pmap *base);

/*
 * Stores record under hash, in place of the one that matches key, if any. On IAM_OK the record
 * belongs to the map (do not put one pointer twice in an edit); on IAM_NO_MEMORY it stays the
 * caller's, the map holds what it held, and the edit may go on or be aborted.
 */
MUST_CHECK enum iam_err pmap_edit_put(struct pmap_edit *e, uint64_t hash, void *record,
	pmap_match_fn *match, const void *key);

/* Removes the record that matches key. Errors: IAM_NOT_FOUND, IAM_NO_MEMORY; then nothing changed. */
MUST_CHECK enum iam_err pmap_edit_remove(struct pmap_edit *e, uint64_t hash,
	pmap_match_fn *match, const void *key);

/* pmap_find() in what the edit has made so far. */
void *pmap_edit_find(const struct pmap_edit *e, uint64_t hash, pmap_match_fn *match,
	const void *key);

size_t pmap_edit_count(const struct pmap_edit *e);

/* What a finished edit leaves behind: readable until the last reader of older versions is gone. */
struct pmap_retired {
	struct pmap_list blocks;  /* pages, chunks and the root of the version before */
	struct pmap_list records; /* replaced or removed records */
	size_t bytes;             /* size of the blocks */
};

/*
 * The new version (the old one itself if nothing was changed) and, in *ret_retired, what is to
 * be freed after the grace period. Cannot fail. The old version's root is among the retired:
 * never pmap_free() it.
 */
struct pmap *pmap_edit_finish(struct pmap_edit *e, struct pmap_retired *ret_retired);

/*
 * Takes the edit back: frees its new pages and gives every record put in it to record_free
 * (NULL: the caller keeps track of them). The base version is untouched.
 */
void pmap_edit_abort(struct pmap_edit *e, pmap_record_fn *record_free, void *ctx);

/* Frees what was retired and empties the list. record_free may be NULL. A zeroed struct is fine. */
void pmap_retired_free(struct pmap_retired *r, pmap_record_fn *record_free, void *ctx);

#endif
