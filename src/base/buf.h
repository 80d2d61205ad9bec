/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Growing byte buffers that state their maximum, and a cursor that reads
 * fixed-width big-endian numbers and length-prefixed fields from bytes that
 * came from outside.
 *
 * A struct buf remembers its first failure (ERR_TOOBIG or ERR_NOMEM) in
 * .error, later additions do nothing: a chain of additions is checked once.
 *
 * A buffer with a sink does not grow beyond its maximum but hands on what it
 * holds, in order: .data and .len are then only what was not handed on yet.
 */
#ifndef MIG_BASE_BUF_H
#define MIG_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0 or ERR_*. */
typedef int buf_sink(const void *data, size_t len, void *arg);

struct buf {
	uint8_t *data;  /* owned; not terminated */
	size_t len;     /* bytes used */
	size_t cap;     /* bytes allocated */
	size_t max;     /* never more than this */
	int error;      /* 0, or the first failure */
	buf_sink *sink; /* NULL: none */
	void *sink_arg;
};

/* The caller owns the storage; nothing is allocated until the first byte. */
void buf_init(struct buf *b, size_t max);
void buf_init_sink(struct buf *b, size_t max, buf_sink *sink, void *arg);
void buf_release(struct buf *b);
/* Empties for reuse, keeps the memory, forgets the error. */
void buf_clear(struct buf *b);

/* Each returns b->error. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_add_fmt(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int buf_add_vfmt(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
int buf_add_u8(struct buf *b, uint8_t v);
int buf_add_u16(struct buf *b, uint16_t v);
int buf_add_u32(struct buf *b, uint32_t v);
int buf_add_u64(struct buf *b, uint64_t v);
/* u32 length, then the bytes. */
int buf_add_field(struct buf *b, const void *data, size_t len);

/* Gives the sink what is left; returns b->error. */
int buf_hand_on(struct buf *b);

/* Room for len more bytes at the end; NULL and .error set when impossible.
 * The caller writes there and then adds what it wrote to b->len. */
uint8_t *buf_reserve(struct buf *b, size_t len);
/* Removes the first len bytes. */
void buf_consume(struct buf *b, size_t len);
/* A terminated view of the bytes; NULL when out of room. The terminator is
 * not counted in len. Borrowed from b. */
const char *buf_str(struct buf *b);
/* Moves the bytes out: the caller owns *ret_data (free()), b is empty. */
void buf_take(struct buf *b, uint8_t **ret_data, size_t *ret_len);

/* A number in as few bytes as it needs (LEB128): groups of 7 bits, the lowest
 * first, all but the last with the high bit set. p has room for VARINT_MAX;
 * returns what is behind it. */
#define VARINT_MAX 10
uint8_t *put_varint(uint8_t *p, uint64_t v);

/*
 * Reading. After the first short or impossible read .bad is true, every later
 * read returns 0 or NULL: a parser reads all its fields and asks once.
 */
struct rd {
	const uint8_t *p; /* next byte; borrowed */
	size_t left;
	bool bad;
};

void rd_init(struct rd *r, const void *data, size_t len);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
uint64_t rd_varint(struct rd *r); /* as put_varint() wrote it */
/* len bytes, borrowed from the input; NULL when there are fewer. */
const uint8_t *rd_bytes(struct rd *r, size_t len);
/* Copies len bytes to out. */
void rd_copy(struct rd *r, void *out, size_t len);
/* A u32 length and that many bytes, at most max. */
const uint8_t *rd_field(struct rd *r, size_t max, size_t *ret_len);
/* A field as text: terminated copy into out (size n, terminator included);
 * bad when longer or holding a NUL. */
void rd_field_str(struct rd *r, char *out, size_t n);
/* True when everything was read and nothing is left over. */
bool rd_done(const struct rd *r);

#endif
