/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Api: the answers to an action as they come, and events. Both are cursors
 * in the store: a client that comes back goes on where it was.
 *
 * An action's status is read before its answers: an end that is seen is then
 * really the end.
 */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_MS 1000
#define PROGRESS_SOON_MS 200 /* after answers came */
#define ANSWERS_AT_ONCE 64
#define ANSWER_BASE64_MAX (24 * 1024 * 1024)
#define EVENTS_AT_ONCE 100
#define KEEPALIVE_MS 15000
#define CANCELLED_MS 10000 /* for what stopped workers had found */

/* --- results ------------------------------------------------------------ */

struct results_stream {
	struct stream s; /* first */
	int64_t action, cursor;
	bool follow;
	int64_t last_progress;            /* mono ms; 0: none yet */
	int64_t began, answered_at_start; /* for the rate; -1 at first */
	bool news;         /* answers went out since the last progress */
	int64_t cancelled; /* mono ms when it was seen to be; 0: it is not */
	size_t seen;
	struct buf b64;
};

static int
results_one(const struct store_answer *a, void *arg)
{
	struct results_stream *x = arg;
	struct jsonw w;
	int rc;

	buf_clear(&x->b64);
	if ((rc = b64_encode(&x->b64, a->data, a->len)) != 0)
		return (rc);
	x->seen++;
	x->cursor = a->cursor;
	jsonw_init(&w, &x->s.out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "type", "answer");
	jsonw_i64(&w, "cursor", a->cursor);
	jsonw_str(&w, "agent", id_hex(&a->agent_id).s);
	jsonw_i64(&w, "received", a->received);
	if (a->different)
		jsonw_bool(&w, "different", true);
	jsonw_strn(&w, "answer", x->b64.data, x->b64.len);
	jsonw_object_end(&w);
	buf_add_u8(&x->s.out, '\n');
	if (x->b64.cap > 4 * STREAM_CHUNK) {
		buf_release(&x->b64);
		buf_init(&x->b64, ANSWER_BASE64_MAX);
	}
	if (x->s.out.error != 0)
		return (x->s.out.error);
	/* Enough for now; the cursor remembers. */
	return (x->s.out.len > STREAM_CHUNK ? 1 : 0);
}

/* Seconds until all have answered, from what was seen so far; -1 unknown. */
static int64_t
seconds_left(
    struct results_stream *x, const struct store_counts *n, int64_t now)
{
	int64_t came, missing = n->expected - n->answered;

	if (x->began == 0) {
		x->began = now;
		x->answered_at_start = n->answered;
	}
	came = n->answered - x->answered_at_start;
	if (missing <= 0)
		return (0);
	if (came <= 0 || now - x->began < 200)
		return (-1);
	return ((missing * (now - x->began) / came + 999) / 1000);
}

static void
add_progress(
    struct results_stream *x, const struct store_counts *n, int64_t now)
{
	struct api *api = x->s.q->api;
	int64_t left = seconds_left(x, n, now);
	struct jsonw w;

	x->last_progress = now;
	x->news = false;
	jsonw_init(&w, &x->s.out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "type", "progress");
	jsonw_i64(&w, "expected", n->expected);
	jsonw_i64(&w, "sent", n->sent);
	jsonw_i64(&w, "answered", n->answered);
	/* Those of the expected that have answered or still can. */
	jsonw_i64(&w, "online",
	    n->answered + store_expected_online(api->read, x->action));
	jsonw_u64(&w, "reconnecting", api->status.reconnecting);
	if (left >= 0)
		jsonw_i64(&w, "left", left);
	else
		jsonw_null(&w, "left");
	jsonw_object_end(&w);
	buf_add_u8(&x->s.out, '\n');
}

static void
add_end(struct results_stream *x, int status, const struct store_counts *n)
{
	struct jsonw w;

	jsonw_init(&w, &x->s.out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "type", "end");
	jsonw_str(&w, "reason",
	    status == ACTION_OPEN ? "so far" : action_status_text(status));
	jsonw_i64(&w, "expected", n->expected);
	jsonw_i64(&w, "answered", n->answered);
	jsonw_object_end(&w);
	buf_add_u8(&x->s.out, '\n');
	x->s.ended = true;
}

/* A cancelled action has ended when those who were asked and are there have
 * said what they had, or had time to. */
static bool
is_over(struct results_stream *x, int status, const struct store_counts *n,
    int64_t now)
{
	if (!x->follow || n->expected == 0)
		return (true);
	if (status != ACTION_CANCELLED)
		return (status != ACTION_OPEN);
	if (x->cancelled == 0)
		x->cancelled = now;
	return (now - x->cancelled >= CANCELLED_MS ||
	    !store_sent_online(x->s.q->api->read, x->action));
}

