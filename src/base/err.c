/* SPDX-License-Identifier: MPL-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	int code;
	const char *text;
} err_table[] = {
#define ERR_ROW(name, value, text) { name, text },
	ERR_CODES(ERR_ROW)
#undef ERR_ROW
};

void
err_clear(struct err *e)
{
	if (e == NULL)
		return;
	e->code = ERR_OK;
	e->msg[0] = '\0';
}

static void
err_mark_cut(char *msg, int wanted)
{
	if (wanted >= ERR_MSG_MAX)
		memcpy(msg + ERR_MSG_MAX - 4, "...", 4);
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (e == NULL)
		return code;
	e->code = code;
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_mark_cut(e->msg, n);
	return code;
}

static int
err_from_errno(int no)
{
	switch (no) {
	case ENOENT:
	case ENOTDIR:
	case ESRCH:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EAGAIN:
	case EBUSY:
		return ERR_BUSY;
	case EINVAL:
		return ERR_INVALID;
	case ENOSYS:
	case EOPNOTSUPP:
		return ERR_UNSUPPORTED;
	case EPIPE:
	case ECONNRESET:
		return ERR_CLOSED;
	default:
		return ERR_IO;
	}
}

/* "fmt: reason" */
static void __attribute__((format(printf, 4, 0))) err_because(
    struct err *e, int code, const char *reason, const char *fmt, va_list ap)
{
	int n, more = 0;

	e->code = code;
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (n >= 0 && (size_t)n < sizeof(e->msg))
		more = snprintf(
		    e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", reason);
	err_mark_cut(e->msg, n + more);
}

int
err_errno(struct err *e, const char *fmt, ...)
{
	int no = errno, code = err_from_errno(no);
	va_list ap;

	if (e == NULL)
		return code;
	va_start(ap, fmt);
	err_because(e, code, strerror(no), fmt, ap);
	va_end(ap);
	return code;
}

int
err_code(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return code;
	va_start(ap, fmt);
	err_because(e, code, err_text(code), fmt, ap);
	va_end(ap);
	return code;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	int n, more = 0;

	if (e == NULL)
		return ERR_INTERNAL;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->msg))
		more = snprintf(
		    e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", old);
	err_mark_cut(e->msg, n + more);
	return e->code;
}

const char *
err_text(int code)
{
	size_t i;

	for (i = 0; i < sizeof(err_table) / sizeof(err_table[0]); i++) {
		if (err_table[i].code == code)
			return err_table[i].text;
	}
	return code == 0 ? "ok" : "unknown error";
}

void
err_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "BUG at %s:%d: %s\n", file, line, what);
	abort();
}
