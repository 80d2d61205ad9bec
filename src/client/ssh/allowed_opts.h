/* SPDX-License-Identifier: MPL-2.0 */
/* The options of a line of an allowed_signers file. */
#ifndef MIG_CLIENT_SSH_ALLOWED_OPTS_H
#define MIG_CLIENT_SSH_ALLOWED_OPTS_H

#include <stddef.h>
#include <stdint.h>

struct err;

struct allowed_opts {
	int64_t valid_after, valid_before; /* unix seconds; 0: not given */
};

/* Comma separated, values in double quotes. ERR_UNSUPPORTED for what cannot
 * be honoured, ERR_INVALID for what is not understood. */
int allowed_opts_parse(
    const char *s, size_t len, struct allowed_opts *ret, struct err *e);

#endif
