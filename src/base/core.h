/* SPDX-License-Identifier: MPL-2.0 */
/* No core file of a process that holds keys. */
#ifndef MIG_BASE_CORE_H
#define MIG_BASE_CORE_H

/* At the start of a program: neither it nor what it starts leaves a core file
 * behind (RLIMIT_CORE, for good). Sandboxed processes cannot be dumped at all
 * (sandbox/sandbox.h); this is for commands given by hand, units say it too. */
void core_forbid(void);

#endif
