/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Hosts as parameters name them: an address of IPv4 or IPv6, or a name (RFC
 * 1123 section 2.1), with a port where one may be given:
 *
 *   web1.example.net   192.0.2.7   2001:db8::7   fe80::1%eth0
 *   web1.example.net:8123   192.0.2.7:8123   [2001:db8::7]:8123
 */
#ifndef MIG_MODULES_HOST_H
#define MIG_MODULES_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct err;

#define HOST_NAME_SIZE 256 /* 253 characters (RFC 1035 section 2.3.4) */

struct host {
	char name[HOST_NAME_SIZE]; /* without brackets and port */
	uint16_t port;             /* 0: none was given */
	bool address;              /* it is one, no name to be resolved */
};

/* Why this address (in_addr or in6_addr) is not one host's, or NULL: a packet
 * to a group or to everybody would ask more than one. */
const char *host_no_host(int family, const void *addr);
/* ERR_INVALID with a sentence that says what was expected. */
int host_parse(const char *text, struct host *ret, struct err *e);
/* The same without a port. */
int host_parse_only(const char *text, struct host *ret, struct err *e);
/* As host_parse takes it: the port and the brackets only where one was given.
 */
#define HOST_TEXT_SIZE (HOST_NAME_SIZE + 16)
void host_text(const struct host *h, char out[static HOST_TEXT_SIZE]);

#endif
