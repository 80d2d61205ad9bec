/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Many patterns over one text or one stream of lines, in one pass. Patterns
 * are the byte patterns of modules/regex.h. A few that are plain text, or match
 * anything, need no engine when there is little to read: nothing is loaded.
 * Else Hyperscan takes all it can; what it refuses, or everything where it is
 * absent, goes to PCRE2. With very many patterns those with a literal go to
 * PCRE2 as well, each only over text that has its literal: compiling thousands
 * together takes seconds.
 *
 * Where the engines have a gate before them (scan/gate.h), they are loaded and
 * made when it first lets something pass, unless one might refuse a pattern.
 *
 * A struct match and its states are for one thread; once it was woken, threads
 * may share it, each with states of its own.
 */
#ifndef MIG_SCAN_MATCH_H
#define MIG_SCAN_MATCH_H

#include "modules/regex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct gate_state;
struct match;

enum match_engine {
	MATCH_BEST,  /* Hyperscan, else PCRE2 */
	MATCH_LIGHT, /* what starts quickly: plain, PCRE2, else Hyperscan */
	MATCH_PLAIN, /* ERR_UNSUPPORTED unless all are few, and plain or any */
	MATCH_HYPERSCAN, /* only this one, for tests */
	MATCH_PCRE2,
};

enum match_mode {
	MATCH_TEXT,  /* REGEX_TEXT: match_text() */
	MATCH_LINES, /* REGEX_LINES, REGEX_WHOLE_LINES: begin, feed, end */
	/* REGEX_TEXT: begin, feed, end; newlines are ordinary, \A and \z are
	 * the ends of the stream. Counts nothing. last[] is where the first
	 * match ends; with PCRE2, how long it is depends on the engine. PCRE2
	 * does not follow a match over more than MATCH_CARRY bytes that do not
	 * lie in one piece: cut[] has patterns whose match may have been lost
	 * so. */
	MATCH_STREAM,
};

/* With more patterns there is no gate: needles would be in vain. */
#define MATCH_GATE_MAX 4096

struct match_pattern {
	const char *bytes;      /* NULL: never matches */
	bool count;             /* count the matching lines (WHOLE_LINES form);
				   else only whether there is one */
	const uint8_t *literal; /* stands in every match, in its line */
	size_t literal_len;     /* 0: no such thing is known */
	bool plain;             /* it is nothing but the literal, */
	bool at_begin, at_end;  /* at these ends of the text or line */
	enum regex_any any;     /* MATCH_TEXT */
	size_t longest;         /* MATCH_STREAM: most bytes of a match; 0: any
				   number */
	/* NULL: nothing is known. When all patterns have such texts, the
	 * engines see little but what is around them (scan/gate.h). */
	const struct regex_needles *needles;
};

/* Pattern number i is patterns[i]. ERR_INVALID names a pattern that no engine
 * takes: *ret_bad is its number then (n when it is none in particular). */
int match_new(const struct match_pattern *patterns, size_t n,
    enum match_mode mode, enum match_engine engine, struct match **ret,
    size_t *ret_bad, struct err *e);
void match_free(struct match *m);
/* "hyperscan 5.4.0", "pcre2 10.42 jit", or both; "texts" while there was no
 * need of them. Borrowed from m. */
const char *match_engine_name(const struct match *m);

#define MATCH_ENGINES 3 /* at once */
#define MATCH_CARRY (64 * 1024)

struct match_state {
	struct match *m;
	uint64_t *hits; /* by pattern: 0, 1, or lines when counting */
	uint64_t *last; /* end of the last counted line */
	uint32_t *ids;  /* the nids patterns with hits */
	size_t nids;
	const char *gave_up; /* an engine stopped early: why; else NULL */
	/* the ncut patterns that had begun to match in what had to be
	 * forgotten: those without a hit may be there all the same */
	uint32_t *cut;
	size_t ncut;
	bool *is_cut;
	/* inside of match.c */
	struct gate_state *gate; /* NULL: engines see everything */
	uint64_t base;           /* of what they see now, in the stream */
	bool asleep;             /* without engines so far */
	bool held_cr; /* the last byte was \r, and they have not seen it */
	void *engine[MATCH_ENGINES];
};

int match_state_new(struct match *m, struct match_state **ret, struct err *e);
void match_state_free(struct match_state *st);
/* Makes at once what else is made at need, for it and for this state; where
 * that cannot be, as match_begin would say it later. Before further states are
 * made of it. */
void match_wake(struct match_state *st);

/* As a new one: what it learnt of earlier streams decides no longer what the
 * engines see of the next. */
void match_restart(struct match_state *st);

/* Results are in st until the next call. */
void match_text(struct match_state *st, const void *data, size_t len);

/* What came of one text or stream, to be looked at when the state has others.
 */
struct match_found {
	size_t n;
	struct match_count {
		uint32_t id;
		uint64_t hits;
	} * counts;          /* owned; NULL: none */
	const char *gave_up; /* as in match_state */
};

/* Out of memory: it then says that it gave up. */
void match_keep(const struct match_state *st, struct match_found *ret);
/* To another state of the same match; frees what is kept. */
void match_recall(struct match_state *st, struct match_found *f);
void match_found_release(struct match_found *f);

/* A stream of lines must end with \n (the caller adds a missing one); a \r
 * before \n is dropped. The bytes of data may be changed. */
void match_begin(struct match_state *st);
void match_feed(struct match_state *st, uint8_t *data, size_t len);
void match_end(struct match_state *st);

#endif
