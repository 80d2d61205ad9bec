/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What goes before the engines: when one of some texts stands in every match of
 * every pattern, an engine only has to see what is around those texts. The gate
 * looks for them (scan/literals.h), which is many times faster, and passes on
 *
 *   of lines, those that have one, whole: from their begin (or what a match can
 *   need of it) to their newline;
 *   of another stream, what a match can take before a text, and what it can
 *   take behind it. Each such part is a stream of its own that begins at `base`
 *   of the whole; no match begins with its first byte, as more is passed than
 *   any match needs, so what an anchor thinks of it does no harm.
 *
 * Where half of what comes would have to be passed on, everything is.
 */
#ifndef MIG_SCAN_GATE_H
#define MIG_SCAN_GATE_H

#include "scan/match.h"

struct err;
struct gate; /* may be shared by threads */
struct gate_state;

/* What is called for what passes; the bytes may be changed. */
struct gate_ops {
	/* of a part, at this offset of the stream; with lines once */
	void (*begin)(uint64_t base, void *arg);
	void (*pass)(uint8_t *data, size_t len, void *arg);
};

/* *ret is NULL where there can be no gate: a pattern without needles, or one
 * that needs too much before them. Patterns without bytes never match. */
int gate_new(const struct match_pattern *patterns, size_t n,
    enum match_mode mode, struct gate **ret, struct err *e);
void gate_free(struct gate *g);

/* NULL: out of memory. */
struct gate_state *
gate_state_new(const struct gate *g, const struct gate_ops *ops, void *arg);
void gate_state_free(struct gate_state *s);

/* Forgets how much passed lately. */
void gate_restart(struct gate_state *s);
void gate_begin(struct gate_state *s);
void gate_feed(struct gate_state *s, uint8_t *data, size_t len);
/* Whether the part that was passed last goes on to the end of the stream. */
bool gate_end(struct gate_state *s);

#endif
