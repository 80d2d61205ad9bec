/* SPDX-License-Identifier: MPL-2.0 */
/* The results stream as a hostile server would send it, in two pieces. */
#include "client/api/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
on_event(const struct stream_event *ev, void *arg)
{
	size_t *sum = arg;

	/* every event's bytes are there and its text is terminated */
	if (ev->kind == STREAM_ANSWER && ev->answer_len > 0)
		*sum += ev->answer[ev->answer_len - 1];
	if (ev->kind == STREAM_END && ev->reason[sizeof(ev->reason) - 1] != 0)
		abort();
	if (ev->kind == STREAM_ANSWER && ev->cursor < 0)
		abort();
	return 0;
}

static void
on_bad(const char *why, void *arg)
{
	if (why[0] == '\0')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t sum = 0, cut = len > 0 ? data[0] % len : 0;
	struct stream s;

	stream_init(&s, on_event, on_bad, &sum);
	if (stream_feed(&s, data, cut) == 0)
		(void)stream_feed(&s, data + cut, len - cut);
	if (s.nbad > STREAM_BAD_MAX || s.lines.line.len > STREAM_LINE_MAX)
		abort();
	stream_release(&s);
	return 0;
}
