/* SPDX-License-Identifier: MPL-2.0 */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096
#define QUOTE_MAX 256
#define QUOTE_BUFS 8

static const char *log_role = "mig";
static enum log_level log_max = LOG_LEVEL_INFO;
static const char *log_traces;

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void
log_init(const char *role, enum log_level level, const char *traces)
{
	log_role = role;
	log_max = level;
	log_traces = traces;
}

int
log_level_parse(const char *s, enum log_level *ret_level)
{
	size_t i;

	for (i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(s, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return ERR_INVALID;
}

/* Appends s to line, everything unprintable as \xNN. */
static size_t
log_escape(char *line, size_t at, size_t max, const char *s)
{
	unsigned char c;

	for (; *s != '\0' && at + 5 < max; s++) {
		c = (unsigned char)*s;
		if (c >= 0x20 && c < 0x7f)
			line[at++] = (char)c;
		else
			at += (size_t)snprintf(line + at, 5, "\\x%02x", c);
	}
	line[at] = '\0';
	return at;
}

__attribute__((format(printf, 2, 0))) static void
log_write(const char *level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX + 128];
	size_t n;

	vsnprintf(text, sizeof(text), fmt, ap);
	n = (size_t)snprintf(
	    line, 96, "%s[%d] %s ", log_role, (int)getpid(), level);
	n = log_escape(line, n < 96 ? n : 95, sizeof(line) - 1, text);
	line[n++] = '\n';
	/* one write, so that lines of several processes do not mix; a log
	 * that cannot be written must not stop the work */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

/* --- what comes again and again ------------------------------------------ */

#define KINDS 64 /* by format; two that meet count together */
#define KIND_MS 60000

static struct kind {
	const char *fmt; /* the newest */
	int64_t since;   /* mono ms */
	unsigned int written, left_out;
} kinds[KINDS];
static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER;

/* Whether it is written; *ret_left_out: of those before. */
static bool
may_write(const char *fmt, unsigned int *ret_left_out)
{
	struct kind *k = &kinds[((uintptr_t)fmt >> 3) % KINDS];
	int64_t now = clock_mono_ms();
	bool yes;

	*ret_left_out = 0;
	pthread_mutex_lock(&kinds_lock);
	if (k->fmt == NULL || now - k->since >= KIND_MS) {
		*ret_left_out = k->left_out;
		k->since = now;
		k->written = k->left_out = 0;
	}
	k->fmt = fmt;
	yes = k->written < LOG_KIND_MAX;
	if (yes)
		k->written++;
	else
		k->left_out++;
	pthread_mutex_unlock(&kinds_lock);
	return yes;
}

__attribute__((format(printf, 2, 3))) static void
log_line(const char *level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write(level, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 0))) static void
log_limited(const char *level, const char *fmt, va_list ap)
{
	unsigned int left_out;
	size_t word = strcspn(fmt, " ");

	if (!may_write(fmt, &left_out))
		return;
	if (left_out > 0)
		log_line(level, "log left_out=%u kind=%.*s", left_out,
		    (int)word, fmt);
	log_write(level, fmt, ap);
}

#define LOG_FUNCTION(name, level, write)            \
	void name(const char *fmt, ...)             \
	{                                           \
		va_list ap;                         \
                                                    \
		if (log_max < (level))              \
			return;                     \
		va_start(ap, fmt);                  \
		write(level_names[level], fmt, ap); \
		va_end(ap);                         \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, log_limited)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, log_limited)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, log_write)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, log_write)

static bool
trace_wanted(const char *category)
{
	const char *p = log_traces;
	size_t n = strlen(category), len;

	while (p != NULL && *p != '\0') {
		len = strcspn(p, ",");
		if ((len == 3 && strncmp(p, "all", 3) == 0) ||
		    (len == n && strncmp(p, category, n) == 0))
			return true;
		p += len;
		p += *p == ',';
	}
	return false;
}

void
log_trace(const char *category, const char *fmt, ...)
{
	va_list ap;

	if (!trace_wanted(category))
		return;
	va_start(ap, fmt);
	log_write(category, fmt, ap);
	va_end(ap);
}

static bool
is_plain(const char *s)
{
	const char *p;

	for (p = s; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '=' ||
		    *p == '\\')
			return false;
	}
	return p != s && p - s < QUOTE_MAX;
}

const char *
log_quote(const char *s)
{
	static _Thread_local char bufs[QUOTE_BUFS][QUOTE_MAX + 8];
	static _Thread_local unsigned int next;
	char *out = bufs[next++ % QUOTE_BUFS];
	size_t at = 0;

	if (s == NULL)
		s = "";
	if (is_plain(s)) {
		memcpy(out, s, strlen(s) + 1);
		return out;
	}
	out[at++] = '"';
	for (; *s != '\0' && at < QUOTE_MAX - 5; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			out[at++] = '\\';
			out[at++] = (char)c;
		} else if (c >= 0x20 && c < 0x7f) {
			out[at++] = (char)c;
		} else {
			at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
		}
	}
	if (*s != '\0') {
		memcpy(out + at, "...", 3);
		at += 3;
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write("error", fmt, ap);
	va_end(ap);
	exit(1);
}
