/* SPDX-License-Identifier: MPL-2.0 */
/* What is asked for, made ready to be compared with thousands of sockets:
 * networks by length and sorted, ports in a table, expressions in one engine.
 */
#ifndef MIG_MODULES_NETSTAT_ASK_H
#define MIG_MODULES_NETSTAT_ASK_H

#include "modules/common/rows.h"
#include "modules/netstat/param.h"
#include "scan/match.h"

/* One value of one search, and what was found for it. */
struct ask_value {
	const char *text;    /* as asked; borrowed from the parameters */
	struct rows entries; /* entry_pack() each */
	uint64_t hits;
	/* those before the table at hand */
	struct rows_mark mark;
	uint64_t mark_hits;
};

struct ask_net {
	struct net net;
	uint32_t value;
};

struct ask_search {
	struct ask_value *values; /* owned; no text twice */
	size_t n;
	struct ask_net *nets; /* owned; by length, then address */
	uint8_t lengths[129]; /* those that occur */
	size_t nlengths;
	uint32_t *ports; /* owned: by port the number + 1 of a value, or 0 */
	uint32_t *next;  /* owned: by value another one of its port, or 0 */
	struct match *match;
	struct match_state *state;
	const char *gave_up; /* an address is not known to match: why */
};

struct ask {
	struct ask_search searches[NETSTAT_SEARCHES];
};

typedef void ask_on_match(struct ask_value *v, void *arg);

/* output_max: of the entries of one value. */
int
ask_init(struct ask *a, const json_t *params, size_t output_max, struct err *e);
void ask_release(struct ask *a);
bool ask_has(const struct ask *a, enum netstat_search s);
/* Calls cb for every value of the search that fits. */
void ask_addr(struct ask *a, enum netstat_search s,
    const uint8_t addr[static 16], ask_on_match *cb, void *arg);
void ask_mac(struct ask *a, enum netstat_search s, const char *mac,
    ask_on_match *cb, void *arg);
void ask_port(struct ask *a, uint16_t port, ask_on_match *cb, void *arg);

#endif
