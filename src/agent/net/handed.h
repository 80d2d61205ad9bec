/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent-net as a process of its own, beside the one that has the network.
 */
#ifndef MIG_AGENT_NET_HANDED_H
#define MIG_AGENT_NET_HANDED_H

struct err;

/* `mig-agent-net --handed`, of the monitor, --connect (probe.h) or --sandbox
 * (netbox.h). Exit status. */
int handed_aside(int argc, char **argv);
/* How each of those that need OpenSSL begins: it ends by itself after so many
 * seconds. */
int handed_begin(unsigned int seconds, struct err *e);

#endif
