/* SPDX-License-Identifier: MPL-2.0 */
/* Commands that run the roles without a relay. Exit codes are returned. */
#ifndef MIG_AGENT_MONITOR_ONCE_H
#define MIG_AGENT_MONITOR_ONCE_H

#include <stdbool.h>

#define AGENT_USAGE 2 /* exit code: wrong usage */

struct buf;

/* Judges and runs one envelope file ("-": standard input); JSON result on
 * standard output. 0 run, 1 error, 3 refused. */
int once_main(const char *conf_path, const char *file);
/* Makes the state directory and an identity where they are missing. */
int init_main(const char *conf_path);
/* Checks a policy in the sandboxed roles and puts it in force. */
int policy_main(const char *conf_path, const char *file, bool force);
/* The same with one that was read already; name: for messages. */
int policy_put(const char *conf_path, const char *name, const struct buf *text,
    bool force);
/* Shows sandbox, rights, identity, policy, relay. */
int check_main(const char *conf_path, bool json);
/* Prints the agent's own record; since: a time or how long ago, or NULL. */
int report_main(const char *conf_path, const char *since, bool json);
/* Is it whole, and what the agent has signed of it before? mark: one more
 * statement to hold against it, "POSITION:HEAD", or NULL. */
int report_verify_main(const char *conf_path, const char *mark, bool json);

#endif
