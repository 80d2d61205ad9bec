/* SPDX-License-Identifier: MPL-2.0 */
/* What commands for administrators share: configuration and store, opened. */
#ifndef MIG_SERVER_CMD_ADMIN_H
#define MIG_SERVER_CMD_ADMIN_H

#include "server/config.h"
#include "server/store/store.h"

struct admin {
	struct server_conf conf;
	struct store *s;
};

/* ERR_NOTFOUND in words when there is no store. */
int admin_open(
    struct admin *a, const char *conf, enum store_mode mode, struct err *e);
void admin_close(struct admin *a);
/* Print and return the exit status; of a command, what it takes. */
int admin_fail(const struct err *e);
int admin_usage(const char *command);

#endif
