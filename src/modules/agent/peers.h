/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Agents that run on this host, as anybody can see them in /proc (proc(5)): an
 * agent's monitor is a process "mig-agent" with a child "mig-agent-judge" or
 * "mig-agent-verify", whose argument says what the monitor is:
 *
 *   mig-agent-judge "version=0.1.0 mode=daemon id=HEX"
 *
 * A process that pretends to be one is believed: it is only ever shown, or
 * asked to end by who named it.
 */
#ifndef MIG_MODULES_AGENT_PEERS_H
#define MIG_MODULES_AGENT_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEERS_MAX 256
#define PEER_VERSION_MAX 32
#define PEER_LABEL_MAX 160

struct peer {
	pid_t pid; /* of the monitor */
	uint32_t uid;
	int64_t age;    /* seconds since it started */
	uint64_t start; /* the kernel's ticks: with pid, this very process */
	char version[PEER_VERSION_MAX];
	char mode[16];
	char id[65];
};

struct peers {
	struct peer list[PEERS_MAX];
	size_t n;
	bool more;   /* than fit */
	bool hidden; /* processes of other users are not shown (hidepid) */
};

/* What a monitor gives its roles as their argument. */
void peer_label(const char *version, const char *mode, const char *id,
    char out[static PEER_LABEL_MAX]);
/* proc: "/proc". ERR_IO when it cannot be read, or not to its
 * end: ret has those before. */
int peers_find(const char *proc, struct peers *ret);
/* NULL: there is none. */
const struct peer *peers_by_pid(const struct peers *p, pid_t pid);
/* Is this process still there, and still the same? */
bool peer_runs(const char *proc, pid_t pid, uint64_t start);

#endif
