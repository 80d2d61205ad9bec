/* SPDX-License-Identifier: MPL-2.0 */
/* The relay: mosquitto's configuration files and how it is started. */
#ifndef MIG_SERVER_RELAY_H
#define MIG_SERVER_RELAY_H

#include "server/config.h"

/* Writes mosquitto.conf and the access list (they follow the configuration,
 * so they are written at every start). */
int relay_write(const struct server_conf *c, struct err *e);
/* Starts it by way of our own executable (exe), which becomes the user and
 * asks the kernel to end it with us; it logs to our standard error. */
int relay_spawn(
    const struct server_conf *c, int exe, pid_t *ret_pid, struct err *e);
/* The other end of that: mosquitto's path, its configuration, "uid:gid".
 * Returns only on failure. */
int relay_exec(char **argv);

#endif
