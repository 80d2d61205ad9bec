/* SPDX-License-Identifier: MPL-2.0 */
/* The parent: starts and supervises relay and roles. */
#ifndef MIG_SERVER_PARENT_H
#define MIG_SERVER_PARENT_H

#include "server/config.h"

/* Runs until asked to end; returns the program's exit status. */
int parent_run(const struct server_conf *c);

#endif
