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
/* Appends a binary message as its armour, RFC 4880 6. 0 or out's error, and
 * then nothing was appended. */
int packet_armor(const struct buf *message, struct buf *out);
/* Bytes of the first packet with its header; 0 when it is cut off or has no
 * definite length. */
size_t packet_length(const uint8_t *p, size_t len);
/* Bytes of its header; for packets that packet_length() accepts. */
size_t packet_header_length(const uint8_t *p);
/* The key ids (8 bytes each) an encrypted binary message is for, at most max of
 * them. Refuses one that a passphrase opens, that hides whom it is for, or that
 * is not protected against changes. */
#define PACKET_KEYID_LEN 8
int packet_recipients(const void *message, size_t len,
    uint8_t (*ret)[PACKET_KEYID_LEN], size_t max, size_t *ret_n, struct err *e);
/* A user id as a printable line that fits size; "(no name)" when empty. */
void packet_name(const void *uid, size_t len, char *out, size_t size);

#endif
