/* SPDX-License-Identifier: MPL-2.0 */
/* POSIX ustar (IEEE 1003.1, pax "ustar interchange format"), as much as a
 * backup needs: regular files with short names. doc/adr/0020 says why not by a
 * library. */
#ifndef MIG_SERVER_CMD_TAR_H
#define MIG_SERVER_CMD_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define TAR_BLOCK 512
#define TAR_NAME_MAX 100 /* with its terminator */

struct tar_entry {
	char name[TAR_NAME_MAX];
	uint64_t size;
	mode_t mode;
	int64_t mtime; /* unix s */
};

void tar_header(const struct tar_entry *t, uint8_t out[static TAR_BLOCK]);
/* Strict. *ret_end: a block of zeros, the archive's end. */
int tar_parse(const uint8_t in[static TAR_BLOCK], struct tar_entry *ret,
    bool *ret_end, struct err *e);
/* Bytes that fill the last block of a file. */
size_t tar_padding(uint64_t size);

#endif
