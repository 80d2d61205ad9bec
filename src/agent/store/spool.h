/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers on the disk: small ones in blocks of one file (agent/store/small.h),
 * each other in a file of its own (its name is the action's id in hex), whole
 * and synced or not there. An acknowledged answer stays until its action's end
 * plus a day. One that is not acknowledged does not go by time: only when room
 * is needed, when no acknowledged one is left and a day has passed since its
 * action's end, the oldest first. Clocks jump: a day counts when the monotonic
 * clock has seen it too.
 */
#ifndef MIG_AGENT_STORE_SPOOL_H
#define MIG_AGENT_STORE_SPOOL_H

#include "base/bucket.h"
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
	int32_t block; /* of the file of small ones; -1: a file of its own */
	bool acked;
	bool overdue;       /* not acknowledged and a day past its end */
	struct bucket said; /* once more, see spool_repeat */
};

/* Opens (makes, mode 0700) the directory and takes stock. Found answers count
 * as unacknowledged, ending a week from now, until spool_describe. The small
 * ones count only after spool_settle. */
int spool_open(const char *dir, uint64_t quota, int64_t now, struct spool **ret,
    struct err *e);
void spool_free(struct spool *s);
/* The own record says by entry number position that id is answered; told in
 * the entries' order. */
void spool_proven(struct spool *s, const struct id *id, uint64_t position);
/* That was the whole record. The one small answer that a crash came before is
 * removed. all: the record is lost, and they all count, now and later; so they
 * do when it lacks more than one, because then it was cut, and when an earlier
 * call made them count, because a crash may have ended that one. Nothing is
 * left to do for a second call. */
int spool_settle(struct spool *s, bool all, struct err *e);
/* Asked about that one small answer: was it recorded, as something else knows
 * that is written later? Then it stays. */
typedef bool spool_witness(const struct id *id, void *arg);
void spool_on_unproven(struct spool *s, spool_witness *cb, void *arg);
typedef void spool_on_item(const struct spool_item *it, void *arg);
void spool_each(struct spool *s, spool_on_item *cb, void *arg);
void spool_describe(
    struct spool *s, const struct id *id, int64_t expires, bool acked);
/* NULL: none. Borrowed until the next change. */
const struct spool_item *spool_find(const struct spool *s, const struct id *id);
/* Makes room for an answer; ERR_BUSY when unacknowledged ones leave none.
 * refusal: may use the pool above the quota. */
int spool_reserve(struct spool *s, size_t len, bool refusal, struct err *e);
/* Writes and syncs an answer that is not yet one: it becomes one with
 * spool_commit and is gone after a restart. position: of the record's entry
 * that will say, before the commit, that it is answered (a small one is an
 * answer from there on). */
int spool_stage(struct spool *s, const struct id *id, uint64_t position,
    const void *data, size_t len, struct err *e);
int spool_commit(struct spool *s, const struct id *id, int64_t expires,
    size_t len, struct err *e);
/* All three, as if no record had to say so. */
int spool_put(struct spool *s, const struct id *id, int64_t expires,
    const void *data, size_t len, struct err *e);
/* How many answers lie there, settled or not, for who does not open it. */
size_t spool_count(const char *dir);
/* Told before an overdue unacknowledged answer goes. */
void spool_on_lost(struct spool *s, spool_on_item *cb, void *arg);
/* Appends len bytes from off. */
int spool_read(struct spool *s, const struct id *id, size_t off, size_t len,
    struct buf *out, struct err *e);
void spool_ack(struct spool *s, const struct id *id);
/* It is to be said once more: so often at once, then so many seconds apart.
 * Returns 0, and counts it, or the milliseconds until it may be. */
#define SPOOL_REPEATS 12
#define SPOOL_REPEAT_SECONDS 300
int64_t spool_repeat(struct spool *s, const struct id *id, int64_t mono_ms);
/* Removes what is acknowledged and past its end and a day; returns how many.
 * now: unix seconds; mono_ms: clock_mono_ms(). */
size_t spool_clean(struct spool *s, int64_t now, int64_t mono_ms);
/* When there will be something for spool_clean; -1: nothing waits for it. */
int64_t spool_clean_in_ms(const struct spool *s, int64_t now, int64_t mono_ms);
/* Bytes that could still be put; overdue ones count as room. */
uint64_t spool_room(const struct spool *s);
size_t spool_waiting(const struct spool *s); /* unacknowledged answers */

#endif
