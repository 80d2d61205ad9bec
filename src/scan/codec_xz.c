/* SPDX-License-Identifier: MPL-2.0 */
/* xz by liblzma and zstd by libzstd. */
#include "scan/decompress_codec.h"

#include "base/err.h"
#include "scan/lib.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

static struct {
	bool loaded;
	__typeof__(&lzma_stream_decoder) init;
	__typeof__(&lzma_code) step;
	__typeof__(&lzma_end) end;
} xz;

static struct {
	bool loaded;
	__typeof__(&ZSTD_createDStream) create;
	__typeof__(&ZSTD_freeDStream) release;
	__typeof__(&ZSTD_DCtx_setParameter) set;
	__typeof__(&ZSTD_DCtx_reset) reset;
	__typeof__(&ZSTD_decompressStream) step;
	__typeof__(&ZSTD_getErrorCode) error_code;
} zs;

struct xz_state {
	lzma_stream s;
	uint64_t memory;
};

static int
xz_begin(struct xz_state *x)
{
	const lzma_stream empty = LZMA_STREAM_INIT;

	x->s = empty;
	return xz.init(&x->s, x->memory, 0) == LZMA_OK ? 0 : ERR_NOMEM;
}

static int
xz_open(uint64_t memory, void **ret, struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "lzma_stream_decoder", &xz.init },
		{ "lzma_code", &xz.step },
		{ "lzma_end", &xz.end },
	};
	struct xz_state *x;
	int rc;

	rc = lib_load("liblzma.so.5", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &xz.loaded, e);
	if (rc != 0)
		return rc;
	x = calloc(1, sizeof(*x));
	if (x != NULL)
		x->memory = memory;
	if (x == NULL || xz_begin(x) != 0) {
		free(x);
		return err_set(e, ERR_NOMEM, "out of memory for xz");
	}
	*ret = x;
	return 0;
}

static void
xz_close(void *state)
{
	struct xz_state *x = state;

	xz.end(&x->s);
	free(x);
}

static int
xz_reset(void *state)
{
	struct xz_state *x = state;

	xz.end(&x->s);
	return xz_begin(x);
}

static int
xz_step(void *state, struct codec_io *io)
{
	struct xz_state *x = state;
	lzma_ret rc;

	x->s.next_in = io->in;
	x->s.avail_in = io->in_len;
	x->s.next_out = io->out;
	x->s.avail_out = io->out_len;
	rc = xz.step(&x->s, LZMA_RUN);
	io->in = x->s.next_in;
	io->in_len = x->s.avail_in;
	io->out_len = x->s.avail_out;
	io->ended = rc == LZMA_STREAM_END;
	if (rc == LZMA_MEMLIMIT_ERROR)
		return ERR_TOOBIG;
	if (rc == LZMA_MEM_ERROR)
		return ERR_NOMEM;
	return rc == LZMA_OK || rc == LZMA_STREAM_END || rc == LZMA_BUF_ERROR
	    ? 0
	    : ERR_INVALID;
}

const struct codec codec_xz = { "xz", xz_open, xz_close, xz_reset, xz_step,
	.padded = true };

static int
zstd_open(uint64_t memory, void **ret, struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "ZSTD_createDStream", &zs.create },
		{ "ZSTD_freeDStream", &zs.release },
		{ "ZSTD_DCtx_setParameter", &zs.set },
		{ "ZSTD_DCtx_reset", &zs.reset },
		{ "ZSTD_decompressStream", &zs.step },
		{ "ZSTD_getErrorCode", &zs.error_code },
	};
	int rc, window = 10;

	rc = lib_load("libzstd.so.1", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &zs.loaded, e);
	if (rc != 0)
		return rc;
	*ret = zs.create();
	if (*ret == NULL)
		return err_set(e, ERR_NOMEM, "out of memory for zstd");
	while (window < 30 && (2ull << window) <= memory)
		window++;
	zs.set(*ret, ZSTD_d_windowLogMax, window);
	return 0;
}

static void
zstd_close(void *state)
{
	zs.release(state);
}

static int
zstd_error(size_t rc)
{
	switch (zs.error_code(rc)) {
	case ZSTD_error_no_error:
		return 0;
	case ZSTD_error_frameParameter_windowTooLarge:
		return ERR_TOOBIG;
	case ZSTD_error_memory_allocation:
		return ERR_NOMEM;
	default:
		return ERR_INVALID;
	}
}

static int
zstd_reset(void *state)
{
	return zstd_error(zs.reset(state, ZSTD_reset_session_only));
}

static int
zstd_step(void *state, struct codec_io *io)
{
	ZSTD_inBuffer in = { io->in, io->in_len, 0 };
	ZSTD_outBuffer out = { io->out, io->out_len, 0 };
	size_t rc = zs.step(state, &out, &in);

	io->in += in.pos;
	io->in_len -= in.pos;
	io->out_len -= out.pos;
	io->ended = rc == 0;
	return zstd_error(rc);
}

const struct codec codec_zstd = { "zstd", zstd_open, zstd_close, zstd_reset,
	zstd_step };
