/* SPDX-License-Identifier: MPL-2.0 */
/* Policies as the server keeps them: bytes to hand out, known by their hash.
 * What they allow is between investigators and agents. */
#ifndef MIG_SERVER_POLICIES_H
#define MIG_SERVER_POLICIES_H

#include "base/id.h"

struct err;
struct store;

/* Reads a policy's file, checks its form, makes it the current one. */
int policies_set(
    struct store *s, const char *path, struct id *ret_hash, struct err *e);

#endif
