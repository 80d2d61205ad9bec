/* SPDX-License-Identifier: MPL-2.0 */
/* Addresses and networks of both families, IPv4 as IPv4-mapped IPv6. */
#ifndef MIG_TARGET_NET_H
#define MIG_TARGET_NET_H

#include <stdbool.h>
#include <stdint.h>

struct net {
	uint8_t addr[16];
	unsigned int bits; /* 0..128 */
};

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. ERR_INVALID when it is
 * none, or has bits beyond its prefix. */
int net_parse(const char *s, struct net *ret);
/* An address; a prefix length ("10.1.2.3/24") or zone ("fe80::1%eth0") behind
 * it is checked and not looked at. */
int net_parse_address(const char *s, uint8_t ret[static 16]);
bool net_has(const struct net *n, const uint8_t addr[static 16]);

#endif
