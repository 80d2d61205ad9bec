/* SPDX-License-Identifier: MPL-2.0 */
/* net: fields of its start message. */
#ifndef MIG_AGENT_NET_NETFIELDS_H
#define MIG_AGENT_NET_NETFIELDS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct rd;
struct tunnel_peer;

/* A text field copied with its end; wiped by who frees it. */
char *take_pem(struct rd *r);
void take_peer(struct rd *r, struct tunnel_peer *ret);
void wipe_free(char *s);
/* 0 to below - 1. */
uint32_t chance(uint32_t below);
/* An envelope from the relay, taken apart for the monitor. ERR_TOOBIG: its
 * document is larger than doc_max. */
int add_pieces(struct buf *out, const void *data, size_t len, size_t doc_max,
    struct err *e);

#endif
