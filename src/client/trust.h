/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which agent id called itself by which name, as this client has seen it in
 * verified answers: ~/.local/share/mig/known, a line an observation,
 * "<64 hex id> <unix seconds> <name>", only ever appended; the last line of an
 * id counts. The first sight of an id is not proof of anything; a change is
 * worth a warning.
 */
#ifndef MIG_CLIENT_TRUST_H
#define MIG_CLIENT_TRUST_H

#include "base/id.h"

#include <stddef.h>

struct err;

#define TRUST_NAME_MAX 256
#define TRUST_ENTRIES_MAX 200000

struct trust_entry {
	struct id id;
	char *name; /* owned; printable */
};

struct trust {
	char *path;               /* owned */
	struct trust_entry *list; /* owned */
	size_t n, cap;
	size_t first_new; /* list[first_new..] were added by this run */
	size_t bad_line;  /* the first that cannot be read; 0: none */
	bool torn;        /* the last line was not finished */
};

enum trust_verdict {
	TRUST_KNOWN,      /* as before */
	TRUST_FIRST,      /* neither id nor name were known */
	TRUST_RENAMED,    /* the id is known under another name */
	TRUST_NAME_TAKEN, /* the name is known with another id */
};

/* A file that cannot be read is an error; a missing one is empty. */
int trust_load(struct trust *t, const char *path, struct err *e);
/* Judges and remembers. *ret_other: the name or id it was known by before
 * (borrowed until the next call), for warnings. */
enum trust_verdict trust_see(struct trust *t, const struct id *id,
    const char *name, const char **ret_other);
/* NULL when the id is not known. */
const char *trust_name(const struct trust *t, const struct id *id);
/* Appends what is new to the file. */
int trust_save(struct trust *t, struct err *e);
void trust_release(struct trust *t);

#endif
