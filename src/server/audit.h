/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the audit log tells: who did what, of all that changes who may do what,
 * of every action, and of every login. An entry is written in the transaction
 * of what it tells: without the one there is not the other.
 */
#ifndef MIG_SERVER_AUDIT_H
#define MIG_SERVER_AUDIT_H

#include "server/store/store.h"

#define AUDIT_DETAIL_MAX 1024
#define AUDIT_WHO_MAX 48 /* with terminator */

struct audit_note {
	const char *who;    /* a fingerprint, "key:NAME", "local:uid N", "-" */
	const char *what;   /* one word */
	const char *object; /* "": none */
	const char *detail; /* in words; "" */
};

/* Within the caller's transaction. */
int audit_add(
    struct store *s, const struct audit_note *note, int64_t now, struct err *e);
/* "local:uid N": whoever runs this command on the server's machine. */
void audit_who_local(char out[static AUDIT_WHO_MAX]);
/* Something he did, now. */
int audit_local(struct store *s, const char *what, const char *object,
    const char *detail, struct err *e);
/* Removes what is older than keep seconds at now (ms), and says so; not more
 * often than once a day's worth is there. */
int audit_prune(struct store *s, int64_t keep, int64_t now, struct err *e);

#endif
