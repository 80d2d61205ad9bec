/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server's commands beside run: each takes its own arguments (argv[0] is
 * the command) and returns the program's exit status. */
#ifndef MIG_SERVER_CMD_COMMANDS_H
#define MIG_SERVER_CMD_COMMANDS_H

#include <stdbool.h>

#define EXIT_USAGE 2

/* Prints what a command takes and does; false: there is no such command. */
bool command_help(const char *name);

/* conf: path given with -c, or NULL. */
int command_init(const char *conf, int argc, char **argv);
int command_token(const char *conf, int argc, char **argv);
int command_investigator(const char *conf, int argc, char **argv);
int command_audit(const char *conf, int argc, char **argv);
int command_policy(const char *conf, int argc, char **argv);
int command_check(const char *conf, int argc, char **argv);
int command_backup(const char *conf, int argc, char **argv);
int command_restore(const char *conf, int argc, char **argv);
int command_renew(const char *conf, int argc, char **argv);
int command_prune(const char *conf, int argc, char **argv);
int command_status(const char *conf, int argc, char **argv);

#endif
