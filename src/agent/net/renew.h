/* SPDX-License-Identifier: MPL-2.0 */
/*
 * net: renewal of the certificate before it ends.
 *
 *         due, at a welcome        certificate comes       connected with it
 *  OWN ---------------------> ASKED ---------------> TRYING ---------> OWN
 * (new) ^                           |  nothing comes       | cannot connect
 *   '---- asked again later ----'----------------------'
 *
 * The new key is made here and leaves this process for the monitor only, once
 * a connection with it was made; until then the old one is used. A net that
 * was taken over could hand over what nobody can connect with: so another
 * process looks at it first (renew_check).
 */
#ifndef MIG_AGENT_NET_RENEW_H
#define MIG_AGENT_NET_RENEW_H

#include "base/buf.h"
#include "base/id.h"

struct err;
struct renew;
struct ssl_ctx_st;

/* Texts are copied; NULL when out of memory or they are not good (e). */
struct renew *renew_new(const char *ca, const char *cert, const char *key,
    const struct id *agent, const char *peer, struct err *e);
void renew_free(struct renew *r);
/* The context for the next connection; borrowed. */
struct ssl_ctx_st *renew_ctx(const struct renew *r);
/* Is it time? Then spki is what to ask for; at most now and then. */
bool renew_due(struct renew *r, int64_t now, struct buf *ret_spki);
/* A certificate came (body of WIRE_CERTIFICATE). 0: to be tried by a new
 * connection. */
int renew_take(struct renew *r, const void *data, size_t len, struct err *e);
/* A connection was made. True when it was the trial: body then holds what the
 * monitor is to keep (F ca, F certificate, F key). */
bool renew_connected(struct renew *r, struct buf *body);
/* A connection ended or was not made. */
void renew_lost(struct renew *r);
/* Each ca, certificate, key: is new this agent's next after own, by the same
 * CA, and could a net start with it? ERR_NOMEM, ERR_INTERNAL: nobody knows. */
int renew_check(char *const own[3], char *const new[3], const struct id *agent,
    const char *peer, struct err *e);
/* Unix s. */
int64_t renew_end(const struct renew *r);

#endif
