/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sealing and opening results. Opening gives everything or nothing: on any
 * failure what was appended is wiped and taken back, so nobody acts on bytes
 * whose end was never seen.
 */
#include "crypto/seal.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define STREAM_KEY crypto_secretstream_xchacha20poly1305_KEYBYTES
#define STREAM_HEAD crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define STREAM_MORE crypto_secretstream_xchacha20poly1305_ABYTES
#define TAG_MESSAGE crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
#define TAG_FINAL crypto_secretstream_xchacha20poly1305_TAG_FINAL
#define BOX_LEN (STREAM_KEY + crypto_box_SEALBYTES)
#define LENGTH_LEN 8
#define PADDED_MIN 1024
#define SEAL_MAX (SIZE_MAX / 4) /* sums below cannot overflow */

_Static_assert(SEAL_KEY_LEN == crypto_box_PUBLICKEYBYTES, "public key");
_Static_assert(SEAL_KEY_LEN == crypto_box_SECRETKEYBYTES, "secret key");
_Static_assert(SEAL_OVERHEAD_FIXED == BOX_LEN + STREAM_HEAD, "head");
_Static_assert(STREAM_MORE == 17, "piece");

void
secret_wipe(void *p, size_t len)
{
	if (p != NULL)
		sodium_memzero(p, len);
}

int
seal_keypair(
    uint8_t ret_pub[static SEAL_KEY_LEN], uint8_t ret_sec[static SEAL_KEY_LEN])
{
	if (sodium_init() < 0)
		return ERR_INTERNAL;
	return crypto_box_keypair(ret_pub, ret_sec) == 0 ? 0 : ERR_INTERNAL;
}

bool
seal_is_pair(const uint8_t pub[static SEAL_KEY_LEN],
    const uint8_t sec[static SEAL_KEY_LEN])
{
	uint8_t own[SEAL_KEY_LEN];

	return crypto_scalarmult_base(own, sec) == 0 &&
	    sodium_memcmp(own, pub, sizeof(own)) == 0;
}

static unsigned int
floor_log2(size_t v)
{
	unsigned int n = 0;

	while (v >>= 1)
		n++;
	return n;
}

size_t
seal_padme(size_t len)
{
	unsigned int e, s;
	size_t mask;

	if (len > SEAL_MAX)
		return SIZE_MAX;
	if (len <= PADDED_MIN)
		return PADDED_MIN;
	e = floor_log2(len);
	s = floor_log2(e) + 1;
	mask = ((size_t)1 << (e - s)) - 1;
	return (len + mask) & ~mask;
}

/* Sealed bytes for this many bytes of plaintext, padding included. */
static size_t
sealed_len(size_t plain)
{
	size_t pieces = (plain + SEAL_PIECE - 1) / SEAL_PIECE;

	return SEAL_OVERHEAD_FIXED + plain + pieces * STREAM_MORE;
}

size_t
seal_size(size_t len)
{
	size_t padded = seal_padme(len);

	return padded == SIZE_MAX ? SIZE_MAX : sealed_len(LENGTH_LEN + padded);
}

/* Copies the plaintext's bytes off .. off + n: length, data, zeros. */
static void
plain_piece(
    uint8_t *piece, size_t off, size_t n, const uint8_t *data, size_t len)
{
	uint8_t head[LENGTH_LEN];
	size_t i, from, part;

	memset(piece, 0, n);
	if (off == 0) {
		for (i = 0; i < LENGTH_LEN; i++)
			head[i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
		memcpy(piece, head, LENGTH_LEN);
		piece += LENGTH_LEN;
		n -= LENGTH_LEN;
		off = LENGTH_LEN;
	}
	from = off - LENGTH_LEN;
	if (from >= len)
		return;
	part = len - from < n ? len - from : n;
	memcpy(piece, data + from, part);
}

/* The plaintext is put together piece by piece in memory of the least size: a
 * small answer must not cost an agent the pages of a large one. */
static int
push_pieces(crypto_secretstream_xchacha20poly1305_state *st,
    const uint8_t *data, size_t len, uint8_t *out)
{
	size_t total = LENGTH_LEN + seal_padme(len), off, n;
	size_t size = total < SEAL_PIECE ? total : SEAL_PIECE;
	uint8_t tag, *piece = malloc(size);
	int rc = piece == NULL ? ERR_NOMEM : 0;

	for (off = 0; off < total && rc == 0; off += n) {
		n = total - off < SEAL_PIECE ? total - off : SEAL_PIECE;
		tag = off + n == total ? TAG_FINAL : TAG_MESSAGE;
		plain_piece(piece, off, n, data, len);
		if (crypto_secretstream_xchacha20poly1305_push(
			st, out, NULL, piece, n, NULL, 0, tag) != 0)
			rc = ERR_INTERNAL;
		out += n + STREAM_MORE;
	}
	secret_wipe(piece, size);
	free(piece);
	return rc;
}

int
seal_make(const uint8_t pub[static SEAL_KEY_LEN], const void *data, size_t len,
    struct buf *out, struct err *e)
{
	crypto_secretstream_xchacha20poly1305_state st;
	uint8_t key[STREAM_KEY], *p;
	size_t size = seal_size(len);
	int rc = ERR_INVALID;

	if (sodium_init() < 0)
		return err_set(e, ERR_INTERNAL, "libsodium cannot start");
	if (size == SIZE_MAX)
		return err_set(
		    e, ERR_TOOBIG, "%zu bytes are too many to seal", len);
	p = buf_reserve(out, size);
	if (p == NULL)
		return err_set(e, out->error, "sealing %zu bytes: %s", len,
		    err_text(out->error));
	crypto_secretstream_xchacha20poly1305_keygen(key);
	if (crypto_box_seal(p, key, sizeof(key), pub) == 0 &&
	    crypto_secretstream_xchacha20poly1305_init_push(
		&st, p + BOX_LEN, key) == 0)
		rc = push_pieces(&st, data, len, p + SEAL_OVERHEAD_FIXED);
	sodium_memzero(&st, sizeof(st));
	sodium_memzero(key, sizeof(key));
	if (rc == ERR_INVALID)
		return err_set(e, rc, "the action's sealing key is not usable");
	if (rc != 0)
		return err_set(
		    e, rc, "sealing %zu bytes: %s", len, err_text(rc));
	out->len += size;
	return 0;
}

static uint64_t
read_length(const uint8_t head[static LENGTH_LEN])
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < LENGTH_LEN; i++)
		v = v << 8 | head[i];
	return v;
}

