/* SPDX-License-Identifier: MPL-2.0 */
/* One-time enrolment tokens and the command that uses one. */
#ifndef MIG_SERVER_CMD_ENROLCMD_H
#define MIG_SERVER_CMD_ENROLCMD_H

#include "base/buf.h"
#include "base/id.h"
#include "server/config.h"

#define TOKEN_HEX_LEN 64
#define KEY_PREFIX "mig-key-" /* before an API key's secret */

/* A random token in hex, and what the store keeps of it. */
int token_new(
    char ret_hex[static TOKEN_HEX_LEN + 1], struct id *ret_hash, struct err *e);
/* ERR_INVALID unless 64 hex digits. */
int token_hash(const char *hex, struct id *ret_hash);
/* Appends the complete command; policy NULL: none is set. */
void enrol_command(const struct server_conf *c, const struct id *ca_fpr,
    const char *token, const struct id *policy, struct buf *out);
/* "https://host:port" */
void server_origin(const struct server_conf *c, char *out, size_t size);

#endif
