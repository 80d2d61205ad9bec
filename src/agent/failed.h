/* SPDX-License-Identifier: MPL-2.0 */
/* The last message of a role that cannot start or go on. */
#ifndef MIG_AGENT_FAILED_H
#define MIG_AGENT_FAILED_H

#include <stdint.h>

/* type: MSG_*_FAILED; text: why, cut at MSG_TEXT_MAX. Also that there is no
 * memory. Returns the exit status. */
int msg_failed(uint16_t type, const char *text);

#endif
