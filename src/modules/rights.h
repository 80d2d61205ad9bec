/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Rights = wanted and there. One table: what each process of the agent wants,
 * how it has it, and what is not seen where it has not. Printed by mig-agent
 * check, carried by answers, and the source of doc/rights.md.
 */
#ifndef MIG_MODULES_RIGHTS_H
#define MIG_MODULES_RIGHTS_H

#include <stddef.h>
#include <stdint.h>

/* What was found to be there; the numbers cross from worker to check. */
enum right_fact {
	RIGHT_ROOT = 0x1,      /* started as user 0, perhaps a container's */
	RIGHT_USERS = 0x2,     /* may become other users, who exist here */
	RIGHT_KILL = 0x4,      /* may end their processes */
	RIGHT_READ = 0x8,      /* CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE */
	RIGHT_ALL_IDS = 0x10,  /* every user of the host exists here */
	RIGHT_MOUNT = 0x20,    /* a mount covers the agent's state */
	RIGHT_LANDLOCK = 0x40, /* in force, any version */
	RIGHT_HIDDEN = 0x80,   /* the agent's state is hidden somehow */
	RIGHT_CGROUP = 0x100,
	RIGHT_NO_AGENT = 0x200,  /* by hand: there is no state to hide */
	RIGHT_PROCESSES = 0x400, /* may look into every process */
	RIGHT_NETWORKS = 0x800,  /* may enter every network namespace */
	/* may open the memory of whom it may look into: no Yama forbids it */
	RIGHT_ATTACH = 0x1000,
	RIGHT_ECHO = 0x2000, /* may send ICMP echo requests */
	RIGHT_ANY = 0x3fff
};

struct right_way {
	uint32_t facts;     /* all of them are there */
	const char *had;    /* how it has what it wants */
	const char *unseen; /* what is then not seen or not held */
};

#define RIGHT_WAYS 6

struct right {
	const char *role, *module; /* module "": whichever */
	const char *wanted;
	struct right_way ways[RIGHT_WAYS]; /* the first that fits; the last
					      one wants nothing */
};

const struct right *rights_all(size_t *ret_n);
/* Never NULL. */
const struct right_way *right_way(const struct right *r, uint32_t facts);
/* What workers of a module that reads files see. */
const struct right_way *rights_of_files(uint32_t facts);
/* What workers of a module that looks into processes see. */
const struct right_way *rights_of_processes(uint32_t facts);

/* The columns of doc/rights.md. */
struct right_place {
	const char *name;
	uint32_t facts;
};
const struct right_place *rights_places(size_t *ret_n);

#endif
