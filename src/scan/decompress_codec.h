/* SPDX-License-Identifier: MPL-2.0 */
/* Between scan/decompress.c and the libraries behind it. */
#ifndef MIG_SCAN_DECOMPRESS_CODEC_H
#define MIG_SCAN_DECOMPRESS_CODEC_H

#include "scan/decompress.h"

struct codec_io {
	const uint8_t *in; /* advanced */
	size_t in_len;
	uint8_t *out;
	size_t out_len; /* room that is left */
	bool ended;     /* the member is complete */
};

struct codec {
	const char *name;
	int (*open)(uint64_t memory, void **ret, struct err *e);
	void (*close)(void *state);
	int (*reset)(void *state); /* for the next member */
	/* Takes all of in unless out is full or the member ends. ERR_INVALID:
	 * corrupt; ERR_TOOBIG: needs too much memory. */
	int (*step)(void *state, struct codec_io *io);
	bool padded; /* zeros may also stand between members */
};

extern const struct codec codec_gzip, codec_bzip2, codec_xz, codec_zstd;

#endif
