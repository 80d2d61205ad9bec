/* SPDX-License-Identifier: MPL-2.0 */
/* net: its sandbox, and how it says what that is without a monitor. */
#ifndef MIG_AGENT_NET_NETBOX_H
#define MIG_AGENT_NET_NETBOX_H

#include <stdint.h>

struct err;

/* uid, gid: (uint32_t)-1 stays who it is. */
int netbox_enter(uint32_t uid, uint32_t gid, struct err *e);
/* Name services load what they need while files can still be opened. Takes
 * some seconds at most. */
void netbox_warm_up(const char *host);
/* `mig-agent-net --sandbox UID GID`, of `mig-agent check`: enters it and prints
 * one line. Exit status. */
int netbox_say(char **argv);

#endif
