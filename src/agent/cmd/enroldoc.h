/* SPDX-License-Identifier: MPL-2.0 */
/* The document that an agent signs to enrol, and to renew its certificate
 * (doc/protocol.md, sections 4 and 5). */
#ifndef MIG_AGENT_CMD_ENROLDOC_H
#define MIG_AGENT_CMD_ENROLDOC_H

#include "base/buf.h"
#include "base/id.h"

/* token: the digest of the enrolment token; all zeros for a renewal. spki: DER
 * of the TLS key's public half. out->error says when there was no memory. */
void enroldoc_write(const char *name, const struct id *token,
    const uint8_t *spki, size_t spki_len, struct buf *out);

#endif
