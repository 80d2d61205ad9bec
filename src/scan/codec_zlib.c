/* SPDX-License-Identifier: MPL-2.0 */
/* gzip by zlib and bzip2 by libbz2: the two with the same kind of stream. */
#include "scan/decompress_codec.h"

#include "base/err.h"
#include "scan/lib.h"

#include <bzlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

static struct {
	bool loaded;
	__typeof__(&inflateInit2_) init;
	__typeof__(&inflate) step;
	__typeof__(&inflateReset) reset;
	__typeof__(&inflateEnd) end;
} z;

static struct {
	bool loaded;
	__typeof__(&BZ2_bzDecompressInit) init;
	__typeof__(&BZ2_bzDecompress) step;
	__typeof__(&BZ2_bzDecompressEnd) end;
} bz;

static unsigned int
clamp(size_t n)
{
	return n > INT_MAX ? INT_MAX : (unsigned int)n;
}

static int
gzip_open(uint64_t memory, void **ret, struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "inflateInit2_", &z.init },
		{ "inflate", &z.step },
		{ "inflateReset", &z.reset },
		{ "inflateEnd", &z.end },
	};
	z_stream *s;
	int rc;

	rc = lib_load("libz.so.1", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &z.loaded, e);
	if (rc != 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL ||
	    z.init(s, 15 + 16, ZLIB_VERSION, (int)sizeof(*s)) != Z_OK) {
		free(s);
		return err_set(e, ERR_NOMEM, "out of memory for gzip");
	}
	*ret = s;
	return 0;
}

static void
gzip_close(void *state)
{
	z.end(state);
	free(state);
}

static int
gzip_reset(void *state)
{
	return z.reset(state) == Z_OK ? 0 : ERR_INVALID;
}

static int
gzip_step(void *state, struct codec_io *io)
{
	z_stream *s = state;
	int rc;

	s->next_in = io->in;
	s->avail_in = clamp(io->in_len);
	s->next_out = io->out;
	s->avail_out = clamp(io->out_len);
	rc = z.step(s, Z_NO_FLUSH);
	io->in_len -= (size_t)(s->next_in - io->in);
	io->in = s->next_in;
	io->out_len = s->avail_out;
	io->ended = rc == Z_STREAM_END;
	if (rc == Z_MEM_ERROR)
		return ERR_NOMEM;
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR
	    ? 0
	    : ERR_INVALID;
}

const struct codec codec_gzip = { "gzip", gzip_open, gzip_close, gzip_reset,
	gzip_step };

static int
bzip2_open(uint64_t memory, void **ret, struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "BZ2_bzDecompressInit", &bz.init },
		{ "BZ2_bzDecompress", &bz.step },
		{ "BZ2_bzDecompressEnd", &bz.end },
	};
	bz_stream *s;
	int rc;

	rc = lib_load("libbz2.so.1.0", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &bz.loaded, e);
	if (rc != 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL || bz.init(s, 0, 0) != BZ_OK) {
		free(s);
		return err_set(e, ERR_NOMEM, "out of memory for bzip2");
	}
	*ret = s;
	return 0;
}

static void
bzip2_close(void *state)
{
	bz.end(state);
	free(state);
}

static int
bzip2_reset(void *state)
{
	bz.end(state);
	memset(state, 0, sizeof(bz_stream));
	return bz.init(state, 0, 0) == BZ_OK ? 0 : ERR_NOMEM;
}

static int
bzip2_step(void *state, struct codec_io *io)
{
	bz_stream *s = state;
	unsigned int given = clamp(io->in_len);
	uintptr_t in = (uintptr_t)io->in;
	int rc;

	s->next_in = (char *)in; /* libbz2 does not write there */
	s->avail_in = given;
	s->next_out = (char *)io->out;
	s->avail_out = clamp(io->out_len);
	rc = bz.step(s);
	io->in += given - s->avail_in;
	io->in_len -= given - s->avail_in;
	io->out_len = s->avail_out;
	io->ended = rc == BZ_STREAM_END;
	if (rc == BZ_MEM_ERROR)
		return ERR_NOMEM;
	return rc == BZ_OK || rc == BZ_STREAM_END ? 0 : ERR_INVALID;
}

const struct codec codec_bzip2 = { "bzip2", bzip2_open, bzip2_close,
	bzip2_reset, bzip2_step };
