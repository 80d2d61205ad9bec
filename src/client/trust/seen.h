/* SPDX-License-Identifier: MPL-2.0 */
/* Which agents have answered, and a hash of what: a set of ids with a hash
 * each, open addressing. */
#ifndef MIG_CLIENT_TRUST_SEEN_H
#define MIG_CLIENT_TRUST_SEEN_H

#include "base/id.h"

#include <stddef.h>

#define SEEN_MAX (1u << 20)

struct seen_entry {
	struct id key, value;
	bool used;
};

struct seen {
	struct seen_entry *slots; /* owned */
	size_t n, cap;
};

enum seen_verdict { SEEN_NEW, SEEN_SAME, SEEN_DIFFERENT, SEEN_FULL };

void seen_init(struct seen *s);
void seen_release(struct seen *s);
/* Remembers the first value of a key. */
enum seen_verdict
seen_add(struct seen *s, const struct id *key, const struct id *value);
bool seen_has(const struct seen *s, const struct id *key);

#endif
