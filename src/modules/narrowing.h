/* SPDX-License-Identifier: MPL-2.0 */
/*
 * narrow_answer for an answer that comes in pieces: what is left of it goes on
 * in pieces. Of modules that are narrowed by entries (module->by_entry) one
 * entry at a time is in memory, and what stands behind the elements; of others
 * all.
 *
 *   narrowing_begin; buf_add and the like to .in; narrowing_end
 *   narrowing_release in any case
 *
 * What cannot be narrowed is not let through: .in fails.
 */
#ifndef MIG_MODULES_NARROWING_H
#define MIG_MODULES_NARROWING_H

#include "base/buf.h"
#include "base/err.h"
#include "modules/narrow.h"

#define NARROWING_NESTED 3 /* containers around an entry, elements included */

struct narrowing {
	struct buf in; /* the module's answer */
	const struct module *module;
	enum detail detail;
	bool privacy;
	struct buf *out; /* borrowed */
	void *spare;     /* memory for the time when there is no other */
	struct err err;  /* why it failed */

	/* the text, byte by byte */
	enum { NARROWING_REST, NARROWING_ELEMENTS, NARROWING_ENTRY } place;
	bool string, escape;     /* within one; behind a backslash of it */
	bool value;              /* what comes next is the value of a member */
	enum {                   /* what comes next within elements */
		NARROWING_FIRST, /* a key, in a list an entry, or the end */
		NARROWING_ITEM,  /* behind a comma: no end */
		NARROWING_COLON,
		NARROWING_VALUE,
		NARROWING_COMMA, /* or the end */
	} due;
	size_t nulls;  /* characters of a null that were there */
	size_t depth;  /* containers that are open in this place */
	size_t nested; /* those of elements, while there is an entry */
	char closers[NARROWING_NESTED];  /* what ends those of elements */
	size_t opened[NARROWING_NESTED]; /* bytes of .around in front of what
					    each holds */
	size_t key;        /* bytes of .rest in front of the last key */
	struct buf rest;   /* what stands beside the elements */
	struct buf around; /* what opens the containers of an entry */
	struct buf entry;  /* .around and the entry at hand */
};

/* Stays where it is; max: bytes of what is kept. */
void narrowing_begin(struct narrowing *n, const struct module *m, enum detail d,
    bool privacy, struct buf *out, size_t max);
/* All of the answer was added to .in. */
int narrowing_end(struct narrowing *n, struct err *e);
void narrowing_release(struct narrowing *n);

#endif
