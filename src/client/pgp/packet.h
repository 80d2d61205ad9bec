/* SPDX-License-Identifier: MPL-2.0 */
/* What both OpenPGP files of this folder need of packets (RFC 4880). */
#ifndef MIG_CLIENT_PGP_PACKET_H
#define MIG_CLIENT_PGP_PACKET_H

#include "base/buf.h"

struct err;

/* Appends the binary form of armoured bytes, or the bytes as they are when
 * they are binary. */
int
packet_dearmor(const void *data, size_t len, struct buf *out, struct err *e);
/* Bytes of the first packet with its header; 0 when it is cut off or has no
 * definite length. */
size_t packet_length(const uint8_t *p, size_t len);
/* Bytes of its header; for packets that packet_length() accepts. */
size_t packet_header_length(const uint8_t *p);
/* A user id as a printable line that fits size; "(no name)" when empty. */
void packet_name(const void *uid, size_t len, char *out, size_t size);

#endif
