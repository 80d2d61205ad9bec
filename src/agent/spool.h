/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers on the disk, one file each (its name is the action's id in hex),
 * whole and synced or not there. An acknowledged answer stays until its
 * action's end plus a day. One that is not acknowledged does not go by time:
 * only when room is needed, when no acknowledged one is left and a day has
 * passed since its action's end, the oldest first. Clocks jump: a day counts
 * when the monotonic clock has seen it too.
 */
#ifndef MIG_AGENT_SPOOL_H
#define MIG_AGENT_SPOOL_H

#include "base/buf.h"
#include "base/id.h"

#include <stdbool.h>

struct err;
struct spool;

#define SPOOL_KEEP_SECONDS 86400
/* Refusals are small and may use so much above the quota. */
#define SPOOL_SMALL 1024
#define SPOOL_POOL (64 * 1024)

struct spool_item {
	struct id id;     /* first: idmap */
	int64_t expires;  /* the action's end, unix seconds */
	int64_t since_ms; /* clock_mono_ms(): when found, put or acknowledged */
	uint32_t len;
	bool acked;
	bool overdue; /* not acknowledged and a day past its end */
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
/* Writes and syncs an answer that is not yet one: it becomes one with
 * spool_commit and is gone after a restart. ERR_BUSY when unacknowledged
 * answers leave no room. refusal: may use the pool above the quota. */
int spool_stage(struct spool *s, const struct id *id, const void *data,
    size_t len, bool refusal, struct err *e);
int spool_commit(struct spool *s, const struct id *id, int64_t expires,
    size_t len, struct err *e);
/* Both. */
int spool_put(struct spool *s, const struct id *id, int64_t expires,
    const void *data, size_t len, struct err *e);
/* Told before an overdue unacknowledged answer goes. */
void spool_on_lost(struct spool *s, spool_on_item *cb, void *arg);
/* Appends len bytes from off. */
int spool_read(struct spool *s, const struct id *id, size_t off, size_t len,
    struct buf *out, struct err *e);
void spool_ack(struct spool *s, const struct id *id);
/* Removes what is acknowledged and past its end and a day; returns how many.
 * now: unix seconds; mono_ms: clock_mono_ms(). */
size_t spool_clean(struct spool *s, int64_t now, int64_t mono_ms);
/* When there will be something for spool_clean; -1: nothing waits for it. */
int64_t spool_clean_in_ms(const struct spool *s, int64_t now, int64_t mono_ms);
/* Bytes that could still be put; overdue ones count as room. */
uint64_t spool_room(const struct spool *s);
size_t spool_waiting(const struct spool *s); /* unacknowledged answers */

#endif
