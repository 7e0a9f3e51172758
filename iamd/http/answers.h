/*
 * answers - answers that repeat, made once for the HTTP library and used again.
 *
 * The library's form of an answer costs three allocations a header field. One that says the very
 * same (type, fields, body) is taken from here instead. Only for what a handler has marked with
 * resp_repeats(): it may stay in memory after its request. The status is no part of it.
 * Not shared: each thread has its own (thread slot THREAD_ANSWERS).
 */
#ifndef HTTP_ANSWERS_H
#define HTTP_ANSWERS_H

#include "iamd/http/resp.h"

/* LIMIT: answers kept a thread; a newer one takes the place of one with the same hash. */
#define ANSWERS_KEPT 64
/* LIMIT: bytes of one (type, fields, body); a longer one is not kept. */
#define ANSWER_MAX_BYTES 4096

typedef void answer_free_fn(void *made);

/* What was kept for an answer that says the same, or NULL. It stays ours. */
void *answers_find(const struct resp *out);

/*
 * Keeps `made`, to be released with `free_made`. False: not kept (too long, no memory), it stays
 * the caller's.
 */
bool answers_keep(const struct resp *out, void *made, answer_free_fn *free_made);

#endif
