/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The live line on a terminal's standard error: answered / expected, found,
 * failed, rate, time left. It is drawn at most ten times a second and erased
 * before anything else is printed.
 */
#ifndef MIG_CLIENT_PRINT_PROGRESS_H
#define MIG_CLIENT_PRINT_PROGRESS_H

#include "base/buf.h"

#include <stdbool.h>

struct progress {
	int64_t expected, answered, found, failed; /* kept by the caller */
	int64_t online, reconnecting;              /* -1: not known */
	int64_t expires_ms; /* wall clock; 0: not known */
	const char *note;   /* "connection lost, trying again", or NULL */
	bool enabled;       /* a terminal that can move its cursor */
	bool shown;
	char drawn[256];                /* the line that stands there */
	int64_t drawn_ms;               /* monotonic */
	int64_t mark_ms, mark_answered; /* where the rate was measured from */
	double rate;                    /* answers a second, smoothed */
};

/* enabled only when standard error is a terminal. */
void progress_init(struct progress *p, int64_t expected);
/* Appends the line without colours or control characters, at most width
 * columns; whole parts are left out from the end when it is too long. */
int progress_format(
    const struct progress *p, int64_t wall_ms, int width, struct buf *out);
/* Measures the rate and draws when it is time; force draws in any case. */
void progress_draw(struct progress *p, bool force);
void progress_erase(struct progress *p);
/* The rate after the count at now_ms (monotonic); for progress_draw. */
void progress_measure(struct progress *p, int64_t now_ms);

#endif
