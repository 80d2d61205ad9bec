/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The chain of the server's audit log, as the server makes it and everybody
 * else checks it. An entry is a JSON text; entry n (from 1) has
 *
 *   chain(n) = SHA-256("MIG audit v1\n" | chain(n - 1) | u64 n | text)
 *
 * and chain(0) is zero. The first entry holds random digits, so no two logs
 * share a chain. Who remembers one (n, chain) sees every later change to what
 * came before it.
 */
#ifndef MIG_ACTION_AUDIT_H
#define MIG_ACTION_AUDIT_H

#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

#define AUDIT_TEXT_MAX 16384

struct audit_head {
	uint64_t n; /* entries so far */
	struct id chain;
};

/* Moves the head on by one entry. */
void audit_next(struct audit_head *head, const void *text, size_t len);

#endif
