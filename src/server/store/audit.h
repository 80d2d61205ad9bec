/* SPDX-License-Identifier: MPL-2.0 */
/* The store: the audit log (action/audit.h). Entries are only ever added, and
 * the oldest removed when they were kept long enough; then the head up to which
 * they are gone stays, and what follows is checked from there. */
#ifndef MIG_SERVER_STORE_AUDIT_H
#define MIG_SERVER_STORE_AUDIT_H

#include "action/audit.h"
#include "server/store/store.h"

/* The newest entry; the floor, or zeros, when there is none. */
int store_audit_head(struct store *s, struct audit_head *ret, struct err *e);
/* Up to where entries are gone; zeros at first. */
int store_audit_floor(struct store *s, struct audit_head *ret, struct err *e);
/* The head after entry n, as it is stored; ERR_NOTFOUND. */
int store_audit_at(
    struct store *s, uint64_t n, struct audit_head *ret, struct err *e);
/* head: the one that this entry made. */
int store_audit_put(struct store *s, const struct audit_head *head, int64_t now,
    const char *text, struct err *e);

typedef int store_on_audit(
    const struct audit_head *head, const void *text, size_t len, void *arg);
/* Those after entry n in their order, at most limit; a callback's non-zero
 * value ends the walk and is returned. */
int store_audit(struct store *s, uint64_t after, int limit, store_on_audit *fn,
    void *arg, struct err *e);
/* Is the oldest from before this time (ms), and not the newest as well? */
int store_audit_due(struct store *s, int64_t before, bool *ret, struct err *e);
/* Removes entries from before this time (ms), at most limit, never the newest.
 * ret_n of them. */
int store_audit_prune(
    struct store *s, int64_t before, int limit, int64_t *ret_n, struct err *e);

#endif
