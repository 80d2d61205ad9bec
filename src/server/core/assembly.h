/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers of several parts, being put together, in bounded memory whatever
 * agents do. What an answer may grow to is set aside before its agent is told
 * to go on, and until it is stored: all that has begun can be finished. Where
 * there is no room, the part that came first is kept and acknowledged when
 * there is: an agent has one unacknowledged part on the wire, so that is how
 * it is made to wait.
 *
 *   first part --room--> GROWING --whole--> (being stored) --> room again
 *       |                   ^   `-- others wait, and it is idle or slow: out
 *       `--none--> WAITING -'
 *
 * Pure logic: acknowledges by the operation it was given, is told the time.
 */
#ifndef MIG_SERVER_CORE_ASSEMBLY_H
#define MIG_SERVER_CORE_ASSEMBLY_H

#include "mqtt/wire.h"

struct agent;

#define ASSEMBLY_GROWING_BYTES ((size_t)64 * 1024 * 1024)
#define ASSEMBLY_WAITING_BYTES ((size_t)32 * 1024 * 1024)
#define ASSEMBLY_WAITING_MAX 4096
#define ASSEMBLY_AGENT_MAX 4 /* at once, of one agent */
#define ASSEMBLY_IDLE_MS (10 * 60 * 1000)
/* While others wait: no new part for so long, or fewer bytes a second. */
#define ASSEMBLY_STALL_MS 15000
#define ASSEMBLY_RATE_MIN 65536
#define ASSEMBLY_SLOW_MS (5 * 60 * 1000) /* then it waits behind others */

struct assemblies;

/* The part that waited is taken: its agent may go on. */
typedef void assembly_on_admitted(struct agent *a, const struct id *action,
    uint16_t part, uint16_t of, void *arg);

enum assembly_result {
	ASSEMBLY_REFUSED, /* no room even to wait, or not as it should be */
	ASSEMBLY_WAITS,   /* kept, not to be acknowledged yet */
	ASSEMBLY_KNOWN,   /* was there already: to be acknowledged */
	ASSEMBLY_MORE,    /* taken: to be acknowledged */
	ASSEMBLY_WHOLE,   /* the last one */
};

struct assembly_whole {
	uint8_t *data; /* owned by the caller */
	size_t len;
	size_t aside; /* give back by assemblies_stored() */
};

/* Answers of more than max bytes are refused. NULL when out of memory. */
struct assemblies *
assemblies_new(size_t max, assembly_on_admitted *admitted, void *arg);
void assemblies_free(struct assemblies *as);
enum assembly_result assemblies_add(struct assemblies *as, struct agent *a,
    const struct wire_msg *m, int64_t now, struct assembly_whole *ret);
/* A whole one is stored, or given up. */
void assemblies_stored(struct assemblies *as, size_t aside, int64_t now);
/* To be called every now and then. */
void assemblies_tick(struct assemblies *as, int64_t now);
/* How many there are; bytes set aside and waiting. */
void assemblies_stats(
    const struct assemblies *as, uint64_t *ret_n, uint64_t *ret_bytes);

#endif
