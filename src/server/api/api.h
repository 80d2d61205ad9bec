/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The api role: HTTPS for investigators and for agents that enrol. It reads
 * the store over a connection of its own that cannot write, and asks the core
 * for everything else; the core's reply, given after its commit, is handed on.
 *
 *   api.c       start, channel to the core, who waits for it
 *   http.c      libmicrohttpd in our loop: connections, bodies, replies
 *   routes.c    the table of requests; who calls
 *   stream.c    answers of unknown length: NDJSON and events
 *   the rest    one file a resource
 *
 * One loop, no threads: nothing here needs a lock.
 */
#ifndef MIG_SERVER_API_API_H
#define MIG_SERVER_API_API_H

#include "base/err.h"
#include "server/calls.h"
#include "server/messages.h"
#include "server/ratelimit.h"
#include "server/role.h"
#include "server/store/actions.h"
#include "server/store/people.h"
#include "server/store/store.h"

#include <jansson.h>
#include <sys/queue.h>

struct MHD_Connection;
struct jsonw;
struct http;
struct stream;
struct target_engine;

/* An action of 1 MiB in JSON's quotes can be twice as long; signatures. */
#define ACTION_BODY_MAX (2560 * 1024)
#define CANCEL_BODY_MAX (128 * 1024) /* the same of a cancel */
#define BODY_MAX (1536 * 1024)
#define BODIES_MAX ((size_t)128 * 1024 * 1024) /* of all requests at once */
#define ID_TEXT_MAX 80

struct api;
struct request;

struct route {
	const char *method, *path; /* "%" stands for one segment */
	enum server_call call;     /* CALL_OPEN: needs no session */
	size_t body_max;           /* 0: none is read */
	void (*handle)(struct request *q);
};

enum request_state { REQ_READING, REQ_WAITING, REQ_READY };

struct request {
	struct api *api;
	struct MHD_Connection *conn;
	const struct route *route;
	char arg[ID_TEXT_MAX]; /* what stood at "%" */
	struct buf body;
	size_t received; /* bytes of body, also dropped ones */
	struct store_caller caller;
	struct id token; /* hash of his session's token, or of his API key */
	enum request_state state;
	uint32_t number;   /* towards the core */
	int status;        /* of the reply */
	const char *type;  /* of its content; NULL: JSON */
	char allow[64];    /* methods, for 405 */
	unsigned int wait; /* seconds, for 429 */
	bool last;         /* of its connection */
	struct buf out;
	struct stream *stream;     /* owned; instead of out */
	TAILQ_ENTRY(request) next; /* while it waits for the core */
};
TAILQ_HEAD(requests, request);
TAILQ_HEAD(streams, stream);

struct api {
	struct role role;
	struct store *read;            /* owned */
	struct ipc_chan *core;         /* owned; NULL while it is away */
	struct http *http;             /* owned */
	struct target_engine *targets; /* owned */
	struct event *tick;            /* owned */
	struct server_status status;   /* newest from the core */
	int64_t heard_ms;              /* mono: when that came */
	struct requests waiting;
	struct streams streams;
	size_t nstreams;
	size_t body_bytes; /* held by requests, at most BODIES_MAX */
	struct rate callers, addresses;
	int64_t doors; /* revision for which streams were looked at */
	uint32_t number;
	uint64_t nrequests, nerrors, nbytes, nlimited; /* for metrics */
	int64_t started_ms;
};

/* --- replies ----------------------------------------------------------------
 */
/* Each makes the request ready. */
void reply_error(struct request *q, int status, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void reply_err(struct request *q, const struct err *e);
/* What was written to q->out. */
void reply_out(struct request *q, int status);
/* An answer that is one list, {"name": [...]}: begun, and ended by what the
 * walk over its entries returned. */
void list_begin(struct request *q, struct jsonw *w, const char *name);
void list_end(struct request *q, struct jsonw *w, int rc, const struct err *e);

/* --- api.c: to the core
 * ------------------------------------------------------- */
/* Sends and suspends the request until the reply; 503 when it cannot. */
void core_ask(struct request *q, enum server_msg type, const struct buf *body);
void core_forget(struct request *q);
int listen_socket(const char *address, int port, struct err *e);

/* --- http.c
 * --------------------------------------------------------------------- */
/* Takes listen_fd. */
struct http *http_new(struct api *api, int listen_fd, struct err *e);
void http_free(struct http *h);
/* From now on this certificate is presented; connections that are open go on.
 */
int http_certificate(struct http *h, const void *cert, size_t cert_len,
    const void *key, size_t key_len, struct err *e);
void http_suspend(struct request *q);
void http_resume(struct request *q);
/* To be called after anything was resumed. */
void http_run(struct http *h);
/* Every second: ends connections that take too long over a request. */
void http_tick(struct http *h);
size_t http_connections(const struct http *h);
/* When the certificate that is presented ends (unix s). */
int64_t http_certificate_end(const struct http *h);
bool request_is_loopback(struct request *q);
/* The client's address as 16 bytes of IPv6; zeros when it is not known. */
void request_address(struct request *q, uint8_t ret[static 16]);
void request_address_text(struct request *q, char ret[static ADDRESS_TEXT_MAX]);
/* NULL when absent. */
const char *request_query(struct request *q, const char *key);
const char *request_header(struct request *q, const char *key);
/* false and a reply when it is not a number in the range; def when absent. */
bool request_number(struct request *q, const char *key, uint64_t max,
    uint64_t def, uint64_t *ret);
bool request_flag(struct request *q, const char *key);

/* --- routes.c
 * -------------------------------------------------------------------- */
/* Sets route and arg, or replies 404 or 405. */
bool route_find(struct request *q, const char *method, const char *url);
/* Replies 401, 403 or 429 when the caller is not good for the route, or calls
 * too often. */
bool route_allowed(struct request *q);
/* The body as a JSON object; replies and returns NULL when it is not. */
json_t *request_json(struct request *q);
/* The action whose id, perhaps shortened, is in the path; replies when there is
 * none. */
bool request_action(struct request *q, struct id *ret);
/* Asks the core with the fingerprint in the path, or replies 400. */
void request_fingerprint(struct request *q, enum server_msg type);
/* The caller's hash first: for every message that needs one. */
void message_init(struct request *q, struct buf *b);

/* --- stream.c
 * --------------------------------------------------------------------- */
struct stream {
	struct request *q;
	struct buf out; /* what fill() wrote */
	size_t at;      /* sent of it */
	/* Writes more to out, or sets ended, or neither (nothing there yet).*/
	void (*fill)(struct stream *s);
	void (*release)(struct stream *s); /* frees s; may be NULL: free() */
	bool ended, suspended, cut;
	TAILQ_ENTRY(stream) next;
};
#define STREAM_CHUNK (64 * 1024)
#define STREAM_OUT_MAX (32 * 1024 * 1024)
#define STREAMS_MAX 2000
#define NDJSON "application/x-ndjson"

/* Makes q a stream of this type. size: of the struct that begins with struct
 * stream. NULL and a reply when there are too many. */
void *stream_new(struct request *q, size_t size, const char *type,
    void (*fill)(struct stream *s), void (*release)(struct stream *s));
void stream_free(struct stream *s);
/* Content for MHD. */
ssize_t stream_read(void *cls, uint64_t pos, char *out, size_t max);
/* Something new: every waiting stream looks again. A stream whose reader may
 * not read it any more is cut off. */
void streams_wake(struct api *api);
/* Is there one that does not wait for something new? */
bool streams_sending(const struct api *api);

#endif
