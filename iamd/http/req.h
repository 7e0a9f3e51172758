/*
 * req - one HTTP request, without sockets.
 *
 * Made by the server (or a test) when the request line is known, freed after the answer.
 * One thread owns it at a time: the loop, or the lane it was handed to. All strings live
 * in its arena.
 */
#ifndef HTTP_REQ_H
#define HTTP_REQ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "iam/err.h"
#include "iamd/sys/lane.h"
#include "libacl/base/arena.h"
#include "libacl/base/str.h"

struct req;
struct resp;
struct route;
struct decision_log;
struct services; /* what handlers work with: api/services.h */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,
	HTTP_METHOD_COUNT
};
const char *http_method_name(enum http_method m);
enum http_method http_method_parse(struct str text); /* case-sensitive; HTTP_OTHER when unknown */

struct req_header {
	struct str name, value;
};

/* LIMIT: segments captured by one pattern. */
#define REQ_PARAMS_MAX 4
/* LIMIT: header fields of one request; more are 431. */
#define REQ_HEADERS_MAX 100
/* LIMIT: memory of one request beside its body. */
#define REQ_ARENA_MAX ((size_t)1 << 20)

/* How a request leaves its event loop and comes back; set by the server. */
struct req_io {
	void (*suspend)(struct req *r);
	void (*resume)(struct req *r); /* from any thread; the server then calls ops->resumed on the loop */
};

typedef enum iam_err req_fn(struct req *r, struct resp *out);

struct req {
	struct arena *arena;
	char id[33];                  /* request id: 128 random bits in hex, or the proxy's X-Request-Id if sane */
	enum http_method method;
	struct str method_text;
	struct str path;              /* raw, without query */
	struct str query;             /* raw, behind '?'; absent: none */
	bool http10;
	struct req_header headers[REQ_HEADERS_MAX];
	unsigned n_headers;
	struct str body;              /* what came, dechunked; absent: none */
	bool has_content_length;      /* a Content-Length header > 0 was sent */
	bool chunked;
	bool body_too_large; /* more came than body_max; what is here is not all */
	size_t body_max;              /* cap; set by ops->begin */

	bool peer_is_unix;
	char peer_ip[48];             /* numeric; "unix" for Unix sockets */
	char client_ip[48];           /* behind trusted proxies; "" : the peer */
	bool peer_is_trusted;         /* of trusted_proxies */
	bool tls;                     /* the connection itself */
	bool metrics_listener;        /* came in on metrics_listen */
	int64_t started_us;           /* clock_mono_us */

	const struct route *route;    /* NULL: none matched */
	struct str params[REQ_PARAMS_MAX]; /* decoded; order of the pattern */
	void *input;                  /* the schema's decoded struct */
	json_t *json;                 /* owns what `input` borrows; released with the request */

	struct {
		struct str uid;       /* absent: nobody */
		struct str token;
		int64_t gen; /* the user's, when the token was found good */
		bool by_cookie;
	} principal;

	struct services *svc;
	const struct req_io *io;
	void *io_conn;                /* the server's */
	struct lane_job job;
	req_fn *lane_fn;              /* runs next on a lane */
	enum lane_id next_lane;       /* LANE_INLINE: none */
	unsigned n_put_off;           /* how often its turn in the WRITE lane was put off */
	enum iam_err result;
	struct resp *out;
	void *state;                  /* a handler's own, across a hand-off */
	void (*on_loop)(struct req *r); /* NULL, or called on the loop before the answer is sent */
	/*
	 * NULL, or called once on the WRITE lane's thread when it is known what became of the change
	 * (r->result), in the order of the changes, before the answer.
	 */
	void (*settled)(struct req *r);
	struct route_match *match;    /* the pipeline's */
	struct decision_log *decisions; /* the pipeline's, for audit_decision(); NULL: none */
	struct str echoed_id;         /* X-Request-ID for the answer; absent: none */
	struct str audit_line;        /* written to the log once the change is durable */
	struct sb out_heap;           /* a body too long for the arena; req_free() releases it */
	struct iam_error error;       /* text for the answer */
};

/* NULL without memory. `target` is the raw request target (path and query). */
struct req *req_new(enum http_method method, struct str method_text, struct str target);
void req_free(struct req *r);

/*
 * The first instance's value; absent if there is none. Names compare case-insensitively.
 */
struct str req_header(const struct req *r, const char *name);
unsigned req_header_count(const struct req *r, const char *name);

/* Takes over X-Request-Id of a trusted proxy if it is 8..32 of [A-Za-z0-9_-]. */
void req_adopt_id(struct req *r);

/* A captured segment by name ("uid"); absent if the pattern has none of that name. */
struct str req_param(const struct req *r, const char *name);

/*
 * The query parameter, percent-decoded with '+' as space, in the arena: first instance.
 * Absent if missing. An undecodable one (bad escape, NUL, bad UTF-8) counts as absent.
 * *ret_count (may be NULL): how many instances there are.
 */
struct str req_query(struct req *r, const char *name, unsigned *ret_count);

/* Sets the error text and returns `e`, for `return req_fail(r, IAM_NO_USER, "…")`. */
enum iam_err req_fail(struct req *r, enum iam_err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * The only asynchronous primitive: run fn on the lane after this function has returned
 * IAM_OK. `return req_hand_off(r, LANE_HASH, fn);`
 */
enum iam_err req_hand_off(struct req *r, enum lane_id lane, req_fn *fn);

/*
 * Percent-decodes `s` once into the arena. Errors: IAM_BAD_REQUEST (bad escape, NUL, bad
 * UTF-8).
 */
MUST_CHECK enum iam_err req_percent_decode(struct arena *a, struct str s, bool plus_is_space, struct str *ret);

#endif
