/* SPDX-License-Identifier: MPL-2.0 */
/* ICMP echo messages (RFC 792, RFC 4443 section 4), made and taken apart. */
#ifndef MIG_MODULES_PING_ECHO_H
#define MIG_MODULES_PING_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ECHO_NONCE 24              /* bytes of payload, never repeated */
#define ECHO_SIZE (8 + ECHO_NONCE) /* of a message */
/* With the longest IPv4 header; what is longer is no answer of ours. */
#define ECHO_RECEIVE_MAX (60 + ECHO_SIZE + 1)

/* What tells one request from all others. */
struct echo {
	bool v6;
	uint16_t id; /* the kernel sets its own where a socket is not raw */
	uint16_t seq;
	uint8_t nonce[ECHO_NONCE];
};

/* The checksum of IPv6 is the kernel's work. */
void echo_write(const struct echo *q, uint8_t out[static ECHO_SIZE]);
/* Is this the answer? header: an IPv4 header stands before the message (raw
 * sockets), and its id is ours. */
bool
echo_is_reply(const struct echo *q, bool header, const void *data, size_t len);
/* Is this the request, as an error message brings it back? It may be cut behind
 * its 8 bytes of header. raw: its id is ours. */
bool
echo_is_request(const struct echo *q, bool raw, const void *data, size_t len);

#endif
