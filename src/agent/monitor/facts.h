/* SPDX-License-Identifier: MPL-2.0 */
/* What this endpoint says of itself, from its own kernel and configuration:
 * the row that targets are evaluated on, and the same facts in hellos. */
#ifndef MIG_AGENT_MONITOR_FACTS_H
#define MIG_AGENT_MONITOR_FACTS_H

#include "base/buf.h"
#include "os/os.h"
#include "target/target.h"

struct agent_conf;
struct id;
struct jsonw;

struct facts {
	char id[65];
	char name[256];
	char mode[16];
	struct os_host host;
	char *environment, *tags, *addresses; /* compact JSON; owned */
};

/* sandbox: sandbox_describe() of the roles. mode: daemon, checkin, once. */
int
facts_read(struct facts *f, const struct agent_conf *c, const struct id *agent,
    const char *mode, const char *sandbox, struct err *e);
void facts_release(struct facts *f);
bool facts_equal(const struct facts *a, const struct facts *b);
/* Borrows from f. */
void facts_row(const struct facts *f, struct target_row *ret);
/* As fields, in the order of struct target_row. */
void facts_write(const struct facts *f, struct buf *out);

#endif
