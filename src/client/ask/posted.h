/* SPDX-License-Identifier: MPL-2.0 */
/* What the server says of an action that is on its way: whom its target means,
 * and what became of what was posted. */
#ifndef MIG_CLIENT_ASK_POSTED_H
#define MIG_CLIENT_ASK_POSTED_H

#include "base/buf.h"
#include "base/id.h"
#include "client/client.h"

#include <jansson.h>

struct targeted {
	json_t *root;   /* owned: json_decref */
	json_t *agents; /* names, as the server says them; NULL: none */
	int64_t count, online;
};

struct posted {
	json_t *root;       /* owned: json_decref */
	bool waits;         /* for signatures */
	int64_t has, needs; /* weight, when it waits */
	int64_t expected;   /* agents, when it does not */
};

/* Whom the server would ask. */
int targeted_get(struct client *c, const char *target, bool online_only,
    struct targeted *ret, struct err *e);
/* POST of an envelope of this action. The reply may be lost though all is
 * stored: the same bytes again mean the same, so they are sent until there is
 * an answer. */
int posted_send(struct client *c, const char *path, const struct buf *body,
    const struct id *id, struct posted *ret, struct err *e);
/* Tells on standard error which of its signatures do not count, if some. */
void posted_tell_uncounted(const struct posted *p);
/* Tells that it waits, on standard output. what: "" or "signed; " */
int posted_tell_waiting(const struct posted *p, const struct id *id,
    const char *what, bool json, struct err *e);

#endif
