/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers on the disk, one file each (its name is the action's id in hex),
 * whole and synced or not there. An answer stays until its action's end plus
 * a day; when room is needed, acknowledged ones go first, oldest first, and
 * unacknowledged ones never.
 */
#ifndef MIG_AGENT_SPOOL_H
#define MIG_AGENT_SPOOL_H

#include "base/buf.h"
#include "base/id.h"

#include <stdbool.h>

struct err;
struct spool;

#define SPOOL_KEEP_SECONDS 86400

struct spool_item {
	struct id id;    /* first: idmap */
	int64_t expires; /* the action's end, unix seconds */
	uint32_t len;
	bool acked;
};

/* Opens (makes, mode 0700) the directory and takes stock. Found answers count
 * as unacknowledged, ending a week from now, until spool_describe. */
int spool_open(const char *dir, uint64_t quota, int64_t now, struct spool **ret,
    struct err *e);
void spool_free(struct spool *s);
typedef void spool_on_item(const struct spool_item *it, void *arg);
void spool_each(struct spool *s, spool_on_item *cb, void *arg);
void spool_describe(
    struct spool *s, const struct id *id, int64_t expires, bool acked);
/* NULL: none. Borrowed until the next change. */
const struct spool_item *spool_find(const struct spool *s, const struct id *id);
/* ERR_BUSY when unacknowledged answers leave no room. */
int spool_put(struct spool *s, const struct id *id, int64_t expires,
    const void *data, size_t len, struct err *e);
/* Appends len bytes from off. */
int spool_read(struct spool *s, const struct id *id, size_t off, size_t len,
    struct buf *out, struct err *e);
void spool_ack(struct spool *s, const struct id *id);
/* Removes what is past its end and a day; returns how many. */
size_t spool_clean(struct spool *s, int64_t now);
/* Bytes that could still be put. */
uint64_t spool_room(const struct spool *s);
size_t spool_waiting(const struct spool *s); /* unacknowledged answers */

#endif
