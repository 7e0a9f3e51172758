/*
 * await - requests that wait for a revision to be published (X-Iam-At-Least).
 *
 * A waiting request is suspended: no thread waits for it. It comes back when a publication has
 * reached its revision, after AWAIT_MS, or at await_stop(). All functions are thread-safe.
 */
#ifndef API_AWAIT_H
#define API_AWAIT_H

#include <stdint.h>

#include "iamd/http/req.h"

/*
 * LIMIT: how long a request waits, how many wait at once, and how many of these are one caller's
 * (all without one count as one) unless it may ask about everybody, as gateways may: nobody else
 * takes the places of the others.
 */
#define AWAIT_MS         500
#define AWAIT_MAX        64
#define AWAIT_CALLER_MAX 16

struct await;

/* `revision`: what is published now. NULL without memory or thread. */
struct await *await_new(int64_t revision);

/*
 * Everybody who waits comes back, and nobody waits from now on. Before server_free(), which must not
 * find a request that somebody may still resume.
 */
void await_stop(struct await *w);
void await_free(struct await *w); /* after await_stop(); NULL is fine */

/* What is installed now; wakes those that waited for it. Never blocks on I/O. NULL is fine. */
void await_published(struct await *w, int64_t revision);

enum await_result {
	AWAIT_REACHED, /* go on */
	AWAIT_PARKED,  /* suspended: on_loop(r) is called on its loop, see below */
	AWAIT_REFUSED /* too many wait, or too many of this caller, or the process is ending */
};

/*
 * Event loop only. When on_loop(r) is called r->result says IAM_OK (the revision is there) or
 * IAM_UNAVAILABLE (it is not). Until then the request is not the caller's. `caller`:
 * login_share_of() whoever asks; 0: may take all places.
 */
enum await_result await_revision(struct await *w, struct req *r, int64_t revision,
	uint64_t caller, void (*on_loop)(struct req *r));

#endif
