/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The file "small" of the spool: answers of at most SMALL_DATA_MAX bytes, each
 * in a block of its own that is written in place (doc/adr/0048). A new file
 * for each would cost an inode, a rename and one sync more.
 *
 * A block (SMALL_BLOCK bytes; numbers big endian):
 *   8   "MIGSML1\n"
 *   32  action id
 *   u64 the entry of the own record that says it is answered; 0: needs none
 *   u32 length
 *   32  SHA-256 of the above
 *   the answer (signed, so not summed here), zeros, and at the block's end the
 *   first five fields once more: a flipped bit in one copy does no harm
 * Anything else is a free block. A block counts only if the record has that
 * entry: what was written but not recorded before a crash is no answer.
 */
#ifndef MIG_AGENT_STORE_SMALL_H
#define MIG_AGENT_STORE_SMALL_H

#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define SMALL_NAME "small"
#define SMALL_BLOCK 4096
#define SMALL_HEAD (8 + ID_LEN + 8 + 4 + ID_LEN)
#define SMALL_DATA_MAX (SMALL_BLOCK - 2 * SMALL_HEAD)
#define SMALL_BLOCKS_MAX 1024

struct small_head {
	struct id id;
	uint64_t position; /* in the own record */
	uint32_t len;
};

/* Each block in use with its number and its answer (borrowed), and each that
 * cannot be read (h and data NULL); a callback's error ends it. No file: no
 * block. */
typedef int small_on_block(
    uint32_t block, const struct small_head *h, const uint8_t *data, void *arg);
int small_scan(const char *dir, small_on_block *cb, void *arg, struct err *e);
/* Writes and syncs; behind the end the file grows. block: below
 * SMALL_BLOCKS_MAX. */
int small_write(const char *dir, uint32_t block, const struct small_head *h,
    const void *data, struct err *e);
/* Makes it free, synced. */
int small_free(const char *dir, uint32_t block, struct err *e);
/* The same without a sync: after a crash it may be there again. */
void small_drop(const char *dir, uint32_t block);
/* Appends len bytes of the answer from off; ERR_IO when it is not there. */
int small_read(const char *dir, uint32_t block, size_t off, size_t len,
    struct buf *out, struct err *e);

#endif
