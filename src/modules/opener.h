/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Looking into other processes takes two. The opener has the right to, and
 * reads nothing that came from outside: it lists the processes and hands out
 * descriptors that only read. The scanner, which reads the question and what
 * it finds, has no right at all; this header is its view.
 *
 *   scanner              opener
 *     NEXT         ->      the next process of /proc, or the end
 *     MAPS         ->      descriptor of its maps
 *     MEMORY       ->      descriptors of its smaps (else maps), mem, pagemap
 *     MOUNTS       ->      descriptor of the own mountinfo
 *
 * One request at a time; MAPS and MEMORY are about the last process, and fail
 * unless it is an ordinary one: nothing of the agent is given to anybody. The
 * descriptors are bound to that process: a number that is used again does no
 * harm.
 */
#ifndef MIG_MODULES_OPENER_H
#define MIG_MODULES_OPENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define OPENER_NAME_MAX 4096

enum opener_request {
	OPENER_NEXT = 1,
	OPENER_MAPS = 2,
	OPENER_MEMORY = 3,
	OPENER_MOUNTS = 4,
};

enum opener_kind {
	OPENER_ORDINARY = 0,
	OPENER_KERNEL = 1,   /* a thread of the kernel */
	OPENER_ZOMBIE = 2,   /* ended, not reaped yet: no memory left */
	OPENER_OWN = 3,      /* of this agent */
	OPENER_AGENT = 4,    /* runs this agent's program, but is not of it */
	OPENER_VANISHED = 5, /* ended while it was listed */
	OPENER_FAILED = 6,   /* cannot be looked at: see error */
};

struct opener_process {
	uint32_t pid;
	enum opener_kind kind;
	int error;    /* errno: why name is no path, or of OPENER_FAILED */
	bool named;   /* name is the executable's path; else "[comm]" */
	bool deleted; /* the executable is no longer there */
	char name[OPENER_NAME_MAX];
};

struct opener_memory {
	int maps, mem, pagemap; /* pagemap: -1 where there is none */
	bool detailed;          /* maps is smaps */
};

/* 1: a process; 0: there are no more; ERR_*: the opener is gone. */
int opener_next(int fd, struct opener_process *ret, struct err *e);
/* Of the last process. 0, an errno of the opener's, or ERR_*. The descriptors
 * are the caller's. */
int opener_maps(int fd, int *ret_maps, struct err *e);
int opener_memory(int fd, struct opener_memory *ret, struct err *e);
int opener_mounts(int fd, int *ret_mounts, struct err *e);

/* --- the opener's side: opener_serve.c ------------------------------------ */

struct opener_self {
	pid_t scanner;
	pid_t agent; /* the monitor; 0: by hand */
};

/* Serves until the other end is closed. */
void opener_serve(int fd, const struct opener_self *self);

/* How both sides pack what they say. */
struct opener_reply {
	int32_t status; /* 1 process, 0 end or success, else errno */
	int32_t error;
	uint32_t pid;
	uint8_t kind, named, deleted, detailed;
	uint32_t name_len; /* bytes that follow */
};

#endif
