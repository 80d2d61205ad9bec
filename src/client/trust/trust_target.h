/* SPDX-License-Identifier: MPL-2.0 */
/* The facts that agents have signed, as they are remembered, and which of the
 * agents known here fit a target. */
#ifndef MIG_CLIENT_TRUST_TRUST_TARGET_H
#define MIG_CLIENT_TRUST_TRUST_TARGET_H

#include "client/trust/seen.h"
#include "client/trust/trust.h"

struct client;
struct err;
struct hello;

/* Agents whose last hello or answer was seen longer ago are not missed any
 * more; that is told once of each. */
#define TRUST_MISSED_DAYS 30

/* Appends what is to be remembered of a hello's facts. */
int trust_row_make(const struct hello *h, struct buf *out);
/* What is remembered of a verified hello; as trust_see. */
unsigned int trust_see_hello(
    struct trust *t, const struct hello *h, struct trust_other *ret_other);

/* What this client knows of agents, from the usual file; warns of a damaged
 * line. Releasing it is right after a failure as well. */
int trust_open(struct trust *t, struct err *e);
/* The hello (base64; NULL: none) that the server lists for this id: true when
 * that agent has signed it. The caller releases it then. */
bool hello_listed(const char *id, const char *text, struct hello *ret);

/* Calls back for each agent that fits the target ("all" or a condition) by its
 * newest hello and is in neither set (NULL: none): TRUST_LEFT_OUT, or
 * TRUST_LAPSED until trust_lapsed() was called for it. */
typedef void
trust_on_missed(struct trust_entry *te, unsigned int mark, void *arg);
int trust_missed(const struct trust *t, const char *target,
    const struct seen *answered, const struct seen *asked, trust_on_missed *on,
    void *arg);
/* A person is told of it now. */
void trust_lapsed(struct trust_entry *te);

/* Before it is told whom a target misses: their facts may have changed since
 * they were seen here. Takes in their newest hellos, as far as the server shows
 * newer ones; who is not shown stays missed. No request when nobody is. */
void trust_refresh(struct client *c, struct trust *t, const char *target,
    const struct seen *answered, const struct seen *asked);

#endif
