/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control file of a test build: shared memory between a test and all
 * processes it has started. tests/fault/faultlib.py knows the same layout.
 * A slot's fields are written before its state; what is fired is disarmed, so
 * that the process started anew goes on.
 */
#ifndef MIG_BASE_FAULT_CONTROL_H
#define MIG_BASE_FAULT_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

#define FAULT_MAGIC "MIGFLT1"
#define FAULT_SLOTS 32
#define FAULT_ALLOCS 8
#define FAULT_PASSES 512

enum fault_state {
	FAULT_FREE = 0,
	FAULT_ARMED = 1,
	FAULT_FIRED = 2,
};

enum fault_action {
	FAULT_KILL = 1,  /* as by SIGKILL */
	FAULT_HANG = 2,  /* until released; the test may do anything to pid */
	FAULT_ERROR = 3, /* arg: errno */
	FAULT_ALLOC = 4, /* arg: from here the n-th allocation fails */
};

struct fault_alloc {
	_Atomic uint32_t state;
	_Atomic int32_t countdown; /* the n-th from now fails */
	_Atomic int32_t times;     /* and so many from there */
	_Atomic uint32_t seen, fired, pid;
	char program[40]; /* "": any */
};

struct fault_slot {
	_Atomic uint32_t state;
	uint32_t action, arg;
	_Atomic int32_t countdown, times;
	_Atomic uint32_t fired, pid, released;
	char program[32]; /* "": any */
	char name[48];
	char what[80]; /* "": any, else part of fault_error's what */
};

/* How often a program has come to a point. */
struct fault_pass {
	_Atomic uint32_t state; /* 0 free, 1 being written, 2 in use */
	_Atomic uint32_t count, pid;
	uint32_t spare;
	char program[24];
	char name[40];
};

/* Allocations that these libraries make themselves are left alone. */
#define FAULT_SPARE_CRYPTO 1u /* OpenSSL and GPGME */
#define FAULT_SPARE_LIBC 2u

struct fault_control {
	char magic[8];
	_Atomic int64_t clock_ms;
	_Atomic uint32_t spare_fragile; /* FAULT_SPARE_* */
	uint32_t spare[11];
	struct fault_alloc allocs[FAULT_ALLOCS];
	struct fault_slot slots[FAULT_SLOTS];
	struct fault_pass passes[FAULT_PASSES];
};

/* NULL until it is mapped. */
extern struct fault_control *fault_control;

/* Looks where the libraries are whose own allocations may be left alone. */
void fault_alloc_libraries(void);
/* From here the n-th allocation of this process and times - 1 more fail. */
void fault_alloc_from_here(int32_t n, int32_t times);

#endif
