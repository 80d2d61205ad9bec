/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent-net as a process of its own, beside the one that has the network.
 */
#ifndef MIG_AGENT_NET_HANDED_H
#define MIG_AGENT_NET_HANDED_H

struct err;

/* What --handed says of a certificate, by its exit status. */
enum { HANDED_GOOD = 0, HANDED_BAD = 10, HANDED_UNSEEN = 11 };

/* `mig-agent-net --handed`, of the monitor, --connect (probe.h) or --sandbox
 * (netbox.h). Exit status. */
int handed_aside(int argc, char **argv);
/* How each of those that need OpenSSL begins: it ends by itself after so many
 * seconds. */
int handed_begin(unsigned int seconds, struct err *e);

#endif
