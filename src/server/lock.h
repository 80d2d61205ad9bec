/* SPDX-License-Identifier: MPL-2.0 */
/* One server a state directory: the parent holds STATE/lock while it runs. */
#ifndef MIG_SERVER_LOCK_H
#define MIG_SERVER_LOCK_H

#include "server/config.h"

/* ERR_BUSY when somebody holds it. The descriptor is for server_unlock(). */
int server_lock(const struct server_conf *c, int *ret_fd, struct err *e);
void server_unlock(int fd);
/* Who holds it; 0: nobody. */
pid_t server_lock_holder(const struct server_conf *c);

#endif
