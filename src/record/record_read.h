/* SPDX-License-Identifier: MPL-2.0 */
/* Reading and checking the bytes of a record file. Private to record/. */
#ifndef MIG_RECORD_RECORD_READ_H
#define MIG_RECORD_RECORD_READ_H

#include "record/record.h"

#include <sys/types.h>

#define RECORD_HEADER_LEN 16
#define RECORD_ENTRY_HEADER_LEN 40

enum record_end {
	RECORD_END_CLEAN = 0,
	RECORD_END_TORN,   /* bytes of an unfinished entry are left over */
	RECORD_END_HEADER, /* not even the file's header is whole */
};

struct record_state {
	int64_t created_ms;
	uint64_t position; /* valid entries */
	struct id head;    /* chain after the last valid entry */
	off_t end;         /* offset behind the last valid entry */
	off_t size;        /* of the file: what is behind it is room */
	enum record_end how;
};

void record_header_make(uint8_t out[RECORD_HEADER_LEN], int64_t created_ms);
/* The chain before the first entry. */
void record_header_chain(const uint8_t in[RECORD_HEADER_LEN], struct id *ret);
/* Fills the entry header that belongs behind prev; ret is its chain. */
void
record_entry_make(uint8_t out[RECORD_ENTRY_HEADER_LEN], const struct id *prev,
    uint16_t type, const void *data, size_t len, struct id *ret);

struct record_visit {
	record_on_entry *on_entry; /* a negative return ends the reading with
				      that code; or NULL */
	record_on_chain *on_chain; /* called before on_entry; or NULL */
	void *arg;
};

/* Checks the whole file from its start. path is for messages. ERR_INVALID:
 * damaged. */
int record_read(int fd, const char *path, const struct record_visit *visit,
    struct record_state *ret, struct err *e);

#endif
