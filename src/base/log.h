/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The log: one line an event, "role[pid] level event key=value ...", on
 * standard error (the service manager stores it). Control characters and
 * bytes that are not ASCII are written as \xNN, so nothing from outside can
 * forge a line; wrap values from outside in log_quote(). Library folders
 * (base .. crypto, scan, action, target) do not log.
 *
 * Of one kind (format) of error or warning at most LOG_KIND_MAX lines a minute
 * are written, so that what comes again and again, from outside or from a
 * disk, cannot fill one; a line "log left_out=N kind=..." says how many were
 * not. Information (who did what) is always written.
 */
#ifndef MIG_BASE_LOG_H
#define MIG_BASE_LOG_H

#include <stdbool.h>

#define LOG_KIND_MAX 100

enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARN = 1,
	LOG_LEVEL_INFO = 2,
	LOG_LEVEL_DEBUG = 3,
};

/* role is borrowed for the life of the process. traces: comma separated
 * category names, "all", or NULL. */
void log_init(const char *role, enum log_level level, const char *traces);
/* "error", "warn", "info" or "debug"; ERR_INVALID otherwise. */
int log_level_parse(const char *s, enum log_level *ret_level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Only when the category was switched on with -T. */
void log_trace(const char *category, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The value as it stands when it is one plain word, else in double quotes
 * with escapes; cut at 256 bytes. Points into one of eight static buffers of
 * the calling thread: for use as an argument of the log functions only. */
const char *log_quote(const char *s);

/* Cannot start: logs the message as an error and exits 1. Never for anything
 * that a peer, a user, a file or a disk can cause while running. */
void
fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
