/* SPDX-License-Identifier: MPL-2.0 */
#include "client/print/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_MS 100
#define MEASURE_MS 500
#define WIDTH_DEFAULT 80

void
progress_init(struct progress *p, int64_t expected)
{
	const char *term = getenv("TERM");

	memset(p, 0, sizeof(*p));
	p->expected = expected;
	p->online = p->reconnecting = -1;
	p->enabled = isatty(STDERR_FILENO) == 1 && term != NULL &&
	    strcmp(term, "dumb") != 0;
	p->mark_ms = clock_mono_ms();
}

void
progress_measure(struct progress *p, int64_t now_ms)
{
	int64_t dt = now_ms - p->mark_ms;
	double now;

	if (dt < MEASURE_MS)
		return;
	now = (double)(p->answered - p->mark_answered) * 1000.0 / (double)dt;
	if (now < 0)
		now = 0;
	p->rate = p->rate > 0 ? p->rate * 0.5 + now * 0.5 : now;
	if (p->rate < 0.05)
		p->rate = 0;
	p->mark_ms = now_ms;
	p->mark_answered = p->answered;
}

/* A line that is being put together; after the first part that does not fit
 * nothing more is added. */
struct parts {
	struct buf *out;
	size_t start;
	size_t width;
	bool full;
};

static void
progress_part(struct parts *p, const char *text)
{
	size_t used = p->out->len - p->start, sep = used > 0 ? 2 : 0;

	p->full = p->full || used + sep + strlen(text) > p->width;
	if (p->full)
		return;
	if (sep > 0)
		buf_add_str(p->out, ", ");
	buf_add_str(p->out, text);
}

/* How long still: by the rate while agents that are online have not answered,
 * afterwards until the action ends. */
static void
progress_left(const struct progress *p, int64_t wall_ms, char *out, size_t size)
{
	int64_t open = p->expected - p->answered, now_open = open;
	char d[32];

	out[0] = '\0';
	if (p->online >= 0 && p->online < p->expected)
		now_open = p->online - p->answered;
	if (open <= 0)
		return;
	if (now_open > 0 && p->rate > 0) {
		duration_format((int64_t)((double)now_open / p->rate) + 1, d);
		snprintf(out, size, "about %s left", d);
	} else if (now_open <= 0 && p->expires_ms > wall_ms) {
		duration_format((p->expires_ms - wall_ms) / 1000 + 1, d);
		snprintf(out, size, "%" PRId64 " offline, may answer for %s",
		    open, d);
	}
}

int
progress_format(
    const struct progress *p, int64_t wall_ms, int width, struct buf *out)
{
	struct parts line = { .out = out, .start = out->len };
	char t[96];

	if (width < 1)
		return out->error;
	line.width = (size_t)width;
	snprintf(t, sizeof(t), "%" PRId64 "/%" PRId64 " answered", p->answered,
	    p->expected);
	progress_part(&line, t);
	snprintf(t, sizeof(t), "%" PRId64 " found", p->found);
	progress_part(&line, t);
	if (p->failed > 0) {
		snprintf(t, sizeof(t), "%" PRId64 " failed", p->failed);
		progress_part(&line, t);
	}
	if (p->note != NULL) {
		progress_part(&line, p->note);
		return out->error;
	}
	if (p->reconnecting > 0) {
		snprintf(
		    t, sizeof(t), "%" PRId64 " reconnecting", p->reconnecting);
		progress_part(&line, t);
	}
	if (p->rate > 0 && p->answered < p->expected) {
		snprintf(
		    t, sizeof(t), p->rate >= 10 ? "%.0f/s" : "%.1f/s", p->rate);
		progress_part(&line, t);
	}
	progress_left(p, wall_ms, t, sizeof(t));
	if (t[0] != '\0')
		progress_part(&line, t);
	return out->error;
}

static int
terminal_width(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
		return WIDTH_DEFAULT;
	return w.ws_col;
}

static void
terminal_write(const struct buf *b)
{
	ssize_t n = write(STDERR_FILENO, b->data, b->len);

	(void)n; /* a progress line that cannot be written is no failure */
}

void
progress_draw(struct progress *p, bool force)
{
	int64_t now = clock_mono_ms();
	struct buf b;

	progress_measure(p, now);
	if (!p->enabled || (!force && now - p->drawn_ms < DRAW_MS))
		return;
	buf_init(&b, 4096);
	buf_add_str(&b, "\r\033[K");
	/* the last column stays empty: writing there would wrap the line */
	progress_format(p, clock_wall_ms(), terminal_width() - 1, &b);
	/* a line that already stands there is not written again */
	if (buf_str(&b) != NULL &&
	    (!p->shown || strcmp(p->drawn, buf_str(&b)) != 0)) {
		terminal_write(&b);
		snprintf(p->drawn, sizeof(p->drawn), "%s", buf_str(&b));
	}
	buf_release(&b);
	p->shown = true;
	p->drawn_ms = now;
}

void
progress_erase(struct progress *p)
{
	struct buf b;

	if (!p->shown)
		return;
	buf_init(&b, 16);
	buf_add_str(&b, "\r\033[K");
	terminal_write(&b);
	buf_release(&b);
	p->shown = false;
	p->drawn_ms = 0;
}
