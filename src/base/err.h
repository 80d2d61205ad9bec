/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Errors. What can fail returns 0 or one of the negative codes below. Where a
 * person will read the reason, the last parameter is a struct err: it is
 * filled once, where the failure happened, wrapped with context on the way up,
 * and logged or printed once. Every function here accepts e == NULL.
 */
#ifndef MIG_BASE_ERR_H
#define MIG_BASE_ERR_H

#include <stddef.h>

#define ERR_CODES(X)                                   \
	X(ERR_INVALID, -1, "invalid input")            \
	X(ERR_TOOBIG, -2, "too large")                 \
	X(ERR_NOTFOUND, -3, "not found")               \
	X(ERR_EXISTS, -4, "already exists")            \
	X(ERR_DENIED, -5, "not permitted")             \
	X(ERR_AUTH, -6, "does not verify")             \
	X(ERR_EXPIRED, -7, "expired")                  \
	X(ERR_BUSY, -8, "busy")                        \
	X(ERR_TIMEOUT, -9, "timed out")                \
	X(ERR_IO, -10, "input/output error")           \
	X(ERR_NOMEM, -11, "out of memory")             \
	X(ERR_UNSUPPORTED, -12, "not supported")       \
	X(ERR_CLOSED, -13, "closed by the other side") \
	X(ERR_INTERNAL, -14, "internal error")         \
	X(ERR_FULL, -15, "no room left")

enum err_code {
	ERR_OK = 0,
#define ERR_ENUM(name, value, text) name = (value),
	ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
};

#define ERR_MSG_MAX 1024

struct err {
	int code;
	char msg[ERR_MSG_MAX]; /* always terminated; cut with "..." if longer */
};

void err_clear(struct err *e);

/* Records code and message; returns code. */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like err_set, with ": strerror(errno)" appended and the code that fits it. */
int err_errno(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with the text of the code: what a full buffer or the like is about.
 */
int err_code(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before the recorded message; returns the recorded code. */
int err_wrap(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The generic text of a code, never NULL. */
const char *err_text(int code);

/* Our own mistake: says where and aborts; stays in release builds. */
#define BUG_ON(cond)                                        \
	do {                                                \
		if (cond)                                   \
			err_bug(__FILE__, __LINE__, #cond); \
	} while (0)

void
err_bug(const char *file, int line, const char *what) __attribute__((noreturn));

#endif