static void
results_fill(struct stream *s)
{
	struct results_stream *x = (struct results_stream *)s;
	struct store *read = s->q->api->read;
	int64_t now = clock_mono_ms();
	struct store_counts n;
	int rc, status;

	rc = store_action_counts(read, x->action, &status, &n, NULL);
	if (rc != 0) {
		s->ended = rc == ERR_NOTFOUND; /* pruned meanwhile */
		s->out.error = s->ended ? 0 : rc;
		return;
	}
	x->seen = 0;
	rc = store_answers(
	    read, x->action, x->cursor, ANSWERS_AT_ONCE, results_one, x, NULL);
	if (rc < 0) {
		s->out.error = rc;
		return;
	}
	x->news = x->news || x->seen > 0;
	if (x->seen > 0 && s->out.len > 0) {
		if (x->follow && now - x->last_progress >= PROGRESS_MS)
			add_progress(x, &n, now);
		return;
	}
	if (is_over(x, status, &n, now)) {
		if (x->follow)
			add_progress(x, &n, now);
		add_end(x,
		    status == ACTION_OPEN && x->follow ? ACTION_COMPLETE
						       : status,
		    &n);
	} else if (x->last_progress == 0 ||
	    now - x->last_progress >=
		(x->news ? PROGRESS_SOON_MS : PROGRESS_MS)) {
		add_progress(x, &n, now);
	}
}

static void
results_release(struct stream *s)
{
	struct results_stream *x = (struct results_stream *)s;

	buf_release(&x->b64);
	free(x);
}

static int
take_number(const struct store_action *a, void *arg)
{
	*(int64_t *)arg = a->n;
	return (0);
}

void
res_results(struct request *q)
{
	struct results_stream *x;
	int64_t action;
	uint64_t after;
	struct err e;
	struct id id;

	if (!request_number(q, "after", INT64_MAX, 0, &after))
		return;
	if (store_action_find(q->api->read, q->arg, &id, &e) != 0 ||
	    store_action_get(q->api->read, &id, take_number, &action, &e) !=
		0) {
		reply_err(q, &e);
		return;
	}
	x = stream_new(q, sizeof(*x), NDJSON, results_fill, results_release);
	if (x == NULL)
		return;
	x->action = action;
	x->cursor = (int64_t)after;
	x->follow = request_flag(q, "follow");
	buf_init(&x->b64, ANSWER_BASE64_MAX);
}

/* --- events ------------------------------------------------------------- */

struct events_stream {
	struct stream s;      /* first */
	int64_t cursor, last; /* mono ms of the last line */
};

static int
events_one(int64_t cursor, const char *kind, const char *json, void *arg)
{
	struct events_stream *x = arg;

	x->cursor = cursor;
	buf_add_fmt(&x->s.out, "id: %lld\nevent: %s\ndata: %s\n\n",
	    (long long)cursor, kind, json);
	return (x->s.out.len > STREAM_CHUNK ? 1 : 0);
}

static void
events_fill(struct stream *s)
{
	struct events_stream *x = (struct events_stream *)s;
	int64_t now = clock_mono_ms();
	int rc;

	rc = store_events(
	    s->q->api->read, x->cursor, EVENTS_AT_ONCE, events_one, x, NULL);
	if (rc < 0)
		s->out.error = rc;
	/* The first bytes tell the client that it is connected. */
	if (s->out.len == 0 && now - x->last >= KEEPALIVE_MS)
		buf_add_str(&s->out, ": waiting\n\n");
	if (s->out.len > 0)
		x->last = now;
}

void
res_events(struct request *q)
{
	const char *text = request_header(q, "Last-Event-ID");
	struct events_stream *x;
	uint64_t cursor = 0;
	int64_t last;

	if (text != NULL && str_u64(text, 0, INT64_MAX, &cursor) != 0) {
		reply_error(
		    q, 400, "invalid", "Last-Event-ID: expected a number");
		return;
	}
	x = stream_new(q, sizeof(*x), "text/event-stream", events_fill, NULL);
	if (x == NULL)
		return;
	x->last = clock_mono_ms() - KEEPALIVE_MS;
	x->cursor = (int64_t)cursor;
	/* a restored store has fewer: what comes next is new to whoever saw
	 * more */
	last = store_events_last(q->api->read);
	if (text == NULL || (last > 0 && x->cursor > last))
		x->cursor = last;
}
