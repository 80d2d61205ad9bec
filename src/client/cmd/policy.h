/* SPDX-License-Identifier: MPL-2.0 */
/* The `mig policy` commands, by file. */
#ifndef MIG_CLIENT_CMD_POLICY_H
#define MIG_CLIENT_CMD_POLICY_H

#include "client/policy/policy_file.h"

command_fn policy_cmd_edit, policy_cmd_sign, policy_cmd_push, policy_cmd_pin;
command_fn policy_cmd_status;

#endif
