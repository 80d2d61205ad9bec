/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What this client has seen of each agent, in statements that the agent
 * signed and that were verified here: ~/.local/share/mig/known. A line a
 * statement, later lines on top of earlier ones:
 *   "<16 hex digits> <JSON>"             the digits are the beginning of the
 *                                        JSON's SHA-256
 *   "<64 hex id> <unix seconds> <name>"  as versions before wrote it
 * The first sight of an agent proves nothing; a change is worth a mark. What
 * the server says of an agent never comes in here.
 */
#ifndef MIG_CLIENT_TRUST_TRUST_H
#define MIG_CLIENT_TRUST_TRUST_H

#include "base/buf.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define TRUST_NAME_MAX 1023 /* bytes, made printable */
#define TRUST_ROW_MAX 8192  /* bytes of an agent's facts; more is not kept */
#define TRUST_ENTRIES_MAX 200000

enum trust_mark {
	TRUST_NEW = 1 << 0,        /* neither id nor name were known */
	TRUST_RENAMED = 1 << 1,    /* the id is known under another name */
	TRUST_NAME_TAKEN = 1 << 2, /* the name is known with another id */
	TRUST_COPIED = 1 << 3,     /* two records, or two counters, of one id */
	TRUST_WENT_BACK = 1 << 4,  /* its record was longer before */
	TRUST_OLD = 1 << 5,        /* a statement from before what is known */
	TRUST_LATE = 1 << 6,       /* enrolled after the action was made */
	TRUST_LEFT_OUT = 1 << 7,   /* known here, not asked by the server */
	TRUST_POLICY = 1 << 8,     /* answered under another policy */
	TRUST_LAPSED = 1 << 9,     /* left out for long: told a last time */
};
#define TRUST_MARKS 10
#define TRUST_NAMES (TRUST_RENAMED | TRUST_NAME_TAKEN) /* until accepted */
/* These stay; the others of them until the agent is forgotten. */
#define TRUST_STICKY (TRUST_NAMES | TRUST_COPIED | TRUST_WENT_BACK)

struct trust_entry {
	struct id id;
	char *name;              /* owned; printable; NULL: not known */
	int64_t first_s, seen_s; /* by this client's clock, unix */
	bool has_record;
	uint64_t position;  /* the highest seen, */
	struct id head;     /* its head, */
	int64_t record_s;   /* when it was first seen here */
	int64_t agent_ms;   /* and the agent's own clock then */
	int64_t connection; /* highest; -1: not known */
	int64_t hello_ms;   /* the agent's clock in its newest hello */
	char *row;          /* owned; its facts of the newest hello, JSON, or
			       NULL */
	int64_t row_s;      /* when that hello was last seen */
	int64_t lapsed_s;   /* when a person was told that it is not missed
			       any more; of no meaning once it was seen
			       later (row_s, seen_s) */
	unsigned int sticky;
	bool changed; /* not saved yet */
};

struct trust {
	char *path;               /* owned */
	struct trust_entry *list; /* owned */
	size_t n, cap;
	uint32_t *by_id, *by_name; /* owned; indexes: place in list + 1 */
	size_t slots, used_names;
	size_t bytes;    /* of the file when it was loaded */
	size_t bad_line; /* the first that cannot be read; 0: none */
	bool torn;       /* the last line was not finished */
};

/* One verified statement of an agent. */
struct trust_sight {
	const struct id *id;
	const char *name;      /* printable; NULL: it does not say */
	const struct id *head; /* NULL: nothing of its record */
	uint64_t position;
	int64_t agent_ms;   /* its clock, unix ms */
	int64_t connection; /* of a hello; -1: no hello */
	bool twice;      /* an answer: another one to the same action ran too */
	int64_t asked_s; /* an answer: unix time before which the action was
			    not made; 0: none */
	const char *row; /* of a hello, or NULL */
};

/* What its marks of the name are about; printable, "" when not known. */
struct trust_other {
	char name[TRUST_NAME_MAX + 1]; /* it was known by right before */
	struct id_hex id; /* short: another agent that has its name */
};

/* A file that cannot be read is an error; a missing one is empty. */
int trust_load(struct trust *t, const char *path, struct err *e);
/* Judges and remembers; returns marks, those of before that stay among them.
 * What is older than what is known changes nothing. ret_other is for warnings.
 */
unsigned int trust_see(struct trust *t, const struct trust_sight *s,
    struct trust_other *ret_other);
/* A name without any statement: for hints. Returns the entry, or NULL. */
struct trust_entry *
trust_hint(struct trust *t, const struct id *id, const char *name);
/* NULL when the id is not known. */
struct trust_entry *trust_find(const struct trust *t, const struct id *id);
const char *trust_name(const struct trust *t, const struct id *id);
/* "renamed"; one bit. */
const char *trust_mark_word(unsigned int mark);
/* "its record went back: ..." for people. */
const char *trust_mark_text(unsigned int mark);
/* "marks": ["renamed", ...]; nothing when there are none. */
struct jsonw;
void trust_json_marks(struct jsonw *w, unsigned int marks);
void trust_release(struct trust *t);

/* --- trust_file.c ----------------------------------------------------------
 */
/* Adds what is new to the file; of several clients at once each gets its turn,
 * and none takes away what another has written. Makes the file small again
 * when most of it is out of date. */
int trust_save(struct trust *t, struct err *e);
/* Removes from the file those for which choose() is true; *ret_n how many.
 * ERR_INVALID when a line is damaged: which agent it is of is not known. */
typedef bool trust_choose(const struct trust_entry *te, void *arg);
int trust_remove(const char *path, trust_choose *choose, void *arg,
    size_t *ret_n, struct err *e);
/* The same, but they stay known and lose TRUST_NAMES only; *ret_n: how many had
 * any. */
int trust_accept(const char *path, trust_choose *choose, void *arg,
    size_t *ret_n, struct err *e);
/* Takes in what another client exported: adds unknown agents and newer
 * statements; an agent that is known by another name, or whose name is
 * another's here, is left as it is and counted. */
struct trust_import {
	size_t added, newer, same, conflicts, bad;
};
int trust_import(struct trust *t, const void *text, size_t len,
    struct trust_import *ret, struct err *e);
/* Appends the line of an entry. */
int trust_line(const struct trust_entry *te, struct buf *out);

/* --- within trust ----------------------------------------------------------
 */
/* Makes room for an agent; NULL: full or out of memory. */
struct trust_entry *trust_add(struct trust *t, const struct id *id);
/* Takes over a copy of the name. */
int trust_rename(struct trust *t, struct trust_entry *te, const char *name);
/* Another agent that has this name now; NULL: none. */
struct trust_entry *
trust_namesake(const struct trust *t, const struct id *id, const char *name);

#endif
