/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a value of a configuration must be beyond its type: checked while the
 * file is read, so that the message names file, line and key. A program has a
 * table of these beside the one of its keys.
 */
#ifndef MIG_CONF_CONF_CHECK_H
#define MIG_CONF_CONF_CHECK_H

#include "conf/conf.h"

struct conf_check {
	const char *key; /* NULL ends the table */
	/* A string, each item of a list, each value of a map; the message
	 * says what is expected. */
	int (*check)(const char *value, struct err *e);
};

/* conf_load (conf.h) with checks. */
int conf_load_checked(const struct conf_entry *table, size_t n,
    const struct conf_check *checks, const char *path, void *out,
    struct err *e);

/* An absolute path without control characters or quotes. */
int conf_check_path(const char *value, struct err *e);
/* host:port, [v6]:port. */
int conf_check_peer(const char *value, struct err *e);
/* Empty, or an address in numbers, or a host name. */
int conf_check_address(const char *value, struct err *e);
/* A user's name as passwd(5) has it. */
int conf_check_user(const char *value, struct err *e);
int conf_check_log_level(const char *value, struct err *e);
/* So many bytes in hexadecimal digits; what: "a fingerprint". */
int conf_check_hex(
    const char *value, size_t bytes, const char *what, struct err *e);

#endif
