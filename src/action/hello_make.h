/* SPDX-License-Identifier: MPL-2.0 */
/* The agent's side of a hello (format: action/hello.h): no JSON is parsed. */
#ifndef MIG_ACTION_HELLO_MAKE_H
#define MIG_ACTION_HELLO_MAKE_H

#include "base/buf.h"
#include "crypto/identity.h"

struct err;

#define HELLO_MAX (16 * 1024)
#define HELLO_PREFIX_LEN (1 + IDENTITY_PUB_LEN + IDENTITY_SIG_LEN)

/* Appends prefix and signed JSON; ERR_TOOBIG beyond HELLO_MAX in all. */
int hello_make(const struct identity *who, const void *json, size_t len,
    struct buf *out, struct err *e);

#endif
