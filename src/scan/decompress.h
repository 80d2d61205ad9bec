/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Decompression of a stream in bounded memory: gzip, bzip2, xz, zstd, chosen
 * by magic; concatenated members as their own programs read them. Each
 * library is loaded when first needed.
 */
#ifndef MIG_SCAN_DECOMPRESS_H
#define MIG_SCAN_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct decompress;

enum decompress_kind {
	DECOMPRESS_NONE,
	DECOMPRESS_GZIP,
	DECOMPRESS_BZIP2,
	DECOMPRESS_XZ,
	DECOMPRESS_ZSTD
};
#define DECOMPRESS_MAGIC_LEN 10

struct decompress_limits {
	uint64_t output;      /* most bytes in all */
	uint64_t ratio_above; /* from here on ... */
	uint64_t ratio;       /* ... at most this many times the input */
	uint64_t memory;      /* of the decoder, bytes */
};
extern const struct decompress_limits decompress_default_limits;

/* By the first bytes of a file. */
enum decompress_kind decompress_detect(const void *data, size_t len);

/* Gets the next bytes, in a buffer it may change; false: enough. */
typedef bool decompress_sink(void *arg, uint8_t *data, size_t len);

int decompress_new(enum decompress_kind kind,
    const struct decompress_limits *limits, struct decompress **ret,
    struct err *e);
void decompress_free(struct decompress *d);
/* ERR_INVALID: corrupt; ERR_TOOBIG: a limit; ERR_CLOSED: the sink has had
 * enough. After an error only _free. */
int decompress_feed(struct decompress *d, const void *data, size_t len,
    decompress_sink *sink, void *arg, struct err *e);
/* End of the input: ERR_INVALID when it is truncated. */
int decompress_end(struct decompress *d, struct err *e);

#endif
