/* SPDX-License-Identifier: MPL-2.0 */
/* The relay: mosquitto's configuration files and how it is started. */
#ifndef MIG_SERVER_RELAY_H
#define MIG_SERVER_RELAY_H

#include "server/config.h"

struct id;

/* The access list: agents may use their own topics, these ones none. The relay
 * reads it at its start and on SIGHUP. */
int relay_write_acl(const struct server_conf *c, const struct id *revoked,
    size_t n, struct err *e);
/* Writes mosquitto.conf, which follows the configuration, at every start; an
 * access list only when there is none. */
int relay_write(const struct server_conf *c, struct err *e);
/* Starts it by way of our own executable (exe), which becomes the user and
 * asks the kernel to end it with us; it logs to our standard error. */
int relay_spawn(
    const struct server_conf *c, int exe, pid_t *ret_pid, struct err *e);
/* The other end of that: mosquitto's path, its configuration, "uid:gid".
 * Returns only on failure. */
int relay_exec(char **argv);

#endif
