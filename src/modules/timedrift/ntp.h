/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A client's half of the network time protocol (RFC 5905 sections 7 to 9, RFC
 * 4330 section 5): the request, and what an answer says once nothing speaks
 * against it.
 *
 *   t0 request sent    (local)     offset = ((t1 - t0) + (t2 - t3)) / 2
 *   t1 request arrived (server)    delay  = (t3 - t0) - (t2 - t1)
 *   t2 answer sent     (server)
 *   t3 answer arrived  (local)     distance: how far offset may be wrong
 *
 * The request's transmit time is a random number: nothing is told of the local
 * clock, and who does not see the request cannot answer it.
 */
#ifndef MIG_MODULES_TIMEDRIFT_NTP_H
#define MIG_MODULES_TIMEDRIFT_NTP_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define NTP_PORT 123
#define NTP_SIZE 48 /* bytes, without extensions */
#define NTP_NONCE 8

/* All times in nanoseconds, since 1970 those of clocks. */
struct ntp_reply {
	int64_t arrived, sent; /* t1, t2 */
	int64_t root_delay, root_dispersion;
	uint8_t stratum;
};

struct ntp_sample {
	int64_t offset; /* of the server's clock to the local one */
	int64_t delay, distance;
};

void ntp_request(
    const uint8_t nonce[static NTP_NONCE], uint8_t out[static NTP_SIZE]);
/* ERR_INVALID: no answer of a server; ERR_AUTH: to another request. Both may
 * be a stranger's, the right one may still come. ERR_DENIED: the server gives
 * none (kiss-o'-death); ERR_UNSUPPORTED: it does not know the time itself. */
int ntp_reply_parse(const void *data, size_t len,
    const uint8_t nonce[static NTP_NONCE], struct ntp_reply *ret,
    struct err *e);
/* ERR_INVALID: these times cannot be. */
int ntp_sample(const struct ntp_reply *r, int64_t t0, int64_t t3,
    struct ntp_sample *ret, struct err *e);

#endif
