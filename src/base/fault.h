/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Named steps at which a test can kill a program, stop it or make a call fail.
 * What is installed links fault_none.c: nothing happens, nothing is read. The
 * programs of tests/fault/meson.build (fault.c) obey the control file named in
 * MIG_FAULT, which tests/fault/faultlib.py writes; HACKING.md says how to add a
 * point.
 */
#ifndef MIG_BASE_FAULT_H
#define MIG_BASE_FAULT_H

#include <stdint.h>

/* A step of the program; "part.step", each name once in the source. */
void fault_point(const char *name);
/* In front of a system call that can fail: 0, or errno is set to the value
 * returned and the call is to be taken as failed. what: a path or the like by
 * which a test can choose among users of the same code; may be NULL.
 *	if (fault_error("file.sync", path) != 0 || fsync(fd) != 0) */
int fault_error(const char *name, const char *what);
/* What a test adds to the wall clock. */
int64_t fault_clock_ms(void);
/* The environment of a child that gets none: NULL (empty), or MIG_FAULT. */
char *const *fault_env(void);

#endif
