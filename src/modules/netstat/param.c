/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/netstat/param.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/params.h"
#include "modules/regex.h"

#include <string.h>

#define MAPPED_BITS 96 /* of the network that IPv4 addresses are in */

const char *const netstat_fields[NETSTAT_SEARCHES] = { "localmac", "localip",
	"neighbormac", "neighborip", "connectedip", "listeningport" };

const char *const netstat_ordinary[] = { "owners", "vanished", "notasked",
	NULL };

int
netstat_net(const char *text, struct net *ret, struct err *e)
{
	const char *slash = strchr(text, '/');
	struct net n = { .bits = 128 };
	unsigned int i;
	uint64_t bits;

	if (strchr(text, '%') != NULL || net_parse_address(text, n.addr) != 0 ||
	    (slash != NULL && str_u64(slash + 1, 0, 128, &bits) != 0))
		return err_set(e, ERR_INVALID,
		    "'%.80s' is neither an address nor a network: expected "
		    "IPv4 or IPv6, such as 10.1.2.3, 10.0.0.0/8 or fd00::/8",
		    text);
	if (slash != NULL)
		n.bits = (unsigned int)bits +
		    (memchr(text, ':', (size_t)(slash - text)) == NULL
			    ? MAPPED_BITS
			    : 0);
	for (i = n.bits; i < 128; i++)
		n.addr[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	*ret = n;
	return 0;
}

bool
netstat_net_has(const struct net *n, const uint8_t addr[static 16])
{
	static const struct net ipv4 = { { [10] = 0xff, 0xff }, MAPPED_BITS };

	return net_has(n, addr) &&
	    (n->bits >= MAPPED_BITS || !net_has(&ipv4, addr));
}

int
netstat_port(const char *text, uint16_t *ret, struct err *e)
{
	uint64_t port;

	if (str_u64(text, 0, UINT16_MAX, &port) != 0)
		return err_set(e, ERR_INVALID,
		    "'%.32s' is not a port: expected a number from 0 to 65535",
		    text);
	*ret = (uint16_t)port;
	return 0;
}

static int
is_net(const char *text, struct err *e)
{
	struct net n;

	return netstat_net(text, &n, e);
}

static int
is_port(const char *text, struct err *e)
{
	uint16_t port;

	return netstat_port(text, &port, e);
}

const struct param netstat_params[] = {
	{ "lm", "localmac", PARAM_STR, "REGEX",
	    "an interface of this MAC address, as 02:42:ac:11:00:02",
	    params_is_regex, 0, 0 },
	{ "li", "localip", PARAM_STR, "IP|CIDR",
	    "an interface with this address", is_net, 0, 0 },
	{ "nm", "neighbormac", PARAM_STR, "REGEX",
	    "a neighbour (ARP, NDP) of this MAC address", params_is_regex, 0,
	    0 },
	{ "ni", "neighborip", PARAM_STR, "IP|CIDR",
	    "a neighbour (ARP, NDP) with this address", is_net, 0, 0 },
	{ "ci", "connectedip", PARAM_STR, "IP|CIDR",
	    "a connection to or from this address (TCP, connected UDP)", is_net,
	    0, 0 },
	{ "lp", "listeningport", PARAM_STR, "PORT",
	    "something listens on this port (TCP, unconnected UDP)", is_port, 0,
	    0 },
	{ "namespaces", "namespaces", PARAM_BOOL, NULL,
	    "in all network namespaces, not only the agent's", NULL, 0, 0 },
	{ NULL, NULL, PARAM_BOOL, NULL, NULL, NULL, 0, 0 },
};

/* Engines are built for all expressions together. */
static int
check_costs(
    const json_t *params, enum netstat_search s, uint64_t *sum, struct err *e)
{
	const json_t *list = params_get(params, netstat_fields[s]);
	uint64_t cost;
	size_t i;
	int rc;

	for (i = 0; i < json_array_size(list); i++) {
		cost = 0;
		rc = regex_check(
		    json_string_value(json_array_get(list, i)), &cost, e);
		if (rc != 0)
			return rc;
		*sum += cost;
		if (*sum > PARAMS_COST_MAX)
			return err_set(e, ERR_TOOBIG,
			    "%s[%zu]: the expressions up to here are too "
			    "complicated together; ask in several actions",
			    netstat_fields[s], i);
	}
	return 0;
}

int
netstat_check(const json_t *params, struct err *e)
{
	uint64_t cost = 0;
	size_t n = 0, s;
	int rc;

	rc = params_check(netstat_params, params, "", e);
	if (rc != 0)
		return rc;
	for (s = 0; s < NETSTAT_SEARCHES; s++)
		n += json_array_size(params_get(params, netstat_fields[s]));
	if (n == 0)
		return err_set(e, ERR_INVALID,
		    "nothing is asked: expected at least one of localmac "
		    "(-lm), localip (-li), neighbormac (-nm), neighborip "
		    "(-ni), connectedip (-ci), listeningport (-lp)");
	if (n > NETSTAT_VALUES_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%zu values are asked for: expected at most %d; ask in "
		    "several actions",
		    n, NETSTAT_VALUES_MAX);
	rc = check_costs(params, NETSTAT_LOCALMAC, &cost, e);
	return rc == 0 ? check_costs(params, NETSTAT_NEIGHBORMAC, &cost, e)
		       : rc;
}
