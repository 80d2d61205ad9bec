/* SPDX-License-Identifier: MPL-2.0 */
/* Ctrl-C: the first asks for what is there, the second ends at once. */
#ifndef MIG_CLIENT_ASK_INTERRUPT_H
#define MIG_CLIENT_ASK_INTERRUPT_H

#include <stdbool.h>

/* Handles SIGINT and SIGTERM from now on, until interrupt_restore. */
void interrupt_install(void);
void interrupt_restore(void);
bool interrupt_seen(void);

#endif
