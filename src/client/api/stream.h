/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The stream of results (doc/protocol.md 5): bytes from the server in, events
 * out. The server is not believed: lines are bounded, strictly parsed, and
 * what does not fit is counted and reported, never guessed at.
 */
#ifndef MIG_CLIENT_API_STREAM_H
#define MIG_CLIENT_API_STREAM_H

#include "base/err.h"
#include "base/id.h"
#include "client/print/lines.h"

#include <stdint.h>

#define STREAM_LINE_MAX (24u * 1024 * 1024) /* base64 of the largest answer */
#define STREAM_BAD_MAX 100 /* so many bad lines and the stream is given up */

enum stream_kind { STREAM_ANSWER, STREAM_PROGRESS, STREAM_END };

struct stream_event {
	enum stream_kind kind;
	int64_t cursor; /* ANSWER */
	struct id agent;
	int64_t received_ms;
	const uint8_t *answer; /* header, signature, sealed bytes; borrowed */
	size_t answer_len;
	int64_t expected; /* PROGRESS and END; -1 when not said */
	int64_t sent, answered, online, reconnecting, left_s;
	char reason[32]; /* END */
};

/* Non-zero (an ERR_* code) stops the stream. */
typedef int stream_on_event(const struct stream_event *ev, void *arg);
/* A line that is no event; why says what is wrong with it. */
typedef void stream_on_bad(const char *why, void *arg);

struct stream {
	struct lines lines;
	struct buf answer;
	stream_on_event *on_event;
	stream_on_bad *on_bad; /* or NULL */
	void *arg;
	size_t nbad;
	bool ended; /* an END was seen */
};

void stream_init(struct stream *s, stream_on_event *on_event,
    stream_on_bad *on_bad, void *arg);
void stream_release(struct stream *s);
/* For a new connection: forgets half a line. */
void stream_restart(struct stream *s);
int stream_feed(struct stream *s, const void *data, size_t len);

#endif
