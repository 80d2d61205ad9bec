/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Append-only record files: journal, own record, audit.
 *
 *   header   16 bytes: "MIGREC3\n", u64 creation time (unix ms)
 *   entry    u32 length of data | u16 type | u16 zero |
 *            32 bytes chain = SHA-256(previous chain | length | type | data) |
 *            data
 *
 * The chain before the first entry is SHA-256 of the header, so two files
 * never share a head. Zeros behind the last entry are room that was made ahead
 * (doc/adr/0052), at most RECORD_ROOM_MAX bytes. A torn last entry (crash
 * while appending) is cut off at open and reported; damage before the last
 * entry is ERR_INVALID and the file stays untouched.
 */
#ifndef MIG_RECORD_RECORD_H
#define MIG_RECORD_RECORD_H

#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct record;

typedef int record_on_entry(uint64_t position, uint16_t type,
    const uint8_t *data, size_t len, void *arg);
/* The chain after the entry at that position; 0: before the first one. */
typedef void
record_on_chain(uint64_t position, const struct id *chain, void *arg);

#define RECORD_ENTRY_MAX (2 * 1024 * 1024)
#define RECORD_ROOM_MAX (64 * 1024)

/* Opens (creates with mode 0600 when missing), checks the whole chain and
 * calls on_entry (may be NULL) for each entry, positions from 1. */
int record_open(const char *path, record_on_entry *on_entry, void *arg,
    struct record **ret, struct err *e);
/* Cuts off the room that is left. */
void record_free(struct record *r);
/* Appends without syncing; durable after record_sync. After a failure nothing
 * of the entry is in the file. */
int record_append(struct record *r, uint16_t type, const void *data, size_t len,
    struct err *e);
int record_sync(struct record *r, struct err *e);

uint64_t record_position(const struct record *r); /* number of entries */
uint64_t record_bytes(const struct record *r);    /* without the room */
const struct id *record_head(const struct record *r);
int64_t record_created_ms(const struct record *r);
bool record_was_torn(const struct record *r);
bool record_was_new(const struct record *r);

/* Writes a new file with the entries that keep() wants and replaces the old
 * one atomically (compaction of journals; never used on own records). */
typedef bool record_keep(uint64_t position, uint16_t type, const uint8_t *data,
    size_t len, void *arg);
int
record_rewrite(struct record *r, record_keep *keep, void *arg, struct err *e);

/* Reads a file without opening it for writing (mig-agent report). */
int record_scan(
    const char *path, record_on_entry *on_entry, void *arg, struct err *e);

struct record_found {
	int64_t created_ms;
	uint64_t position; /* whole entries */
	struct id head;
	bool torn; /* the last entry is unfinished: a crash, or just now */
};
/* The same, telling each chain value too; either callback may be NULL. */
int record_verify(const char *path, record_on_entry *on_entry,
    record_on_chain *on_chain, void *arg, struct record_found *ret,
    struct err *e);

#endif
