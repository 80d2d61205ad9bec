/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Headers of rpm packages as the package database keeps them: without the
 * magic and lead of a file. rpm, docs/manual/format_header.md:
 *
 *   u32 index entries, u32 bytes of data, big endian
 *   entries: u32 tag, u32 type, u32 offset into the data, u32 count
 *   data: NUL-terminated strings, big-endian numbers, ...
 */
#ifndef MIG_MODULES_PKG_RPMHEADER_H
#define MIG_MODULES_PKG_RPMHEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define RPM_HEADER_MAX (64u << 20) /* bytes; real ones reach a few million */
#define RPM_ENTRIES_MAX 0xffffu
#define RPM_STRING_MAX 65536u /* bytes of a name or the like, with its end */

/* Borrowed from the blob; terminated, not empty but for arch. */
struct rpm_header {
	const char *name, *version, *release;
	const char *arch; /* "" of a public key */
	uint32_t epoch;
	bool has_epoch;
};

/* ERR_INVALID says what is wrong in it. */
int rpm_header_parse(
    const void *blob, size_t len, struct rpm_header *ret, struct err *e);

#endif
