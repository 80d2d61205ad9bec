/* SPDX-License-Identifier: MPL-2.0 */
/* Signals that ask a command to end. One that would leave a copy of the store,
 * or of the CA's key, behind stops by itself instead, and removes it. */
#ifndef MIG_SERVER_CMD_STOPPED_H
#define MIG_SERVER_CMD_STOPPED_H

#include <stdbool.h>

struct err;

/* From here on the first SIGHUP, SIGINT and SIGTERM are only remembered (the
 * second one ends us), and SIGPIPE is an error of write(2). */
void stopped_by_signals(void);
bool is_stopped(void);
/* Is it? Then an error; else 0. */
int check_stopped(struct err *e);

#endif
