/* SPDX-License-Identifier: MPL-2.0 */
/* What `mig-agent-net --connect` says: lines of one of these words and more. */
#ifndef MIG_AGENT_NET_PROBE_H
#define MIG_AGENT_NET_PROBE_H

#define PROBE_CERTIFICATE "certificate" /* valid from, until: unix seconds */
#define PROBE_WRONG "wrong"             /* it could not be tried */
/* The last line; and why: */
#define PROBE_GOOD "good"
#define PROBE_NAME "name"       /* the relay's has no address */
#define PROBE_REACH "reach"     /* no connection */
#define PROBE_PEER "peer"       /* its certificate is not the one expected */
#define PROBE_REFUSED "refused" /* it does not want ours */
#define PROBE_OTHER "other"     /* something else answers there */

/* The question is in PROC_IPC_FD, a file in memory: u32 uid, u32 gid, F host,
 * u16 port, F ca, F certificate, F key. Exit status. */
int probe_main(void);

#endif
