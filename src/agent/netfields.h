/* SPDX-License-Identifier: MPL-2.0 */
/* net: fields of its start message. */
#ifndef MIG_AGENT_NETFIELDS_H
#define MIG_AGENT_NETFIELDS_H

struct rd;
struct tunnel_peer;

/* A text field copied with its end; wiped by who frees it. */
char *take_pem(struct rd *r);
void take_peer(struct rd *r, struct tunnel_peer *ret);
void wipe_free(char *s);

#endif
