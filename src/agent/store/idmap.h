/* SPDX-License-Identifier: MPL-2.0 */
/* From an id to the thing that has it: open addressing over pointers to
 * structures whose first member is their struct id. */
#ifndef MIG_AGENT_STORE_IDMAP_H
#define MIG_AGENT_STORE_IDMAP_H

#include "base/id.h"

#include <stddef.h>

struct idmap {
	void **slots; /* owned; the things are not */
	size_t cap, n;
};

void idmap_release(struct idmap *m);
/* ERR_NOMEM, or ERR_EXISTS when the id is there already. */
int idmap_add(struct idmap *m, void *thing);
void *idmap_find(const struct idmap *m, const struct id *id);
/* Takes the thing out and returns it; NULL when there is none. */
void *idmap_take(struct idmap *m, const struct id *id);

#endif
