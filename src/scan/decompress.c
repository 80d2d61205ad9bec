/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/decompress_codec.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define OUT_SIZE (128 * 1024)

const struct decompress_limits decompress_default_limits = {
	.output = 1024ull * 1024 * 1024,
	.ratio_above = 256ull * 1024 * 1024,
	.ratio = 500,
	.memory = 64ull * 1024 * 1024,
};

static const struct {
	enum decompress_kind kind;
	const char *magic;
	size_t len;
	const struct codec *codec;
} kinds[] = {
	{ DECOMPRESS_GZIP, "\x1f\x8b", 2, &codec_gzip },
	{ DECOMPRESS_BZIP2, "BZh", 3, &codec_bzip2 },
	{ DECOMPRESS_XZ,
	    "\xfd"
	    "7zXZ\0",
	    6, &codec_xz },
	{ DECOMPRESS_ZSTD, "\x28\xb5\x2f\xfd", 4, &codec_zstd },
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

struct decompress {
	const struct codec *codec;
	void *state;
	struct decompress_limits limits;
	uint64_t in, out;
	bool between; /* a member has ended; the next may begin */
	bool padding; /* zeros after a member */
	uint8_t buf[OUT_SIZE];
};

/* Behind its three letters, which a text may begin with as well: the size of
 * its blocks, and the begin of the first one or of the end. */
static bool
is_bzip2(const uint8_t *data, size_t len)
{
	return len >= 10 && data[3] >= '1' && data[3] <= '9' &&
	    (memcmp(data + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
		memcmp(data + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

enum decompress_kind
decompress_detect(const void *data, size_t len)
{
	size_t i;

	for (i = 0; i < NKINDS; i++) {
		if (len >= kinds[i].len &&
		    memcmp(data, kinds[i].magic, kinds[i].len) == 0 &&
		    (kinds[i].kind != DECOMPRESS_BZIP2 || is_bzip2(data, len)))
			return kinds[i].kind;
	}
	return DECOMPRESS_NONE;
}

int
decompress_new(enum decompress_kind kind,
    const struct decompress_limits *limits, struct decompress **ret,
    struct err *e)
{
	struct decompress *d;
	size_t i;
	int rc;

	for (i = 0; i < NKINDS && kinds[i].kind != kind; i++)
		;
	BUG_ON(i == NKINDS);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	d->codec = kinds[i].codec;
	d->limits = *limits;
	rc = d->codec->open(limits->memory, &d->state, e);
	if (rc != 0) {
		free(d);
		return rc;
	}
	*ret = d;
	return 0;
}

void
decompress_free(struct decompress *d)
{
	if (d == NULL)
		return;
	d->codec->close(d->state);
	free(d);
}

static int
check_limits(const struct decompress *d, struct err *e)
{
	if (d->out > d->limits.output)
		return err_set(e, ERR_TOOBIG,
		    "%s: more than %llu bytes when "
		    "decompressed",
		    d->codec->name, (unsigned long long)d->limits.output);
	if (d->out > d->limits.ratio_above && d->out / d->limits.ratio > d->in)
		return err_set(e, ERR_TOOBIG,
		    "%s: more than %llu times its "
		    "size when decompressed",
		    d->codec->name, (unsigned long long)d->limits.ratio);
	return 0;
}

static int
corrupt(const struct decompress *d, int rc, struct err *e)
{
	if (rc == ERR_TOOBIG)
		return err_set(e, rc,
		    "%s: needs more memory to decompress "
		    "than is allowed",
		    d->codec->name);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "out of memory");
	return err_set(e, ERR_INVALID, "not valid %s", d->codec->name);
}

/* A member has ended at p: zeros may pad, or another one begins. */
static int
next_member(struct decompress *d, const uint8_t *p, struct err *e)
{
	int rc;

	if (*p == 0) {
		d->padding = true;
		return 0;
	}
	if (d->padding && !d->codec->padded)
		return corrupt(d, ERR_INVALID, e);
	d->padding = d->between = false;
	rc = d->codec->reset(d->state);
	return rc == 0 ? 0 : corrupt(d, rc, e);
}

int
decompress_feed(struct decompress *d, const void *data, size_t len,
    decompress_sink *sink, void *arg, struct err *e)
{
	struct codec_io io = { .in = data, .in_len = len };
	bool full = false;
	int rc;

	d->in += len;
	do {
		if (d->between && io.in_len > 0) {
			if ((rc = next_member(d, io.in, e)) != 0)
				return rc;
			if (d->padding) {
				io.in++;
				io.in_len--;
				continue;
			}
		}
		if (d->between)
			break;
		io.out = d->buf;
		io.out_len = sizeof(d->buf);
		io.ended = false;
		if ((rc = d->codec->step(d->state, &io)) != 0)
			return corrupt(d, rc, e);
		full = io.out_len == 0;
		d->out += sizeof(d->buf) - io.out_len;
		d->between = io.ended;
		if ((rc = check_limits(d, e)) != 0)
			return rc;
		if (io.out_len < sizeof(d->buf) &&
		    !sink(arg, d->buf, sizeof(d->buf) - io.out_len))
			return ERR_CLOSED;
		if (io.out_len == sizeof(d->buf) && !io.ended)
			break; /* nothing came out: needs more input */
	} while (io.in_len > 0 || (!d->between && full));
	return io.in_len == 0 ? 0 : corrupt(d, ERR_INVALID, e);
}

int
decompress_end(struct decompress *d, struct err *e)
{
	if (d->between)
		return 0;
	return err_set(e, ERR_INVALID, "truncated %s", d->codec->name);
}
