/*
 * call - one request on its way through the server, and who owns it meanwhile.
 *
 * A call belongs to its event loop; while parked it belongs to the job that will unpark
 * it. The HTTP library cannot end while a connection is parked, so the end of a drain
 * cancels: the loop gets its connection back and answers 503 without looking at the
 * request, which the job frees when it is done. Parking is thread-safe; all else is the
 * owner's.
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "iamd/http/server.h"

struct watch_conn;
struct call;

/* The calls that wait for a job. */
struct parking {
	pthread_mutex_t calls_lock; /* what follows, and the flags of every call */
	bool refuses;
	struct call *first;
	void (*wake)(void *connection); /* set once */
	const struct server_ops *ops;
};

enum call_stage {
	CALL_NEW,         /* the request line is known */
	CALL_BODY,        /* begun; body may come */
	CALL_RUNNING,     /* the handler has it, on the loop */
	CALL_PARKED,      /* the handler has it, elsewhere */
	CALL_FIRST_PIECE, /* parked until the first piece of a stream is there */
	CALL_QUEUED       /* an answer was given to the library */
};

struct call {
	struct req *req;
	struct resp out;
	struct parking *parking;
	void *connection; /* the library's; gone once the call is an orphan */
	struct watch_conn *watch;
	enum call_stage stage;
	struct sb body;
	bool has_body;
	bool body_too_large;
	bool is_body_unread; /* parked before the body was read, which never will be */
	bool is_draining; /* the answer says close; as of the last time the loop had it */
	bool was_parked;  /* else no job can ever have owned it */
	size_t body_bytes;  /* all that came, kept or not */
	int64_t sent_bytes; /* of the answer's body */
	unsigned final_status; /* 0: that of `out` */

	/* with the parking's lock */
	struct call *prev, *next;
	bool is_listed;
	bool job_owns;
	bool is_cancelled;
	bool is_orphan;

	struct {
		struct lane_job job;
		struct sb piece;
		size_t at; /* what of the piece was taken */
		bool is_end;
		enum iam_err error;
	} stream;
};

void parking_init(struct parking *p, const struct server_ops *ops, void (*wake)(void *));
void parking_done(struct parking *p);
/* Every parked call is cancelled and woken; later ones are at once. */
void parking_cancel_all(struct parking *p);

/* NULL without memory. `target` is the raw request target. */
struct call *call_new(struct parking *p, void *connection, struct str target);

/* The loop gives it to a job (the connection is suspended already). */
void call_park(struct call *c);
/* The job gives it back, from any thread. The call may be gone afterwards. */
void call_unpark(struct call *c);
/* Cancelled: the loop must not look at req and out. */
bool call_is_cancelled(struct call *c);
/* The library is done with it: reports it and frees it, unless a job still has it. */
void call_end(struct call *c);

/* Appends to the body; past the cap it only counts. False: past twice the cap, close. */
bool call_take_body(struct call *c, const char *data, size_t size);
/* All has come: sets req->body. */
void call_body_done(struct call *c);

/*
 * Has the next piece of the stream made on the SLOW lane; the call is parked. False: the
 * lane is full or closing, and the call still parked.
 */
bool call_make_piece(struct call *c, struct lanes *lanes);
/* The same, here and now. */
void call_make_piece_now(struct call *c);
/* Copies what is there of the piece. 0: none left. */
size_t call_read_piece(struct call *c, char *buf, size_t size);

#endif
