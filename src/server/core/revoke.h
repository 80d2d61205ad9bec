/* SPDX-License-Identifier: MPL-2.0 */
/* Core: revoking agents; see revoke.c. */
#ifndef MIG_SERVER_CORE_REVOKE_H
#define MIG_SERVER_CORE_REVOKE_H

#include <stdint.h>

struct core;
struct err;
struct id;
struct ipc_msg;
struct rd;
struct revoke;
struct store;

struct revoke *revoke_new(void);
void revoke_free(struct revoke *r);
void revoke_request(struct core *c, uint32_t request, struct rd *rd);
/* The ca made a list. */
int revoke_on_ca(struct core *c, const struct ipc_msg *m);
/* Asks the ca for a list when one is wanted, and ends sessions once the relay
 * knows it. */
void revoke_tick(struct core *c, int64_t now);
/* One that is started anew has forgotten the question. */
void revoke_ca_lost(struct core *c);
/* Of a certificate that an agent is about to get; for the writer. */
int revoke_remember(
    struct store *s, const struct id *agent, const char *pem, struct err *e);

#endif