/* What one opening knows besides the stream. */
struct opening {
	crypto_secretstream_xchacha20poly1305_state st;
	const uint8_t *in;
	size_t total; /* plaintext, from the sealed size */
	uint64_t len; /* stated in the plaintext */
	struct buf *out;
};

/* Keeps the part of a piece that is data; the rest must be zeros. */
static int
take_piece(struct opening *o, size_t off, const uint8_t *piece, size_t n)
{
	size_t part = 0, from;

	if (off == 0) {
		o->len = read_length(piece);
		/* Exactly one padded size fits a length. */
		if (o->len > SEAL_MAX ||
		    LENGTH_LEN + seal_padme((size_t)o->len) != o->total)
			return ERR_AUTH;
		/* All room at once: growing would leave copies behind. */
		if (o->len > 0 && buf_reserve(o->out, (size_t)o->len) == NULL)
			return o->out->error;
		piece += LENGTH_LEN;
		n -= LENGTH_LEN;
		off = LENGTH_LEN;
	}
	from = off - LENGTH_LEN;
	if (from < o->len)
		part = o->len - from < n ? (size_t)(o->len - from) : n;
	if (part > 0 && buf_add(o->out, piece, part) != 0)
		return o->out->error;
	return part == n || sodium_is_zero(piece + part, n - part) ? 0
								   : ERR_AUTH;
}

static int
pull_pieces(struct opening *o)
{
	size_t size = o->total < SEAL_PIECE ? o->total : SEAL_PIECE, off, n;
	uint8_t tag, want, *piece = malloc(size);
	int rc = piece == NULL ? ERR_NOMEM : 0;

	for (off = 0; off < o->total && rc == 0; off += n) {
		n = o->total - off < SEAL_PIECE ? o->total - off : SEAL_PIECE;
		want = off + n == o->total ? TAG_FINAL : TAG_MESSAGE;
		if (crypto_secretstream_xchacha20poly1305_pull(&o->st, piece,
			NULL, &tag, o->in, n + STREAM_MORE, NULL, 0) != 0 ||
		    tag != want)
			rc = ERR_AUTH;
		else
			rc = take_piece(o, off, piece, n);
		o->in += n + STREAM_MORE;
	}
	secret_wipe(piece, size);
	free(piece);
	return rc;
}

/* The plaintext's size from the sealed one; 0 when no plaintext gives it. */
static size_t
plain_total(size_t sealed)
{
	size_t body, pieces, total;

	if (sealed <= SEAL_OVERHEAD_FIXED)
		return 0;
	body = sealed - SEAL_OVERHEAD_FIXED;
	pieces = (body - 1) / (SEAL_PIECE + STREAM_MORE) + 1;
	if (body <= pieces * STREAM_MORE)
		return 0;
	total = body - pieces * STREAM_MORE;
	return total >= LENGTH_LEN + PADDED_MIN && sealed_len(total) == sealed
	    ? total
	    : 0;
}

int
seal_open(const uint8_t pub[static SEAL_KEY_LEN],
    const uint8_t sec[static SEAL_KEY_LEN], const void *sealed, size_t len,
    struct buf *out, struct err *e)
{
	uint8_t key[STREAM_KEY];
	size_t before = out->len;
	struct opening o;
	int rc = ERR_AUTH;

	if (sodium_init() < 0)
		return err_set(e, ERR_INTERNAL, "libsodium cannot start");
	memset(&o, 0, sizeof(o));
	o.out = out;
	o.total = plain_total(len);
	if (o.total == 0)
		return err_set(e, ERR_AUTH,
		    "sealed bytes: %zu is not a size that sealing gives", len);
	o.in = sealed;
	if (crypto_box_seal_open(key, o.in, BOX_LEN, pub, sec) == 0 &&
	    crypto_secretstream_xchacha20poly1305_init_pull(
		&o.st, o.in + BOX_LEN, key) == 0) {
		o.in += SEAL_OVERHEAD_FIXED;
		rc = pull_pieces(&o);
	}
	sodium_memzero(&o, sizeof(o));
	sodium_memzero(key, sizeof(key));
	if (rc == 0)
		return 0;
	if (out->data != NULL && out->len > before)
		sodium_memzero(out->data + before, out->len - before);
	out->len = before;
	return err_set(e, rc,
	    rc == ERR_AUTH
		? "sealed bytes were changed, cut or sealed for another key"
		: rc == ERR_NOMEM ? "opening %zu sealed bytes: out of memory"
				  : "opening %zu sealed bytes: does not fit",
	    len);
}
