/* SPDX-License-Identifier: MPL-2.0 */
/* Inside of modules/regex*.c only: the parsed form and classes. */
#ifndef MIG_MODULES_REGEX_AST_H
#define MIG_MODULES_REGEX_AST_H

#include "modules/regex.h"

#define REGEX_NODES_MAX 65536
#define REGEX_DEPTH_MAX 200
#define REGEX_RANGES_MAX 8192
#define REGEX_REPEAT_MAX 1000
#define REGEX_FOLDS_MAX 4096 /* more than there are characters with cases */
#define RUNE_MAX 0x10ffffu

struct range {
	uint32_t lo, hi;
};

/* A set of characters, and of bytes >= 0x80 that stand for themselves. */
struct cclass {
	struct range *r; /* owned; sorted and merged after cclass_finish */
	size_t n, cap;
	uint8_t raw[16]; /* bit b of byte i: the byte 0x80 + 8 * i + b */
};

enum node_type {
	NODE_EMPTY,
	NODE_NEVER, /* cannot match */
	NODE_CLASS, /* one character of cc */
	NODE_BYTE,  /* \C */
	NODE_BOL,
	NODE_EOL, /* (?m)^ $ */
	NODE_BOT,
	NODE_EOT, /* \A \z, and ^ $ without m */
	NODE_WORD,
	NODE_NOT_WORD,
	NODE_CAT,
	NODE_ALT,    /* children */
	NODE_REPEAT, /* one child, min..max */
};

struct node {
	enum node_type type;
	struct node *child, *last, *next; /* children in order */
	struct cclass cc;
	uint32_t min, max; /* NODE_REPEAT; max UINT32_MAX: no end */
	uint32_t copies;   /* that nested counted repeats ask for, at most */
	uint64_t cost;     /* with all children; see regex_check */
	struct node *all;  /* list of all nodes, for freeing */
};

struct regex {
	struct node *root;
	struct node *all;
	size_t nnodes, nranges;
};

/* The bytes of a character; how many. */
size_t regex_utf8(uint32_t r, uint8_t out[static 4]);
/* As regex_longest, of a part. */
size_t regex_node_longest(const struct node *n);

/* Adding returns 0, ERR_NOMEM or ERR_TOOBIG. */
int cclass_add(struct cclass *c, uint32_t lo, uint32_t hi);
void cclass_add_raw(struct cclass *c, uint8_t lo, uint8_t hi);
/* Sorts and merges. */
void cclass_finish(struct cclass *c);
/* Everything that is not in it, raw bytes included. */
int cclass_negate(struct cclass *c);
/* Adds the other case of every member. */
int cclass_fold(struct cclass *c);
void cclass_release(struct cclass *c);
/* \d \w \s (and upper case: negated), "alpha" of [:alpha:]; ERR_NOTFOUND.
 * c NULL: only whether there is one. */
int cclass_add_perl(struct cclass *c, char letter);
int
cclass_add_posix(struct cclass *c, const char *name, size_t len, bool negated);
/* General category or script; folded as cclass_fold would. Negated and folded
 * ones are made once per process and kept: for one thread only. */
int cclass_add_unicode(
    struct cclass *c, const char *name, size_t len, bool negated, bool folded);
/* How many ranges that adds, about; -1: there is no such class. */
int cclass_unicode_ranges(const char *name, size_t len);
/* Union with all of from (finished or not), negated if wanted. */
int cclass_add_class(struct cclass *c, struct cclass *from, bool negated);

/* regex_unicode.c, generated. Tables are sorted by name. */
struct unicode_table {
	const char *name;
	uint32_t start; /* index into unicode_runs */
	uint32_t n;     /* pairs: gap since the last range, length of this */
};
extern const struct unicode_table unicode_tables[];
extern const size_t unicode_ntables;
extern const uint16_t unicode_runs[];
struct unicode_fold {
	uint32_t lo, hi, stride;
	int32_t delta; /* c folds to c + delta */
};
extern const struct unicode_fold unicode_folds[];
extern const size_t unicode_nfolds;

#endif
