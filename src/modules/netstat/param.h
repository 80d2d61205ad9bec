/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters of the netstat module, used by the check (spec.c) and by the work
 * (run.c), so that both understand the same.
 *
 *   {"localmac": [regex], "localip": [ip|cidr], "neighbormac": [regex],
 *    "neighborip": [ip|cidr], "connectedip": [ip|cidr],
 *    "listeningport": ["n"], "namespaces": bool}
 */
#ifndef MIG_MODULES_NETSTAT_PARAM_H
#define MIG_MODULES_NETSTAT_PARAM_H

#include "modules/module.h"
#include "target/net.h"

#include <jansson.h>

#define NETSTAT_VALUES_MAX 16384 /* of all searches together */

enum netstat_search {
	NETSTAT_LOCALMAC,
	NETSTAT_LOCALIP,
	NETSTAT_NEIGHBORMAC,
	NETSTAT_NEIGHBORIP,
	NETSTAT_CONNECTEDIP,
	NETSTAT_LISTENINGPORT,
	NETSTAT_SEARCHES
};
/* As JSON, results and printed lines call them. */
extern const char *const netstat_fields[NETSTAT_SEARCHES];

extern const struct param netstat_params[];
/* Reasons that leave no doubt (module.h). */
extern const char *const netstat_ordinary[];

/* Complete: everything run.c relies on. */
int netstat_check(const json_t *params, struct err *e);

/* An address or a network; bits beyond a network's length count for nothing,
 * as in "10.1.2.3/8". */
int netstat_net(const char *text, struct net *ret, struct err *e);
/* A network of IPv6 has no addresses of IPv4, though those are written as some
 * of IPv6. */
bool netstat_net_has(const struct net *n, const uint8_t addr[static 16]);
int netstat_port(const char *text, uint16_t *ret, struct err *e);

#endif
