/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Api: answers whose length is not known: lines that follow as long as there
 * are more, or until the client leaves. A stream produces a bounded piece at
 * a time, and only when the one before was taken; when there is nothing, its
 * connection sleeps until the core reports a commit or a second has passed.
 */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/fault.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

void *
stream_new(struct request *q, size_t size, const char *type,
    void (*fill)(struct stream *s), void (*release)(struct stream *s))
{
	struct api *api = q->api;
	struct stream *s;

	if (api->nstreams >= STREAMS_MAX) {
		reply_error(q, 503, "busy", "too many streams are open");
		return (NULL);
	}
	if ((s = calloc(1, size)) == NULL) {
		reply_error(q, 503, "busy", "out of memory: try again");
		return (NULL);
	}
	s->q = q;
	s->fill = fill;
	s->release = release;
	buf_init(&s->out, STREAM_OUT_MAX);
	TAILQ_INSERT_TAIL(&api->streams, s, next);
	api->nstreams++;
	q->stream = s;
	q->type = type;
	q->status = 200;
	q->state = REQ_READY;
	return (s);
}

void
stream_free(struct stream *s)
{
	struct api *api = s->q->api;

	TAILQ_REMOVE(&api->streams, s, next);
	api->nstreams--;
	buf_release(&s->out);
	if (s->release != NULL)
		s->release(s);
	else
		free(s);
}

bool
streams_sending(const struct api *api)
{
	const struct stream *s;

	TAILQ_FOREACH (s, &api->streams, next)
		if (!s->suspended)
			return (true);
	return (false);
}

ssize_t
stream_read(void *cls, uint64_t pos, char *out, size_t max)
{
	struct stream *s = cls;
	size_t n;

	if (s->cut)
		return (MHD_CONTENT_READER_END_WITH_ERROR);
	if (s->at == s->out.len) {
		buf_clear(&s->out);
		s->at = 0;
		if (!s->ended)
			s->fill(s);
		if (s->out.error != 0)
			return (MHD_CONTENT_READER_END_WITH_ERROR);
		if (s->out.len == 0) {
			if (s->ended)
				return (MHD_CONTENT_READER_END_OF_STREAM);
			s->suspended = true;
			MHD_suspend_connection(s->q->conn);
			return (0);
		}
	}
	fault_point("api.stream");
	n = s->out.len - s->at;
	if (n > max)
		n = max;
	memcpy(out, s->out.data + s->at, n);
	s->at += n;
	s->q->api->nbytes += n;
	/* One large answer does not keep its memory for the whole stream. */
	if (s->at == s->out.len && s->out.cap > 4 * STREAM_CHUNK) {
		buf_release(&s->out);
		buf_init(&s->out, STREAM_OUT_MAX);
		s->at = 0;
	}
	return ((ssize_t)n);
}

/* When anything about callers has changed, or his time is over. A store that
 * cannot be read now cuts nobody off. */
static void
check_readers(struct api *api)
{
	int64_t now = clock_wall_ms(), doors = store_doors_revision(api->read);
	struct store_caller who;
	struct stream *s;
	struct request *q;
	int rc;

	TAILQ_FOREACH (s, &api->streams, next) {
		q = s->q;
		if (q->route->call == CALL_OPEN ||
		    (doors == api->doors && q->caller.expires > now))
			continue;
		rc = store_caller_get(api->read, &q->token, now, &who, NULL);
		s->cut = s->cut || rc == ERR_NOTFOUND ||
		    (rc == 0 &&
			!call_allowed(q->route->call, who.role, who.calls));
	}
	api->doors = doors;
}

void
streams_wake(struct api *api)
{
	struct stream *s;
	bool any = false;

	check_readers(api);

	TAILQ_FOREACH (s, &api->streams, next) {
		if (!s->suspended)
			continue;
		s->suspended = false;
		any = true;
		MHD_resume_connection(s->q->conn);
	}
	if (any)
		http_run(api->http);
}
