/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Is an answer in the spool still what the agent once signed? A disk may have
 * changed it: the server would refuse it, and nobody would ever learn why.
 */
#ifndef MIG_AGENT_MONITOR_STORED_H
#define MIG_AGENT_MONITOR_STORED_H

struct err;
struct id;
struct identity;
struct spool;

/* ERR_INVALID, ERR_TOOBIG or ERR_AUTH: it is not, e says where; other errors:
 * it cannot be read. In pieces, however large it is. */
int stored_check(struct spool *s, const struct identity *who,
    const struct id *id, struct err *e);

#endif
